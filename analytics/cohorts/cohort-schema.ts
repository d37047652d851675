import { z } from 'zod';
import { dimensionsSchemaOf, segmentFiltersSchemaOf } from '../filters/index.ts';
import { HEAD_MEMBERS } from '../query-head/index.ts';

export const MAX_PERIODS = 120;
const MAX_DIMENSIONS = 3;
const DEFAULT_PERIODS = 12;

export const COHORT_BUCKETS = ['day', 'week', 'month', 'quarter', 'none'] as const;
export const RETENTION_PERIODS = ['day', 'week', 'month'] as const;

/** An event type, with filters on its dimensions. */
export function eventRuleOf(custom: readonly string[] = []) {
  return z.strictObject({
    event: z.string().min(1).max(64).describe('Type of the event'),
    filters: segmentFiltersSchemaOf(custom).optional(),
  });
}

/** Who belongs to which cohort: what a definition says. */
export function criteriaOf(custom: readonly string[] = []) {
  return z
    .strictObject({
      type: z
        .enum(['acquisition', 'first_order_date', 'campaign', 'event'])
        .default('acquisition')
        .describe(
          '`acquisition` and `first_order_date`: by the time of the first order; `campaign`: by the campaign of the ' +
            'first order; `event`: by the first event of `start`',
        ),
      start: eventRuleOf(custom).optional().describe('For `event`: what makes a customer a member'),
      mode: z
        .enum(['first_time', 'recurring'])
        .default('first_time')
        .describe('Member of the cohort of the first such event ever, or of each in which there is one'),
      bucket: z.enum(COHORT_BUCKETS).optional().describe('Of cohorts; default: month, for `campaign` none'),
      group_by: dimensionsSchemaOf(custom, MAX_DIMENSIONS)
        .optional()
        .describe('Cohorts by the values that the start event has, too'),
      entity: z.enum(['customer_id', 'session_id']).default('customer_id'),
    })
    .refine(({ type, start }) => (type === 'event') === (start !== undefined), {
      path: ['start'],
      error: 'goes with type "event", which needs it',
    });
}

export type CohortCriteria = z.output<ReturnType<typeof criteriaOf>>;

/** What is asked of a cohort. */
export function retentionMembersOf(custom: readonly string[] = []) {
  const { currency: _, ...head } = HEAD_MEMBERS;
  return {
    ...head,
    return: eventRuleOf(custom).default({ event: 'order.created' }).describe('What coming back is'),
    period: z.enum(RETENTION_PERIODS).optional().describe('Default: the bucket of the cohorts, else month'),
    periods: z
      .int()
      .min(1)
      .max(MAX_PERIODS)
      .default(DEFAULT_PERIODS)
      .describe('Periods to answer, from 0 on'),
    alignment: z
      .enum(['calendar', 'rolling'])
      .default('calendar')
      .describe('Periods of the calendar, or of 24 hours, 7 days, 30 days from the start event'),
    retention: z
      .enum(['on', 'on_or_after', 'on_or_before'])
      .default('on')
      .describe('Came back in that period; in it or a later one; in one of the periods 1 to it'),
  };
}

/** The body of a one-off retention query. */
export function adhocRetentionSchemaOf(custom: readonly string[] = []) {
  return z.strictObject({
    criteria: criteriaOf(custom).prefault({}),
    ...retentionMembersOf(custom),
  });
}

/** A validated query. */
export type RetentionQuery = z.output<ReturnType<typeof adhocRetentionSchemaOf>> & {
  /** Of the definition that it was asked of. */
  readonly cohort?: { readonly id: string; readonly name: string; readonly revision: number };
};
