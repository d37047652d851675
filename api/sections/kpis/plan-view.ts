import { z } from 'zod';
import { type KpiShared, prepareKpis } from '../../../analytics/index.ts';
import { metaOf, metaSchema, type Planned } from '../../answers/index.ts';

const costs = {
  rows: z.int().describe('Rows of the event log to be looked at'),
  bytes: z.int(),
  cost_ms: z.number().describe('CPU time, estimated'),
  runs: z.string().describe('Where it would run: `inline`, `split` or `whole`'),
};
const refusedSchema = z
  .object({ code: z.string(), detail: z.string() })
  .optional()
  .describe('Why it would not be run');

/** The answer of `dry_run`. */
export const kpiPlanSchema = z.object({
  dry_run: z.literal(true),
  plan: z
    .looseObject({
      cube: z.string().nullable(),
      dimensions: z.array(z.string()),
      cell_granularities: z.array(z.string()),
      buckets: z.int(),
      cells_estimated: z.int().describe('About how many cells the query reads'),
      ...costs,
    })
    .describe('What the query would read'),
  refused: refusedSchema,
  meta: metaSchema,
});

const setPlan = z
  .looseObject({ queries: z.array(z.looseObject({}).nullable()).describe('What each would read'), ...costs })
  .describe('What they would read together');

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
