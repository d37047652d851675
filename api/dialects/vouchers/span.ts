import { z } from 'zod';
import { DAY_MS, formatUtc, type TimeRange, type Zone } from '../../../analytics/index.ts';
import { ApiError, type RawCall } from '../../http/index.ts';
import { type Asking, dayOf, spoken } from '../asking/index.ts';
import { MAX_DAYS } from './face.ts';

const DEFAULT_DAYS = 30;
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)$/;

const time = (what: string) =>
  z
    .string()
    .max(64)
    .optional()
    .describe(`${what}: a date, or a time with an offset; default: the last 30 days`);

export const SPAN_MEMBERS = { start_date: time('First day'), end_date: time('Last day, included') };
export const spanSchema = z.object({
  start: z.string(),
  end: z.string().describe('The last second of the span'),
});

export interface Span extends TimeRange {
  readonly zone: Zone;
  readonly query: { readonly start: string; readonly end: string };
  /** As answers say it: the end is the last second. */
  readonly said: { readonly start: string; readonly end: string };
}

/** The span of time of a request. Throws ApiError `invalid_range`. */
export function spanOf(
  surroundings: Pick<Asking, 'now' | 'zoneOf'>,
  { tenant }: Pick<RawCall, 'tenant'>,
  given: { readonly start_date?: string | undefined; readonly end_date?: string | undefined },
): Span {
  const zone = surroundings.zoneOf(tenant);
  const today = zone.localDay(surroundings.now());
  const end_ms =
    given.end_date === undefined ? zone.startOfDay(today + 1) : momentOf(given.end_date, zone, 1);
  const start_ms =
    given.start_date === undefined
      ? zone.startOfDay(zone.localDay(end_ms - 1) + 1 - DEFAULT_DAYS)
      : momentOf(given.start_date, zone, 0);
  if (start_ms >= end_ms) throw invalid('The time period ends before it begins');
  // An hour more or less, where the clocks are changed.
  if (
    zone.localDay(end_ms - 1) - zone.localDay(start_ms) >= MAX_DAYS ||
    end_ms - start_ms > (MAX_DAYS + 1) * DAY_MS
  ) {
    throw invalid('Time period exceeds maximum allowed range');
  }
  const range = { start_ms, end_ms };
  return {
    ...{ ...range, zone, query: spoken(range, zone) },
    said: { start: formatUtc(start_ms), end: formatUtc(end_ms - 1_000) },
  };
}

/** `after` days behind the beginning of a date; of a time its own instant, :59 meaning the whole second. */
function momentOf(text: string, zone: Zone, after: 0 | 1): number {
  const day = dayOf(text);
  if (day !== undefined) return zone.startOfDay(day + after);
  const at_ms = TIME.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(at_ms)) throw invalid(`"${text.slice(0, 64)}" is no date and no time with an offset`);
  return after === 1 && /:59(Z|[+-])/.test(text) ? at_ms + 1_000 : at_ms;
}

const invalid = (message: string): ApiError => new ApiError('invalid_range', `${message}.`);
