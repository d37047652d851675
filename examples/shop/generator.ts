import { companyOf, foundingOf } from './company.ts';
import { DAY_MS, type ShopEvent } from './event.ts';
import { SESSION_EVERY_MINUTES, salesOf } from './sales.ts';

export interface ShopOptions {
  readonly seed: number;
  /** Nothing is later than that. */
  readonly now_ms: number;
  /** Whole UTC days before that of `now_ms`. */
  readonly days: number;
  /** A session begins every so many minutes; default: 4. */
  readonly every_minutes?: number;
}

/**
 * The events of a small company, by time. An event is a function of the seed and its own day alone: asked again later,
 * the days give the same events with the same ids, and those that have happened since.
 */
export function shopEvents({
  seed,
  now_ms,
  days,
  every_minutes = SESSION_EVERY_MINUTES,
}: ShopOptions): readonly ShopEvent[] {
  const today = Math.floor(now_ms / DAY_MS);
  const all = Array.from({ length: days + 1 }, (_, before) => today - before).flatMap((day) => [
    ...salesOf(seed, day, every_minutes),
    ...companyOf(seed, day),
  ]);
  return [...foundingOf(seed), ...all]
    .filter(({ time }) => Date.parse(time) <= now_ms)
    .sort((a, b) => Date.parse(a.time) - Date.parse(b.time) || (a.event_id < b.event_id ? -1 : 1));
}
