import type { ChangeTable } from './change-table.ts';
import { COMMON, commonOf } from './common.ts';

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
/** The smallest share that is told from chance by earlier windows: few of them say little. */
const LEAST_KNOWN_NOISE = 0.02;
/** The median of the absolute value of a normal variable with deviation 1. */
const MEDIAN_OF_NORMAL = 0.6745;
/** Leaves are looked at in as many classes of size. */
const SIZE_CLASSES = 8;
/** Leaves that a class needs. */
const LEAST_CLASS = 40;

/**
 * How far leaves are from what was expected, and how far chance takes them. The noise has two parts: one that is the
 * same share of a leaf however large it is, and one that falls with its size, as that of counts does. They are found
 * from earlier windows, each against the others. Where there are none, from the leaves themselves, by medians: leaves
 * which changed for a reason do not count as noise while they are the fewer.
 *
 * What all leaves have in common is no cause. With earlier windows it is told from a change of most leaves: it is
 * small, or there is no leaf that is without it.
 */
export function deviationsOf(table: ChangeTable): Deviations {
  const { leaves, deviation, sizes } = leavesOf(table);
  if (table.earlier.length < 2) {
    const { relative, counting } = noiseOf(deviation, sizes);
    return {
      ...{ leaves, deviation, relative: Math.sqrt(relative) },
      noise: sizes.map((size) => Math.sqrt(relative + counting / size)),
    };
  }
  const windows = table.earlier.length;
  const before = table.earlier.map(leavesOf);
  const found = noiseOf(
    joined(before.map((each) => each.deviation)),
    joined(before.map((each) => each.sizes)),
  );
  // A window is compared with all earlier ones, an earlier one with one less.
  const share = 1 - 1 / windows ** 2;
  const relative = Math.max(LEAST_KNOWN_NOISE ** 2, found.relative * share);
  const noise = sizes.map((size) => Math.sqrt(relative + (found.counting * share) / size));
  const common = commonOf(table, { leaves, deviation, noise });
  // Where everything has changed at once, how unequally says more than quiet windows do.
  const own =
    Math.abs(common) > COMMON
      ? noiseOf(
          deviation.map((value) => value - common),
          sizes,
        )
      : undefined;
  return {
    ...{ leaves, deviation: deviation.map((value) => value - common) },
    relative: Math.sqrt(Math.max(relative, own?.relative ?? 0)),
    noise:
      own === undefined
        ? noise
        : noise.map((each, at) =>
            Math.max(each, Math.sqrt(own.relative + own.counting / (sizes[at] as number))),
          ),
  };
}

interface Leaves {
  readonly leaves: Int32Array;
  readonly deviation: Float64Array;
  readonly sizes: Float64Array;
}

function leavesOf({ actual, expected }: Pick<ChangeTable, 'actual' | 'expected'>): Leaves {
  const leaves = Int32Array.from(
    Array.from(actual.keys()).filter((leaf) => sizeOf(actual, expected, leaf) > 0),
  );
  const sizes = Float64Array.from(leaves, (leaf) => sizeOf(actual, expected, leaf));
  const deviation = Float64Array.from(
    leaves,
    (leaf, at) => ((expected[leaf] as number) - (actual[leaf] as number)) / (sizes[at] as number),
  );
  return { leaves, deviation, sizes };
}

function joined(parts: readonly Float64Array[]): Float64Array {
  const all = new Float64Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
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
