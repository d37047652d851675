import { z } from 'zod';
import { newJobId } from '../../../runtime/index.ts';
import {
  type AnswerParts,
  analyticsOf,
  BODY_PROBLEMS,
  HEAD_PROBLEMS,
  type Planned,
  planQuery,
  planSum,
  planSumSchema,
  type QueryWish,
  wishOf,
} from '../../answers/index.ts';
import { booleanParam, type RawCall, type Route, route } from '../../http/index.ts';
import { createJob, JOB_EXAMPLE, type JobMaking, jobSchema } from '../jobs/index.ts';
import { customersQuery } from './customer-training.ts';
import { historyQuery, spendQuery, totalQuery, wholeParams } from './forecast-queries.ts';
import { requireFitting } from './forecast-regressors.ts';
import { type ModelBody, STEPS, type TrainBody, trainBodyOf } from './model-schema.ts';
import { TRAINING_JOB, type TrainingInput } from './train-job.ts';

const RANGE = { start: '2025-08-01T00:00:00Z', end: '2025-08-25T00:00:00Z' };
const EXAMPLES = {
  orders: {
    summary: 'Orders by day',
    value: {
      ...{ type: 'demand_forecast', name: 'orders', params: { horizon: 7 } },
      dataset: { metric: 'orders_count', granularity: '1d', ...RANGE },
    },
  },
  churn: {
    summary: 'Who will not come back in 90 days, trained anew each Monday',
    value: {
      ...{ type: 'churn', name: 'churn', dataset: RANGE, params: { horizon: '90d' } },
      retrain: { schedule: '0 4 * * 1', timezone: 'Europe/Berlin' },
    },
  },
};

export function trainRoute(parts: JobMaking & { readonly answers: AnswerParts }): Route {
  const { custom } = analyticsOf(parts.answers.ports.settings);
  return route({
    id: 'trainModel',
    method: 'POST',
    path: '/models/train',
    tag: 'Models',
    summary: 'Train a model',
    description:
      'A job makes a version of the model. `demand_forecast` reads a metric, group by group, and forecasts each; ' +
      '`churn` and `ltv` learn from the customers of the range. The result of the job has `model_id`. See ' +
      'docs/forecasts.md and docs/models.md.',
    permission: 'definitions:write',
    body: trainBodyOf(custom),
    body_examples: EXAMPLES,
    idempotent: true,
    query: z.strictObject({
      dry_run: booleanParam.optional().describe('Answers what it would read, and makes no job'),
    }),
    answers: {
      200: { description: 'The plan, for `dry_run`', schema: planSumSchema },
      202: {
        description: 'The job',
        schema: jobSchema,
        headers: { Location: 'The job' },
        example: { ...JOB_EXAMPLE, type: TRAINING_JOB, lane: 'training' },
      },
    },
    problems: [
      ...new Set([
        ...[...BODY_PROBLEMS, ...HEAD_PROBLEMS],
        ...(['currency_required', 'fx_rate_missing', 'too_many_points'] as const),
        ...(['too_many_jobs', 'kv_unavailable'] as const),
      ]),
    ],
    handle: async (call) => {
      const input = inputOf(call.body);
      const plans = await plansOf(parts.answers, call, input, custom);
      if (call.query.dry_run === true) return { status: 200, json: planSum(plans) };
      // What cannot be answered is refused now, not in a job.
      const refused = plans.find((plan) => plan.refused !== undefined)?.refused;
      if (refused !== undefined) throw refused;
      return createJob(parts, call, { type: TRAINING_JOB, input, job_id: newJobId() });
    },
  });
}

function inputOf({ name, retrain, ...body }: TrainBody): TrainingInput {
  const shared = { name: name ?? null, retrain, isRetraining: false };
  if (body.type !== 'demand_forecast') return { ...body, ...shared };
  const { season, horizon } = STEPS[body.dataset.granularity];
  const { params: given } = body;
  requireFitting(given.regressors, body.dataset);
  const params = { ...given, season: given.season ?? season, horizon: given.horizon ?? horizon };
  return { ...body, params, ...shared };
}

/** Of the queries that its history is read by. */
async function plansOf(
  answers: AnswerParts,
  call: RawCall,
  model: Pick<ModelBody, 'type' | 'dataset' | 'params'>,
  custom: readonly string[],
): Promise<readonly Planned[]> {
  const { queries } = analyticsOf(answers.ports.settings);
  const wish: QueryWish = { wish: { ...wishOf({}), force_fresh: false } };
  if (model.type !== 'demand_forecast') {
    return [await planQuery(answers, call, queries.customerModel, customersQuery(model, custom), wish)];
  }
  const query = historyQuery(model, custom);
  const { regressors } = wholeParams.parse(model.params);
  const more = [
    ...(query.group_by.length > 0 ? [totalQuery(query)] : []),
    ...(regressors?.spend === undefined ? [] : [spendQuery(query, regressors.spend, custom)]),
  ];
  const first = await planQuery(answers, call, queries.kpis, query, wish);
  const others = await Promise.all(more.map((one) => planQuery(answers, call, queries.kpis, one, wish)));
  return [first, ...others];
}
