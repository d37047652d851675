import { z } from 'zod';
import { dimensionsSchemaOf, segmentFiltersSchemaOf } from '../filters/index.ts';
import { COMPARES, GRANULARITY_INPUTS } from '../query/index.ts';
import { HEAD_MEMBERS, type TenantDefaults, type WithSegments } from '../query-head/index.ts';
import { type CustomMetric, METRIC_NAME } from './custom-metric.ts';
import { AGGREGATIONS, METRIC_NAMES } from './metrics.ts';

export const MAX_METRICS = 50;
export const MAX_GROUP_BY = 16;
export const MAX_GROUPS = 1_000;
export const DEFAULT_GROUPS = 100;

const { start, end, ...HEAD } = HEAD_MEMBERS;
const MEMBERS = {
  metrics: z
    .array(
      z.union([z.enum(METRIC_NAMES as readonly [string, ...string[]]), z.string().regex(METRIC_NAME)], {
        error: 'must be the name of a metric; GET /metrics-catalog lists them',
      }),
    )
    .min(1)
    .max(MAX_METRICS)
    .describe('Names of the metric catalogue'),
  ...{ start, end },
  granularity: z
    .enum(GRANULARITY_INPUTS)
    .optional()
    .describe('Width of the buckets; case matters (1m minute, 1M month); absent: one bucket for the range'),
  aggregation: z
    .enum(AGGREGATIONS)
    .default('sum')
    .describe('Of the amounts behind money metrics; metrics with a definition of their own take only sum'),
  limit: z
    .int()
    .min(1)
    .max(MAX_GROUPS)
    .default(DEFAULT_GROUPS)
    .describe('Groups to answer: the first of them by `order_by`'),
  order_by: z
    .strictObject({
      metric: z.string().regex(METRIC_NAME).describe('One of `metrics`'),
      direction: z.enum(['asc', 'desc']).default('desc'),
    })
    .optional()
    .describe('Order of the groups by a total, null last; default: the first metric, the largest first'),
  other: z
    .boolean()
    .optional()
    .describe('Answers the groups beyond `limit` as one, whose values are all `__other__`'),
  compare: z
    .enum(COMPARES)
    .optional()
    .describe(
      'Puts an earlier range beside each bucket and total: the same span before, or the same local dates one ' +
        'year before',
    ),
  ...HEAD,
};

/** The body of a KPI query, where `custom` dimensions are declared. */
export function kpiSchemaOf(custom: readonly string[] = []) {
  return z.strictObject({
    ...MEMBERS,
    group_by: dimensionsSchemaOf(custom, MAX_GROUP_BY).default([]),
    filters: segmentFiltersSchemaOf(custom).default({}),
  });
}

export const kpiQuerySchema = kpiSchemaOf();

/** A validated query. */
export type KpiQuery = z.output<typeof kpiQuerySchema> & OfTenant;

/** What a tenant has defined for its queries. Plain data; put into a query by the service, never by a client. */
export interface OfTenant extends WithSegments {
  readonly tenant?: TenantDefaults;
  /** The tenant's metrics that the query names, and those that they are made of. */
  readonly own_metrics?: readonly CustomMetric[];
}
/** A query as a client writes it. */
export type KpiQueryInput = z.input<typeof kpiQuerySchema>;
