import type { ChangeTable } from './change-table.ts';

/** Leaves that have something, with how far each is from its expected value, and how far chance takes it. */
export interface Deviations {
  /** Places of the leaves in the table. */
  readonly leaves: Int32Array;
  /** 2 (expected − actual) ÷ (expected + actual): 0 as expected, 2 where nothing came, −2 where nothing was expected. */
  readonly deviation: Float64Array;
  /** Standard deviation of `deviation` by chance. */
  readonly noise: Float64Array;
  /** The part of it that does not fall with the size of a leaf. */
  readonly relative: number;
}

/** The smallest noise: values that are exactly as expected leave it something to divide by. */
const LEAST_NOISE = 0.001;
/** The median of the absolute value of a normal variable with deviation 1. */
const MEDIAN_OF_NORMAL = 0.6745;
/** Leaves are looked at in as many classes of size. */
const SIZE_CLASSES = 8;
/** Leaves that a class needs. */
const LEAST_CLASS = 40;

/**
 * How far leaves are from what was expected. The noise has two parts, found from the leaves themselves: one
 * that is the same share of a leaf however large it is, and one that falls with its size, as that of counts
 * does. Medians, so that leaves which changed for a reason do not count as noise while they are the fewer.
 */
export function deviationsOf({ actual, expected }: ChangeTable): Deviations {
  const leaves = Int32Array.from(
    Array.from(actual.keys()).filter((leaf) => sizeOf(actual, expected, leaf) > 0),
  );
  const deviation = Float64Array.from(leaves, (leaf) => {
    const size = sizeOf(actual, expected, leaf);
    return ((expected[leaf] as number) - (actual[leaf] as number)) / size;
  });
  const sizes = Float64Array.from(leaves, (leaf) => sizeOf(actual, expected, leaf));
  const { relative, counting } = noiseOf(deviation, sizes);
  return {
    ...{ leaves, deviation, relative: Math.sqrt(relative) },
    noise: sizes.map((size) => Math.sqrt(relative + counting / size)),
  };
}

/** The mean of what came and what was expected. Refunds may make either negative. */
function sizeOf(actual: Float64Array, expected: Float64Array, leaf: number): number {
  return (Math.abs(actual[leaf] as number) + Math.abs(expected[leaf] as number)) / 2;
}

/** The two parts of the variance: the share, and the one to divide by a leaf's size. */
function noiseOf(deviation: Float64Array, sizes: Float64Array): { relative: number; counting: number } {
  const order = Int32Array.from(deviation.keys()).sort((a, b) => (sizes[a] as number) - (sizes[b] as number));
  const classes = Math.max(1, Math.min(SIZE_CLASSES, Math.floor(order.length / LEAST_CLASS)));
  const found = Array.from({ length: classes }, (_, at) => {
    const from = Math.floor((at * order.length) / classes);
    const of = order.subarray(from, Math.floor(((at + 1) * order.length) / classes));
    const spread = medianOf(Float64Array.from(of, (leaf) => Math.abs(deviation[leaf] as number)));
    const size = medianOf(Float64Array.from(of, (leaf) => sizes[leaf] as number));
    return { variance: (spread / MEDIAN_OF_NORMAL) ** 2, size };
  });
  const relative = Math.max(LEAST_NOISE ** 2, Math.min(...found.map(({ variance }) => variance)));
  const rest = found.map(({ variance, size }) => Math.max(0, variance - relative) * size);
  return { relative, counting: classes < 2 ? 0 : medianOf(Float64Array.from(rest)) };
}

/** The upper median; 0 of nothing. */
const medianOf = (values: Float64Array): number => values.sort()[values.length >> 1] ?? 0;
