import { z } from 'zod';
import { filtersSchemaOf } from '../filters/index.ts';
import { ROW_DIMENSIONS } from '../rows/index.ts';

/** The kinds of definition that rules are made of. */
export const RULE_KIND = 'anomaly_rule';
export const MARK_KIND = 'anomaly_mark';
export const METRIC_KIND = 'metric';
export const ALERT_KIND = 'alert';

export const RULE_WINDOWS = ['1m', '5m', '15m', '1h', '1d'] as const;
export type RuleWindow = (typeof RULE_WINDOWS)[number];
export const RULE_METHODS = ['auto', 'zscore', 'seasonal_esd', 'prophet', 'threshold'] as const;

/** Dimensions of a rule. */
const MAX_DIMENSIONS = 3;
/** Groups of a rule that may be judged. */
const MAX_GROUPS = 10_000;
const DEFAULT_GROUPS = 1_000;

/** Fixed bounds of a metric. */
export const boundsSchema = z.strictObject({
  above: z.number().exactOptional().describe('Values above it; money in minor units'),
  below: z.number().exactOptional().describe('Values below it'),
  change_percent: z
    .number()
    .min(-100)
    .max(100_000)
    .exactOptional()
    .describe('A rise by more than that, or, below 0, a fall'),
  against: z
    .enum(['window', 'day', 'week'])
    .exactOptional()
    .describe(
      'What `change_percent` compares with: the window before (default), or the one a day or a week before',
    ),
});

/** What a rule says, where `custom` dimensions are declared. */
export function ruleSchemaOf(custom: readonly string[]) {
  const names: readonly string[] = [...ROW_DIMENSIONS, ...custom];
  return z.strictObject({
    metric: z
      .string()
      .min(1)
      .max(64)
      .describe('Of GET /metrics-catalog, or one of your own; a number of different ids is none for a rule'),
    group_by: z
      .array(z.enum(names as readonly [string, ...string[]]))
      .max(MAX_DIMENSIONS)
      .refine((given) => new Set(given).size === given.length, 'A dimension is repeated')
      .default([])
      .describe('Each combination of values is a series of its own'),
    filters: filtersSchemaOf(custom).default({}),
    window: z
      .enum(RULE_WINDOWS)
      .default('1h')
      .describe('Width of what is judged at once; days are those of `timezone`, the others of UTC'),
    method: z.enum(RULE_METHODS).default('auto'),
    threshold: boundsSchema.exactOptional().describe('Of the method `threshold`'),
    sensitivity: z
      .number()
      .gt(0)
      .max(0.999_999)
      .default(0.999_9)
      .describe('At most 1 − sensitivity of normal windows are flagged'),
    direction: z.enum(['both', 'low', 'high']).default('both').describe('Which deviations count'),
    min_change_percent: z
      .number()
      .min(0)
      .max(100_000)
      .default(0)
      .describe('Smaller deviations from what was expected do not count'),
    stakes: z
      .strictObject({ medium: z.int().min(0), high: z.int().min(0) })
      .exactOptional()
      .describe(
        'Deviations, in the unit of the metric (money: minor units), from which severity is more than low',
      ),
    max_groups: z
      .int()
      .min(1)
      .max(MAX_GROUPS)
      .default(DEFAULT_GROUPS)
      .describe('Groups beyond are not judged'),
    timezone: z
      .string()
      .max(64)
      .exactOptional()
      .describe('Of days and of what repeats daily; default: the tenant’s'),
    since: z.iso
      .datetime({ offset: true })
      .exactOptional()
      .describe('Windows that end after it alert, those before are learned from; default: now'),
    enabled: z.boolean().default(true),
  });
}

export type RuleBody = z.output<ReturnType<typeof ruleSchemaOf>>;

export const MARK_STATUSES = ['acknowledged', 'resolved', 'false_alarm'] as const;

/** What users say of an anomaly. A false alarm teaches the rule: see `NormalMark`. */
export const markSchema = z.strictObject({
  rule_id: z.string().max(128),
  /** `groupKey` of its group. */
  group: z.string().max(4_096),
  start_ms: z.int(),
  direction: z.enum(['low', 'high']),
  score: z.number(),
  status: z.enum(MARK_STATUSES),
  note: z.string().max(1_024).exactOptional(),
});
export type MarkBody = z.output<typeof markSchema>;
