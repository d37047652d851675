import { z } from 'zod';
import { FUNNEL_STATUSES, MAX_STEPS } from '../../../analytics/index.ts';
import { metaSchema } from '../../answers/index.ts';
import { booleanParam, listQuery } from '../../http/index.ts';
import { positionParam } from '../kpis/index.ts';

const percent = z.number().nullable().describe('Percent, one decimal; null of nothing');
const seconds = z.number().nullable();
const percentiles = { p50: seconds, p90: seconds, p99: seconds };

const counts = {
  entered: z.int().describe('Entities with an attempt'),
  converted: z.int(),
  in_progress: z.int().describe('Not converted, and the window is not over at the watermark'),
  dropped: z.int(),
  conversion: percent,
  steps: z.array(
    z.object({
      name: z.string(),
      event: z.string(),
      count: z.int().describe('Entities that reached it'),
      conversion_from_prev: percent.optional().describe('Percent of the step before'),
      conversion_from_first: percent,
      in_progress: z.int().describe('Got no further yet'),
      dropped: z.int().describe('Got no further'),
    }),
  ),
  dropoffs: z.array(
    z.object({
      ...{ from: z.string(), to: z.string() },
      count: z.int().describe('Reached `from` and not `to`: `in_progress` and `dropped`'),
      ...{ in_progress: z.int(), dropped: z.int() },
    }),
  ),
  time_to_convert_histogram: z
    .object(percentiles)
    .describe('Seconds from the entry to the last step, nearest rank'),
  time_between_steps: z
    .array(z.object({ from: z.string(), to: z.string(), ...percentiles }))
    .describe('Seconds, of those who reached `to`'),
  trend: z
    .array(
      z.object({
        time: z.string().describe('Start of the bucket in which entries lie'),
        ...{ entered: z.int(), converted: z.int(), conversion: percent },
        counts: z.array(z.int()).describe('Who reached each step'),
        in_progress: z.int(),
        complete: z.boolean().describe('The windows of all its entries are over at the watermark'),
      }),
    )
    .optional()
    .describe('Where `granularity` asks for it'),
};

/** The answer of a funnel. */
export const funnelAnswer = z.object({
  funnel_id: z.string().optional(),
  name: z.string().optional(),
  ...{ order: z.string(), entry: z.string(), ties: z.string(), window: z.string(), entity: z.string() },
  ...counts,
  group_by: z.array(z.string()).optional(),
  attribution: z.string().optional(),
  groups: z
    .array(z.object({ key: z.record(z.string(), z.string().nullable()), ...counts }))
    .optional()
    .describe('The largest first; the rest is `__other__`'),
  groups_total: z.int().optional(),
  ungrouped: z.int().optional().describe('Entities that did not reach the step of `attribution`'),
});

const time = (what: string) => z.string().max(64).optional().describe(`${what}, RFC 3339 with offset`);
const whole = (max: number) => z.coerce.number().pipe(z.int().min(1).max(max));
const { limit, cursor } = listQuery;

/** What is asked of the entities behind a number. */
export const entitiesQuery = z.strictObject({
  step: whole(MAX_STEPS).default(1).describe('Who reached it; with a `status` who got no further'),
  status: z
    .enum(FUNNEL_STATUSES)
    .optional()
    .describe('`converted` is of the last step, whatever `step` says'),
  start: time('Inclusive start of the entries; default: all that is kept'),
  end: time('Exclusive end of the entries; default: none'),
  group_by: z.string().min(1).max(64).optional().describe('One dimension, as in the query'),
  attribution: z.string().max(16).optional().describe('As in the query'),
  group: z.string().max(128).optional().describe('Value of `group_by`; empty: has none'),
  ...{ limit, cursor },
  max_staleness: z.string().max(16).optional().describe('The answer is at most that old, or 503: 5s, 2m'),
  force_fresh: booleanParam.optional().describe('Waits until all that was in the stream is applied'),
  min_position: positionParam.optional().describe('Position that the answer must include, or its sequence'),
  explain: booleanParam.optional().describe('Answers the plan beside the entities'),
});
export type EntitiesQuery = z.output<typeof entitiesQuery>;

export const entitiesAnswer = z.object({
  ...{ query_id: z.string(), funnel_id: z.string(), name: z.string(), entity: z.string() },
  entities: z.array(
    z.object({
      id: z.string().nullable().describe('null: no event that says it is in the stream any more'),
      key: z.string().describe("The log's own name of the entity"),
      status: z.enum(FUNNEL_STATUSES),
      step: z.int().describe('The furthest that it reached'),
      step_name: z.string(),
      entered_at: z.string(),
      times: z.array(z.string()).describe('When each step was reached'),
    }),
  ),
  total: z.int().describe('Of all pages'),
  next_cursor: z.string().nullable(),
  calculated_at: z.string(),
  explain: z.looseObject({}).optional(),
  meta: metaSchema,
});

const between = { p50: 600, p90: 1_800, p99: 1_800 };

/** The spec's funnel, answered. */
export const FUNNEL_EXAMPLE = {
  query_id: 'q_KnrgUwEuj5aOBkVWRU5UUwEwCQ',
  funnel_id: 'funnel_01J4ZQ8W6N3V5T7R9P1M3K5H7F',
  name: 'checkout',
  ...{ order: 'ordered', entry: 'latest', ties: 'convert', window: '7d', entity: 'customer_id' },
  ...{ entered: 10_000, converted: 2_200, in_progress: 300, dropped: 7_500, conversion: 22 },
  steps: [
    {
      ...{ name: 'visit', event: 'visit', count: 10_000, conversion_from_first: 100 },
      ...{ in_progress: 300, dropped: 7_500 },
    },
    {
      ...{ name: 'cart', event: 'add_to_cart', count: 2_200, conversion_from_prev: 22 },
      ...{ conversion_from_first: 22, in_progress: 0, dropped: 0 },
    },
  ],
  dropoffs: [{ from: 'visit', to: 'cart', count: 7_800, in_progress: 300, dropped: 7_500 }],
  time_to_convert_histogram: between,
  time_between_steps: [{ from: 'visit', to: 'cart', ...between }],
  calculated_at: '2025-09-01T12:00:00.000Z',
  meta: {
    ...{ generation: 1, position: { EVENTS: { 0: 18_234 } }, watermark: '2025-08-31T12:00:00Z' },
    ...{ complete_until: '2025-08-31T12:00:00Z', staleness_ms: 0, lag_messages: 0, late_events: 0 },
    ...{ source: 'scan', approximate: [], timezone: 'UTC', granularity: 'total', warnings: [] },
    resolved_range: { start: '2025-08-01T00:00:00Z', end: '2025-09-01T00:00:00Z' },
  },
};
