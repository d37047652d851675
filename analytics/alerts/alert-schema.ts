import { z } from 'zod';
import { thresholdSchemaOf } from '../anomalies/index.ts';
import { ROW_DIMENSIONS } from '../rows/index.ts';

const MAX_FOR_WINDOWS = 1_000;
const MAX_COOLDOWN_S = 7 * 86_400;
const MAX_SILENCES = 100;
const MAX_DIMENSIONS = 3;

const time = z.iso.datetime({ offset: true });

/** What an alert says beside its channels, where `custom` dimensions are declared. */
export function alertSchemaOf(custom: readonly string[]) {
  const names: readonly string[] = [...ROW_DIMENSIONS, ...custom];
  const anomaly = z.strictObject({
    rule_id: z.string().max(128).exactOptional().describe('Of one rule; default: of all'),
    metric: z.string().min(1).max(64).exactOptional().describe('Of one metric; default: of all'),
    direction: z.enum(['low', 'high']).exactOptional(),
    min_severity: z.enum(['low', 'medium', 'high']).default('low'),
  });
  return z.strictObject({
    condition: z
      .union([z.strictObject({ anomaly }), z.strictObject({ threshold: thresholdSchemaOf(custom) })])
      .describe('`anomaly`: what rules find. `threshold`: a metric and its bounds'),
    for_windows: z
      .int()
      .min(1)
      .max(MAX_FOR_WINDOWS)
      .default(1)
      .describe('It is told once it has lasted for so many windows'),
    group_by: z
      .array(z.enum(names as readonly [string, ...string[]]))
      .max(MAX_DIMENSIONS)
      .exactOptional()
      .describe(
        'One notice for each combination of these; `[]`: one for the alert; default: one for each group',
      ),
    silence: z
      .array(
        z.strictObject({
          from: time.exactOptional(),
          until: time,
          group: z
            .record(z.string().max(64), z.string().max(256))
            .exactOptional()
            .describe('Only groups with these values'),
        }),
      )
      .max(MAX_SILENCES)
      .default([])
      .describe('In these times, of events, nothing is told'),
    cooldown_seconds: z
      .int()
      .min(0)
      .max(MAX_COOLDOWN_S)
      .default(0)
      .describe('After a notice the next one of its group comes no sooner, by the time of events'),
    notify_recovery: z.boolean().default(true).describe('Tell when it is over, too'),
    timezone: z.string().max(64).exactOptional().describe('Of windows of a day; default: the tenant’s'),
    since: time.exactOptional().describe('What is found in windows that end after it is told; default: now'),
    enabled: z.boolean().default(true),
  });
}

export type AlertRules = z.output<ReturnType<typeof alertSchemaOf>>;
