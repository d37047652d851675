import { DAY_MS, type TimeRange, type Zone } from '../../../analytics/index.ts';

const DATE = /^(\d{4})-(\d{2})-(\d{2})$/;

/** Days since 1970-01-01 of a date without a time; undefined where there is no such date. */
export function dayOf(text: string): number | undefined {
  const match = DATE.exec(text);
  if (match === null) return undefined;
  const [, year, month, date] = match.map(Number) as [number, number, number, number];
  const at_ms = Date.UTC(year, month - 1, date);
  return new Date(at_ms).toISOString().slice(0, 10) === text ? at_ms / DAY_MS : undefined;
}

/** Whole local days, both ends included. */
export function rangeOfDays(first: number, last: number, zone: Zone): TimeRange {
  return { start_ms: zone.startOfDay(first), end_ms: zone.startOfDay(last + 1) };
}

/** A range as the first API takes it. */
export const spoken = (
  { start_ms, end_ms }: TimeRange,
  zone: Zone,
): { readonly start: string; readonly end: string } => ({
  start: zone.format(start_ms),
  end: zone.format(end_ms),
});

const MINUTE_MS = 60_000;

/** From a moment to another, widened to whole minutes as queries want them. */
export const wholeMinutes = (from_ms: number, to_ms: number): TimeRange => ({
  start_ms: Math.floor(from_ms / MINUTE_MS) * MINUTE_MS,
  end_ms: (Math.floor(to_ms / MINUTE_MS) + 1) * MINUTE_MS,
});
