import type { KvView } from '../state/index.ts';

/** Where a log lies: the tables of its writer, as a snapshot's views. */
export interface LogView {
  /** Manifests, one row a segment. */
  readonly segments: KvView;
  /** Column chunks. */
  readonly chunks: KvView;
}

/** What is asked of a log. Plain data. */
export interface ScanRequest {
  /** The tenant. */
  readonly scope: string;
  /** Half-open range of row times, ms. */
  readonly start_ms: number;
  readonly end_ms: number;
  /** Only rows with this sequence or a smaller one; absent: all. */
  readonly upTo?: number;
}

/** One chunk that a scan reads. Plain data. */
export interface ChunkPlace {
  /** Bytes of the segment's key, base64url. */
  readonly segment: string;
  readonly chunk: number;
  readonly rows: number;
  /** All its rows are inside the request's times and sequences: nobody has to look at each. */
  readonly isWhole: boolean;
  /** Times of its rows, where they are known before it is read: the first and the last. */
  readonly min_ms?: number;
  readonly max_ms?: number;
}

/** What a scan will read: plain data, made from manifests only, so it can be shown, limited, split and sent. */
export interface ScanPlan {
  readonly request: ScanRequest;
  readonly chunks: readonly ChunkPlace[];
  readonly segments: number;
  readonly rows: number;
  readonly bytes: number;
}

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
  sequence(): Float64Array;
  part(): Int32Array;
  code(column: number): ChunkCodes;
  hash(column: number): ChunkHashes;
  /** NaN is none. */
  number(column: number): Float64Array;
  /** Whether any row of the chunk has items. */
  readonly hasItems: boolean;
  items(): ChunkItems;
}
