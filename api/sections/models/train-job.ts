import {
  bucketsOf,
  DAY_MS,
  FORECAST_VERSION,
  type KpiGroup,
  type KpiQuery,
  type KpiResult,
  QueryError,
  type TenantDefaults,
  zoneOf,
} from '../../../analytics/index.ts';
import {
  type Definition,
  forecastAll,
  type JobKind,
  type JobOutcome,
  type KindDefinitions,
  type ModelOutcome,
  type RunningJob,
} from '../../../runtime/index.ts';
import { type AnswerParts, analyticsOf, runQuery, wishOf } from '../../answers/index.ts';
import { positionOf, timeText } from '../../http/index.ts';
import { patiently } from '../jobs/index.ts';
import {
  definitionHash,
  type KeptGroup,
  MODEL_MAX_GROUPS,
  MODEL_MAX_POINTS,
  type ModelBody,
} from './model-schema.ts';

export const TRAINING_JOB = 'model_training';
const QUERY_DEADLINE_MS = 600_000;
/** Digits that forecasts are kept with. */
const DIGITS = 6;

export interface TrainingInput extends Pick<ModelBody, 'type' | 'dataset' | 'params'> {
  readonly name: string | null;
  readonly query: KpiQuery;
}

/** The query that a model's history is the answer of. */
export function historyQuery(query: KpiQuery, horizon: number): KpiQuery {
  return { ...query, limit: Math.min(MODEL_MAX_GROUPS, Math.floor(MODEL_MAX_POINTS / horizon)) };
}

/**
 * Reads the history and forecasts each group. The model is there when the job begins, and has its forecasts when it
 * ends; an attempt that is cut off begins anew with the same model.
 */
export function trainingKind(parts: AnswerParts, models: KindDefinitions<ModelBody>): JobKind {
  return {
    type: TRAINING_JOB,
    lane: 'training',
    run: async (job) => {
      const input = job.record.input as TrainingInput;
      const model = await modelOf(models, job, input);
      const trained = await train(parts, job, input);
      await models.patch(job.record.tenant, model.id, { trained });
      const { groups, groups_left_out } = trained;
      return outcomeOf(model.id, groups, groups_left_out);
    },
  };
}

function outcomeOf(model_id: string, groups: readonly KeptGroup[], groups_left_out: number): JobOutcome {
  const failed = groups.filter(({ error }) => error !== undefined).length;
  return { result: { model_id, groups: groups.length, groups_failed: failed, groups_left_out } };
}

/** The one of this job, which an earlier attempt may have made. */
async function modelOf(
  models: KindDefinitions<ModelBody>,
  { record: { tenant, job_id, created_by } }: RunningJob,
  { name, type, dataset, params }: TrainingInput,
): Promise<Definition<ModelBody>> {
  const made = models.list(tenant).find(({ body }) => body.job_id === job_id);
  if (made !== undefined) return made;
  const body = { type, dataset, params, job_id, trained: null };
  return models.create(tenant, { name: name ?? job_id, body, created_by });
}

async function train(
  parts: AnswerParts,
  job: RunningJob,
  { query, type, dataset, params }: TrainingInput,
): Promise<NonNullable<ModelBody['trained']>> {
  const { signal, record } = job;
  const { clock, settings } = parts.ports;
  const asker = { request: { signal }, tenant: record.tenant, principal: { key_id: record.created_by } };
  const { queries } = analyticsOf(settings);
  const { answer, state } = await patiently({ signal, clock }, () =>
    runQuery(parts, asker, queries.kpis, historyQuery(query, params.horizon), {
      wish: wishOf(query),
      deadline_ms: QUERY_DEADLINE_MS,
    }),
  );
  const histories = answer.groups.map((group) => historyOf(group, dataset.metric));
  const steps = stepsOf(answer);
  const tasks = histories.map((values) => ({
    series: { values, period: params.season },
    ...{ method: params.method, horizon: params.horizon },
  }));
  const total = tasks.length;
  job.advance({ done: 0, total, unit: 'groups' });
  const outcomes = await forecastAll(tasks, {
    signal,
    onProgress: (done) => job.advance({ done, total, unit: 'groups' }),
  });
  requireSome(outcomes);
  const last = steps.at(-1) ?? '';
  return {
    trained_at: timeText(clock.now()),
    code_version: FORECAST_VERSION,
    definition_hash: definitionHash({ type, dataset, params }),
    position: positionOf(state.freshness.sequence, state.progress?.incarnation),
    history: { first: steps[0] ?? '', last },
    times: timesAfter(last, params.horizon, answer, parts.tenants?.defaultsOf(record.tenant)),
    groups_left_out: answer.groups_total - answer.groups.length,
    groups: outcomes.map((outcome, at) => keptGroup(outcome, answer.groups[at]?.key ?? {})),
  };
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

function keptGroup(outcome: ModelOutcome<'forecast'>, key: KpiGroup['key']): KeptGroup {
  if ('error' in outcome) {
    return { key, error: outcome.error, members: [], back_test: null, steps: 0, warnings: [], points: [] };
  }
  const { members, back_test, history, warnings, points } = outcome.result;
  const isBeaten = back_test !== null && !back_test.beats_naive;
  return {
    key,
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
