/** A set of dimensions that is kept aggregated. */
export interface CubeDefinition {
  /** Unique; keys its cells. */
  readonly name: string;
  /** Names of dimensions, in key order. Empty: the total. */
  readonly dimensions: readonly string[];
  /** Which rows it takes: those whose `mask` shares a bit. */
  readonly mask: number;
}

/** Buckets of one width, aligned to the epoch. */
export interface Granularity {
  readonly name: string;
  /** Bucket width, ms: whole minutes, each a multiple of the one before. */
  readonly bucket_ms: number;
  /** How long after its end a bucket is kept, by the watermark, ms; undefined: for ever. */
  readonly retain_ms?: number;
}

/** Where the values of a full day's cube go. */
export const OTHER = '__other__';

/** One contribution to every cube whose mask it shares. Negative counts take an earlier one back. */
export interface CubeRow {
  readonly scope: string;
  readonly time_ms: number;
  readonly unit: string;
  /** Values by dimension index; '' where there is none. */
  readonly dimensions: readonly string[];
  readonly mask: number;
  /** Pairs (measure index, integer to add), flat. */
  readonly sums: readonly number[];
  /** Pairs (distribution index, observed integer), flat; observations are never taken back. */
  readonly observed: readonly number[];
  /** A 53-bit hash to count as a distinct member, or -1. */
  readonly member: number;
}
