import { z } from 'zod';
import { AGGREGATIONS, DIMENSIONS, METRIC_NAMES } from '../model/index.ts';
import { GRANULARITY_INPUTS } from '../query/index.ts';

export const MAX_METRICS = 50;
export const MAX_GROUP_BY = 4;
export const MAX_FILTER_VALUES = 1_000;
export const MAX_GROUPS = 1_000;
export const DEFAULT_GROUPS = 100;

/** What a query can group by and filter on. */
export const QUERY_DIMENSIONS = [...DIMENSIONS, 'currency'] as const;
export type QueryDimension = (typeof QUERY_DIMENSIONS)[number];

const filterValue = z.string().max(128).nullable();
const filterSchema = z
  .union([filterValue, z.array(filterValue).min(1).max(MAX_FILTER_VALUES)])
  .describe('A value or a list of accepted values; null matches events without one');

const filtersSchema = z
  .strictObject(
    Object.fromEntries(QUERY_DIMENSIONS.map((dimension) => [dimension, filterSchema.optional()])) as Record<
      QueryDimension,
      z.ZodOptional<typeof filterSchema>
    >,
  )
  .describe('Accepted values by dimension; an event must match all of them');

const timestamp = (what: string) => z.string().max(64).describe(`${what}, RFC 3339 with offset`);

/** The body of a KPI query. */
export const kpiQuerySchema = z.strictObject({
  metrics: z
    .array(z.enum(METRIC_NAMES as readonly [string, ...string[]]))
    .min(1)
    .max(MAX_METRICS)
    .describe('Names of the metric catalogue'),
  start: timestamp('Inclusive start'),
  end: timestamp('Exclusive end; seconds :59 without a fraction mean the next whole second'),
  granularity: z
    .enum(GRANULARITY_INPUTS)
    .optional()
    .describe('Width of the buckets; case matters (1m minute, 1M month); absent: one bucket for the range'),
  group_by: z
    .array(z.enum(QUERY_DIMENSIONS))
    .max(MAX_GROUP_BY)
    .refine((names) => new Set(names).size === names.length, 'A dimension is repeated')
    .default([]),
  filters: filtersSchema.default({}),
  aggregation: z
    .enum(AGGREGATIONS)
    .default('sum')
    .describe('Of the amounts behind money metrics; metrics with a definition of their own take only sum'),
  timezone: z.string().min(1).max(64).optional().describe("IANA name; default: the tenant's, else UTC"),
  currency: z
    .string()
    .regex(/^[A-Z]{3}$/, 'An ISO 4217 code')
    .optional()
    .describe("Converts money to this currency with the tenant's fx.rate events"),
  limit: z
    .int()
    .min(1)
    .max(MAX_GROUPS)
    .default(DEFAULT_GROUPS)
    .describe('Groups to answer: those with the largest total of the first metric'),
  max_staleness: z
    .string()
    .regex(/^\d{1,9}(ms|s|m|h)$/, 'A number and a unit: 500ms, 5s, 2m')
    .optional()
    .describe('The answer is at most that old, or 503'),
  force_fresh: z.boolean().optional().describe('Waits until all that was in the stream is applied'),
  min_position: z
    .record(z.string().max(128), z.record(z.string().max(128), z.int().min(0)))
    .optional()
    .describe('{stream: {partition: sequence}} that the answer must include'),
  dry_run: z.boolean().optional().describe('Validates and returns the plan without running it'),
});

/** A validated query. */
export type KpiQuery = z.output<typeof kpiQuerySchema>;
/** A query as a client writes it. */
export type KpiQueryInput = z.input<typeof kpiQuerySchema>;
