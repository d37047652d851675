import { MillraceError } from '../../engine/index.ts';

/**
 * When a window gives results before it is complete. Whatever the trigger, it fires when the watermark
 * reaches its end, and after that for every late event within the allowed lateness.
 */
export type Trigger =
  | { readonly kind: 'watermark' }
  | { readonly kind: 'events'; readonly every_events: number }
  | { readonly kind: 'interval'; readonly every_ms: number };

/** No early results: the default. */
export function onWatermark(): Trigger {
  return { kind: 'watermark' };
}

/** Early results of a key's window after every so many of its events. Throws `bad_window`. */
export function earlyEveryEvents(every_events: number): Trigger {
  if (!Number.isSafeInteger(every_events) || every_events < 1) {
    throw new MillraceError('bad_window', `every_events must be a positive integer, got ${every_events}.`);
  }
  return { kind: 'events', every_events };
}

/**
 * Early results when the watermark passes a multiple of `every_ms` of event time after the window's start,
 * for the keys that have had events since their last result. Throws `bad_window`.
 */
export function earlyEvery(every_ms: number): Trigger {
  if (!Number.isFinite(every_ms) || every_ms <= 0) {
    throw new MillraceError('bad_window', `every_ms must be positive, got ${every_ms}.`);
  }
  return { kind: 'interval', every_ms };
}
