import {
  bucketsOf,
  DAY_MS,
  FORECAST_VERSION,
  type ForecastMethod,
  type KpiGroup,
  type KpiQuery,
  type KpiResult,
  kpiSchemaOf,
  QueryError,
  saysKnownMembers,
  type TenantDefaults,
  zoneOf,
} from '../../../analytics/index.ts';
import { forecastAll, type ModelOutcome, type RunningJob } from '../../../runtime/index.ts';
import { type AnswerParts, analyticsOf, runQuery, wishOf } from '../../answers/index.ts';
import { ApiError, errorsOf, positionOf } from '../../http/index.ts';
import { patiently } from '../jobs/index.ts';
import {
  type ForecastContent,
  forecastParamsSchema,
  type KeptGroup,
  MODEL_MAX_GROUPS,
  MODEL_MAX_POINTS,
  type ModelBody,
  type Trained,
} from './model-schema.ts';

export const QUERY_DEADLINE_MS = 600_000;
/** Digits that forecasts are kept with. */
const DIGITS = 6;

/** What training of any type gives: what is said of it, and what a prediction needs. */
export interface TrainingResult<C> {
  readonly content: C;
  readonly facts: Omit<Trained, 'trained_at' | 'definition_hash' | 'object'>;
}

const wholeParams = forecastParamsSchema.required();

/** The query that a model's history is the answer of. Throws ApiError `validation_failed`. */
export function historyQuery(
  { dataset, params }: Pick<ModelBody, 'dataset' | 'params'>,
  custom: readonly string[],
): KpiQuery {
  const { metric, ...rest } = dataset;
  const query = checkedQuery(custom, { metrics: [metric], ...rest });
  const { horizon } = wholeParams.parse(params);
  return { ...query, limit: Math.min(MODEL_MAX_GROUPS, Math.floor(MODEL_MAX_POINTS / horizon)) };
}

function checkedQuery(custom: readonly string[], query: unknown): KpiQuery {
  const parsed = kpiSchemaOf(custom).safeParse(query, { error: saysKnownMembers });
  if (parsed.success) return parsed.data;
  const errors = errorsOf(parsed.error, 'dataset');
  const [first] = errors;
  throw new ApiError('validation_failed', `The data set is not valid. ${first?.path}: ${first?.message}`, {
    errors,
  });
}

/** Reads the history and forecasts each group of it. */
export async function trainForecast(
  parts: AnswerParts,
  job: RunningJob,
  model: Pick<ModelBody, 'dataset' | 'params'>,
): Promise<TrainingResult<ForecastContent>> {
  const { signal, record } = job;
  const { clock, settings } = parts.ports;
  const { method, season, horizon } = wholeParams.parse(model.params);
  const asker = { request: { signal }, tenant: record.tenant, principal: { key_id: record.created_by } };
  const { queries, custom } = analyticsOf(settings);
  const query = historyQuery(model, custom);
  const { answer, state } = await patiently({ signal, clock }, () =>
    runQuery(parts, asker, queries.kpis, query, { wish: wishOf(query), deadline_ms: QUERY_DEADLINE_MS }),
  );
  const histories = answer.groups.map((group) => historyOf(group, String(model.dataset.metric)));
  const steps = stepsOf(answer);
  const outcomes = await forecasts(job, histories, { method, season, horizon });
  requireSome(outcomes);
  const last = steps.at(-1) ?? '';
  const groups = outcomes.map((outcome, at) =>
    keptGroup(outcome, answer.groups[at]?.key ?? {}, scaleOf(histories[at] ?? [], season)),
  );
  return {
    content: {
      kind: 'forecast',
      times: timesAfter(last, horizon, answer, parts.tenants?.defaultsOf(record.tenant)),
      groups,
    },
    facts: {
      code_version: FORECAST_VERSION,
      position: positionOf(state.freshness.sequence, state.progress?.incarnation),
      history: { first: steps[0] ?? '', last },
      groups_left_out: answer.groups_total - answer.groups.length,
      score: scoreOf(groups),
      warnings: [],
    },
  };
}

function forecasts(
  job: RunningJob,
  histories: readonly (readonly (number | null)[])[],
  {
    method,
    season,
    horizon,
  }: { readonly method: ForecastMethod; readonly season: number; readonly horizon: number },
): Promise<readonly ModelOutcome<'forecast'>[]> {
  const total = histories.length;
  const tasks = histories.map((values) => ({ series: { values, period: season }, method, horizon }));
  job.advance({ done: 0, total, unit: 'groups' });
  return forecastAll(tasks, {
    signal: job.signal,
    onProgress: (done) => job.advance({ done, total, unit: 'groups' }),
  });
}

/** The mean over groups with a back-test, of MASE where all of them have it. */
function scoreOf(groups: readonly KeptGroup[]): Trained['score'] {
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
function scaleOf(values: readonly (number | null)[], season: number): number | null {
  const lag = values.length > season ? season : 1;
  const changes = values.flatMap((value, at) => {
    const before = values[at - lag];
    return value === null || before === null || before === undefined ? [] : [Math.abs(value - before)];
  });
  const mean = changes.reduce((sum, change) => sum + change, 0) / changes.length;
  return mean > 0 ? kept(mean) : null;
}

/** Complete steps only: what can still change, or is cut by the range, is not learnt from. */
const isWhole = (bucket: KpiGroup['buckets'][number]): boolean =>
  bucket.incomplete !== true && bucket.partial !== true;

/** The values from the first that is not 0 on: before it there was nothing to sell. */
function historyOf({ buckets }: KpiGroup, metric: string): readonly (number | null)[] {
  const values = buckets.filter(isWhole).map((bucket) => {
    const value = bucket[metric];
    return typeof value === 'number' || typeof value === 'bigint' ? Number(value) : null;
  });
  const first = values.findIndex((value) => value !== null && value !== 0);
  return first < 0 ? values : values.slice(first);
}

function stepsOf({ groups }: KpiResult): readonly string[] {
  return (groups[0]?.buckets ?? []).filter(isWhole).map(({ time }) => time);
}

function requireSome(outcomes: readonly ModelOutcome<'forecast'>[]): void {
  if (outcomes.some((outcome) => 'result' in outcome)) return;
  const [first] = outcomes;
  const why = first !== undefined && 'error' in first ? first.error.message : 'The range has no groups.';
  throw new QueryError('not_enough_data', `There is nothing to forecast from. ${why}`);
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
function timesAfter(
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

function keptGroup(outcome: ModelOutcome<'forecast'>, key: KpiGroup['key'], scale: number | null): KeptGroup {
  if ('error' in outcome) {
    const nothing = { members: [], back_test: null, steps: 0, scale: null, warnings: [], points: [] };
    return { key, error: outcome.error, ...nothing };
  }
  const { members, back_test, history, warnings, points } = outcome.result;
  const isBeaten = back_test !== null && !back_test.beats_naive;
  return {
    ...{ key, scale },
    members: members.map(({ method, weight }) => ({ method, weight: kept(weight) })),
    back_test: back_test === null ? null : roundedTest(back_test),
    steps: history.steps,
    warnings: isBeaten ? [...warnings, BEATEN] : [...warnings],
    points: points.map(({ mean, lower_80, upper_80, lower_95, upper_95 }) =>
      [mean, lower_80, upper_80, lower_95, upper_95].map(kept),
    ),
  };
}

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
