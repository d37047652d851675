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
