import type { SeededRandom } from '../base/index.ts';
import type { Appended, ChainEnd, ChainLog } from '../channels/index.ts';

/** A message in the stream of a cut. */
export interface ChainMessage {
  readonly sequence: number;
  readonly subject: string;
  readonly bytes: Uint8Array;
  readonly stored_ms: number;
}

/** A request that the server has not seen yet, or an answer that has not come. */
interface Open {
  run(): void;
}

export interface SimulatedChainsOptions {
  readonly random: SeededRandom;
  /** Requests are lost, late and stored without an answer. */
  readonly faults: boolean;
  readonly now: () => number;
  /** Messages that a channel holds, at most. Default: any number. */
  readonly channel_max_messages?: number;
  /** What a control switches off: appends are stored whatever the channel ends with. */
  readonly isUnchecked?: boolean;
}

/**
 * The stream of a cut as a model: one order of all messages, compare-and-set by channel, a limit by channel that refuses
 * what is new. With faults a request may be lost, seen later (also when whoever sent it is gone), or be carried out
 * without an answer. `deliver` lets what is on its way arrive.
 */
export class SimulatedChains implements ChainLog {
  readonly #options: SimulatedChainsOptions;
  /** What is left, in order. */
  messages: ChainMessage[] = [];
  /** All that were ever stored. */
  readonly all: ChainMessage[] = [];
  readonly #ends = new Map<string, ChainMessage>();
  readonly #counts = new Map<string, number>();
  #open: Open[] = [];
  #faults: boolean;
  #last = 0;
  #max_messages: number;
  refused = 0;
  full = 0;

  constructor(options: SimulatedChainsOptions) {
    this.#options = options;
    this.#faults = options.faults;
    this.#max_messages = options.channel_max_messages ?? Number.POSITIVE_INFINITY;
  }

  /** From now on a channel takes any number of messages. */
  unbound(): void {
    this.#max_messages = Number.POSITIVE_INFINITY;
  }

  get lastSequence(): number {
    return this.#last;
  }

  get firstSequence(): number {
    return this.messages[0]?.sequence ?? this.#last + 1;
  }

  /** Requests and answers on their way. */
  get open(): number {
    return this.#open.length;
  }

  append(subject: string, bytes: Uint8Array, last: number): Promise<Appended> {
    const copy = Uint8Array.from(bytes);
    return this.#request(() => this.#append(subject, copy, last));
  }

  last(subject: string): Promise<ChainEnd | undefined> {
    // A server that was away, and thinks that it leads, knows an older end.
    const isStale = this.#faults && this.#options.random.chance(0.02);
    return this.#request(() => (isStale ? this.#olderEnd(subject) : this.#ends.get(subject)));
  }

  #olderEnd(subject: string): ChainEnd | undefined {
    const end = this.#ends.get(subject);
    return this.all.findLast((message) => message.subject === subject && message !== end);
  }

  #append(subject: string, bytes: Uint8Array, last: number): Appended {
    const { isUnchecked = false, now } = this.#options;
    if (!isUnchecked && (this.#ends.get(subject)?.sequence ?? 0) !== last) {
      this.refused++;
      return { kind: 'refused' };
    }
    const count = this.#counts.get(subject) ?? 0;
    if (count >= this.#max_messages) {
      this.full++;
      return { kind: 'full' };
    }
    const message = { sequence: ++this.#last, subject, bytes, stored_ms: now() };
    this.messages.push(message);
    this.all.push(message);
    this.#ends.set(subject, message);
    this.#counts.set(subject, count + 1);
    return { kind: 'stored', sequence: message.sequence };
  }

  #request<T>(work: () => T): Promise<T> {
    const fate = this.#faults ? this.#options.random.int(0, 99) : 99;
    return new Promise((resolve, reject) => {
      const fail = (): void => reject(new Error('simulated: no answer'));
      if (fate < 4) fail();
      else if (fate < 8) {
        work();
        fail();
      } else if (fate < 12) {
        // Whoever asked has given up when it arrives.
        this.#open.push({ run: () => void work() });
        fail();
      } else if (fate < 35) this.#open.push({ run: () => resolve(work()) });
      else if (fate < 55) {
        const result = work();
        this.#open.push({ run: () => resolve(result) });
      } else resolve(work());
    });
  }

  /** Some of what is on its way arrives, in any order. */
  deliver(): void {
    const open = this.#options.random.shuffled(this.#open);
    const count = this.#faults ? this.#options.random.int(0, open.length) : open.length;
    this.#open = open.slice(count);
    for (const { run } of open.slice(0, count)) run();
  }

  /** From now on each request is carried out and answered at once. */
  calm(): void {
    this.#faults = false;
    this.deliver();
  }

  /** Removes what lies before a sequence in some channels. */
  purge(isIn: (subject: string) => boolean, before: number): void {
    this.#remove(({ subject, sequence }) => isIn(subject) && sequence < before);
  }

  /** Removes all of a channel, its end too: what must never happen. */
  purgeAll(channel: string): void {
    this.#remove(({ subject }) => subject === channel);
    this.#ends.delete(channel);
  }

  #remove(isGone: (message: ChainMessage) => boolean): void {
    for (const message of this.messages) {
      if (isGone(message)) this.#counts.set(message.subject, (this.#counts.get(message.subject) ?? 1) - 1);
    }
    this.messages = this.messages.filter((message) => !isGone(message));
  }
}
