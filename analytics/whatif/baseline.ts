import { forecastSeries } from '../forecast/index.ts';
import type { Distributions } from '../numeric/index.ts';
import { sumOf, WEEK_DAYS } from './history.ts';

/** What a daily series comes to in the horizon, if all goes on. */
export interface Baseline {
  readonly total: number;
  /** Of the logarithm of the total. */
  readonly deviation: number;
  /** Times that the forecast was tried on the history itself. */
  readonly origins: number;
}

const ORIGIN_STEP_DAYS = 7;
const MAX_ORIGINS = 10;
const TRAINING_MIN_DAYS = 21;
/** Where a history cannot be tried: what is said of its total is that it may be half or double. */
const UNTRIED_DEVIATION = 0.35;
/** At most this share of a history is forecast at once in a trial. */
const TRIAL_MAX_SHARE = 1 / 3;

/**
 * The sum of a series over the horizon, forecast by Theta; how wrong such sums were from earlier origins is how wrong
 * this one may be. A horizon longer than a trial has errors that grow with its root.
 */
export function baselineOf(values: readonly number[], horizon_days: number): Baseline {
  const period = values.length >= 3 * WEEK_DAYS ? WEEK_DAYS : 1;
  const sum = (history: readonly number[], horizon: number): number => {
    const { points } = forecastSeries({ values: history, period }, { method: 'theta', horizon });
    return sumOf(points.map(({ mean }) => Math.max(mean, 0)));
  };
  const trial = Math.min(horizon_days, Math.floor(values.length * TRIAL_MAX_SHARE));
  const errors: number[] = [];
  for (let at = values.length - trial; at >= TRAINING_MIN_DAYS; at -= ORIGIN_STEP_DAYS) {
    const expected = sum(values.slice(0, at), trial);
    const actual = sumOf(values.slice(at, at + trial));
    if (expected > 0 && actual > 0) errors.push(Math.log(actual / expected));
    if (errors.length === MAX_ORIGINS) break;
  }
  const total = sum(values, horizon_days);
  if (errors.length < 2) return { total, deviation: UNTRIED_DEVIATION, origins: errors.length };
  const square = sumOf(errors.map((error) => error * error)) / errors.length;
  const longer = Math.sqrt(horizon_days / trial);
  return { total, deviation: Math.sqrt(square) * longer, origins: errors.length };
}

/** Trials overlap: they say as much as a few of their own. */
const FREEDOM = 5;

/** A factor on the total: Student's t, as the deviation comes from a few trials. */
export function drawFactor({ deviation }: Baseline, random: Distributions): number {
  const t = random.normal() / Math.sqrt((2 * random.gamma(FREEDOM / 2)) / FREEDOM);
  return Math.exp(deviation * t);
}
