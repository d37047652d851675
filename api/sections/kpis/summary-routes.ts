import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import {
  type KpiShared,
  kpiQuerySchema,
  kpiSummarySchema,
  type OrderQueries,
  queryIdOf,
} from '../../../analytics/index.ts';
import {
  type AnswerParts,
  metaOf,
  metaSchema,
  planQuery,
  QUERY_RUN_PROBLEMS,
  runQuery,
  wishOf,
} from '../../answers/index.ts';
import {
  booleanParam,
  EVENTS_STREAM,
  PARTITION,
  type ProblemCode,
  type Route,
  route,
  timeText,
} from '../../http/index.ts';

import { explainSetSchema, planView, summaryPlanSchema } from './plan-view.ts';

const valueSchema = z.object({
  current: z.number().nullable(),
  previous: z.number().nullable(),
  delta: z.number().nullable(),
  delta_pct: z.number().nullable().describe('Percent of |previous|; null where that is 0 or unknown'),
});

const rangeSchema = z.object({ start: z.string(), end: z.string() });

const summaryAnswerSchema = z.object({
  query_id: z.string(),
  range: rangeSchema,
  previous_range: rangeSchema,
  kpis: z.record(z.string(), valueSchema).describe('Metrics without money'),
  currencies: z
    .array(z.object({ currency: z.string().nullable(), kpis: z.record(z.string(), valueSchema) }))
    .describe('Metrics of money, by currency'),
  incomplete: z.literal(true).optional().describe('The period ends after the watermark'),
  calculated_at: z.string(),
  explain: explainSetSchema.optional().describe('The plan, where `explain` asks for it'),
  meta: metaSchema,
});

/** What a query asks of the cubes, the state or the server may come back as these. */
export const QUERY_PROBLEMS = [
  'unknown_timezone',
  'invalid_range',
  'range_not_aligned',
  'too_many_points',
  'behind_retention',
  'fx_rate_missing',
  'position_ahead',
  'unknown_query_id',
  'unknown_dimension',
  'dimension_backfilling',
  'dimension_failed',
  ...QUERY_RUN_PROBLEMS,
  'too_busy',
  'stream_unavailable',
] as const satisfies readonly ProblemCode[];

/** A position as a query parameter: a sequence, or JSON. */
export const positionParam = z
  .string()
  .max(1_024)
  .transform((text, context) => {
    if (/^\d{1,16}$/.test(text)) return { [EVENTS_STREAM]: { [PARTITION]: Number(text) } };
    try {
      const parsed = kpiQuerySchema.shape.min_position.safeParse(JSON.parse(text));
      if (parsed.success && parsed.data !== undefined) return parsed.data;
    } catch {
      // Said below.
    }
    context.addIssue('must be a sequence, or a position such as {"EVENTS":{"0":18234}}');
    return z.NEVER;
  });

/** The common KPIs of a period beside those of the one before. */
export function summaryRoute(parts: AnswerParts, kind: OrderQueries['summary']): Route {
  const { clock } = parts.ports;
  return route({
    id: 'summarizeKpis',
    method: 'GET',
    path: '/kpis/summary',
    tag: 'KPIs',
    summary: 'Common KPIs of a period and how they changed',
    description:
      'Without a range: today so far against the same length of yesterday. With one: against the range of equal length before it.',
    permission: 'kpis:read',
    query: kpiSummarySchema.extend({
      segment: z
        .string()
        .min(1)
        .max(4_096)
        .optional()
        .describe('Names or ids of segments, joined by commas: only customers in any of them'),
      force_fresh: booleanParam.optional().describe('Waits until all that was in the stream is applied'),
      min_position: positionParam
        .optional()
        .describe('Position that the answer must include, or its sequence'),
      dry_run: booleanParam.optional().describe('Checks the query and answers its plan'),
      explain: booleanParam.optional().describe('Answers the plan beside the numbers'),
    }),
    answers: {
      200: {
        description: 'The summary; its plan for `dry_run`',
        schema: z.union([summaryAnswerSchema, summaryPlanSchema]),
      },
    },
    problems: QUERY_PROBLEMS,
    handle: async (call) => {
      const { force_fresh, min_position, dry_run, explain, segment, ...asked } = call.query;
      const filters = { segment: segment?.split(',') };
      const summary = segment === undefined ? asked : { ...asked, filters };
      const { max_staleness } = summary;
      const wish = wishOf({ max_staleness, force_fresh, min_position });
      if (dry_run === true) {
        const planned = await planQuery(parts, call, kind, summary, { wish });
        const { heads } = planned.plan.shared as {
          readonly heads: readonly { readonly shared: KpiShared }[];
        };
        const [current] = heads;
        if (current === undefined) throw new Error('a summary has a query of its period');
        return { status: 200, json: planView(planned, current.shared, call.tenant) };
      }
      const { answer, state, plan } = await runQuery(parts, call, kind, summary, { wish });
      const { resolved_range, previous_range, kpis, currencies, incomplete } = answer;
      const meta = metaOf(state, call.tenant, { ...answer, granularity: 'total' });
      const json = {
        query_id: queryIdOf(meta.position, randomUUID()),
        range: resolved_range,
        previous_range,
        kpis,
        currencies,
        ...(incomplete === undefined ? {} : { incomplete }),
        calculated_at: timeText(clock.now()),
        ...(explain === true ? { explain: plan.explain } : {}),
        meta,
      };
      return { status: 200, json };
    },
  });
}
