import {
  bucketsOf,
  DAY_MS,
  type KpiGroup,
  type KpiResult,
  type TenantDefaults,
  zoneOf,
} from '../../../analytics/index.ts';
import type { ModelOutcome } from '../../../runtime/index.ts';
import type { KeptGroup, Trained } from './model-schema.ts';

/** Digits that forecasts are kept with. */
const DIGITS = 6;

/** The mean over groups with a back-test, of MASE where all of them have it. */
export function scoreOf(groups: readonly KeptGroup[]): Trained['score'] {
  const tests = groups.flatMap(({ back_test }) => (back_test === null ? [] : [back_test]));
  if (tests.length === 0) return null;
  const measure = tests.every(({ mase }) => mase !== null) ? 'mase' : 'smape';
  const mean = (of: (test: (typeof tests)[number]) => number): number =>
    kept(tests.reduce((sum, test) => sum + of(test), 0) / tests.length);
  const value = mean((test) => test[measure] ?? 0);
  const naive = mean(({ naive: one }) => one[measure] ?? 0);
  const seasonal = mean(({ seasonal_naive: one }) => one[measure] ?? 0);
  const baseline_value = Math.min(naive, seasonal);
  const baseline =
    naive <= seasonal ? 'naive: the last value again' : 'seasonal_naive: the last season again';
  return { measure, value, baseline, baseline_value, beats_baseline: value < baseline_value };
}

/** The mean change from the season before, within the history; null where nothing ever changed. */
export function scaleOf(values: readonly (number | null)[], season: number): number | null {
  const lag = values.length > season ? season : 1;
  const changes = values.flatMap((value, at) => {
    const before = values[at - lag];
    return value === null || before === null || before === undefined ? [] : [Math.abs(value - before)];
  });
  const mean = changes.reduce((sum, change) => sum + change, 0) / changes.length;
  return mean > 0 ? kept(mean) : null;
}

/** The longest that a step may be, ms. */
const WIDTH_MAX_MS: Readonly<Record<string, number>> = {
  '1m': 60_000,
  '5m': 300_000,
  '15m': 900_000,
  '1h': 3_600_000,
  '1d': 25 * 3_600_000,
  '1w': 169 * 3_600_000,
  '1M': 31 * DAY_MS + 3_600_000,
  '1Q': 92 * DAY_MS + 3_600_000,
  '1Y': 366 * DAY_MS,
};

/** The starts of the steps after the last, by the tenant's calendar. */
export function timesAfter(
  last: string,
  horizon: number,
  { timezone, granularity }: KpiResult,
  defaults: TenantDefaults | undefined,
): string[] {
  const zone = zoneOf(timezone);
  const start_ms = Date.parse(last);
  const { weekStart, fiscalMonth } = defaults ?? {};
  const range = { start_ms, end_ms: start_ms + (horizon + 2) * (WIDTH_MAX_MS[granularity] ?? DAY_MS) };
  const { starts_ms } = bucketsOf({ range, granularity, zone, weekStart, fiscalMonth });
  return starts_ms.slice(1, horizon + 1).map((time_ms) => zone.format(time_ms));
}

const kept = (value: number): number => Number(value.toPrecision(DIGITS));

export function keptGroup(
  outcome: ModelOutcome<'forecast'>,
  key: KpiGroup['key'],
  scale: number | null,
): KeptGroup {
  if ('error' in outcome) {
    const nothing = {
      members: [],
      effects: [],
      back_test: null,
      steps: 0,
      scale: null,
      warnings: [],
      points: [],
    };
    return { key, error: outcome.error, ...nothing };
  }
  const { members, effects, back_test, history, warnings, points } = outcome.result;
  const isBeaten = back_test !== null && !back_test.beats_naive;
  return {
    ...{ key, scale },
    members: members.map(({ method, weight }) => ({ method, weight: kept(weight) })),
    effects: effects.map((one) => ({ ...one, effect: kept(one.effect) })),
    back_test: back_test === null ? null : roundedTest(back_test),
    steps: history.steps,
    warnings: isBeaten ? [...warnings, BEATEN] : [...warnings],
    points: points.map(({ mean, lower_80, upper_80, lower_95, upper_95 }) =>
      [mean, lower_80, upper_80, lower_95, upper_95].map(kept),
    ),
  };
}

/** A total whose means are the sums of its parts', as these are kept. */
export function keptTotal(total: KeptGroup, parts: readonly KeptGroup[]): KeptGroup {
  const points = total.points.map(([, ...ends], at) => {
    const sum = parts.reduce((all, one) => all + (one.points[at]?.[0] ?? 0), 0);
    const mean = Number(sum.toPrecision(SUM_DIGITS));
    const [lower_80 = mean, upper_80 = mean, lower_95 = mean, upper_95 = mean] = ends;
    const [low, high] = [Math.min(lower_80, mean), Math.max(upper_80, mean)];
    return [mean, low, high, Math.min(lower_95, low), Math.max(upper_95, high)];
  });
  return { ...total, points };
}
/** More than parts are kept with, and fewer than binary fractions show. */
const SUM_DIGITS = 13;

const BEATEN = 'In the back-test a naive method errs no more than this one.';

type BackTest = NonNullable<KeptGroup['back_test']>;

function roundedTest({ origins, beats_naive, naive, seasonal_naive, smape, mase }: BackTest): BackTest {
  const rounded = (one: { readonly smape: number; readonly mase: number | null }) => ({
    smape: kept(one.smape),
    mase: one.mase === null ? null : kept(one.mase),
  });
  return {
    ...rounded({ smape, mase }),
    ...{ origins, beats_naive },
    naive: rounded(naive),
    seasonal_naive: rounded(seasonal_naive),
  };
}
