import { solve } from '../numeric/index.ts';
import { isPositive, type PointMethod, stepsOf } from './point-method.ts';
import { hasSeason } from './season.ts';

/** What a value weighs against the one after it. */
const DISCOUNT = 0.97;
/** Seasons longer than this many steps have the weight of `DISCOUNT` a twelfth of a season. */
const DISCOUNT_PERIOD = 12;
/** Of the trend's growth, from step to step. */
const DAMPING = 0.95;
/** The most that a residual keeps from step to step. */
const MAX_CARRY = 0.95;
/** Places of a season are drawn to none by as much as this many newest values would. */
const SEASON_PENALTY = 0.5;
const TREND_PENALTY = 1e-6;

/**
 * Least squares on trend and season whose weights fall by 3 % a step; in logarithms where all values are positive.
 * The trend is damped, and the last residual goes on as a first-order autoregression says.
 */
export const weightedTrend: PointMethod = (history, period, horizon) => {
  const isLog = isPositive(history);
  const values = isLog ? history.map(Math.log) : history;
  const season = hasSeason(history, period) ? period : 1;
  const discount = season > DISCOUNT_PERIOD ? DISCOUNT ** (DISCOUNT_PERIOD / season) : DISCOUNT;
  const weights = values.map((_, at) => discount ** (values.length - 1 - at));
  const fitted = solved(values, weights, season);
  const [level = 0, slope = 0] = fitted;
  const last = values.length - 1;
  const seasonAt = (at: number): number => (season > 1 ? (fitted[2 + (at % season)] ?? 0) : 0);
  const residuals = values.map((value, at) => value - level - slope * (at - last) - seasonAt(at));
  const carry = carryOf(residuals, weights);
  let [grown, damping, left] = [0, 1, residuals[last] ?? 0];
  return stepsOf(horizon, (step) => {
    damping *= DAMPING;
    grown += damping;
    left *= carry;
    const value = level + slope * grown + seasonAt(last + step) + left;
    return isLog ? Math.exp(value) : value;
  });
};

/** Level at the last value, slope a step, and one number a place of the season. */
function solved(values: readonly number[], weights: readonly number[], season: number): readonly number[] {
  const last = values.length - 1;
  const size = season > 1 ? 2 + season : 2;
  const matrix = Array.from({ length: size }, () => new Array<number>(size).fill(0));
  const right = new Array<number>(size).fill(0);
  for (const [at, value] of values.entries()) {
    const weight = weights[at] as number;
    const row: [number, number][] = [
      [0, 1],
      [1, at - last],
    ];
    if (season > 1) row.push([2 + (at % season), 1]);
    for (const [place, x] of row) {
      right[place] = (right[place] as number) + weight * x * value;
      for (const [other, y] of row) {
        const line = matrix[place] as number[];
        line[other] = (line[other] as number) + weight * x * y;
      }
    }
  }
  for (let place = 1; place < size; place++) {
    const line = matrix[place] as number[];
    line[place] = (line[place] as number) + (place === 1 ? TREND_PENALTY : SEASON_PENALTY);
  }
  return solve(matrix, right);
}

/** The weighted autocorrelation of residuals at one step, within 0 and `MAX_CARRY`. */
function carryOf(residuals: readonly number[], weights: readonly number[]): number {
  let [cross, square] = [0, 0];
  for (let at = 1; at < residuals.length; at++) {
    const [before, now, weight] = [residuals[at - 1], residuals[at], weights[at]] as [number, number, number];
    cross += weight * before * now;
    square += weight * before * before;
  }
  return square <= 0 ? 0 : Math.min(Math.max(cross / square, 0), MAX_CARRY);
}
