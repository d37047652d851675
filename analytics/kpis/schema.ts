import { z } from 'zod';
import { filtersSchemaOf, KPI_DIMENSIONS } from '../filters/index.ts';
import { GRANULARITY_INPUTS } from '../query/index.ts';
import { AGGREGATIONS, METRIC_NAMES } from './metrics.ts';

export const MAX_METRICS = 50;
export const MAX_GROUP_BY = 16;
export const MAX_GROUPS = 1_000;
export const DEFAULT_GROUPS = 100;

const timestamp = (what: string) => z.string().max(64).describe(`${what}, RFC 3339 with offset`);
const positions = z.record(z.string().max(128), z.record(z.string().max(128), z.int().min(0)));

const MEMBERS = {
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
  aggregation: z
    .enum(AGGREGATIONS)
    .default('sum')
    .describe('Of the amounts behind money metrics; metrics with a definition of their own take only sum'),
  timezone: z.string().min(1).max(64).optional().describe("IANA name; default: the tenant's, else UTC"),
  currency: z
    .string()
    .regex(/^[A-Z]{3}$/, 'must be an ISO 4217 code of three capitals, such as EUR')
    .optional()
    .describe(
      "Converts money to this currency with the tenant's fx.rate events, at the rate of each UTC day",
    ),
  limit: z
    .int()
    .min(1)
    .max(MAX_GROUPS)
    .default(DEFAULT_GROUPS)
    .describe('Groups to answer: those with the largest total of the first metric'),
  as_of: z
    .union(
      [
        z.strictObject({ query_id: z.string().min(1).max(512).describe('Of an earlier answer') }),
        positions.describe('{stream: {partition: sequence}}'),
      ],
      { error: 'must be a position such as {"EVENTS":{"0":18234}}, or {"query_id": …} of an earlier answer' },
    )
    .optional()
    .describe('Answers as it was at that position: by the rows up to it'),
  max_staleness: z
    .string()
    .regex(/^\d{1,9}(ms|s|m|h)$/, 'A number and a unit: 500ms, 5s, 2m')
    .optional()
    .describe('The answer is at most that old, or 503'),
  force_fresh: z.boolean().optional().describe('Waits until all that was in the stream is applied'),
  min_position: positions.optional().describe('{stream: {partition: sequence}} that the answer must include'),
  explain: z.boolean().optional().describe('Answers the plan beside the numbers'),
  dry_run: z.boolean().optional().describe('Validates and returns the plan without running it'),
};

/** The body of a KPI query, where `custom` dimensions are declared. */
export function kpiSchemaOf(custom: readonly string[] = []) {
  const names: readonly string[] = [...KPI_DIMENSIONS, ...custom];
  const dimension = z.enum(names as readonly [string, ...string[]]);
  return z.strictObject({
    ...MEMBERS,
    group_by: z
      .array(dimension)
      .max(MAX_GROUP_BY)
      .refine((given) => new Set(given).size === given.length, 'A dimension is repeated')
      .default([]),
    filters: filtersSchemaOf(custom).default({}),
  });
}

export const kpiQuerySchema = kpiSchemaOf();

/** A validated query. */
export type KpiQuery = z.output<typeof kpiQuerySchema>;
/** A query as a client writes it. */
export type KpiQueryInput = z.input<typeof kpiQuerySchema>;
