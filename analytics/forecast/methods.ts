import { exponential } from './exponential.ts';
import { croston, tsb } from './intermittent.ts';
import { mstl } from './mstl.ts';
import { naive, seasonalNaive } from './naive.ts';
import type { PointMethod } from './point-method.ts';
import { prophet } from './prophet.ts';
import { theta } from './theta.ts';
import { weightedTrend } from './weighted-trend.ts';

const POINT_METHODS = {
  naive,
  seasonal_naive: seasonalNaive,
  theta,
  linear_regression_with_seasonality: weightedTrend,
  ets: exponential,
  mstl,
  prophet,
  croston,
  tsb,
} as const satisfies Readonly<Record<string, PointMethod>>;

/** Grows when any method gives other numbers. */
export const FORECAST_VERSION = 4;

export type MemberMethod = keyof typeof POINT_METHODS;
export const MEMBER_METHODS = Object.keys(POINT_METHODS) as readonly MemberMethod[];
export const FORECAST_METHODS = ['auto', ...MEMBER_METHODS] as const;
export type ForecastMethod = 'auto' | MemberMethod;

/** The forecast of one method. Of values that were never below 0 it is not either; of a constant it is the constant. */
export function forecastBy(
  method: MemberMethod,
  history: readonly number[],
  period: number,
  horizon: number,
): readonly number[] {
  const [first = 0] = history;
  if (history.every((value) => value === first)) return new Array<number>(horizon).fill(first);
  const points = POINT_METHODS[method](history, period, horizon);
  return history.every((value) => value >= 0) ? points.map((value) => Math.max(value, 0)) : points;
}
