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
