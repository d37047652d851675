import { dampedTrend, exponential } from './exponential.ts';
import { isPositive, type PointMethod, stepsOf } from './point-method.ts';
import { hasSeason } from './season.ts';
import { decomposed, strengthOf } from './stl.ts';

/** Periods that steps of a period often have as well: weeks of hours and quarter hours, years of days. */
const LONGER: Readonly<Record<number, number>> = { 7: 365, 24: 168, 96: 672 };

const LONGER_MIN_SEASONS = 3;
/** A longer season that is less of the variance is taken for noise, which a few seasons fit as well. */
const MIN_STRENGTH = 0.64;

/**
 * Seasons by loess, the last of each again, and a damped trend by exponential smoothing of what is left; in logarithms
 * where all values are positive. A longer season is taken too where three of it are there and it is strong.
 */
export const mstl: PointMethod = (history, period, horizon) => {
  const own = hasSeason(history, period) ? [period] : [];
  const longer = LONGER[period];
  const isLog = isPositive(history);
  const values = isLog ? history.map(Math.log) : history;
  let [periods, parts] = [own, own.length === 0 ? undefined : decomposed(values, own)];
  if (longer !== undefined && history.length >= LONGER_MIN_SEASONS * longer) {
    const both = [...own, longer];
    const found = decomposed(values, both);
    if (strengthOf(found, both.length - 1) >= MIN_STRENGTH) [periods, parts] = [both, found];
  }
  if (parts === undefined) return exponential(history, 1, horizon);
  const trend = dampedTrend([...parts.adjusted], horizon);
  const { seasons } = parts;
  return stepsOf(horizon, (step) => {
    let value = trend[step - 1] as number;
    for (const [place, season] of seasons.entries()) {
      const length = periods[place] as number;
      value += season[season.length - length + ((step - 1) % length)] as number;
    }
    return isLog ? Math.exp(value) : value;
  });
};
