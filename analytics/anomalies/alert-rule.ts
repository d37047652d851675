import { z } from 'zod';
import { filtersSchemaOf } from '../filters/index.ts';
import { boundsSchema, type RuleBody, ruleSchemaOf } from './rule-schema.ts';

/** A metric with bounds: what an alert on a threshold watches. */
export function thresholdSchemaOf(custom: readonly string[]) {
  const { metric, group_by, window, max_groups } = ruleSchemaOf(custom).shape;
  const filters = filtersSchemaOf(custom).default({});
  return z.strictObject({ metric, filters, group_by, window, max_groups, ...boundsSchema.shape });
}

/**
 * The rule that an alert on a threshold is judged by; undefined of one on anomalies. It has the alert's id. Throws a
 * ZodError for a body that is none of an alert.
 */
export function ruleOfAlert(body: unknown, custom: readonly string[]): RuleBody | undefined {
  const { condition, ...rest } = z
    .looseObject({
      condition: z.looseObject({ threshold: thresholdSchemaOf(custom).optional() }),
      timezone: z.string().optional(),
      since: z.string().optional(),
      enabled: z.boolean().default(true),
    })
    .parse(body);
  const { threshold } = condition;
  if (threshold === undefined) return undefined;
  const { above, below, change_percent, against, ...watched } = threshold;
  const bounds = Object.entries({ above, below, change_percent, against }).filter(
    ([, bound]) => bound !== undefined,
  );
  const { timezone, since, enabled } = rest;
  return ruleSchemaOf(custom).parse({
    ...watched,
    ...{ method: 'threshold', threshold: Object.fromEntries(bounds), enabled },
    ...(timezone === undefined ? {} : { timezone }),
    ...(since === undefined ? {} : { since }),
  });
}
