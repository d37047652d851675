export type ChunkIndex = Uint8Array | Uint16Array | Uint32Array;

/** Values of a code column: row r has `values[index[r]]`, or `values[0]` where `index` is null. */
export interface ChunkCodes {
  readonly index: ChunkIndex | null;
  readonly values: Int32Array;
}

/** Likewise for a hash column: each distinct hash is there once. */
export interface ChunkHashes {
  readonly index: ChunkIndex | null;
  readonly hi: Int32Array;
  readonly lo: Int32Array;
}

/** Row r has the time base + scale × values[r], ms. */
export interface ChunkTimes {
  readonly base_ms: number;
  readonly scale_ms: number;
  readonly values: ChunkIndex | Float64Array;
}

/** The items of a chunk's rows; rows may share items. */
export interface ChunkItems {
  /** Row r has the items [start[r], start[r] + count[r]). */
  readonly start: Uint32Array;
  readonly count: Uint32Array;
  readonly length: number;
  code(column: number): ChunkCodes;
  /** NaN is none. */
  number(column: number): Float64Array;
}

/**
 * Rows of one chunk. A column is decoded when it is asked for; its arrays are valid until the next chunk. Columns
 * go by their place among those of their kind, as in `RowBatch`.
 */
export interface Chunk {
  readonly rows: number;
  readonly isWhole: boolean;
  readonly min_ms: number;
  readonly max_ms: number;
  readonly min_sequence: number;
  readonly max_sequence: number;
  time_ms(): Float64Array;
  /** The same as it is stored, where that is cheaper: for those who compute with times anyway. */
  times(): ChunkTimes;
  sequence(): Float64Array;
  part(): Int32Array;
  code(column: number): ChunkCodes;
  /** Writes the rows whose code `accepts` says yes to, in order; returns how many. Asks once for each distinct code. */
  select(column: number, accepts: (code: number) => boolean, rows: Uint32Array): number;
  /**
   * Adds the bits that `labelOf` says of each row's code (0 to 255) to the row's label; says whether any was added. Asks
   * once for each distinct code. `target` has room for a multiple of `LABEL_ROWS`.
   */
  label(column: number, labelOf: (code: number) => number, target: Uint8Array): boolean;
  hash(column: number): ChunkHashes;
  /** NaN is none. */
  number(column: number): Float64Array;
  /** Whether any row of the chunk has items. */
  readonly hasItems: boolean;
  items(): ChunkItems;
}
