import { MillraceError } from '../../engine/index.ts';
import { blend, candidatesOf, chooseMembers, hasIntermittentDemand, type Member } from './auto.ts';
import { type Origin, originAt, originsOf, runMember, sizeOf, viewed } from './back-test.ts';
import { viewAt } from './effects.ts';
import { cleanHistory, explained, type ForecastSeries, HORIZON_MAX_STEPS } from './history.ts';
import { seasonalScaleOf } from './measures.ts';
import type { ForecastMethod, MemberMethod } from './methods.ts';
import { isPositive, meanOf } from './point-method.ts';

/** What was forecast at an origin, and what came. */
export interface Tested {
  /** Steps of the history from the origin on. */
  readonly before_end: number;
  /** NaN where nothing is known of it. */
  readonly actual: readonly number[];
  readonly forecast: readonly number[];
  /** The mean size of values before the origin, and their mean change from the season before. */
  readonly size: number;
  readonly scale: number;
  readonly naive: readonly number[];
  readonly seasonal_naive: readonly number[];
}

/** What one more of a regressor does. */
export interface Effect {
  readonly name: string;
  /** What a value is multiplied by, or what is added to it. */
  readonly effect: number;
  readonly is_factor: boolean;
  /** Its values in the future were given; else they stay at the mean of the last season. */
  readonly is_known: boolean;
}

/** A forecast before its intervals are drawn. Plain data. */
export interface Base {
  readonly method: ForecastMethod;
  readonly members: readonly Member[];
  readonly means: readonly number[];
  readonly tested: readonly Tested[];
  /** Further origins, asked for by `also_at`. */
  readonly also: readonly Tested[];
  readonly effects: readonly Effect[];
  readonly size: number;
  /** Errors are taken relative to the size. */
  readonly isRelative: boolean;
  /** No value was ever below 0. */
  readonly isNonNegative: boolean;
  /** Demand that comes now and then: most steps may have none. */
  readonly isIntermittent: boolean;
  /** The mean squared change from step to step. */
  readonly change: number;
  readonly history: { readonly steps: number; readonly filled: number; readonly left_out: number };
  readonly warnings: readonly string[];
}

export interface ForecastWish {
  readonly method: ForecastMethod;
  /** Steps. */
  readonly horizon: number;
  /** Steps before the end at which it is to be tried beside its own origins. */
  readonly also_at?: readonly number[];
}

type Runs = ReadonlyMap<MemberMethod, readonly (readonly number[])[]>;

/** Throws as `forecastSeries` does. */
export function baseOf(series: ForecastSeries, { method, horizon, also_at = [] }: ForecastWish): Base {
  if (!Number.isInteger(horizon) || horizon < 1 || horizon > HORIZON_MAX_STEPS) {
    const message = `The horizon is ${horizon} steps: give a whole number from 1 to ${HORIZON_MAX_STEPS}.`;
    throw new MillraceError('invalid_horizon', message);
  }
  const clean = cleanHistory(series);
  const known = explained(series, clean);
  const { values, period } = known;
  const view = viewAt(known, values.length, horizon);
  const origins = originsOf(known, horizon);
  const methods = method === 'auto' ? candidatesOf(view.history, period) : [method];
  const runs: Runs = new Map(methods.map((one) => [one, runMember(one, period, origins)]));
  const members = method === 'auto' ? chooseMembers(origins, runs) : [{ method, weight: 1 }];
  const all = (from: typeof view, steps: number): readonly number[] =>
    blend(members, new Map(members.map((one) => [one.method, viewed(one.method, from, period, steps)])));
  const isNonNegative = values.every((value) => value >= 0);
  const bounded = (points: readonly number[]): readonly number[] =>
    isNonNegative ? points.map((value) => Math.max(value, 0)) : points;
  const place = (at: number): Origin | undefined => origins.find((origin) => origin.at === at);
  const also = also_at.map((before_end) => values.length - before_end).filter((at) => at >= 1 && !place(at));
  const others = also.map((at) => originAt(known, at, horizon));
  const toTested = (origin: Origin, forecast: readonly number[]): Tested => {
    const before = values.slice(0, origin.at);
    const plain = { history: before, restore: (points: readonly number[]) => points };
    const steps = origin.actual.length;
    return {
      ...{ before_end: values.length - origin.at, actual: origin.actual, size: origin.size },
      forecast: bounded(forecast),
      scale: seasonalScaleOf(before, period),
      naive: viewed('naive', { ...origin.view, ...plain }, period, steps),
      seasonal_naive: viewed('seasonal_naive', { ...origin.view, ...plain }, period, steps),
    };
  };
  return {
    ...{ method, members },
    means: bounded(all(view, horizon)),
    tested: origins.map((origin, index) =>
      toTested(origin, ownAt({ origins, runs, members, method, horizon }, index)),
    ),
    also: others.map((origin) => toTested(origin, all(origin.view, origin.actual.length))),
    effects: known.regressors.map(({ name, values: given }, index) => ({
      ...{ name, effect: view.effects[index] ?? 0, is_factor: view.isFactor },
      is_known: given.length > values.length,
    })),
    size: sizeOf(values, period),
    isRelative: isPositive(values),
    isNonNegative,
    isIntermittent: hasIntermittentDemand(values, period),
    change: meanOf(values.slice(1).map((value, at) => (value - (values[at] as number)) ** 2)),
    history: { steps: values.length, filled: clean.filled, left_out: clean.left_out },
    warnings: warningsOf(values, period, clean),
  };
}

interface Trial {
  readonly origins: readonly Origin[];
  readonly runs: Runs;
  readonly members: readonly Member[];
  readonly method: ForecastMethod;
  readonly horizon: number;
}

/** What was said at an origin. */
function ownAt({ origins, runs, members, method, horizon }: Trial, index: number): readonly number[] {
  const at = origins[index]?.at ?? 0;
  // Weights that the errors of a span have chosen would make these look smaller than those of what comes.
  const isNear = (other: Origin): boolean => Math.abs(other.at - at) < NEAR_SHARE * horizon;
  const chosen = method === 'auto' ? chooseMembers(origins, runs, isNear) : members;
  return blend(chosen, new Map([...runs].map(([one, each]) => [one, each[index] ?? []])));
}
const NEAR_SHARE = 0.5;

function warningsOf(
  values: readonly number[],
  period: number,
  { filled, left_out }: { readonly filled: number; readonly left_out: number },
): readonly string[] {
  const warnings: string[] = [];
  if (period > 1 && values.length < 3 * period) {
    warnings.push('The history is shorter than three seasons: no season was looked for.');
  }
  if (filled > 0) warnings.push(`${filled} steps had no value and were filled in.`);
  if (left_out > 0)
    warnings.push(`The first ${left_out} steps were left out: before a long gap, or too old.`);
  if (values.every((value) => value === values[0])) {
    warnings.push('The history is constant: its spread is not known, and the intervals have no width.');
  }
  return warnings;
}
