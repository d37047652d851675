import { type PointMethod, stepsOf } from './point-method.ts';
import { deseasoned } from './season.ts';
import { smoothed } from './smoothing.ts';

/** The straight line of least squares over steps 0, 1, …. */
export function lineOf(values: readonly number[]): { readonly start: number; readonly slope: number } {
  const count = values.length;
  const middle = (count - 1) / 2;
  const mean = values.reduce((sum, value) => sum + value, 0) / count;
  let [cross, square] = [0, 0];
  for (const [at, value] of values.entries()) {
    cross += (at - middle) * (value - mean);
    square += (at - middle) ** 2;
  }
  const slope = square === 0 ? 0 : cross / square;
  return { start: mean - slope * middle, slope };
}

/**
 * The Theta method (Assimakopoulos & Nikolopoulos, Int. J. Forecasting 16, 2000) as in the benchmarks of the M4
 * competition: without the season, half of the straight line and half of the smoothed line that has twice the
 * curvature; then the season again.
 */
export const theta: PointMethod = (history, period, horizon) => {
  const { values, restore } = deseasoned(history, period);
  const { start, slope } = lineOf(values);
  const lineAt = (at: number): number => start + slope * at;
  const { level } = smoothed(values.map((value, at) => 2 * value - lineAt(at)));
  return stepsOf(horizon, (step) => restore((level + lineAt(values.length - 1 + step)) / 2, step));
};
