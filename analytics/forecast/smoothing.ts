/** Simple exponential smoothing, fitted. */
export interface Smoothed {
  readonly alpha: number;
  /** The level after the last value: the forecast of all later ones. */
  readonly level: number;
}

const MIN_ALPHA = 0.01;
const MAX_ALPHA = 0.99;
const GRID_POINTS = 12;
const GOLDEN = (Math.sqrt(5) - 1) / 2;
const GOLDEN_STEPS = 16;

/**
 * The sum of squares of one-step errors for a weight, with the first level that makes it least: errors are linear in
 * that level, so it is found exactly.
 */
function fitAt(values: readonly number[], alpha: number): Smoothed & { readonly squares: number } {
  let level = 0;
  let share = 1;
  let [cross, square, own] = [0, 0, 0];
  for (const value of values) {
    const error = value - level;
    cross += error * share;
    square += share * share;
    own += error * error;
    level += alpha * error;
    share *= 1 - alpha;
  }
  const first = cross / square;
  return { alpha, level: level + share * first, squares: own - first * cross };
}

/** The weight with the least squares: the best of a grid, then by golden sections around it. */
export function smoothed(values: readonly number[]): Smoothed {
  const width = (MAX_ALPHA - MIN_ALPHA) / (GRID_POINTS - 1);
  const grid = Array.from({ length: GRID_POINTS }, (_, index) => fitAt(values, MIN_ALPHA + index * width));
  const best = grid.reduce((least, one) => (one.squares < least.squares ? one : least));
  let low = Math.max(MIN_ALPHA, best.alpha - width);
  let high = Math.min(MAX_ALPHA, best.alpha + width);
  for (let step = 0; step < GOLDEN_STEPS; step++) {
    const [left, right] = [high - GOLDEN * (high - low), low + GOLDEN * (high - low)];
    if (fitAt(values, left).squares <= fitAt(values, right).squares) high = right;
    else low = left;
  }
  const found = fitAt(values, (low + high) / 2);
  return found.squares <= best.squares ? found : best;
}
