import { z } from 'zod';
import { rangeBefore, type TimeRange, type Zone } from '../../../analytics/index.ts';
import { ApiError, type RawCall } from '../../http/index.ts';
import { type Asking, dayOf, spoken } from '../asking/index.ts';

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)$/;

const time = (what: string) =>
  z
    .string()
    .max(64)
    .optional()
    .describe(`${what}: a date, or a time with an offset; default: the month to date`);

export const GROUPS = { day: '1d', week: '1w', month: '1M', quarter: '1Q' } as const;
export type GroupBy = keyof typeof GROUPS;

/** The query parameters of every endpoint. */
export const COMMON_MEMBERS = {
  from: time('Start'),
  to: time('End; a date is included'),
  groupBy: z.enum(['day', 'week', 'month', 'quarter']).default('month').describe('Width of the periods'),
  currency: z
    .string()
    .regex(/^[A-Za-z]{3}$/, 'three letters')
    .optional()
    .describe("Converts all money; default: the tenant's, else the only one there is"),
};
export interface CommonParams {
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  readonly groupBy: GroupBy;
  readonly currency?: string | undefined;
}

export interface Span extends TimeRange {
  readonly zone: Zone;
  readonly groupBy: GroupBy;
  readonly before: TimeRange;
  /** What a query of the first API takes of the request. */
  readonly query: { readonly start: string; readonly end: string; readonly currency?: string };
}

/** The span of time of a request. Throws 400 for what is no time, 422 where it ends before it begins. */
export function spanOf(
  surroundings: Pick<Asking, 'now' | 'zoneOf'>,
  { tenant }: Pick<RawCall, 'tenant'>,
  params: CommonParams,
): Span {
  const zone = surroundings.zoneOf(tenant);
  const today = zone.localDay(surroundings.now());
  const end_ms = params.to === undefined ? zone.startOfDay(today + 1) : momentOf('to', params.to, zone, 1);
  const start_ms =
    params.from === undefined
      ? zone.startOfDay(firstOfMonth(zone.localDay(end_ms - 1)))
      : momentOf('from', params.from, zone, 0);
  if (start_ms >= end_ms) {
    throw new ApiError('invalid_range', '"from" is after "to": the range has no time in it.');
  }
  const range = { start_ms, end_ms };
  const { currency } = params;
  return {
    ...{ ...range, zone, groupBy: params.groupBy, before: rangeBefore(range, 'previous_period', zone) },
    query: {
      ...spoken(range, zone),
      ...(currency === undefined ? {} : { currency: currency.toUpperCase() }),
    },
  };
}

const DAY_MS = 86_400_000;

function firstOfMonth(day: number): number {
  const date = new Date(day * DAY_MS);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), 1) / DAY_MS;
}

function momentOf(name: string, text: string, zone: Zone, after: 0 | 1): number {
  const day = dayOf(text);
  if (day !== undefined) return zone.startOfDay(day + after);
  const at_ms = TIME.test(text) ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(at_ms)) return after === 1 && /:59(Z|[+-])/.test(text) ? at_ms + 1_000 : at_ms;
  const message = 'must be a date such as 2026-01-31, or a time with an offset';
  throw new ApiError('validation_failed', `${name} ${message}.`, { errors: [{ path: name, message }] });
}

/** The name of the period that begins at a time of the first API: `2026-01`, `2026-Q1`, `2026-01-05`. */
export function periodName(time: string, groupBy: GroupBy): string {
  const month = time.slice(0, 7);
  if (groupBy === 'month') return month;
  if (groupBy === 'quarter') return `${time.slice(0, 4)}-Q${Math.ceil(Number(time.slice(5, 7)) / 3)}`;
  return time.slice(0, 10);
}
