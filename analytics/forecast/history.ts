import { asMillraceError, MillraceError } from '../../engine/index.ts';
import type { Explained, Regressor } from './effects.ts';

/** A series as it comes: one value a step, oldest first. */
export interface ForecastSeries {
  /** null: nothing is known of this step. */
  readonly values: readonly (number | null)[];
  /** Steps of a season, 1 for none. */
  readonly period: number;
  /** The last step has not ended: it is left out. */
  readonly isLastPartial?: boolean;
  readonly regressors?: readonly Regressor[];
  /** Steps at which less was there than would have been sold: nothing is learnt from them. */
  readonly censored?: readonly boolean[];
}

/** What methods are given, and what was done for it. */
export interface CleanHistory {
  readonly values: readonly number[];
  /** Steps without a value that were filled in. */
  readonly filled: number;
  /** Steps before a long gap that were left out. */
  readonly left_out: number;
}

export const HISTORY_MIN_STEPS = 6;
/** Older steps are left out. */
export const HISTORY_MAX_STEPS = 2_000;
export const HORIZON_MAX_STEPS = 400;
export const PERIOD_MAX_STEPS = 366;
/** A gap that is longer than this and than a season cuts what is before it off. */
const GAP_MAX_STEPS = 3;

/**
 * A history without gaps: short ones are filled along the line between their ends, what lies before a long one is
 * left out. Throws MillraceError `too_little_history`, `value_not_finite`, `invalid_period`.
 */
export function cleanHistory({ values, period, isLastPartial = false }: ForecastSeries): CleanHistory {
  if (!Number.isInteger(period) || period < 1 || period > PERIOD_MAX_STEPS) {
    const message = `The period is ${period}: give a whole number of steps from 1 (no season) to ${PERIOD_MAX_STEPS}.`;
    throw new MillraceError('invalid_period', message);
  }
  if (values.some((value) => value !== null && !Number.isFinite(value))) {
    throw new MillraceError(
      'value_not_finite',
      'A value is not a finite number: give null where none is known.',
    );
  }
  const complete = isLastPartial ? values.slice(0, -1) : values;
  const start = startOf(complete, Math.max(GAP_MAX_STEPS, period));
  const end = complete.findLastIndex((value) => value !== null) + 1;
  const first = Math.max(start, end - HISTORY_MAX_STEPS);
  const kept = complete.slice(first, end);
  if (complete.length > end + Math.max(GAP_MAX_STEPS, period)) {
    const message = `The last ${complete.length - end} steps have no value: there is nothing recent to go on from.`;
    throw new MillraceError('too_little_history', message);
  }
  if (kept.length < HISTORY_MIN_STEPS) {
    const message = `There are ${kept.length} complete steps in a row; a forecast needs ${HISTORY_MIN_STEPS}. `;
    throw new MillraceError('too_little_history', `${message}Take a longer range or a finer granularity.`);
  }
  const filled = filledIn([...kept, ...complete.slice(end)]);
  return {
    values: filled,
    filled: filled.length - kept.filter((value) => value !== null).length,
    left_out: first,
  };
}

/** Why a series cannot be forecast; undefined where it can. */
export function forecastProblem(
  series: ForecastSeries,
): { readonly code: string; readonly message: string } | undefined {
  try {
    explained(series, cleanHistory(series));
    return undefined;
  } catch (error) {
    const { code, message } = asMillraceError(error);
    return { code, message };
  }
}

/** A clean history with what is known beside it. Throws MillraceError `value_not_finite`. */
export function explained(series: ForecastSeries, { values, left_out }: CleanHistory): Explained {
  const { period, censored = [], isLastPartial = false } = series;
  const regressors = (series.regressors ?? []).map((one) => ({
    name: one.name,
    // Of a last step that has not ended the value is one of the future.
    values: one.values.slice(left_out, isLastPartial && !isAhead(one, series) ? -1 : undefined),
  }));
  if (regressors.some((one) => !one.values.every(Number.isFinite) || one.values.length < values.length)) {
    const message = 'A regressor has no finite value for each step of the history.';
    throw new MillraceError('value_not_finite', message);
  }
  return { values, period, regressors, isCensored: (at) => censored[left_out + at] === true };
}

const isAhead = (one: Regressor, series: ForecastSeries): boolean => one.values.length > series.values.length;

/** The first value behind the last gap that is too long to fill. */
function startOf(values: readonly (number | null)[], gap_max: number): number {
  let [start, last] = [-1, -1];
  for (const [at, value] of values.entries()) {
    if (value === null) continue;
    if (start < 0 || at - last - 1 > gap_max) start = at;
    last = at;
  }
  return Math.max(start, 0);
}

function filledIn(values: readonly (number | null)[]): readonly number[] {
  const found = [...values];
  let last = -1;
  for (const [at, value] of values.entries()) {
    if (value === null) continue;
    const before = last < 0 ? value : (values[last] as number);
    for (let gap = last + 1; gap < at; gap++) {
      found[gap] = before + ((value - before) * (gap - last)) / (at - last);
    }
    last = at;
  }
  const end = last < 0 ? 0 : (values[last] as number);
  return found.map((value) => value ?? end);
}
