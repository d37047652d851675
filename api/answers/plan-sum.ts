import { z } from 'zod';
import type { Planned } from './query-run.ts';

/** What an answer that takes several queries would read, for `dry_run`. */
export const planSumSchema = z.object({
  dry_run: z.literal(true),
  plan: z.object({
    queries: z.int(),
    rows: z.int().describe('Rows of the event log to be looked at'),
    bytes: z.int(),
    cost_ms: z.number().describe('CPU time of the reading, estimated'),
    sources: z.array(z.string()).describe('What would be read, of each query'),
  }),
  refused: z.object({ code: z.string(), detail: z.string() }).optional().describe('Why it would not be run'),
});

/** Of all queries together; refused as the first that is. */
export function planSum(planned: readonly Planned[]): z.infer<typeof planSumSchema> {
  const sum = (of: (plan: Planned['plan']) => number): number =>
    planned.reduce((total, { plan }) => total + of(plan), 0);
  const refused = planned.find((one) => one.refused !== undefined)?.refused;
  return {
    dry_run: true,
    plan: {
      queries: planned.length,
      rows: sum(({ rows }) => rows),
      bytes: sum(({ bytes }) => bytes),
      cost_ms: sum(({ cost_ms }) => cost_ms),
      sources: planned.map(({ plan }) => plan.source),
    },
    ...(refused === undefined ? {} : { refused: { code: refused.code, detail: refused.message } }),
  };
}
