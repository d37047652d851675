import { z } from 'zod';
import { relativeRangeSchema } from '../../../analytics/index.ts';

/** What can be saved: by the path that answers it. `range` are the members that its range of time is in. */
export const QUERY_TYPES = {
  kpis: { path: '/kpis/query', range: ['start', 'end'] },
  funnel: { path: '/funnels/adhoc', range: ['start', 'end'] },
  stored_funnel: { path: '/funnels/{id}/query', range: ['start', 'end'], id: true },
  retention: { path: '/cohorts/adhoc-retention', range: ['start', 'end'] },
  cohort_retention: { path: '/cohorts/{id}/retention', range: ['start', 'end'], id: true },
  rfm: { path: '/customers/rfm', range: ['start', 'end'] },
  ltv: { path: '/customers/ltv', range: ['start', 'end'] },
  attribution: { path: '/attribution/query', range: ['start', 'end'] },
  attribution_comparison: { path: '/attribution/compare', range: ['start', 'end'] },
  roi: { path: '/marketing/roi', range: ['start', 'end'] },
  multi_touch: { path: '/marketing/multi-touch', range: ['start', 'end'] },
  returns: { path: '/returns/summary', range: ['start', 'end'] },
  refunds: { path: '/refunds/impact', range: ['start', 'end'] },
  order_outcomes: { path: '/orders/outcomes', range: ['start', 'end'] },
  fraud: { path: '/fraud/trends', range: ['start', 'end'] },
  events: { path: '/events/search', range: ['from', 'to'] },
} as const satisfies Record<
  string,
  { readonly path: string; readonly range: readonly [string, string]; readonly id?: true }
>;
export type QueryType = keyof typeof QUERY_TYPES;

const typeNames = Object.keys(QUERY_TYPES) as [QueryType, ...QueryType[]];

export const queryTypeSchema = z.enum(typeNames);

/** A query as it is kept: the body of its route, without a range of time or with one that moves. */
export const savedQuerySchema = z.strictObject({
  type: queryTypeSchema.default('kpis').describe('Which route answers it: the query is its body'),
  query: z
    .looseObject({})
    .describe('The body of that route; of `stored_funnel` and `cohort_retention` with the `id` of the path'),
  range: relativeRangeSchema.optional(),
  anchor: z
    .enum(['now', 'data'])
    .default('now')
    .describe('`range` is as of now, or as of the newest event: for data of the past'),
});
export type SavedQuery = z.output<typeof savedQuerySchema>;

export const queryDefinitionSchema = savedQuerySchema.extend({
  description: z.string().max(1_000).optional(),
});
export type QueryDefinition = z.output<typeof queryDefinitionSchema>;

/** What is asked instead of what was saved: members of the query, as a JSON merge patch. */
export const overridesSchema = z
  .looseObject({ range: relativeRangeSchema.optional() })
  .describe('A JSON merge patch of the query: `start` and `end`, or `range`, `filters`, `group_by` …');
export type Overrides = z.output<typeof overridesSchema>;
