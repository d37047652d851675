import { z } from 'zod';
import { SEGMENT, segmentFiltersSchemaOf } from '../filters/index.ts';
import { HEAD_MEMBERS } from '../query-head/index.ts';
import { DEFAULT_SEGMENTS } from './rfm-segments.ts';

export const MAX_CUSTOMERS_A_PAGE = 1_000;
const DEFAULT_CUSTOMERS = 100;
const MAX_SEGMENTS = 50;

const span = z
  .tuple([z.int().min(1).max(5), z.int().min(1).max(5)])
  .describe('Lowest and highest score, both included');

const thresholds = z
  .array(z.number())
  .length(4)
  .refine((given) => given.every((value, at) => at === 0 || value > (given[at - 1] as number)), {
    error: 'must rise',
  });

export const segmentRuleSchema = z.strictObject({
  name: z.string().min(1).max(64),
  r: span.optional(),
  f: span.optional(),
  m: span.optional(),
});

/** The members of an RFM query, where `custom` dimensions are declared. */
export function rfmMembersOf(custom: readonly string[] = []) {
  return z.strictObject({
    ...HEAD_MEMBERS,
    filters: segmentFiltersSchemaOf(custom).default({}),
    scoring: z
      .enum(['quintile', 'ntile', 'fixed'])
      .default('quintile')
      .describe(
        '`quintile`: 1 + floor(5 × strictly worse ÷ n), so equal values share a score; `ntile`: five groups of ' +
          'equal size; `fixed`: by `thresholds`',
      ),
    thresholds: z
      .strictObject({
        recency_days: thresholds.describe('Four rising numbers: at most the first is score 5'),
        frequency: thresholds.describe('Four rising numbers: from the last on it is score 5'),
        monetary: thresholds.describe('Likewise, in minor units'),
      })
      .optional()
      .describe('For `fixed`'),
    segments: z
      .array(segmentRuleSchema)
      .min(1)
      .max(MAX_SEGMENTS)
      .default([...DEFAULT_SEGMENTS])
      .describe('Named segments: the first whose scores fit; without any: `other`'),
    group_by: z
      .array(z.enum([SEGMENT]))
      .max(custom.includes(SEGMENT) ? 0 : 1)
      .default([])
      .describe('`segment`: also by the segments that `filters` names, else by all that are stored'),
    limit: z.int().min(0).max(MAX_CUSTOMERS_A_PAGE).default(DEFAULT_CUSTOMERS).describe('Customers a page'),
    offset: z.int().min(0).max(100_000_000).default(0).describe('Customers to pass over'),
  });
}

/** Whether scoring and thresholds go together: the check of a schema with both. */
export const THRESHOLDS_CHECK = [
  ({ scoring, thresholds: given }: { readonly scoring: string; readonly thresholds?: unknown }): boolean =>
    (scoring === 'fixed') === (given !== undefined),
  { path: ['thresholds'], error: 'goes with scoring "fixed", which needs it' },
] as const;

/** The body of an RFM query. */
export function rfmSchemaOf(custom: readonly string[] = []) {
  const [passes, { path, error }] = THRESHOLDS_CHECK;
  return rfmMembersOf(custom).refine(passes, { path: [...path], error });
}

/** A validated query. */
export type RfmQuery = z.output<ReturnType<typeof rfmSchemaOf>>;
export type SegmentRule = z.output<typeof segmentRuleSchema>;
