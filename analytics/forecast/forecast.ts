import type { Member } from './auto.ts';
import { type Base, baseOf, type Effect, type ForecastWish, type Tested } from './base.ts';
import type { ForecastSeries } from './history.ts';
import { demandEndsOf, type Spread, spreadsOf, walkSpread } from './intervals.ts';
import { smapeOf } from './measures.ts';
import type { ForecastMethod } from './methods.ts';
import { meanOf } from './point-method.ts';

export interface ForecastPoint {
  readonly mean: number;
  readonly lower_80: number;
  readonly upper_80: number;
  readonly lower_95: number;
  readonly upper_95: number;
}

/** How a method did on the history itself, from origins before its end. */
export interface Accuracy {
  /** Percent. */
  readonly smape: number;
  /** null: the history never changed before an origin. */
  readonly mase: number | null;
}

export interface Forecast {
  readonly method: ForecastMethod;
  /** What the mean is made of; one with weight 1 for all methods but `auto`. */
  readonly members: readonly Member[];
  readonly points: readonly ForecastPoint[];
  /** null: the history is too short to be tested. */
  readonly back_test:
    | (Accuracy & {
        readonly origins: number;
        readonly naive: Accuracy;
        readonly seasonal_naive: Accuracy;
        /** Its errors are smaller than those of both. */
        readonly beats_naive: boolean;
      })
    | null;
  readonly effects: readonly Effect[];
  readonly history: { readonly steps: number; readonly filled: number; readonly left_out: number };
  /** Sentences. */
  readonly warnings: readonly string[];
}

/**
 * The next `horizon` steps of a series. The same input gives the same answer. Throws MillraceError
 * `too_little_history`, `value_not_finite`, `invalid_period`, `invalid_horizon`.
 */
export function forecastSeries(series: ForecastSeries, wish: ForecastWish): Forecast {
  return finished(baseOf(series, wish));
}

const MIN_ORIGINS = 2;
const UNTESTED = 'The history is too short for a back-test: intervals are those of a random walk.';

/** With its intervals, and what the back-test says. */
export function finished(base: Base): Forecast {
  const { method, members, effects, history, warnings } = base;
  const isTested = base.tested.length >= MIN_ORIGINS;
  return {
    ...{ method, members, effects, history },
    points: pointsOf(base),
    back_test: isTested ? backTestOf(base.tested) : null,
    warnings: isTested ? warnings : [UNTESTED, ...warnings],
  };
}

/** How far from each mean the truth lies. */
export function spreadOf({ tested, means, size, isRelative, change }: Base): readonly Spread[] {
  return tested.length < MIN_ORIGINS
    ? means.map((_, at) => walkSpread(change, at + 1))
    : spreadsOf(tested, means.length, { size, isRelative });
}

function pointsOf(base: Base): readonly ForecastPoint[] {
  const { means, tested, size, isIntermittent } = base;
  if (isIntermittent && tested.length >= MIN_ORIGINS) {
    const ends = demandEndsOf(tested, means, size);
    return means.map((mean, at) => {
      const { upper_80, upper_95 } = ends[at] ?? { upper_80: mean, upper_95: mean };
      return { mean, lower_80: 0, upper_80, lower_95: 0, upper_95 };
    });
  }
  const floor = base.isNonNegative ? 0 : Number.NEGATIVE_INFINITY;
  const spreads = spreadOf(base);
  return means.map((mean, at) => {
    const { half_80, half_95 } = spreads[at] ?? { half_80: 0, half_95: 0 };
    return {
      mean,
      lower_80: Math.max(mean - half_80, floor),
      upper_80: mean + half_80,
      lower_95: Math.max(mean - half_95, floor),
      upper_95: mean + half_95,
    };
  });
}

function backTestOf(tested: readonly Tested[]): NonNullable<Forecast['back_test']> {
  const mine = accuracyOf(tested, ({ forecast }) => forecast);
  const naive = accuracyOf(tested, (one) => one.naive);
  const seasonal_naive = accuracyOf(tested, (one) => one.seasonal_naive);
  const of = ({ mase, smape }: Accuracy): number => mase ?? smape;
  const beats_naive = of(mine) < of(naive) && of(mine) < of(seasonal_naive);
  return { ...mine, origins: tested.length, naive, seasonal_naive, beats_naive };
}

function accuracyOf(tested: readonly Tested[], run: (one: Tested) => readonly number[]): Accuracy {
  const each = tested.flatMap((one) => {
    const pairs = one.actual.flatMap((value, at) =>
      Number.isNaN(value) ? [] : [[value, run(one)[at] ?? 0] as const],
    );
    if (pairs.length === 0) return [];
    const [actual, said] = [pairs.map(([value]) => value), pairs.map(([, value]) => value)];
    const error = meanOf(pairs.map(([value, other]) => Math.abs(value - other)));
    return [{ smape: smapeOf(actual, said), mase: one.scale === 0 ? null : error / one.scale }];
  });
  const scaled = each.flatMap(({ mase }) => (mase === null ? [] : [mase]));
  return { smape: meanOf(each.map(({ smape }) => smape)), mase: scaled.length === 0 ? null : meanOf(scaled) };
}
