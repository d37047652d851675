import { type Explained, type View, viewAt } from './effects.ts';
import { cleanHistory, type ForecastSeries } from './history.ts';
import { forecastBy, type MemberMethod } from './methods.ts';

/** A place in a history from which the rest was forecast. */
export interface Origin {
  /** Values before it. */
  readonly at: number;
  /** What came, up to the horizon; NaN where nothing is known of it. */
  readonly actual: readonly number[];
  /** What was known there. */
  readonly view: View;
  /** The mean size of values in the last season before it: what errors are measured by when sizes change. */
  readonly size: number;
}

const MIN_TRAINING = 4;
const MAX_ORIGINS = 12;
/** Origins lie in this many last horizons. */
const SPAN_HORIZONS = 3;
/** Seasons that the first origin has behind it, where the history is long enough. */
const TRAINING_SEASONS = 3;
/** At most this share of a history is forecast. */
const MAX_TESTED_SHARE = 0.6;
/** At least this share is, whatever the seasons. */
const MIN_TESTED_SHARE = 0.25;

/** Origins from the oldest to the last value but one. Fewer than two where a history is too short to be tested. */
export function originsOf(explained: Explained, horizon: number): readonly Origin[] {
  const { values, period } = explained;
  return placesOf(values.length, period, horizon).map((at) => originAt(explained, at, horizon));
}

export function originAt(explained: Explained, at: number, horizon: number): Origin {
  const { values, period, isCensored } = explained;
  const actual = values
    .slice(at, at + horizon)
    .map((value, step) => (isCensored(at + step) ? Number.NaN : value));
  return {
    ...{ at, actual },
    view: viewAt(explained, at, actual.length),
    size: sizeOf(values.slice(0, at), period),
  };
}

/** How many values are before each origin of a history of `count`, ascending. */
export function placesOf(count: number, period: number, horizon: number): readonly number[] {
  const wanted = count - Math.min(SPAN_HORIZONS * horizon, Math.floor(MAX_TESTED_SHARE * count));
  const seasons = Math.min(TRAINING_SEASONS * period + 1, Math.floor((1 - MIN_TESTED_SHARE) * count));
  const first = Math.max(MIN_TRAINING, wanted, seasons);
  const span = count - 1 - first;
  if (span < 1) return [];
  const total = Math.min(MAX_ORIGINS, span + 1);
  const places = Array.from(
    { length: total },
    (_, index) => first + Math.round((index * span) / (total - 1)),
  );
  return [...new Set(places)];
}

/** The same, counted from the end of a series that can be forecast. */
export function originsBeforeEnd(series: ForecastSeries, horizon: number): readonly number[] {
  const { values } = cleanHistory(series);
  return placesOf(values.length, series.period, horizon).map((at) => values.length - at);
}

/** The mean size of the last values of a history: of a season, and of some steps at least. */
export function sizeOf(history: readonly number[], period: number): number {
  const last = history.slice(-Math.max(period, SIZE_MIN_STEPS));
  return last.reduce((sum, value) => sum + Math.abs(value), 0) / last.length;
}
const SIZE_MIN_STEPS = 6;

/** What a method says at each origin. */
export function runMember(
  method: MemberMethod,
  period: number,
  origins: readonly Origin[],
): readonly (readonly number[])[] {
  return origins.map(({ actual, view }) => viewed(method, view, period, actual.length));
}

/** The forecast of a method from a view. */
export function viewed(method: MemberMethod, view: View, period: number, horizon: number): readonly number[] {
  return view.restore(forecastBy(method, view.history, period, horizon));
}

/** The mean absolute error over origins and steps. */
export function lossOf(
  origins: readonly Origin[],
  runs: readonly (readonly number[])[],
  isLeftOut: (origin: Origin) => boolean,
): number {
  let [sum, count] = [0, 0];
  for (const [place, origin] of origins.entries()) {
    if (isLeftOut(origin)) continue;
    for (const [at, value] of origin.actual.entries()) {
      if (Number.isNaN(value)) continue;
      sum += Math.abs(value - (runs[place]?.[at] ?? 0));
      count++;
    }
  }
  return count === 0 ? 0 : sum / count;
}
