import type { ByteReader, ByteWriter } from '../../engine/index.ts';

/**
 * A quantile sketch with relative error: DDSketch (Masson, Rim, Lee: "DDSketch: a fast and
 * fully-mergeable quantile sketch with relative-error guarantees", VLDB 2019), logarithmic mapping.
 * A bin i > 0 holds values in (γ^(i-1), γ^i]; negative values have mirrored bins; zero its own.
 * The state is a function of the multiset of values: merging in any order gives the same bins.
 */
export const SKETCH_RELATIVE_ERROR = 0.01;
const GAMMA = (1 + SKETCH_RELATIVE_ERROR) / (1 - SKETCH_RELATIVE_ERROR);
const INVERSE_LOG_GAMMA = 1 / Math.log(GAMMA);
/** Bin of 1 is 1, so that every integer has a bin of at least 1 and the sign can tell the side. */
const OFFSET = 1;

/** The bin of an integer: 0 for 0, positive for positive values, negative for negative ones. */
export function binOf(value: number): number {
  if (value === 0) return 0;
  const bin = Math.ceil(Math.log(value < 0 ? -value : value) * INVERSE_LOG_GAMMA - 1e-12) + OFFSET;
  return value < 0 ? -bin : bin;
}

/** The value that stands for a bin: within the relative error of every value in it. */
export function valueOfBin(bin: number): number {
  if (bin === 0) return 0;
  const magnitude = (2 * GAMMA ** (Math.abs(bin) - OFFSET)) / (GAMMA + 1);
  return bin < 0 ? -magnitude : magnitude;
}

/** Count, extremes and bins of the values of one measure. Bins are sorted. */
export interface Distribution {
  count: number;
  min: number;
  max: number;
  bins: number[];
  counts: number[];
}

export function emptyDistribution(): Distribution {
  return { count: 0, min: Number.POSITIVE_INFINITY, max: Number.NEGATIVE_INFINITY, bins: [], counts: [] };
}

/** Adds `other` into `into`. */
export function mergeDistribution(into: Distribution, other: Distribution): void {
  into.count += other.count;
  if (other.min < into.min) into.min = other.min;
  if (other.max > into.max) into.max = other.max;
  const bins: number[] = [];
  const counts: number[] = [];
  let a = 0;
  let b = 0;
  while (a < into.bins.length || b < other.bins.length) {
    const left = into.bins[a] ?? Number.POSITIVE_INFINITY;
    const right = other.bins[b] ?? Number.POSITIVE_INFINITY;
    bins.push(Math.min(left, right));
    counts.push(
      (left <= right ? (into.counts[a++] as number) : 0) +
        (right <= left ? (other.counts[b++] as number) : 0),
    );
  }
  into.bins = bins;
  into.counts = counts;
}

/** A distribution of raw values. */
export function distributionOf(values: readonly number[]): Distribution {
  const result = emptyDistribution();
  // A typed array sorts by number without a comparator.
  const bins = new Int32Array(values.length);
  for (let index = 0; index < bins.length; index++) bins[index] = binOf(values[index] as number);
  bins.sort();
  for (let index = 0; index < bins.length; ) {
    const bin = bins[index] as number;
    const first = index;
    while (index < bins.length && bins[index] === bin) index++;
    result.bins.push(bin);
    result.counts.push(index - first);
  }
  result.count = values.length;
  for (const value of values) {
    if (value < result.min) result.min = value;
    if (value > result.max) result.max = value;
  }
  return result;
}

/**
 * The q-quantile (0..1), within the relative error; the exact minimum and maximum bound it.
 * null for an empty distribution. Rank as in the paper: the value at ⌊q·(n−1)⌋.
 */
export function quantile(distribution: Distribution, q: number): number | null {
  if (distribution.count === 0) return null;
  const rank = Math.floor(q * (distribution.count - 1));
  let seen = 0;
  for (const [index, bin] of distribution.bins.entries()) {
    seen += distribution.counts[index] as number;
    if (seen > rank) return Math.min(distribution.max, Math.max(distribution.min, valueOfBin(bin)));
  }
  return distribution.max;
}

export function writeDistribution(writer: ByteWriter, { count, min, max, bins, counts }: Distribution): void {
  writer.varint(count);
  if (count === 0) return;
  writer.zigzag(min).zigzag(max).varint(bins.length);
  let last = 0;
  for (let index = 0; index < bins.length; index++) {
    const bin = bins[index] as number;
    writer.zigzag(bin - last).varint(counts[index] as number);
    last = bin;
  }
}

export function readDistribution(reader: ByteReader): Distribution {
  const result = emptyDistribution();
  result.count = reader.varint();
  if (result.count === 0) return result;
  result.min = reader.zigzag();
  result.max = reader.zigzag();
  let bin = 0;
  for (let left = reader.varint(); left > 0; left--) {
    bin += reader.zigzag();
    result.bins.push(bin);
    result.counts.push(reader.varint());
  }
  return result;
}
