import { QueryError } from './query-error.ts';
import { MAX_RANGE_MS, MIN_RANGE_MS, type TimeRange } from './time.ts';
import { DAY_MS, formatUtc, type Zone } from './zone.ts';

/** With what a range is compared. */
export const COMPARES = ['previous_period', 'previous_year'] as const;
export type Compare = (typeof COMPARES)[number];

/**
 * The range that another is compared with. `previous_period`: the same span before it, by local days where it is
 * whole local days. `previous_year`: the same local dates and times one year before; 29 February becomes the 28th.
 * Throws QueryError `invalid_range` where that lies before 1970.
 */
export function rangeBefore(range: TimeRange, compare: Compare, zone: Zone): TimeRange {
  const before = compare === 'previous_year' ? yearBefore(range, zone) : periodBefore(range, zone);
  if (before.start_ms >= MIN_RANGE_MS && before.end_ms <= MAX_RANGE_MS && before.start_ms < before.end_ms)
    return before;
  const message = `The ${compare.replace('_', ' ')} of this range begins at ${formatUtc(before.start_ms)}; ranges lie after 1970.`;
  throw new QueryError('invalid_range', message, [{ path: 'compare', message }]);
}

function periodBefore({ start_ms, end_ms }: TimeRange, zone: Zone): TimeRange {
  const days = wholeDays({ start_ms, end_ms }, zone);
  const first = zone.localDay(start_ms);
  return {
    start_ms: days === undefined ? start_ms - (end_ms - start_ms) : zone.startOfDay(first - days),
    end_ms: start_ms,
  };
}

/** How many local days a range is; undefined where it is not of whole ones. */
export function wholeDays({ start_ms, end_ms }: TimeRange, zone: Zone): number | undefined {
  const first = zone.localDay(start_ms);
  const last = zone.localDay(end_ms);
  const isWhole = zone.startOfDay(first) === start_ms && zone.startOfDay(last) === end_ms;
  return isWhole ? last - first : undefined;
}

function yearBefore({ start_ms, end_ms }: TimeRange, zone: Zone): TimeRange {
  const shifted = (time_ms: number): number =>
    zone.instantOf(wallYearBefore(time_ms + zone.offsetAt(time_ms)));
  return { start_ms: shifted(start_ms), end_ms: shifted(end_ms) };
}

/** The same date and time of day one year before, on a wall clock; 29 February becomes the 28th. */
export function wallYearBefore(wall_ms: number): number {
  const day = new Date(wall_ms);
  const [year, month, date] = [day.getUTCFullYear() - 1, day.getUTCMonth(), day.getUTCDate()];
  const last = new Date(Date.UTC(year, month + 1, 0)).getUTCDate();
  const time_ms = wall_ms - Math.floor(wall_ms / DAY_MS) * DAY_MS;
  return Date.UTC(year, month, Math.min(date, last)) + time_ms;
}
