import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import { ByteReader, ByteWriter, MillraceError } from '../base/index.ts';
import type { KvTable } from '../state/index.ts';

/** A message that a task owes the outside. `id` is deterministic, so that a repeated send is recognised. */
export interface OutMessage {
  readonly id: string;
  readonly subject: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly payload: Uint8Array;
  /** Need not keep its place among the messages of its subject, so that many are in flight at once. */
  readonly unordered?: true;
  /** The id says the place in a stream and no more: the engine adds which stream, topology and operator. */
  readonly isLocalId?: true;
}

/** Sends outbox messages. Resolves when the receiver has stored it; rejects when that is not known. */
export interface Publisher {
  publish(message: OutMessage): Promise<void>;
  /** Messages of a subject that may be in flight at once; with more than one their order is not kept. Default: 1. */
  maxInFlight?(subject: string): number;
}

export const OUTBOX_TABLE = 'outbox';

export interface OutboxLimits {
  /** Rows owed at most before the task stops taking input, in messages. */
  readonly max_rows: number;
  /** Sends without an answer, of all subjects together, in messages. */
  readonly window: number;
  /** Pause before a failed send is repeated, ms. */
  readonly retry_ms: number;
}

/** Limits of a task's outbox where the task is not given others. */
export const DEFAULT_OUTBOX_LIMITS: OutboxLimits = { max_rows: 20_000, window: 256, retry_ms: 500 };

interface Owed {
  readonly row: number;
  readonly message: OutMessage;
}

/** Sends of one subject. */
interface Lane {
  readonly subject: string;
  readonly waiting: Fifo<Owed>;
  in_flight: number;
}

/**
 * Messages that are written with the commit and sent after it. A row goes when its receiver has acknowledged
 * it, in a later commit: a crash in between repeats the send, with the same id.
 *
 * Order is kept for each subject, whatever fails and across restarts: a message is sent when the receiver has
 * acknowledged or refused for good the one before it, and a failed send is repeated until then. More than that
 * cannot be had of a stream: of messages in flight together an earlier one may be lost and a later one stored,
 * and no header of JetStream makes the later one depend on it unless its sequence is known, or the stream has
 * no other writer. So one subject has one message for each round trip; subjects do not wait for each other, but
 * for one of the `window` places, which a message also keeps between a failed send and its repeat.
 * `unordered` messages wait for no other.
 */
export class Outbox {
  readonly #table: KvTable;
  readonly #publisher: Publisher;
  readonly #limits: OutboxLimits;
  readonly #onRefused: (message: OutMessage, error: MillraceError) => void;
  #next: number;
  #staged: OutMessage[] = [];
  /** Committed rows that have neither a place nor a lane to wait in, in order. */
  readonly #queue = new Fifo<Owed>();
  /** Of the subjects that have a message in flight. What waits in one is older than what is in the queue. */
  readonly #lanes = new Map<string, Lane>();
  /** Committed and without a final answer, in flight or not. */
  #unsettled = 0;
  #in_flight = 0;
  #acknowledged: number[] = [];
  #stopped = false;
  #retries = 0;
  #roomWaiters: (() => void)[] = [];

  /** `onRefused` hears of messages that the receiver will never take; they are not sent again. */
  constructor(
    table: KvTable,
    publisher: Publisher,
    next: number,
    limits: OutboxLimits,
    onRefused: (message: OutMessage, error: MillraceError) => void,
  ) {
    this.#table = table;
    this.#onRefused = onRefused;
    this.#publisher = publisher;
    this.#limits = limits;
    this.#next = next;
    for (const { key, value } of table.scan()) {
      this.#owe({ row: new ByteReader(key).u48(), message: decodeMessage(value) });
    }
  }

  get next(): number {
    return this.#next;
  }

  /** Messages that are owed: staged, committed, or in flight. */
  get owed(): number {
    return this.#staged.length + this.#unsettled;
  }

  get hasChanges(): boolean {
    return this.#staged.length > 0 || this.#acknowledged.length > 0;
  }

  get retries(): number {
    return this.#retries;
  }

  stage(message: OutMessage): void {
    // The payload may be a view of a receive buffer that is reused before the commit.
    this.#staged.push({ ...message, payload: Uint8Array.from(message.payload) });
  }

  /** Inside the commit: writes what is staged, removes what was acknowledged. `sendCommitted` follows it. */
  flush(): { sendCommitted(): void } {
    const rows = this.#staged.map((message) => ({ row: this.#next++, message }));
    const writer = new ByteWriter();
    for (const { row, message } of rows) this.#table.put(rowKey(row), encodeMessage(writer, message));
    for (const row of this.#acknowledged) this.#table.remove(rowKey(row));
    this.#staged = [];
    this.#acknowledged = [];
    return {
      sendCommitted: () => {
        // One by one: a flood of dead letters has more rows than a call takes arguments.
        for (const row of rows) this.#owe(row);
        this.pump();
      },
    };
  }

  #owe(entry: Owed): void {
    this.#queue.push(entry);
    this.#unsettled++;
  }

  /** Starts as many sends as the window and the order of the subjects allow. */
  pump(): void {
    while (!this.#stopped && this.#in_flight < this.#limits.window) {
      const entry = this.#queue.shift();
      if (entry === undefined) return;
      const lane = this.#laneOf(entry.message);
      if (lane !== undefined && lane.in_flight >= this.#maxInFlight(lane)) lane.waiting.push(entry);
      else this.#start(entry, lane);
    }
  }

  #laneOf({ subject, unordered }: OutMessage): Lane | undefined {
    if (unordered === true) return undefined;
    let lane = this.#lanes.get(subject);
    if (lane === undefined) {
      lane = { subject, waiting: new Fifo(), in_flight: 0 };
      this.#lanes.set(subject, lane);
    }
    return lane;
  }

  #maxInFlight({ subject }: Lane): number {
    return this.#publisher.maxInFlight?.(subject) ?? 1;
  }

  #start(entry: Owed, lane: Lane | undefined): void {
    this.#in_flight++;
    if (lane !== undefined) lane.in_flight++;
    this.#deliver(entry, lane).catch(() => {
      // #deliver handles every failure of the publisher itself and never rejects.
    });
  }

  /** Sends until there is a final answer. */
  async #deliver(entry: Owed, lane: Lane | undefined): Promise<void> {
    while (!(await this.#send(entry))) {
      const { retry_ms } = this.#limits;
      // Without a pause repeats keep their order, which timers of the same time do not: the simulation depends on it.
      await (retry_ms > 0 ? sleep(retry_ms, undefined, { ref: false }) : setImmediate());
      if (this.#stopped) return;
    }
    this.#acknowledged.push(entry.row);
    this.#unsettled--;
    this.#in_flight--;
    if (lane !== undefined) this.#leave(lane);
    this.pump();
    if (this.owed < this.#limits.max_rows) {
      for (const wake of this.#roomWaiters.splice(0)) wake();
    }
  }

  /** True when the answer is final. */
  async #send({ message }: Owed): Promise<boolean> {
    try {
      await this.#publisher.publish(message);
      return true;
    } catch (error) {
      if (error instanceof MillraceError && !error.retriable) {
        // It would be refused for ever, and hold up everything behind it.
        this.#onRefused(message, error);
        return true;
      }
      // Not knowing is not "not stored": the same id makes the repeat harmless.
      this.#retries++;
      return false;
    }
  }

  /** The place that has become free is the next one's of the same subject. */
  #leave(lane: Lane): void {
    lane.in_flight--;
    const next = this.#stopped ? undefined : lane.waiting.shift();
    if (next !== undefined) this.#start(next, lane);
    else if (lane.in_flight === 0) this.#lanes.delete(lane.subject);
  }

  /** Resolves when less than `max_rows` are owed: the task takes no input before. */
  room(): Promise<void> {
    if (this.#stopped || this.owed < this.#limits.max_rows) return Promise.resolve();
    return new Promise((resolve) => this.#roomWaiters.push(resolve));
  }

  stop(): void {
    this.#stopped = true;
    for (const wake of this.#roomWaiters.splice(0)) wake();
  }
}

/** A queue that is emptied from the front without moving what is behind. */
class Fifo<T> {
  #items: (T | undefined)[] = [];
  #first = 0;

  push(item: T): void {
    this.#items.push(item);
  }

  shift(): T | undefined {
    const item = this.#items[this.#first];
    if (item === undefined) return undefined;
    this.#items[this.#first++] = undefined;
    if (this.#first * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#first);
      this.#first = 0;
    }
    return item;
  }
}

function rowKey(row: number): Uint8Array {
  return new ByteWriter().u48(row).copy();
}

function encodeMessage(writer: ByteWriter, { id, subject, headers, payload }: OutMessage): Uint8Array {
  const entries = Object.entries(headers);
  writer.reset().string(id).string(subject).varint(entries.length);
  for (const [name, value] of entries) writer.string(name).string(value);
  return writer.bytes(payload).view();
}

function decodeMessage(bytes: Uint8Array): OutMessage {
  const reader = new ByteReader(bytes);
  const id = reader.string();
  const subject = reader.string();
  const headers: Record<string, string> = {};
  for (let left = reader.varint(); left > 0; left--) {
    const name = reader.string();
    headers[name] = reader.string();
  }
  return { id, subject, headers, payload: Uint8Array.from(reader.bytes(reader.remaining)) };
}
