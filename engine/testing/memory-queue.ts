import type { Clock } from '../base/index.ts';
import type {
  MessageQueue,
  NewMessage,
  QueuedMessage,
  Work,
  WorkItem,
  WorkOutcome,
  WorkSpec,
} from '../edges/index.ts';

type Handle = (item: WorkItem, signal: AbortSignal) => Promise<WorkOutcome>;

interface Waiting {
  readonly message: QueuedMessage;
  readonly attempt: number;
}

/** Work of one name, of all who share it. */
interface Shared {
  subjects: readonly string[];
  readonly waiting: Waiting[];
  readonly workers: Set<MemoryWork>;
  unfinished: number;
}

const FAILED_AGAIN_MS = 10;

/** Runs something after a while, ms. */
type Later = (after_ms: number, run: () => void) => void;

const realLater: Later = (after_ms, run) => void setTimeout(run, after_ms).unref();

/**
 * A queue in memory, for tests: what one process may expect of a real one, without leases. `later` is when a message
 * comes again; by default the machine's time decides.
 */
export class MemoryMessageQueue implements MessageQueue {
  readonly #clock: Clock;
  readonly #later: Later;
  readonly #messages = new Map<number, QueuedMessage>();
  readonly #ids = new Map<string, number>();
  readonly #works = new Map<string, Shared>();
  #sequence = 0;

  constructor(clock: Clock, later: Later = realLater) {
    this.#clock = clock;
    this.#later = later;
  }

  async append({
    subject,
    id,
    data,
  }: NewMessage): Promise<{ readonly sequence: number; readonly isRepeat: boolean }> {
    const known = this.#ids.get(id);
    if (known !== undefined) return { sequence: known, isRepeat: true };
    const sequence = ++this.#sequence;
    const stored_at_ms = this.#clock.now();
    const message = { sequence, subject, data, stored_at_ms, header: () => undefined };
    this.#messages.set(sequence, message);
    this.#ids.set(id, sequence);
    for (const shared of this.#works.values()) {
      if (!shared.subjects.some((pattern) => matches(pattern, subject))) continue;
      shared.waiting.push({ message, attempt: 1 });
      wake(shared);
    }
    return { sequence, isRepeat: false };
  }

  async read(sequence: number): Promise<QueuedMessage | undefined> {
    return this.#messages.get(sequence);
  }

  async list(subject: string): Promise<readonly QueuedMessage[]> {
    return [...this.#messages.values()].filter((message) => message.subject === subject);
  }

  async newest(pattern: string, max: number, before = Number.POSITIVE_INFINITY): Promise<QueuedMessage[]> {
    return [...this.#messages.values()]
      .filter(({ sequence, subject }) => sequence < before && matches(pattern, subject))
      .reverse()
      .slice(0, max);
  }

  async oldest(): Promise<QueuedMessage | undefined> {
    return this.#messages.values().next().value;
  }

  async subjects(pattern: string): Promise<readonly string[]> {
    const all = [...this.#messages.values()].map(({ subject }) => subject);
    return [...new Set(all)].filter((subject) => matches(pattern, subject));
  }

  async purge(subject: string): Promise<void> {
    for (const [sequence, message] of this.#messages) {
      if (message.subject === subject) this.#messages.delete(sequence);
    }
  }

  work(spec: WorkSpec, handle: Handle): Work {
    const shared = this.#works.get(spec.name) ?? this.#begun(spec);
    this.#works.set(spec.name, shared);
    shared.subjects = spec.subjects;
    const work = new MemoryWork(shared, spec, handle, this.#later);
    shared.workers.add(work);
    work.take();
    return work;
  }

  #begun({ subjects, from_ms }: WorkSpec): Shared {
    const waiting = [...this.#messages.values()]
      .filter(({ stored_at_ms }) => stored_at_ms >= from_ms)
      .filter(({ subject }) => subjects.some((pattern) => matches(pattern, subject)))
      .map((message) => ({ message, attempt: 1 }));
    return { subjects, waiting, workers: new Set(), unfinished: 0 };
  }

  async isHeld(name: string, first: number, last: number): Promise<boolean> {
    const workers = [...(this.#works.get(name)?.workers ?? [])];
    return workers.some((worker) => worker.sequences.some((one) => one >= first && one <= last));
  }

  async forget(name: string): Promise<void> {
    this.#works.delete(name);
  }
}

class MemoryWork implements Work {
  readonly problem = undefined;
  readonly #shared: Shared;
  readonly #spec: WorkSpec;
  readonly #handle: Handle;
  readonly #cut = new AbortController();
  readonly #held = new Map<Promise<void>, number>();
  readonly #later: Later;

  constructor(shared: Shared, spec: WorkSpec, handle: Handle, later: Later) {
    this.#later = later;
    this.#shared = shared;
    this.#spec = spec;
    this.#handle = handle;
  }

  get held(): number {
    return this.#held.size;
  }

  /** Of what it holds. */
  get sequences(): readonly number[] {
    return [...this.#held.values()];
  }

  change(subjects: readonly string[]): void {
    this.#shared.subjects = subjects;
  }

  take(): void {
    const { waiting, workers } = this.#shared;
    const { held_max, unfinished_max } = this.#spec;
    while (workers.has(this) && this.#held.size < held_max && this.#shared.unfinished < unfinished_max) {
      const next = waiting.shift();
      if (next === undefined) return;
      this.#shared.unfinished += 1;
      const working = this.#work(next).finally(() => {
        this.#held.delete(working);
        wake(this.#shared);
      });
      this.#held.set(working, next.message.sequence);
    }
  }

  async #work({ message, attempt }: Waiting): Promise<void> {
    const outcome = await this.#outcomeOf({ ...message, attempt });
    if (outcome === 'done') {
      this.#shared.unfinished -= 1;
      return;
    }
    this.#later(outcome.again_ms, () => {
      this.#shared.unfinished -= 1;
      this.#shared.waiting.push({ message, attempt: attempt + 1 });
      wake(this.#shared);
    });
  }

  async #outcomeOf(item: WorkItem): Promise<WorkOutcome> {
    try {
      return await this.#handle(item, this.#cut.signal);
    } catch {
      // As of a process that failed: it comes again.
      return { again_ms: FAILED_AGAIN_MS };
    }
  }

  async stop(): Promise<void> {
    this.#shared.workers.delete(this);
    this.#cut.abort();
    await Promise.all(this.#held.keys());
  }
}

function wake({ workers }: Shared): void {
  for (const worker of workers) worker.take();
}

/** Whether a subject is one of a pattern of NATS. */
function matches(pattern: string, subject: string): boolean {
  const tokens = subject.split('.');
  const wanted = pattern.split('.');
  for (const [at, token] of wanted.entries()) {
    if (token === '>') return tokens.length > at;
    if (token !== '*' && token !== tokens[at]) return false;
  }
  return wanted.length === tokens.length;
}
