import { MillraceError } from '../../engine/index.ts';
import { blend, candidatesOf, chooseMembers, type Member } from './auto.ts';
import { type Origin, originsOf, runMember, sizeOf } from './back-test.ts';
import { cleanHistory, type ForecastSeries, HORIZON_MAX_STEPS } from './history.ts';
import { spreadsOf } from './intervals.ts';
import { maseOf, smapeOf } from './measures.ts';
import { type ForecastMethod, forecastBy, type MemberMethod } from './methods.ts';
import { isPositive, meanOf } from './point-method.ts';

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
  readonly history: { readonly steps: number; readonly filled: number; readonly left_out: number };
  /** Sentences. */
  readonly warnings: readonly string[];
}

type Runs = readonly (readonly number[])[];

/**
 * The next `horizon` steps of a series. The same input gives the same answer. Throws MillraceError
 * `too_little_history`, `value_not_finite`, `invalid_period`, `invalid_horizon`.
 */
export function forecastSeries(
  series: ForecastSeries,
  { method, horizon }: { readonly method: ForecastMethod; readonly horizon: number },
): Forecast {
  if (!Number.isInteger(horizon) || horizon < 1 || horizon > HORIZON_MAX_STEPS) {
    const message = `The horizon is ${horizon} steps: give a whole number from 1 to ${HORIZON_MAX_STEPS}.`;
    throw new MillraceError('invalid_horizon', message);
  }
  const { values, filled, left_out } = cleanHistory(series);
  const { period } = series;
  const origins = originsOf(values, period, horizon);
  const methods = method === 'auto' ? candidatesOf(values, period) : [method];
  const runs = new Map(methods.map((one) => [one, runMember(one, values, period, origins)]));
  const members = method === 'auto' ? chooseMembers(origins, runs) : [{ method, weight: 1 }];
  const means = blend(
    members,
    new Map(members.map((member) => [member.method, forecastBy(member.method, values, period, horizon)])),
  );
  const own = origins.map(({ at }, place) => {
    // Weights that the errors of a span have chosen would make these look smaller than those of what comes.
    const isNear = (other: Origin): boolean => Math.abs(other.at - at) < NEAR_SHARE * horizon;
    const chosen = method === 'auto' ? chooseMembers(origins, runs, isNear) : members;
    return blend(chosen, atOrigin(runs, place));
  });
  const tested = origins.length < MIN_ORIGINS ? undefined : { origins, own };
  return {
    method,
    members,
    points: pointsOf(values, period, means, tested),
    back_test: tested === undefined ? null : backTestOf(values, period, tested),
    history: { steps: values.length, filled, left_out },
    warnings: warningsOf({ values, period, filled, left_out, isTested: tested !== undefined }),
  };
}

const MIN_ORIGINS = 2;
const NEAR_SHARE = 0.5;

const atOrigin = (
  runs: ReadonlyMap<MemberMethod, Runs>,
  place: number,
): ReadonlyMap<MemberMethod, readonly number[]> =>
  new Map([...runs].map(([method, each]) => [method, each[place] ?? []]));

interface Tested {
  readonly origins: readonly Origin[];
  readonly own: Runs;
}

function pointsOf(
  values: readonly number[],
  period: number,
  means: readonly number[],
  tested: Tested | undefined,
): readonly ForecastPoint[] {
  const { origins, own } = tested ?? { origins: [], own: [] };
  const size = sizeOf(values, period);
  const spreads = spreadsOf(origins, own, means.length, { size, isRelative: isPositive(values) });
  const floor = values.every((value) => value >= 0) ? 0 : Number.NEGATIVE_INFINITY;
  return means.map((mean, at) => {
    const { half_80, half_95 } =
      tested === undefined ? walkSpread(values, at + 1) : (spreads[at] ?? NO_SPREAD);
    return {
      mean,
      lower_80: Math.max(mean - half_80, floor),
      upper_80: mean + half_80,
      lower_95: Math.max(mean - half_95, floor),
      upper_95: mean + half_95,
    };
  });
}

const NO_SPREAD = { half_80: 0, half_95: 0 };
const NORMAL_80 = 1.282;
const NORMAL_95 = 1.96;

/** Without a back-test: as a random walk with the history's changes. */
function walkSpread(values: readonly number[], step: number): { half_80: number; half_95: number } {
  const changes = values.slice(1).map((value, at) => (value - (values[at] as number)) ** 2);
  const scale = Math.sqrt(meanOf(changes) * step);
  return { half_80: NORMAL_80 * scale, half_95: NORMAL_95 * scale };
}

function backTestOf(
  values: readonly number[],
  period: number,
  { origins, own }: Tested,
): NonNullable<Forecast['back_test']> {
  const mine = accuracyOf(values, period, origins, own);
  const naive = accuracyOf(values, period, origins, runMember('naive', values, period, origins));
  const seasonal_naive = accuracyOf(
    values,
    period,
    origins,
    runMember('seasonal_naive', values, period, origins),
  );
  const of = ({ mase, smape }: Accuracy): number => mase ?? smape;
  const beats_naive = of(mine) < of(naive) && of(mine) < of(seasonal_naive);
  return { ...mine, origins: origins.length, naive, seasonal_naive, beats_naive };
}

function accuracyOf(
  values: readonly number[],
  period: number,
  origins: readonly Origin[],
  runs: Runs,
): Accuracy {
  const each = origins.map(({ at, actual }, place) => ({
    smape: smapeOf(actual, runs[place] ?? []),
    mase: maseOf(actual, runs[place] ?? [], values.slice(0, at), period),
  }));
  const scaled = each.flatMap(({ mase }) => (mase === null ? [] : [mase]));
  return { smape: meanOf(each.map(({ smape }) => smape)), mase: scaled.length === 0 ? null : meanOf(scaled) };
}

function warningsOf({
  values,
  period,
  filled,
  left_out,
  isTested,
}: {
  readonly values: readonly number[];
  readonly period: number;
  readonly filled: number;
  readonly left_out: number;
  readonly isTested: boolean;
}): readonly string[] {
  const warnings: string[] = [];
  if (!isTested)
    warnings.push('The history is too short for a back-test: intervals are those of a random walk.');
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
