/** An event of the shop, as `POST /ingest` takes it. */
export interface ShopEvent {
  readonly event_id: string;
  readonly type: string;
  /** RFC 3339, UTC. */
  readonly time: string;
  readonly [member: string]: unknown;
}

export const CURRENCY = 'GBP';
export const MINUTE_MS = 60_000;
export const HOUR_MS = 3_600_000;
export const DAY_MS = 86_400_000;

export const timeOf = (time_ms: number): string => new Date(time_ms).toISOString();
/** Of a UTC day, counted from 1970-01-01: `2026-11-30`. */
export const dateOf = (day: number): string => timeOf(day * DAY_MS).slice(0, 10);
/** 0 is Monday. */
export const weekdayOf = (day: number): number => (day + 3) % 7;

/** An event whose id is what it says: the same shop always gives the same ids. */
export function eventOf(
  id: string,
  type: string,
  time_ms: number,
  members: Readonly<Record<string, unknown>> = {},
): ShopEvent {
  return { event_id: `shop/${id}`, type, time: timeOf(time_ms), ...members };
}
