import { ByteWriter, MillraceError } from '../base/index.ts';
import type { KvTable } from '../state/index.ts';
import { Fifo } from './fifo.ts';
import { decodeMessage, encodeMessage, type OutMessage, owedMessages, rowKey } from './outbox-rows.ts';

/** What a receiver says of a message that it has. */
export interface Stored {
  /** It had one of this id already, and has not stored this one. */
  readonly isDuplicate: boolean;
}

/** Whether a publisher has said that the receiver had the message's id already. */
export function wasThere(stored: unknown): boolean {
  return (
    typeof stored === 'object' && stored !== null && 'isDuplicate' in stored && stored.isDuplicate === true
  );
}

/** Sends outbox messages. */
export interface Publisher {
  /**
   * Resolves when the receiver has stored it; rejects when that is not known. `isFirst`: it was never sent before, by
   * no process that had this state. It may resolve with a `Stored`.
   */
  publish(message: OutMessage, isFirst?: boolean): Promise<unknown>;
  /** Messages of a subject that may be in flight at once; with more than one their order is not kept. Default: 1. */
  maxInFlight?(subject: string): number;
  /** Messages of a subject take no place of the outbox's window: `maxInFlight` alone bounds them. Default: false. */
  isApart?(subject: string): boolean;
}

/** Bounds of what is owed to the outside. `max_rows` and `window` are messages, the others ms. */
export interface OutboxLimits {
  /** Rows owed at most before the task stops taking input, in messages. */
  readonly max_rows: number;
  /** Sends without an answer, of all subjects together, in messages. */
  readonly window: number;
  /** Pause before the first repeat of a failed send, ms; it doubles with each that fails again. */
  readonly retry_ms: number;
  /** The longest pause, ms; default 30,000. */
  readonly retry_max_ms?: number;
}

/** Limits of a task's outbox where the task is not given others. */
export const DEFAULT_OUTBOX_LIMITS: OutboxLimits = { max_rows: 20_000, window: 256, retry_ms: 500 };

const RETRY_MAX_MS = 30_000;

interface Owed {
  readonly row: number;
  message: OutMessage;
  /** Sends in this process. */
  sends: number;
  /** A process before this one may have sent it. */
  readonly isOld: boolean;
  /** It has its final answer, or needs none: it is not sent any more. */
  isSettled: boolean;
}

/** What a message comes of is the task's own business. */
function asSent({ sequence: _, ...message }: OutMessage): OutMessage {
  return message;
}

const isOpen = ({ isSettled }: Owed): boolean => !isSettled;

/** Sends of one subject. */
interface Lane {
  readonly subject: string;
  readonly waiting: Fifo<Owed>;
  /** Have failed and go before those that wait, in order. */
  failed: Owed[];
  in_flight: number;
  /** No send of it begins before the pause is over. */
  isPaused: boolean;
  /** The last send has failed: one message tries for all. */
  isFailing: boolean;
  pause_ms: number;
}

/** What an outbox tells of single messages. */
export interface OutboxEvents {
  /** The receiver will never take it; it is not sent again. */
  refused(message: OutMessage, error: MillraceError): void;
  /** The receiver had one of its id, though it was never sent before. */
  duplicate?(message: OutMessage): void;
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
 * for one of the `window` places. `unordered` messages wait for no other.
 *
 * A subject whose sends fail waits without a place, longer each time, and then tries with one message: what cannot
 * leave holds up nothing else. Before each repeat the row is read again: another process may have removed it, or
 * given it another subject, to end the waiting.
 */
export class Outbox {
  readonly #table: KvTable;
  readonly #publisher: Publisher;
  readonly #limits: OutboxLimits;
  readonly #events: OutboxEvents;
  #next: number;
  #staged: OutMessage[] = [];
  /** Committed rows that have neither a place nor a lane to wait in, in order. */
  readonly #queue = new Fifo<Owed>();
  /** Of the subjects that have a message in flight or failed. What waits in one is older than what is in the queue. */
  readonly #lanes = new Map<string, Lane>();
  /** Lanes whose pause is over, in order: they wait for a place. */
  readonly #ready = new Fifo<Lane>();
  /** Committed and without a final answer, in flight or not. */
  readonly #unsettled = new Set<Owed>();
  /** Another owner has an answer for everything up to this record. */
  #settled_sequence = 0;
  #in_flight = 0;
  #acknowledged: number[] = [];
  #stopped = false;
  #isHeld = false;
  #retries = 0;
  #dropped = 0;
  #roomWaiters: (() => void)[] = [];

  constructor(
    table: KvTable,
    publisher: Publisher,
    next: number,
    limits: OutboxLimits,
    events: OutboxEvents,
  ) {
    this.#table = table;
    this.#events = events;
    this.#publisher = publisher;
    this.#limits = limits;
    this.#next = next;
    for (const { row, message } of owedMessages(table)) {
      this.#owe({ row, message, sends: 0, isOld: true, isSettled: false });
    }
  }

  get next(): number {
    return this.#next;
  }

  /** Messages that are owed: staged, committed, or in flight. */
  get owed(): number {
    return this.#staged.length + this.#unsettled.size;
  }

  get hasChanges(): boolean {
    return this.#staged.length > 0 || this.#acknowledged.length > 0;
  }

  get retries(): number {
    return this.#retries;
  }

  /** Messages whose rows another process has removed. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Subjects whose sends fail. */
  get failingSubjects(): number {
    let failing = 0;
    for (const { isFailing } of this.#lanes.values()) if (isFailing) failing++;
    return failing;
  }

  get isHeld(): boolean {
    return this.#isHeld;
  }

  /** From now on no further send begins, or they do again: another task of the same log may send the same. */
  hold(isHeld = true): void {
    this.#isHeld = isHeld;
    this.pump();
  }

  /** Everything that comes of records up to here has its answer, where all up to `committed` is in the state. */
  settledUpTo(committed: number): number {
    let least = committed + 1;
    for (const { message } of this.#unsettled) least = Math.min(least, message.sequence ?? 0);
    return Math.max(0, least - 1);
  }

  /**
   * Another owner of the same log has had an answer for everything that comes of records up to here: it is not sent from
   * here, nor is what comes of them later. What is owed of an ordered task says what it comes of.
   */
  settle(sequence: number): void {
    if (sequence <= this.#settled_sequence) return;
    this.#settled_sequence = sequence;
    for (const entry of this.#unsettled) if (this.#isElsewhere(entry.message)) this.#settle(entry);
    while (this.#queue.peek()?.isSettled === true) this.#queue.shift();
    for (const lane of this.#lanes.values()) {
      lane.failed = lane.failed.filter(isOpen);
      while (lane.waiting.peek()?.isSettled === true) lane.waiting.shift();
    }
    this.pump();
  }

  #isElsewhere({ sequence }: OutMessage): boolean {
    return sequence !== undefined && sequence <= this.#settled_sequence;
  }

  stage(message: OutMessage): void {
    if (this.#isElsewhere(message)) return;
    // The payload may be a view of a receive buffer that is reused before the commit.
    this.#staged.push({ ...message, payload: Uint8Array.from(message.payload) });
  }

  /** Inside the commit: writes what is staged, removes what was acknowledged. `sendCommitted` follows it. */
  flush(): { sendCommitted(): void } {
    const staged = this.#staged.filter((message) => !this.#isElsewhere(message));
    const rows = staged.map((message) => ({ row: this.#next++, message }));
    const writer = new ByteWriter();
    for (const { row, message } of rows) this.#table.put(rowKey(row), encodeMessage(writer, message));
    for (const row of this.#acknowledged) this.#table.remove(rowKey(row));
    this.#staged = [];
    this.#acknowledged = [];
    return {
      sendCommitted: () => {
        // One by one: a flood of dead letters has more rows than a call takes arguments.
        for (const { row, message } of rows)
          this.#owe({ row, message, sends: 0, isOld: false, isSettled: false });
        this.pump();
      },
    };
  }

  #owe(entry: Owed): void {
    this.#queue.push(entry);
    this.#unsettled.add(entry);
  }

  /** Starts as many sends as the window and the order of the subjects allow. */
  pump(): void {
    while (!this.#stopped && !this.#isHeld && this.#in_flight < this.#limits.window) {
      const lane = this.#ready.shift();
      if (lane !== undefined) {
        this.#startOf(lane);
        continue;
      }
      const entry = this.#queue.shift();
      if (entry === undefined) return;
      if (isOpen(entry)) this.#admit(entry);
    }
  }

  #admit(entry: Owed): void {
    const { subject, unordered } = entry.message;
    const lane = this.#laneOf(subject);
    const max = unordered === true ? Number.POSITIVE_INFINITY : this.#maxInFlight(subject);
    if (lane.isPaused || lane.isFailing || lane.in_flight >= max) lane.waiting.push(entry);
    else this.#start(entry, lane);
  }

  #laneOf(subject: string): Lane {
    let lane = this.#lanes.get(subject);
    if (lane === undefined) {
      const { retry_ms } = this.#limits;
      const waiting = new Fifo<Owed>();
      lane = {
        ...{ subject, waiting, failed: [], in_flight: 0 },
        ...{ isPaused: false, isFailing: false, pause_ms: retry_ms },
      };
      this.#lanes.set(subject, lane);
    }
    return lane;
  }

  #maxInFlight(subject: string): number {
    return this.#publisher.maxInFlight?.(subject) ?? 1;
  }

  /** Of a lane, those that may begin now: one, while it fails. */
  #startOf(lane: Lane): void {
    while (!this.#stopped && !this.#isHeld && !lane.isPaused && this.#in_flight < this.#limits.window) {
      if (lane.isFailing && lane.in_flight > 0) return;
      const next = lane.failed[0] ?? lane.waiting.peek();
      if (next === undefined) break;
      const max =
        next.message.unordered === true ? Number.POSITIVE_INFINITY : this.#maxInFlight(lane.subject);
      if (lane.in_flight >= max) return;
      if (lane.failed.shift() === undefined) lane.waiting.shift();
      if (next.isSettled) continue;
      if (next.sends === 0 || this.#isStillOwed(next, lane.subject)) this.#start(next, lane);
    }
    const isEmpty = lane.in_flight === 0 && lane.failed.length === 0 && lane.waiting.peek() === undefined;
    if (isEmpty && !lane.isPaused) this.#lanes.delete(lane.subject);
    else if ((this.#isHeld || this.#in_flight >= this.#limits.window) && !lane.isPaused)
      this.#ready.push(lane);
  }

  /** Looks at the row before a repeat. One that has got another subject waits there from now on. */
  #isStillOwed(entry: Owed, subject: string): boolean {
    const bytes = this.#table.get(rowKey(entry.row));
    if (bytes === undefined) {
      this.#dropped++;
      this.#settle(entry);
      return false;
    }
    entry.message = decodeMessage(bytes);
    if (entry.message.subject === subject) return true;
    this.#queue.push(entry);
    return false;
  }

  #start(entry: Owed, lane: Lane): void {
    const isApart = this.#publisher.isApart?.(lane.subject) === true;
    if (!isApart) this.#in_flight++;
    lane.in_flight++;
    this.#send(entry)
      .then((isFinal) => {
        if (!isApart) this.#in_flight--;
        lane.in_flight--;
        if (isFinal) this.#succeeded(entry, lane);
        else this.#failed(entry, lane);
        this.pump();
      })
      .catch(() => {
        // #send handles every failure of the publisher itself and never rejects.
      });
  }

  /** The place that has become free is the next one's of the same subject. */
  #succeeded(entry: Owed, lane: Lane): void {
    lane.isFailing = lane.isPaused;
    if (!lane.isPaused) lane.pause_ms = this.#limits.retry_ms;
    this.#settle(entry);
    this.#startOf(lane);
  }

  #settle(entry: Owed): void {
    if (entry.isSettled) return;
    entry.isSettled = true;
    this.#acknowledged.push(entry.row);
    this.#unsettled.delete(entry);
    if (this.owed < this.#limits.max_rows) {
      for (const wake of this.#roomWaiters.splice(0)) wake();
    }
  }

  #failed(entry: Owed, lane: Lane): void {
    const { retry_max_ms = RETRY_MAX_MS } = this.#limits;
    if (isOpen(entry)) lane.failed.push(entry);
    lane.failed.sort((a, b) => a.row - b.row);
    lane.isFailing = true;
    // Of several in flight together the first failure begins the pause.
    if (lane.isPaused || this.#stopped) return;
    lane.isPaused = true;
    const { pause_ms } = lane;
    lane.pause_ms = Math.min(2 * pause_ms, retry_max_ms);
    const wake = (): void => {
      lane.isPaused = false;
      this.#ready.push(lane);
      this.pump();
    };
    // Without a pause repeats keep their order, which timers of the same time do not: the simulation depends on it.
    if (pause_ms > 0) setTimeout(wake, pause_ms).unref();
    else setImmediate(wake);
  }

  /** True when the answer is final. */
  async #send(entry: Owed): Promise<boolean> {
    const { message, isOld } = entry;
    const isFirst = entry.sends++ === 0 && !isOld;
    try {
      const stored = await this.#publisher.publish(asSent(message), isFirst);
      if (isFirst && wasThere(stored)) this.#events.duplicate?.(message);
      return true;
    } catch (error) {
      if (error instanceof MillraceError && !error.retriable) {
        // It would be refused for ever, and hold up everything behind it.
        this.#events.refused(message, error);
        return true;
      }
      // Not knowing is not "not stored": the same id makes the repeat harmless.
      this.#retries++;
      return false;
    }
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
