import type { StreamMark } from './stream-mark.ts';

/** Where a task has got to: the last applied sequence of each partition of each stream. */
export type Position = Readonly<Record<string, Readonly<Record<string, number>>>>;

/** Bytes [`start`, `end`) of a larger buffer, to be read without a copy. */
export interface ByteRegion {
  readonly buffer: Uint8Array;
  readonly start: number;
  /** Exclusive. */
  readonly end: number;
}

/** How to go on where a stream has removed what was not read, for the errors that say so. */
export const GAP_CHOICE =
  'To go on without them, counted, give the source onGap: "skip" (--on-gap skip); for a stream whose messages ' +
  'replace one another, compacted: true.';

/** One message of a source. `data` may be a view of a larger buffer; it is valid until the next `take`. */
export interface SourceRecord {
  readonly sequence: number;
  /** When the stream stored it, ms, by the server's clock: the same in every replay. Absent where a source has no stream. */
  readonly stored_ms?: number;
  readonly subject: string;
  readonly data: Uint8Array;
  /** Where `data` lies in a larger buffer, for who reads it in place: a view costs more than reading a short message. */
  readonly region?: ByteRegion;
  /** Whether there are any: most messages have none, and need no look. */
  readonly hasHeaders: boolean;
  /** Names are compared without case. */
  header(name: string): string | undefined;
  /** Every header as it was written, in order; absent where a source only knows single ones. */
  headers?(): Iterable<readonly [name: string, value: string]>;
}

/** What a source knows of its stream when it opens; positions are checked against it. */
export interface StreamFacts {
  readonly stream: string;
  /** Changes when the stream is deleted and made again. */
  readonly incarnation: string;
  /** First sequence still stored; `lastSequence + 1` when the stream is empty. */
  readonly firstSequence: number;
  readonly lastSequence: number;
  /**
   * What it means when messages behind the position are gone unread. Absent: an error that stops the task. `count`: it
   * goes on without them, and counts them. `normal`: the stream's messages replace one another, nothing is lost.
   */
  readonly gaps?: 'count' | 'normal';
  /** Of a partition: says how the stream divides keys into partitions. A sequence means nothing in another one. */
  readonly layout?: string;
}

/** How much to take at once, and how long to wait for the first of it. */
export interface Take {
  readonly max: number;
  /** How long to wait for a first record, ms. */
  readonly wait_ms: number;
}

/** How a source stands towards its stream. */
export interface SourceState {
  /** Sequence of the newest record in the stream, as far as the source knows. */
  readonly headSequence: number;
  /** Nothing pending in the stream and nothing in flight to this source. */
  readonly caughtUp: boolean;
  readonly connected: boolean;
  /**
   * When the server last said what the stream's end is, ms of the machine's monotonic clock (`monotonicNow`): what was in
   * the stream then is at or before `headSequence`. Absent before its first word, and for a source without a server.
   */
  readonly heard_at_ms?: number;
  /** Records that the stream dropped before they were read (a purge, a limit). */
  readonly skipped: number;
  /** It reads in a way that costs more than its usual one, which it cannot use here. */
  readonly isDegraded?: boolean;
}

/** A bounded, pull-based source of one partition. Implementations never drop or reorder. */
export interface Source {
  readonly partition: string;
  /** It gives every message of its stream: a sequence that it does not give was removed. Absent: it does not. */
  readonly isWhole?: boolean;
  facts(): Promise<StreamFacts>;
  /**
   * Begins to read at `after + 1`. `isFresh`: nothing was ever read up to there, it is only where the stream began when
   * somebody looked; what the stream removes before the first record is read is not missing.
   */
  start(after: number, isFresh?: boolean): Promise<void>;
  /** Up to `max` records in sequence order, fewer when fewer are there, none when `wait_ms` passed. */
  take(request: Take): Promise<readonly SourceRecord[]>;
  state(): SourceState;
  /**
   * The sequence up to which no record is still to come: what was not given is not of this source's subjects, or was
   * removed. The task asks after each take that gave nothing, and moves its position there. A source around another
   * one must answer undefined as long as it holds a record back. Absent: the position is the last record's. An answer
   * that is too high loses records: behind a commit with it they are not read again.
   */
  passed?(): number | undefined;
  /**
   * What the stream has at some sequences now; those that it does not have, or does not tell, are left out. Absent where
   * a source cannot look. Before `start`.
   */
  marksAt?(sequences: readonly number[]): Promise<ReadonlyMap<number, StreamMark>>;
  stop(): Promise<void>;
}
