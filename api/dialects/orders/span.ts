import { z } from 'zod';
import type { TimeRange, Zone } from '../../../analytics/index.ts';
import { ApiError, type RawCall } from '../../http/index.ts';
import { type Asking, dayOf, rangeOfDays, spoken } from '../asking/index.ts';

const date = (what: string) =>
  z
    .string()
    .max(10)
    .optional()
    .describe(`${what}, YYYY-MM-DD, in the tenant's time zone; default: the month to date`);

export const SPAN_MEMBERS = {
  from: date('First day'),
  to: date('Last day, included'),
  currency: z
    .string()
    .regex(/^[A-Za-z]{3}$/, 'three letters')
    .optional()
    .describe("Converts all money; default: the tenant's, else the only one there is"),
};
export type SpanParams = z.output<z.ZodObject<typeof SPAN_MEMBERS>>;

export const spanSchema = z.object({ from: z.string(), to: z.string().describe('Included') });

export interface Span extends TimeRange {
  readonly zone: Zone;
  /** As answers say it. */
  readonly said: z.output<typeof spanSchema>;
  /** What a query of the first API takes of the request. */
  readonly query: { readonly start: string; readonly end: string; readonly currency?: string };
}

/** Whole local days, both included. Throws ApiError 422. */
export function spanOf(
  surroundings: Pick<Asking, 'now' | 'zoneOf'>,
  { tenant }: Pick<RawCall, 'tenant'>,
  { from, to, currency }: SpanParams,
): Span {
  const zone = surroundings.zoneOf(tenant);
  const today = zone.localDay(surroundings.now());
  const last = to === undefined ? today : requireDay('to', to);
  const first = from === undefined ? monthOf(last) : requireDay('from', from);
  if (first > last) {
    const message = 'lies before from';
    throw new ApiError('validation_failed', `to ${message}.`, { errors: [{ path: 'to', message }] });
  }
  const range = rangeOfDays(first, last, zone);
  const target = currency === undefined ? {} : { currency: currency.toUpperCase() };
  return {
    ...{ ...range, zone, said: { from: dateText(first), to: dateText(last) } },
    query: { ...spoken(range, zone), ...target },
  };
}

const DAY_MS = 86_400_000;

export const dateText = (day: number): string => new Date(day * DAY_MS).toISOString().slice(0, 10);

/** The first day of the month of a day. */
const monthOf = (day: number): number => dayOf(`${dateText(day).slice(0, 7)}-01`) ?? day;

function requireDay(path: string, text: string): number {
  const day = dayOf(text);
  if (day !== undefined) return day;
  const message = 'must be a date that exists, as YYYY-MM-DD';
  throw new ApiError('validation_failed', `${path} ${message}.`, { errors: [{ path, message }] });
}
