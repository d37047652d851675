/** What JSON can say. */
export type JsonValue =
  | null
  | boolean
  | number
  | string
  | readonly JsonValue[]
  | { readonly [name: string]: JsonValue };

/** A record of an outside system as it stands there. */
export interface SourceRecord {
  readonly value: Uint8Array;
  /**
   * Where it stands there, e.g. `topic/0@17`, `bucket/key@etag#12`. The same in every read: a record that has no id of
   * its own has its event's id from it.
   */
  readonly place: string;
  /** Names in lower case; paths of a mapping read them as `@name`. */
  readonly headers?: Readonly<Record<string, string>>;
  /** What is wrong with it where it stands, such as a row with too few cells: it becomes a dead letter as it is. */
  readonly problem?: { readonly code: string; readonly detail: string };
}

/** Records in order, and the position after them. At most `BATCH_MAX_RECORDS` and about `BATCH_MAX_BYTES`. */
export interface SourceBatch {
  /** May be empty, where the position alone has changed. */
  readonly records: readonly SourceRecord[];
  readonly position: JsonValue;
}

export const BATCH_MAX_RECORDS = 500;
export const BATCH_MAX_BYTES = 1_048_576;
/** The largest position, as JSON: it is written with each batch. */
export const POSITION_MAX_BYTES = 262_144;

/**
 * Records of an outside system, pulled. One reader has it at a time; a position is given back after a crash as it was
 * with the last batch whose events the stream has acknowledged, so records may come again, and none is left out.
 */
export interface RecordSource {
  /**
   * Batches from after `position` (undefined: from the beginning, as configured) until the signal is aborted. The next
   * batch is asked for when the last one is kept. A source that waits for more does not end; one that ends is read
   * again from its position after a pause. Throws MillraceError with a stable code; where it is not `retriable` the
   * connector stops until its definition is changed or it is run by hand, else it is opened again after a pause.
   */
  read(position: JsonValue | undefined, signal: AbortSignal): AsyncIterable<SourceBatch>;
  /** Told after the events of a batch are in the stream and its position is kept, e.g. to commit a consumer's offset. */
  committed?(position: JsonValue): Promise<void>;
  /** Records that wait there, asked while `read` runs; null where that is not known. Rejects when the source is away. */
  lag(): Promise<number | null>;
  /** A poller looks again at once, whenever it was due. */
  wake?(): void;
  close(): Promise<void>;
}
