import { z } from 'zod';
import { dimensionsSchemaOf, segmentFiltersSchemaOf } from '../filters/index.ts';
import { HEAD_MEMBERS } from '../query-head/index.ts';
import { TOUCH_METHODS } from './weights.ts';

export const ATTRIBUTION_METHODS = [...TOUCH_METHODS, 'markov'] as const;
export type AttributionMethod = (typeof ATTRIBUTION_METHODS)[number];

export const MAX_GROUPS = 1_000;
const MAX_DIMENSIONS = 4;
const MAX_TOUCH_TYPES = 20;
const MAX_DAYS = 366;
const DURATION = /^(\d{1,4})(d|h)$/;

const duration = z
  .string()
  .regex(DURATION, 'days or hours: 30d, 12h')
  .refine((text) => durationMs(text) > 0 && durationMs(text) <= MAX_DAYS * 86_400_000, {
    error: `at most ${MAX_DAYS} days`,
  });

/** ms of `30d` or `12h`. */
export function durationMs(text: string): number {
  const [, count, unit] = DURATION.exec(text) ?? [];
  return Number(count) * (unit === 'd' ? 86_400_000 : 3_600_000);
}

/** Members of every query of attribution, where `custom` dimensions are declared. */
export function attributionMembersOf(custom: readonly string[] = []) {
  return z.strictObject({
    ...HEAD_MEMBERS,
    filters: segmentFiltersSchemaOf(custom).default({}).describe('On the orders that are conversions'),
    group_by: dimensionsSchemaOf(custom, MAX_DIMENSIONS)
      .min(1)
      .default(['campaign', 'channel'])
      .describe('Dimensions of the touches'),
    touch_types: z
      .array(z.string().min(1).max(64))
      .min(1)
      .max(MAX_TOUCH_TYPES)
      .default(['visit', 'campaign.clicked'])
      .describe('Types of event that are touches'),
    lookback: duration.default('30d').describe('How long before an order a touch counts, inclusive'),
    half_life: duration.default('7d').describe('Of `time_decay`'),
    markov_order: z.int().min(1).max(3).default(1).describe('Touches that a state of `markov` remembers'),
    value: z
      .enum(['revenue_gross', 'revenue_net'])
      .default('revenue_net')
      .describe(
        'What is credited: the amount of an order, or less its discount and its refunds, whenever they come',
      ),
    limit: z.int().min(1).max(MAX_GROUPS).default(100).describe('Groups to answer: those with most revenue'),
  });
}

/** A validated query, whatever the methods. */
export interface AttributionQuery extends z.output<ReturnType<typeof attributionMembersOf>> {
  readonly methods: readonly AttributionMethod[];
  /** The answer is in the form of several methods, also where it is one. */
  readonly isCompared?: boolean;
}
