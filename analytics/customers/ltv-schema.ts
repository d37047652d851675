import { z } from 'zod';
import { COHORT_BUCKETS } from '../cohorts/index.ts';
import { dimensionsSchemaOf, segmentFiltersSchemaOf } from '../filters/index.ts';
import { DAY_MS } from '../query/index.ts';
import { HEAD_MEMBERS } from '../query-head/index.ts';
import { MAX_CUSTOMERS_A_PAGE } from './rfm-schema.ts';

const MAX_PERIODS = 120;
const MAX_DIMENSIONS = 3;
const MAX_HORIZON_DAYS = 1_826;
const HORIZON = /^(\d{1,4})(d|w)$/;

/** Days of `365d` or `52w`. */
function daysOf(text: string): number {
  const [, count, unit] = HORIZON.exec(text) ?? [];
  return Number(count) * (unit === 'w' ? 7 : 1);
}

export const horizonMs = (text: string): number => daysOf(text) * DAY_MS;

/** The members of a query of lifetime value, where `custom` dimensions are declared. */
export function ltvMembersOf(custom: readonly string[] = []) {
  return z.strictObject({
    ...HEAD_MEMBERS,
    model: z
      .enum(['historical', 'predictive'])
      .default('historical')
      .describe(
        '`historical`: what customers brought by their age; `predictive`: what they are expected to bring (BG/NBD ' +
          'with Gamma–Gamma)',
      ),
    filters: segmentFiltersSchemaOf(custom).default({}).describe('On the first order: which customers'),
    bucket: z.enum(COHORT_BUCKETS).default('month').describe('Of cohorts; for `historical`'),
    group_by: dimensionsSchemaOf(custom, MAX_DIMENSIONS)
      .default([])
      .describe('Cohorts by the values of the first order, too; for `historical`'),
    period: z.enum(['week', 'month']).default('month').describe('Of age; for `historical`'),
    periods: z.int().min(1).max(MAX_PERIODS).default(12).describe('Ages to answer, from 0 on'),
    alignment: z
      .enum(['rolling', 'calendar'])
      .default('rolling')
      .describe('Ages of 7 or 30 days from the first order, or by periods of the calendar'),
    horizon: z
      .string()
      .regex(HORIZON, 'days or weeks: 365d, 52w')
      .refine((text) => daysOf(text) >= 1 && daysOf(text) <= MAX_HORIZON_DAYS, {
        error: `1 to ${MAX_HORIZON_DAYS} days`,
      })
      .default('365d')
      .describe('For `predictive`: how far to look ahead'),
    discount_rate: z.number().min(0).max(10).default(0).describe('A year; 0.1 is 10 %. For `predictive`'),
    interval: z
      .number()
      .min(0.5)
      .max(0.99)
      .default(0.9)
      .describe('Probability that the intervals of a customer hold. For `predictive`'),
    order_by: z
      .enum(['value', 'churn'])
      .default('value')
      .describe('Customers with the highest expected value first, or with the fewest expected purchases'),
    limit: z
      .int()
      .min(0)
      .max(MAX_CUSTOMERS_A_PAGE)
      .default(100)
      .describe('Customers a page; for `predictive`'),
    offset: z.int().min(0).max(100_000_000).default(0).describe('Customers to pass over'),
  });
}

/** A validated query. */
export type LtvQuery = z.output<ReturnType<typeof ltvMembersOf>>;
