import { z } from 'zod';
import { type KpiShared, prepareKpis } from '../../../analytics/index.ts';
import { metaOf, metaSchema, type Planned } from '../../answers/index.ts';

const costs = {
  rows: z.int().describe('Rows of the event log to be looked at'),
  bytes: z.int(),
  cells: z.int().describe('Cells of cubes to be looked at'),
  cost_ms: z.number().describe('CPU time, estimated'),
  runs: z.string().describe('Where it would run: `inline`, `split` or `whole`'),
};
const refusedSchema = z
  .object({ code: z.string(), detail: z.string() })
  .optional()
  .describe('Why it would not be run');

const searchSchema = z.looseObject({ method: z.string(), path: z.string(), body: z.looseObject({}) });
const stretch = { start: z.string(), end: z.string() };

/** What a query reads: `explain`. */
export const explainSchema = z
  .object({
    source: z.string().describe('As `meta.source`'),
    cube: z.string().nullable().describe('The first one that is read; null: none'),
    dimensions: z.array(z.string()).describe('Of that cube'),
    cell_granularities: z.array(z.string()),
    buckets: z.int().describe('Of the answer, in each group'),
    time_slots: z.int().describe('Times that sums are kept apart for, days of exchange rates among them'),
    cells_estimated: z.int().describe('About how many cells the query reads'),
    rollup_ranges: z
      .array(z.object({ ...stretch, granularity: z.string() }))
      .describe('What cubes answer for'),
    scan_ranges: z.array(z.object(stretch)).describe('What a scan of the event log answers for'),
    scan: z
      .object({ segments: z.int(), chunks: z.int(), rows: z.int(), bytes: z.int() })
      .describe('How much of the event log that is'),
    groups_by: z.array(z.string()),
    filters: z.array(
      z.object({ dimension: z.string(), not: z.boolean(), values: z.int().describe('How many') }),
    ),
    measures: z.array(z.string()).describe('Sums that the metrics are made of'),
    position: z.record(z.string(), z.record(z.string(), z.int())).describe('That the numbers are of'),
    definition_hash: z.string().describe('Of what is asked: the same for the same question'),
    events: searchSchema.describe('Lists the events of the range that the numbers are made of'),
    events_outside: searchSchema
      .optional()
      .describe(
        'Lists those outside of it that decide what these count for: versions of orders, earlier firsts',
      ),
    compared: z.looseObject({}).optional().describe('The same of the range that `compare` adds'),
  })
  .describe('What the query reads');

/** The answer of `dry_run`. */
export const kpiPlanSchema = z.object({
  dry_run: z.literal(true),
  plan: explainSchema.extend(costs).describe('What the query would read'),
  refused: refusedSchema,
  meta: metaSchema,
});

/** What the queries of a set read: `explain` of a summary. */
export const explainSetSchema = z.object({
  queries: z.array(explainSchema.nullable()).describe('What each reads'),
});

const setPlan = explainSetSchema.extend(costs).describe('What they would read together');

export const summaryPlanSchema = z.object({
  ...{ dry_run: z.literal(true), plan: setPlan, refused: refusedSchema, meta: metaSchema },
});

export const batchPlanSchema = z.object({
  dry_run: z.literal(true),
  plan: setPlan.describe('`queries` has null for a query that cannot be answered'),
  refused: refusedSchema,
});

/** What all of them say. */
export function planOf({ plan, refused, runs }: Planned): object {
  const { rows, bytes, cells = 0, cost_ms, explain } = plan;
  return {
    dry_run: true,
    plan: { ...explain, rows, bytes, cells, cost_ms, runs },
    ...(refused === undefined ? {} : { refused: { code: refused.code, detail: refused.message } }),
  };
}

/** `shared` is of the query whose range and zone `meta` has. */
export function planView(planned: Planned, shared: KpiShared, tenant: string): object {
  const { header } = prepareKpis(shared.query, shared.settings, shared.now_ms);
  const { source } = planned.plan;
  return { ...planOf(planned), meta: metaOf(planned.state, tenant, { ...header, source }) };
}
