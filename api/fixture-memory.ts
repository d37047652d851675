import type { PayloadSource, StoredMessage } from '../analytics/index.ts';
import {
  type KeyValueChange,
  type KeyValueDelete,
  type KeyValueEntry,
  type KeyValueStore,
  type KeyValueWrite,
  type ManualClock,
  type MemoryMessageQueue,
  MillraceError,
  type OutMessage,
  type Source,
  type SourceRecord,
} from '../engine/index.ts';
import type { AnomalyFeed, EventMessage, EventPublisher, StreamEnd, StreamHead } from './http/index.ts';

/** A bucket with the semantics of NATS KV. */
export class MemoryKeyValueStore implements KeyValueStore {
  readonly #entries = new Map<string, KeyValueEntry>();
  readonly #watchers = new Set<(change: KeyValueChange) => void>();
  #revision = 0;
  #incarnation = 1;
  #isLost = false;
  /** Set: every call fails as when the server is away. */
  away = false;

  async get(key: string): Promise<KeyValueEntry | undefined> {
    this.#reach();
    return this.#entries.get(key);
  }

  async create(key: string, value: unknown): Promise<KeyValueWrite> {
    this.#reach();
    const current = this.#entries.get(key);
    return current === undefined ? this.#put(key, value) : { ok: false, current };
  }

  async update(key: string, value: unknown, revision: number): Promise<KeyValueWrite> {
    this.#reach();
    const current = this.#entries.get(key);
    return current?.revision === revision ? this.#put(key, value) : { ok: false, current };
  }

  async delete(key: string, revision?: number): Promise<KeyValueDelete> {
    this.#reach();
    const current = this.#entries.get(key);
    if (revision !== undefined && current?.revision !== revision) return { ok: false, current };
    if (this.#entries.delete(key)) this.#tell({ kind: 'delete', key });
    return { ok: true };
  }

  /** The bucket is deleted, with all that is in it. */
  lose(): void {
    this.#entries.clear();
    this.#isLost = true;
  }

  async ensure(after_revision: number): Promise<boolean> {
    const wasLost = this.#isLost;
    this.#isLost = false;
    this.#reach();
    if (!wasLost) return false;
    this.#revision = after_revision;
    this.#incarnation++;
    return true;
  }

  async incarnation(): Promise<string> {
    this.#reach();
    return String(this.#incarnation);
  }

  async list(): Promise<readonly KeyValueEntry[]> {
    this.#reach();
    return [...this.#entries.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  async watch(onChange: (change: KeyValueChange) => void): Promise<() => Promise<void>> {
    this.#reach();
    for (const entry of this.#entries.values()) onChange({ kind: 'put', ...entry });
    this.#watchers.add(onChange);
    return async () => {
      this.#watchers.delete(onChange);
    };
  }

  #reach(): void {
    if (!this.away && !this.#isLost) return;
    throw new MillraceError('kv_unavailable', 'The bucket is away.', { retriable: true });
  }

  #put(key: string, value: unknown): KeyValueWrite {
    // Through JSON, as on the wire.
    const entry = { key, value: JSON.parse(JSON.stringify(value)) as unknown, revision: ++this.#revision };
    this.#entries.set(key, entry);
    this.#tell({ kind: 'put', ...entry });
    return { ok: true, revision: entry.revision };
  }

  #tell(change: KeyValueChange): void {
    for (const watcher of this.#watchers) watcher(change);
  }
}

/** The stream ANOMALIES. */
export class MemoryFeed implements AnomalyFeed {
  readonly #messages: Pick<OutMessage, 'subject' | 'payload'>[] = [];
  readonly #waiting = new Set<() => void>();

  take(message: OutMessage): Promise<void> {
    if (message.subject.startsWith('anomalies.')) this.#messages.push(message);
    for (const wake of this.#waiting) wake();
    return Promise.resolve();
  }

  publish(message: EventMessage): Promise<void> {
    this.#messages.push(message);
    for (const wake of this.#waiting) wake();
    return Promise.resolve();
  }

  last(): Promise<number> {
    return Promise.resolve(this.#messages.length);
  }

  latest(subject: string): Promise<Uint8Array | undefined> {
    return Promise.resolve(this.#messages.findLast((message) => message.subject === subject)?.payload);
  }

  async next(
    tenant: string,
    after: number,
    signal: AbortSignal,
  ): Promise<{ readonly sequence: number; readonly data: Uint8Array }> {
    for (;;) {
      signal.throwIfAborted();
      const isNext = ({ subject }: Pick<OutMessage, 'subject'>, at: number): boolean =>
        at >= after && subject.startsWith(`anomalies.${tenant}.`);
      const at = this.#messages.findIndex(isNext);
      const message = this.#messages[at];
      if (message !== undefined) return { sequence: at + 1, data: message.payload };
      let wake: () => void = () => undefined;
      await new Promise<void>((resolve) => {
        wake = resolve;
        this.#waiting.add(wake);
        signal.addEventListener('abort', wake, { once: true });
      });
      this.#waiting.delete(wake);
    }
  }
}

/** Takes what is posted, and answers as a test says. */
export class MemoryHttp {
  readonly posted: {
    readonly url: string;
    readonly headers: Readonly<Record<string, string>>;
    body: string;
  }[] = [];
  status = 204;
  /** Hosts that are refused. */
  readonly forbidden = new Set<string>();

  async post({
    url,
    headers,
    body,
  }: {
    readonly url: string;
    readonly headers: Readonly<Record<string, string>>;
    readonly body: string | Uint8Array;
  }): Promise<{ readonly status: number; readonly text: string }> {
    await this.check(url);
    this.posted.push({ url, headers, body: Buffer.from(body).toString() });
    return { status: this.status, text: '' };
  }

  /** Nothing is there. */
  async get(): Promise<{ readonly status: number; readonly contentType: string; readonly body: Uint8Array }> {
    return { status: 404, contentType: '', body: new Uint8Array(0) };
  }

  async check(url: string): Promise<void> {
    if (!this.forbidden.has(new URL(url).hostname)) return;
    throw new MillraceError('target_forbidden', 'It is private.');
  }
}

/** The stream EVENTS: what is published gets a sequence, repeated message ids are stored once. */
export class MemoryStream implements EventPublisher, StreamHead {
  readonly messages: EventMessage[] = [];
  readonly #ids = new Map<string, number>();
  readonly #clock: ManualClock;
  away = false;
  /** Publishes that are held. */
  waiting = 0;
  /** Awaited by each publish: a test can hold it. */
  gate: Promise<void> = Promise.resolve();
  /** The same messages for those who work on them. */
  readonly #queue: MemoryMessageQueue | undefined;

  constructor(clock: ManualClock, queue?: MemoryMessageQueue) {
    this.#clock = clock;
    this.#queue = queue;
  }

  async publishAll(messages: readonly EventMessage[]): Promise<{ sequences: number[] }> {
    this.waiting += 1;
    await this.gate;
    this.waiting -= 1;
    if (this.away) throw new MillraceError('stream_unavailable', 'The stream is away.', { retriable: true });
    return { sequences: messages.map((message) => this.#store(message)) };
  }

  #store(message: EventMessage): number {
    const known = message.id === undefined ? undefined : this.#ids.get(message.id);
    if (known !== undefined) return known;
    this.messages.push(message);
    const sequence = this.messages.length;
    if (message.id !== undefined) this.#ids.set(message.id, sequence);
    void this.#queue?.append({ subject: message.subject, id: String(sequence), data: message.payload });
    return sequence;
  }

  async head(): Promise<StreamEnd> {
    if (this.away) throw new MillraceError('stream_unavailable', 'The stream is away.', { retriable: true });
    return { sequence: this.messages.length, incarnation: 'memory' };
  }

  headHint(): { sequence: number; heard_at_ms: number } | undefined {
    return this.away ? undefined : { sequence: this.messages.length, heard_at_ms: this.#clock.now() };
  }

  /** The messages again, as they were sent. */
  payloads(): PayloadSource {
    const at = (sequence: number): StoredMessage | null => {
      const message = this.messages[sequence - 1];
      return message === undefined
        ? null
        : { sequence, subject: message.subject, data: message.payload, header: () => undefined };
    };
    const { messages } = this;
    return {
      fetch: async (sequences) => new Map(sequences.map((sequence) => [sequence, at(sequence)])),
      async *read(from, to) {
        for (let sequence = from; sequence <= Math.min(to, messages.length); sequence++) {
          const message = at(sequence);
          if (message !== null) yield message;
        }
      },
      firstSequence: async () => 1,
    };
  }

  /** Reads the stream as partition 0. */
  source(): Source {
    let next = 1;
    const record = (message: EventMessage, sequence: number): SourceRecord => ({
      sequence,
      subject: message.subject,
      data: message.payload,
      hasHeaders: false,
      header: () => undefined,
    });
    return {
      partition: '0',
      facts: async () => ({
        stream: 'EVENTS',
        incarnation: 'memory',
        firstSequence: 1,
        lastSequence: this.messages.length,
      }),
      start: async (after) => {
        next = after + 1;
      },
      take: async ({ max }) => {
        const taken = this.messages.slice(next - 1, next - 1 + max);
        const records = taken.map((message, index) => record(message, next + index));
        next += records.length;
        return records;
      },
      state: () => ({
        headSequence: this.messages.length,
        caughtUp: next > this.messages.length,
        connected: true,
        skipped: 0,
      }),
      stop: async () => {},
    };
  }
}
