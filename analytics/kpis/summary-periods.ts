import { parseRange, QueryError, rangeBefore, type TimeRange, type Zone } from '../query/index.ts';

const MINUTE_MS = 60_000;

/** The range of a summary and the one that it is compared with. Throws QueryError `invalid_range`. */
export function summaryPeriods(
  { start, end }: { readonly start?: string | undefined; readonly end?: string | undefined },
  zone: Zone,
  now_ms: number,
): { readonly current: TimeRange; readonly previous: TimeRange } {
  if (start === undefined && end === undefined) {
    const today = zone.localDay(now_ms);
    const start_ms = zone.startOfDay(today);
    const length_ms = (Math.floor((now_ms - start_ms) / MINUTE_MS) + 1) * MINUTE_MS;
    const before_ms = zone.startOfDay(today - 1);
    return {
      current: { start_ms, end_ms: start_ms + length_ms },
      // The day before can be an hour shorter than today has lasted.
      previous: { start_ms: before_ms, end_ms: Math.min(before_ms + length_ms, start_ms) },
    };
  }
  if (start === undefined || end === undefined) {
    const path = start === undefined ? 'start' : 'end';
    const message = 'Give both `start` and `end`, or neither for today so far.';
    throw new QueryError('invalid_range', message, [{ path, message }]);
  }
  const current = parseRange(start, end);
  return { current, previous: rangeBefore(current, 'previous_period', zone) };
}
