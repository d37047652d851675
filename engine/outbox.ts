import { ByteReader, ByteWriter } from './bytes.ts';
import { MillraceError } from './errors.ts';
import type { KvTable } from './kv.ts';

/** A message that a task owes the outside. `id` is deterministic, so that a repeated send is recognised. */
export interface OutMessage {
  readonly id: string;
  readonly subject: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly payload: Uint8Array;
}

/** Sends outbox messages. Resolves when the receiver has stored it; rejects when that is not known. */
export interface Publisher {
  publish(message: OutMessage): Promise<void>;
}

export const OUTBOX_TABLE = 'outbox';

export interface OutboxLimits {
  /** Rows owed at most before the task stops taking input, in messages. */
  readonly max_rows: number;
  /** Sends in flight, in messages. */
  readonly window: number;
  /** Pause before a failed send is repeated, ms. */
  readonly retry_ms: number;
}

export const DEFAULT_OUTBOX_LIMITS: OutboxLimits = { max_rows: 20_000, window: 256, retry_ms: 500 };

interface Owed {
  readonly row: number;
  readonly message: OutMessage;
}

/**
 * Messages that are written with the commit and sent after it, in order: after a failed send no other begins
 * until what is in flight has its answer and what failed is repeated, the oldest first. A row goes when its receiver has
 * acknowledged it, in a later commit: a crash in between repeats the send, with the same id.
 */
export class Outbox {
  readonly #table: KvTable;
  readonly #publisher: Publisher;
  readonly #limits: OutboxLimits;
  readonly #onRefused: (message: OutMessage, error: MillraceError) => void;
  #next: number;
  #staged: OutMessage[] = [];
  /** Committed rows that wait for their first or next send, in order. */
  readonly #queue: Owed[] = [];
  /** Whose send failed; until they are repeated nothing behind them is sent. */
  #failed: Owed[] = [];
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
      this.#queue.push({ row: new ByteReader(key).u48(), message: decodeMessage(value) });
    }
  }

  get next(): number {
    return this.#next;
  }

  /** Messages that are owed: staged, committed, or in flight. */
  get owed(): number {
    return this.#staged.length + this.#queue.length + this.#failed.length + this.#in_flight;
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
        for (const row of rows) this.#queue.push(row);
        this.pump();
      },
    };
  }

  /** Starts as many sends as the window allows. */
  pump(): void {
    while (!this.#stopped && this.#failed.length === 0 && this.#in_flight < this.#limits.window) {
      const entry = this.#queue.shift();
      if (entry === undefined) return;
      this.#in_flight++;
      this.#send(entry).catch(() => {
        // #send handles every failure of the publisher itself and never rejects.
      });
    }
  }

  async #send(entry: Owed): Promise<void> {
    const { row, message } = entry;
    try {
      await this.#publisher.publish(message);
      this.#acknowledged.push(row);
    } catch (error) {
      if (error instanceof MillraceError && !error.retriable) {
        // It would be refused for ever, and hold up everything behind it.
        this.#acknowledged.push(row);
        this.#onRefused(message, error);
      } else {
        // Not knowing is not "not stored": the same id makes the repeat harmless.
        this.#retries++;
        this.#failed.push(entry);
      }
    }
    this.#in_flight--;
    if (this.#failed.length === 0) this.pump();
    else if (this.#in_flight === 0) setTimeout(() => this.#repeat(), this.#limits.retry_ms).unref();
    if (this.owed < this.#limits.max_rows) {
      for (const wake of this.#roomWaiters.splice(0)) wake();
    }
  }

  #repeat(): void {
    const failed = this.#failed.sort((a, b) => a.row - b.row);
    this.#failed = [];
    this.#queue.unshift(...failed);
    this.pump();
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
