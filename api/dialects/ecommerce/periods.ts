import { z } from 'zod';
import { rangeBefore, relativeRange, type TimeRange, type Zone } from '../../../analytics/index.ts';
import { ApiError, type RawCall } from '../../http/index.ts';
import type { Inquiries } from '../asking/index.ts';
import { dayOf, rangeOfDays, spoken } from '../asking/index.ts';

export const TIME_RANGES = ['today', 'week', 'month', 'quarter', 'year', 'custom'] as const;

const date = (what: string) => z.string().max(10).optional().describe(`${what}, YYYY-MM-DD, with \`custom\``);

/** The query parameters that most endpoints have. */
export const PERIOD_MEMBERS = {
  time_range: z
    .enum(TIME_RANGES)
    .optional()
    .describe(
      "The calendar period to date in the tenant's time zone, or `custom`; default: `custom` where dates are given, else `month`",
    ),
  start_date: date('First day'),
  end_date: date('Last day, included'),
  currency: z
    .string()
    .regex(/^[A-Za-z]{3}$/, 'three letters')
    .optional()
    .describe("Converts all money; default: the tenant's, else the only one there is"),
};

export interface PeriodParams {
  readonly time_range?: (typeof TIME_RANGES)[number] | undefined;
  readonly start_date?: string | undefined;
  readonly end_date?: string | undefined;
  readonly currency?: string | undefined;
}

export interface Period extends TimeRange {
  readonly zone: Zone;
  /** As the answer says it. */
  readonly said: { readonly start: string; readonly end: string };
  /** The same span before. */
  readonly before: TimeRange;
  /** What a query of the first API takes of the request. */
  readonly query: { readonly start: string; readonly end: string; readonly currency?: string };
}

export const periodSchema = z.object({
  start: z.string().describe('Included'),
  end: z.string().describe('Excluded'),
});

/** The period that a request means. Throws ApiError 422. */
export function periodOf(inquiries: Inquiries, { tenant }: RawCall, params: PeriodParams): Period {
  const zone = inquiries.zoneOf(tenant);
  const { weekStart, fiscalMonth } = inquiries.defaultsOf(tenant) ?? {};
  const hasDates = params.start_date !== undefined || params.end_date !== undefined;
  const { time_range = hasDates ? 'custom' : 'month' } = params;
  if (hasDates && time_range !== 'custom') {
    throw invalidDate('time_range', 'must be custom where start_date or end_date is given');
  }
  const range =
    time_range === 'custom'
      ? customRange(params, zone)
      : relativeRange(time_range === 'today' ? 'today' : `this_${time_range}`, {
          ...{ now_ms: inquiries.now(), zone, weekStart, fiscalMonth },
        });
  const said = spoken(range, zone);
  const { currency } = params;
  const query = { ...said, ...(currency === undefined ? {} : { currency: currency.toUpperCase() }) };
  return { ...range, zone, said, before: rangeBefore(range, 'previous_period', zone), query };
}

function customRange({ start_date, end_date }: PeriodParams, zone: Zone): TimeRange {
  const first = requireDay('start_date', start_date);
  const last = requireDay('end_date', end_date);
  if (first > last) throw invalidDate('end_date', 'lies before start_date');
  return rangeOfDays(first, last, zone);
}

function requireDay(name: string, text: string | undefined): number {
  const day = text === undefined ? undefined : dayOf(text);
  if (day === undefined) throw invalidDate(name, 'is needed with time_range=custom, as YYYY-MM-DD');
  return day;
}

const invalidDate = (path: string, message: string): ApiError =>
  new ApiError('validation_failed', `${path} ${message}.`, { errors: [{ path, message }] });
