import {
  CAMPAIGN_SPEND,
  findMetric,
  type KpiGroup,
  type KpiQuery,
  type KpiResult,
} from '../../../analytics/index.ts';
import type { RunningJob } from '../../../runtime/index.ts';
import { type Answered, type AnswerParts, analyticsOf, runQuery, wishOf } from '../../answers/index.ts';
import { ApiError, positionOf } from '../../http/index.ts';
import { patiently } from '../jobs/index.ts';
import { historyQuery, spendQuery, totalQuery, wholeParams } from './forecast-queries.ts';
import type { ModelBody } from './model-schema.ts';

export const QUERY_DEADLINE_MS = 600_000;

type Values = readonly (number | null)[];

export interface GroupHistory {
  readonly key: KpiGroup['key'];
  /** One for each complete step. */
  readonly values: Values;
}

/** What a forecast learns from. */
export interface Histories {
  readonly answered: Answered<KpiResult>;
  /** Starts of the complete steps. */
  readonly steps: readonly string[];
  readonly groups: readonly GroupHistory[];
  /** Of all groups together, one for each currency; none where groups are no parts of a whole. */
  readonly totals: readonly GroupHistory[];
  /** Minor units for each step. */
  readonly spend: readonly number[] | undefined;
}

/** Complete steps only: what can still change, or is cut by the range, is not learnt from. */
export const isWhole = (bucket: KpiGroup['buckets'][number]): boolean =>
  bucket.incomplete !== true && bucket.partial !== true;

/** Runs the queries of a model's history. Throws ApiError `currency_required` where spend is of several currencies. */
export async function readHistories(
  parts: AnswerParts,
  { signal, record }: RunningJob,
  model: Pick<ModelBody, 'dataset' | 'params'>,
): Promise<Histories> {
  const { clock, settings } = parts.ports;
  const { queries, custom } = analyticsOf(settings);
  const asker = { request: { signal }, tenant: record.tenant, principal: { key_id: record.created_by } };
  const run = (query: KpiQuery): Promise<Answered<KpiResult>> =>
    patiently({ signal, clock }, () =>
      runQuery(parts, asker, queries.kpis, query, { wish: wishOf(query), deadline_ms: QUERY_DEADLINE_MS }),
    );
  const query = historyQuery(model, custom);
  const answered = await run(query);
  const steps = (answered.answer.groups[0]?.buckets ?? []).filter(isWhole).map(({ time }) => time);
  const metric = String(model.dataset.metric);
  const of = ({ groups }: KpiResult): readonly GroupHistory[] =>
    groups.map((group) => ({ key: group.key, values: valuesOf(group, metric, steps) }));
  const groups = of(answered.answer);
  let totals: readonly GroupHistory[] = [];
  if (query.group_by.length > 0) {
    totals = of((await run(totalQuery(query))).answer);
    if (!isWholeOf(totals, groups, answered.answer, metric)) {
      // Events may have come between the two.
      const { freshness, progress } = answered.state;
      const as_of = positionOf(freshness.sequence, progress?.incarnation);
      totals = of((await run({ ...totalQuery(query), as_of })).answer);
      if (!isWholeOf(totals, groups, answered.answer, metric)) totals = [];
    }
  }
  const { regressors } = wholeParams.parse(model.params);
  const spend =
    regressors?.spend === undefined
      ? undefined
      : spendOf((await run(spendQuery(query, regressors.spend, custom))).answer, steps);
  return { answered, steps, groups, totals, spend };
}

function valuesOf({ buckets }: KpiGroup, metric: string, steps: readonly string[]): Values {
  const found = new Map(buckets.map((bucket) => [bucket.time, bucket[metric]]));
  return steps.map((time) => {
    const value = found.get(time);
    return typeof value === 'number' || typeof value === 'bigint' ? Number(value) : null;
  });
}

/** Whose groups a total is of. */
export const isPartOf = (total: GroupHistory, { key }: GroupHistory): boolean =>
  total.key.currency === undefined || total.key.currency === key.currency;

/** Whether groups add up to the totals: those of a metric that is a sum do, unless an order is in several of them. */
function isWholeOf(
  totals: readonly GroupHistory[],
  groups: readonly GroupHistory[],
  { truncated }: KpiResult,
  metric: string,
): boolean {
  if (truncated) return findMetric(metric)?.formula.kind === 'sum';
  return totals.every((total) => {
    const parts = groups.filter((group) => isPartOf(total, group));
    return total.values.every((value, at) => {
      const sum = parts.reduce((all, { values }) => all + (values[at] ?? 0), 0);
      return Math.abs(sum - (value ?? 0)) <= EQUAL * Math.max(1, Math.abs(sum));
    });
  });
}
const EQUAL = 1e-9;

function spendOf({ groups, currency }: KpiResult, steps: readonly string[]): readonly number[] {
  if (groups.length > 1 && currency === undefined) {
    const message = 'is of several currencies: name the `currency` of the data set to convert to';
    const path = 'params.regressors.spend';
    throw new ApiError('currency_required', `${path} ${message}.`, { errors: [{ path, message }] });
  }
  const [all] = groups;
  const found = new Map(
    all?.buckets.map((bucket) => [bucket.time, Number(bucket[CAMPAIGN_SPEND.name] ?? 0)]),
  );
  return steps.map((time) => found.get(time) ?? 0);
}
