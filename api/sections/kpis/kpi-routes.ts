import { z } from 'zod';
import {
  type KpiBatch,
  type KpiShared,
  kpiBatchItemSchema,
  kpiBatchSchema,
  kpiSchemaOf,
  MAX_BATCH_QUERIES,
} from '../../../analytics/index.ts';
import {
  type AnswerParts,
  analyticsOf,
  BODY_PROBLEMS,
  metaSchema,
  planQuery,
  runQuery,
  wishOf,
} from '../../answers/index.ts';
import { ApiError, booleanParam, type Route, route, timeText } from '../../http/index.ts';
import type { JobMaking } from '../jobs/index.ts';
import { answerView, batchAnswerView } from './answer-view.ts';
import { JOB_ANSWER, JOB_PROBLEMS, makeQueryJob, requirePlan } from './kpi-jobs.ts';
import { batchPlanSchema, explainSchema, kpiPlanSchema, planOf, planView } from './plan-view.ts';
import { QUERY_PROBLEMS, summaryRoute } from './summary-routes.ts';

const valueSchema = z.union([z.number(), z.null()]);

const values = z.record(z.string(), valueSchema);
const previousSchema = z
  .object({ time: z.string().describe('Start of the bucket that is compared with') })
  .catchall(valueSchema);

const bucketSchema = z
  .object({
    time: z.string().describe('Start of the bucket'),
    incomplete: z.literal(true).optional().describe('It ends after the watermark'),
    partial: z.literal(true).optional().describe('The range cuts off a part of it'),
    previous: previousSchema.nullable().optional().describe('With `compare`; null: it has no counterpart'),
    delta: values.nullable().optional().describe('Value − previous, by metric; null where one is null'),
    delta_pct: values.nullable().optional().describe('In percent of |previous|; null where that is 0'),
  })
  .catchall(valueSchema);

export const kpiAnswerSchema = z.object({
  query_id: z.string(),
  groups: z.array(
    z.object({
      key: z.record(z.string(), z.string().nullable()),
      buckets: z.array(bucketSchema),
      totals: values.describe('Each metric over the whole range'),
      others: z.int().optional().describe('With `other`: how many groups beyond `limit` it is made of'),
      previous_totals: values.optional().describe('With `compare`'),
      delta: values.optional(),
      delta_pct: values.optional(),
    }),
  ),
  groups_total: z.int(),
  truncated: z.boolean().describe('There are more groups than `limit`'),
  currency: z.string().optional().describe('Of the money, where the whole answer has one'),
  calculated_at: z.string(),
  explain: explainSchema.optional().describe('The plan, where `explain` asks for it'),
  meta: metaSchema,
});

export const QUERY_EXAMPLE = {
  metrics: ['orders_count', 'revenue_gross'],
  start: '2025-08-01T00:00:00Z',
  end: '2025-08-31T23:59:59Z',
  granularity: '1d',
  group_by: ['country'],
  filters: { channel: ['web', 'mobile'] },
  aggregation: 'sum',
};

const COMPARED_EXAMPLE = {
  metrics: ['revenue_gross', 'aov'],
  start: QUERY_EXAMPLE.start,
  end: QUERY_EXAMPLE.end,
  group_by: ['country'],
  compare: 'previous_year',
  order_by: { metric: 'revenue_gross', direction: 'desc' },
  ...{ limit: 5, other: true },
};

const BATCH_EXAMPLE = {
  queries: [
    { id: 'daily', ...QUERY_EXAMPLE },
    { id: 'total', metrics: ['aov'], start: QUERY_EXAMPLE.start, end: QUERY_EXAMPLE.end },
  ],
  max_staleness: '5s',
};

const META_EXAMPLE = {
  generation: 1,
  position: { EVENTS: { 0: 18234 } },
  watermark: '2025-09-01T01:59:30Z',
  complete_until: '2025-09-01T00:00:00Z',
  staleness_ms: 140,
  lag_messages: 0,
  late_events: 2,
  source: 'rollup:channel+country@1d',
  approximate: [],
  resolved_range: { start: '2025-08-01T00:00:00Z', end: '2025-09-01T00:00:00Z' },
  timezone: 'UTC',
  granularity: '1d',
  warnings: [],
};

const ANSWER_EXAMPLE = {
  query_id: 'q_sRr6AwFoYjRSBkVWRU5UUwEwAQ',
  groups: [
    {
      key: { country: 'GB' },
      buckets: [
        { time: '2025-08-01T00:00:00Z', orders_count: 120, revenue_gross: 3450000 },
        { time: '2025-08-02T00:00:00Z', orders_count: 132, revenue_gross: 3520000 },
      ],
      totals: { orders_count: 252, revenue_gross: 6970000 },
    },
  ],
  groups_total: 1,
  truncated: false,
  currency: 'GBP',
  calculated_at: '2025-09-01T02:00:00.000Z',
  meta: META_EXAMPLE,
};

const onPlan = {
  dry_run: booleanParam.optional().describe('Checks the query and answers its plan'),
  explain: booleanParam.optional().describe('Answers the plan beside the numbers'),
};

const problemSchema = z.object({
  title: z.string(),
  status: z.int(),
  detail: z.string(),
  code: z.string(),
  errors: z.array(z.object({ path: z.string(), message: z.string() })),
});

const batchAnswerSchema = z.object({
  results: z.array(
    z.union([
      kpiAnswerSchema.extend({ id: z.string() }),
      z.object({ id: z.string(), problem: problemSchema.describe('Why this query has no answer') }),
    ]),
  ),
  calculated_at: z.string(),
});

const asJob = booleanParam.optional().describe('Answers 202 with a job, whose result is the answer');

/** Section 3: time series, summaries and batches of them. */
export function kpiRoutes(parts: AnswerParts, making: JobMaking): readonly Route[] {
  const { custom, queries } = analyticsOf(parts.ports.settings);
  const now = (): string => timeText(parts.ports.clock.now());
  const querySchema = kpiSchemaOf(custom);
  return [
    route({
      id: 'queryKpis',
      method: 'POST',
      path: '/kpis/query',
      tag: 'KPIs',
      summary: 'Time series of one or several metrics, by group',
      description:
        'Any dimensions, filters, granularity and zone: cubes answer where they are complete, a scan of the ' +
        'events does the rest, and both give the same numbers. Buckets without events are there with zeros. ' +
        '`as_of` answers as it was at a position or at an earlier answer. `max_staleness` refuses an answer ' +
        'that is older, `force_fresh` and `min_position` wait for what they name, at most 10 s.',
      permission: 'kpis:read',
      query: z.strictObject({ ...onPlan, async: asJob }),
      idempotent: true,
      body: querySchema,
      body_examples: {
        daily: { summary: 'Orders and revenue by day and country', value: QUERY_EXAMPLE },
        compared: { summary: 'The five largest countries beside the year before', value: COMPARED_EXAMPLE },
      },
      answers: {
        200: {
          description: 'The answer; its plan for `dry_run`',
          schema: z.union([kpiAnswerSchema, kpiPlanSchema]),
          example: ANSWER_EXAMPLE,
        },
        202: JOB_ANSWER,
      },
      problems: [...BODY_PROBLEMS, ...QUERY_PROBLEMS, ...JOB_PROBLEMS, 'aggregation_not_supported'],
      handle: async (call) => {
        const { tenant, query } = call;
        const body = query.explain === true ? { ...call.body, explain: true } : call.body;
        const wish = { wish: wishOf(body) };
        if (query.dry_run === true || body.dry_run === true) {
          const planned = await planQuery(parts, call, queries.kpis, body, wish);
          return { status: 200, json: planView(planned, planned.plan.shared as KpiShared, tenant) };
        }
        if (query.async === true) {
          await requirePlan(parts, call, queries.kpis, body);
          return makeQueryJob(making, call, { of: 'query', query: body });
        }
        const { answer, state } = await runQuery(parts, call, queries.kpis, body, wish);
        return { status: 200, json: answerView(state, tenant, answer, now()) };
      },
    }),
    route({
      id: 'batchKpis',
      method: 'POST',
      path: '/kpis/batch',
      tag: 'KPIs',
      summary: 'Several KPI queries at once, of one state',
      description:
        `Up to ${MAX_BATCH_QUERIES} queries, answered in order from one commit, so that a dashboard's ` +
        `numbers fit together. A query that cannot be answered has a \`problem\` instead; the others are ` +
        'answered. Freshness is asked for the whole batch. With `async=true` a job runs it.',
      permission: 'kpis:read',
      query: z.strictObject({ async: asJob }),
      idempotent: true,
      body: kpiBatchSchema,
      documented_body: kpiBatchSchema.extend({
        queries: z.array(kpiBatchItemSchema).min(1).max(MAX_BATCH_QUERIES),
      }),
      body_examples: { dashboard: { summary: 'Two queries', value: BATCH_EXAMPLE } },
      answers: {
        200: {
          description: 'An answer or a problem for each query, in order; their plan for `dry_run`',
          schema: z.union([batchAnswerSchema, batchPlanSchema]),
        },
        202: JOB_ANSWER,
      },
      problems: [...BODY_PROBLEMS, ...QUERY_PROBLEMS, ...JOB_PROBLEMS, 'aggregation_not_supported'],
      handle: async (call) => {
        const { tenant, body } = call;
        refuseOwnFreshness(body);
        const wish = { wish: wishOf(body) };
        if (body.dry_run === true) {
          return { status: 200, json: planOf(await planQuery(parts, call, queries.batch, body, wish)) };
        }
        if (call.query.async === true) {
          await requirePlan(parts, call, queries.batch, body);
          return makeQueryJob(making, call, { of: 'batch', query: body });
        }
        const { answer, state } = await runQuery(parts, call, queries.batch, body, wish);
        return { status: 200, json: batchAnswerView(state, tenant, answer, now()) };
      },
    }),
    summaryRoute(parts, queries.summary),
  ];
}

/** What is asked for the whole batch must not be asked for a part of it, and then ignored. */
function refuseOwnFreshness({ queries }: KpiBatch): void {
  const errors = queries.flatMap((query, index) =>
    ['max_staleness', 'force_fresh', 'min_position', 'dry_run']
      .filter((member) => member in query)
      .map((member) => ({
        path: `queries.${index}.${member}`,
        message: 'is not taken by a query of a batch',
      })),
  );
  if (errors.length === 0) return;
  throw new ApiError('validation_failed', 'Ask for freshness beside `queries`, for the whole batch.', {
    errors,
  });
}
