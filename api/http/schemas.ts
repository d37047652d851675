import { z } from 'zod';

/** Parameters and answers that several routes share. */

export const positionSchema = z
  .record(z.string(), z.record(z.string(), z.int().nonnegative()))
  .describe('Last applied sequence by stream and partition');

export const timestamp = (what: string) => z.string().describe(`${what}, RFC 3339`);

/** Lists: `cursor` and `limit`, or `page` and `limit`. */
export const MAX_LIMIT = 1_000;
export const DEFAULT_LIMIT = 100;

const whole = (min: number, max: number) => z.coerce.number().pipe(z.int().min(min).max(max));

export const listQuery = {
  limit: whole(1, MAX_LIMIT).default(DEFAULT_LIMIT).describe('Entries a page'),
  cursor: z.string().min(1).max(4_096).optional().describe('`next_cursor` of the page before'),
  page: whole(1, 100_000).optional().describe('Number of the page, instead of a cursor'),
};

export const booleanParam = z.enum(['true', 'false']).transform((text) => text === 'true');

/** An instant as answers carry it. */
export function timeText(time_ms: number): string {
  return new Date(time_ms).toISOString();
}

export function timeTextOrNull(time_ms: number | null): string | null {
  return time_ms === null ? null : timeText(time_ms);
}
