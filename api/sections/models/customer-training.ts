import { z } from 'zod';
import { type CustomerModelQuery, customerModelSchemaOf } from '../../../analytics/index.ts';
import type { RunningJob } from '../../../runtime/index.ts';
import { type AnswerParts, analyticsOf, readFresh, runQuery, wishOf } from '../../answers/index.ts';
import { positionOf } from '../../http/index.ts';
import { patiently } from '../jobs/index.ts';
import { QUERY_DEADLINE_MS } from './forecast-history.ts';
import type { TrainingResult } from './forecast-training.ts';
import { type CustomerContent, customerHorizonDays, type ModelBody, type Trained } from './model-schema.ts';

/** Of the models of customers: stored with each of them. */
const CUSTOMER_MODEL_VERSION = 1;

/** The query that a model of customers is trained by. */
export function customersQuery(
  { type, dataset, params }: Pick<ModelBody, 'type' | 'dataset' | 'params'>,
  custom: readonly string[],
): CustomerModelQuery {
  const horizon_days = customerHorizonDays(String(params.horizon));
  return customerModelSchemaOf(custom).parse({ ...dataset, model: type, horizon_days });
}

const trainedSchema = z.object({
  fit: z.looseObject({ purchases: z.looseObject({ converged: z.boolean() }) }),
  test: z.looseObject({}).nullable(),
  customers: z.int(),
  customers_total: z.int(),
  currency: z.string().optional(),
});

const NOT_TOLD =
  'The data do not tell the parameters of BG/NBD: the likelihood has no maximum inside. Take the ranking, not the numbers.';
const MINUTE_MS = 60_000;

/** The end of the range, or where events are complete, whole minutes: a prediction looks as far, whatever comes. */
function completeEnd(parts: AnswerParts, tenant: string, end: string): Promise<string> {
  const wish = { ...wishOf({}), force_fresh: false };
  return readFresh(parts, tenant, wish, ({ watermark_ms }) => {
    const last_ms = Math.min(Date.parse(end), watermark_ms ?? Number.POSITIVE_INFINITY);
    return last_ms === Date.parse(end)
      ? end
      : new Date(Math.floor(last_ms / MINUTE_MS) * MINUTE_MS).toISOString();
  });
}

/** Fits the model in a scan thread, which reads the customers too. */
export async function trainCustomers(
  parts: AnswerParts,
  job: RunningJob,
  model: Pick<ModelBody, 'type' | 'dataset' | 'params'>,
): Promise<TrainingResult<CustomerContent>> {
  const { signal, record } = job;
  const { clock, settings } = parts.ports;
  const { queries, custom } = analyticsOf(settings);
  const asker = { request: { signal }, tenant: record.tenant, principal: { key_id: record.created_by } };
  const end = await patiently({ signal, clock }, () => completeEnd(parts, record.tenant, model.dataset.end));
  const query = { ...customersQuery(model, custom), end };
  const { answer, state } = await patiently({ signal, clock }, () =>
    runQuery(parts, asker, queries.customerModel, query, {
      wish: wishOf(query),
      deadline_ms: QUERY_DEADLINE_MS,
    }),
  );
  const { fit, test, customers, customers_total, currency } = trainedSchema.parse(answer.body);
  return {
    content: {
      ...{ kind: 'customers', test, customers: customers_total, currency: currency ?? null },
      ...(model.type === 'churn' ? { churn: fit } : { value: fit }),
    } as CustomerContent,
    facts: {
      code_version: CUSTOMER_MODEL_VERSION,
      position: positionOf(state.freshness.sequence, state.progress?.incarnation),
      history: { first: model.dataset.start, last: end },
      groups_left_out: customers_total - customers,
      score: scoreOf(model.type, test),
      warnings: fit.purchases.converged ? [] : [NOT_TOLD],
    },
  };
}

const churnTest = z.object({ brier: z.number(), brier_base: z.number(), beats_baseline: z.boolean() });
const valueTest = z.object({
  ...{ mean_error: z.number(), mean_error_same_rate: z.number(), beats_baseline: z.boolean() },
});

function scoreOf(type: ModelBody['type'], test: unknown): Trained['score'] {
  if (test === null) return null;
  if (type === 'churn') {
    const { brier, brier_base, beats_baseline } = churnTest.parse(test);
    const baseline = 'the share of all for everybody, and a ranking by the days since the last purchase';
    return { measure: 'brier', value: brier, baseline, baseline_value: brier_base, beats_baseline };
  }
  const { mean_error, mean_error_same_rate, beats_baseline } = valueTest.parse(test);
  const baseline = 'each customer buys as often as before';
  return {
    measure: 'mean_error',
    value: mean_error,
    baseline,
    baseline_value: mean_error_same_rate,
    beats_baseline,
  };
}
