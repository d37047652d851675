import { z } from 'zod';
import { durationOf } from './duration.ts';

/** Kinds of settings, read from the text of an environment variable. */

export function integer(fallback: number, min: number, max: number) {
  return z
    .string()
    .regex(/^\d{1,16}$/, `must be an integer from ${min} to ${max}`)
    .transform(Number)
    .refine((value) => value >= min && value <= max, `must be an integer from ${min} to ${max}`)
    .default(fallback);
}

export function duration(fallback: string, max_ms: number) {
  return z
    .string()
    .default(fallback)
    .transform((text, context) => {
      const value_ms = durationOf(text);
      if (value_ms !== undefined && value_ms <= max_ms) return value_ms;
      context.addIssue(`must be a duration such as 500ms, 30s, 5m or 1h, at most ${max_ms} ms`);
      return z.NEVER;
    });
}
