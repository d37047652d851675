import { MillraceError } from '../../engine/index.ts';
import { evenGrid, type WindowGrid } from './window-grid.ts';

/** The half-open span of event time [start_ms, end_ms), ms since the epoch; may begin before 1970. */
export interface TimeWindow {
  readonly start_ms: number;
  readonly end_ms: number;
}

/** Made by `tumbling`. Times are ms of event time. */
export interface TumblingWindow {
  readonly kind: 'tumbling';
  readonly size_ms: number;
  readonly offset_ms: number;
}

/** Made by `hopping`. Times are ms of event time. */
export interface HoppingWindow {
  readonly kind: 'hopping';
  readonly size_ms: number;
  readonly hop_ms: number;
  readonly offset_ms: number;
}

/** Made by `cumulate`. Times are ms of event time. */
export interface CumulateWindow {
  readonly kind: 'cumulate';
  readonly step_ms: number;
  readonly size_ms: number;
  readonly offset_ms: number;
}

/** Made by `global`. */
export interface GlobalWindow {
  readonly kind: 'global';
}

/** Made by `session`. `gap_ms` is event time. */
export interface SessionWindow {
  readonly kind: 'session';
  readonly gap_ms: number;
}

/** Made by `sliding`. Times are ms of event time. */
export interface SlidingWindow {
  readonly kind: 'sliding';
  readonly before_ms: number;
  readonly after_ms: number;
}

/** Made by `countWindow`. `count` is events of a key, `idle_ms` event time. */
export interface CountWindow {
  readonly kind: 'count';
  readonly count: number;
  readonly idle_ms: number;
}

/** The kinds of windows. Each is made by a function that checks it (`bad_window`). */
export type WindowSpec =
  | TumblingWindow
  | HoppingWindow
  | CumulateWindow
  | GlobalWindow
  | SessionWindow
  | SlidingWindow
  | CountWindow;

/** Windows of one size, side by side: [n·size + offset, (n+1)·size + offset). Throws `bad_window`. */
export function tumbling(of: { readonly size_ms: number; readonly offset_ms?: number }): TumblingWindow {
  const { size_ms, offset_ms = 0 } = of;
  positive({ size_ms });
  integer({ offset_ms });
  return { kind: 'tumbling', size_ms, offset_ms };
}

/**
 * Windows of one size that begin every `hop_ms`: an event is in about size/hop of them. A hop larger than
 * the size would leave gaps and is refused. Throws `bad_window`.
 */
export function hopping(of: {
  readonly size_ms: number;
  readonly hop_ms: number;
  readonly offset_ms?: number;
}): HoppingWindow {
  const { size_ms, hop_ms, offset_ms = 0 } = of;
  positive({ size_ms, hop_ms });
  integer({ offset_ms });
  if (hop_ms > size_ms)
    throw bad(`hop_ms ${hop_ms} is larger than size_ms ${size_ms}: events would be lost.`);
  return { kind: 'hopping', size_ms, hop_ms, offset_ms };
}

/**
 * Growing windows: a result every `step_ms` of what came since the start of the current `size_ms` (e.g. the
 * day so far, every hour). The size must be a multiple of the step. Throws `bad_window`.
 */
export function cumulate(of: {
  readonly step_ms: number;
  readonly size_ms: number;
  readonly offset_ms?: number;
}): CumulateWindow {
  const { step_ms, size_ms, offset_ms = 0 } = of;
  positive({ step_ms, size_ms });
  integer({ offset_ms });
  if (size_ms % step_ms !== 0) throw bad(`size_ms ${size_ms} is no multiple of step_ms ${step_ms}.`);
  return { kind: 'cumulate', step_ms, size_ms, offset_ms };
}

/** One window for all time: it never ends, so it needs an early trigger. */
export function global(): GlobalWindow {
  return { kind: 'global' };
}

/** The times that a Date can hold: the bounds of the global window. */
export const ALL_TIME: TimeWindow = { start_ms: -8.64e15, end_ms: 8.64e15 };

/**
 * Windows of activity: a key's events less than `gap_ms` apart are one session, [first, last + gap). An
 * event exactly `gap_ms` after the last one begins a new session. Throws `bad_window`.
 */
export function session(of: { readonly gap_ms: number }): SessionWindow {
  const { gap_ms } = of;
  positive({ gap_ms });
  return { kind: 'session', gap_ms };
}

/**
 * A window around each event: the events of its key from `before_ms` before it until `after_ms` after it,
 * both included. Events of a key with the same time share one window. Throws `bad_window`.
 */
export function sliding(of: { readonly before_ms: number; readonly after_ms: number }): SlidingWindow {
  const { before_ms, after_ms } = of;
  integer({ before_ms, after_ms });
  if (before_ms < 0 || after_ms < 0) throw bad('before_ms and after_ms must not be negative.');
  return { kind: 'sliding', before_ms, after_ms };
}

const DEFAULT_IDLE_MS = 24 * 3_600_000;

/**
 * Every `count` events of a key in the order of event time (equal times: in the order of their serialised
 * values), cut once the watermark has passed them. A key without an event for `idle_ms` of event time
 * (default a day) has its last, smaller window closed. Throws `bad_window`.
 */
export function countWindow(of: { readonly count: number; readonly idle_ms?: number }): CountWindow {
  const { count, idle_ms = DEFAULT_IDLE_MS } = of;
  positive({ count, idle_ms });
  return { kind: 'count', count, idle_ms };
}

function positive(values: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(values)) {
    if (!Number.isSafeInteger(value) || value <= 0) {
      throw bad(`${name} must be a positive integer, got ${value}.`);
    }
  }
}

function integer(values: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(values)) {
    if (!Number.isSafeInteger(value)) throw bad(`${name} must be an integer, got ${value}.`);
  }
}

function bad(message: string): MillraceError {
  return new MillraceError('bad_window', message);
}

/**
 * Windows that begin and end at the same times for all keys, cut into slices: the largest spans such that
 * each window is a whole number of them. An event is aggregated into its one slice, and a window is the
 * merge of its slices (Carbone et al., "Cutty", 2016; Traub et al., "Scotty", 2018). A window is identified by its end.
 */
export interface AlignedWindows {
  readonly slice_ms: number;
  readonly slices: WindowGrid;
  /** Ends of windows are this far apart. */
  readonly every_ms: number;
  /** The first and last end of the windows that contain a slice. */
  firstEnd(slice_ms: number): number;
  lastEnd(slice_ms: number): number;
  startOf(end_ms: number): number;
}

export type AlignedSpec = TumblingWindow | HoppingWindow | CumulateWindow | GlobalWindow;

export function alignedWindows(spec: AlignedSpec): AlignedWindows {
  switch (spec.kind) {
    case 'tumbling': {
      const { size_ms, offset_ms } = spec;
      return {
        slice_ms: size_ms,
        slices: evenGrid(size_ms, offset_ms),
        every_ms: size_ms,
        firstEnd: (slice) => slice + size_ms,
        lastEnd: (slice) => slice + size_ms,
        startOf: (end) => end - size_ms,
      };
    }
    case 'hopping': {
      const { size_ms, hop_ms, offset_ms } = spec;
      const slice_ms = gcd(size_ms, hop_ms);
      return {
        slice_ms,
        slices: evenGrid(slice_ms, offset_ms),
        every_ms: hop_ms,
        firstEnd: (slice) => ceilTo(slice + slice_ms - size_ms, hop_ms, offset_ms) + size_ms,
        lastEnd: (slice) => floorTo(slice, hop_ms, offset_ms) + size_ms,
        startOf: (end) => end - size_ms,
      };
    }
    case 'cumulate': {
      const { size_ms, step_ms, offset_ms } = spec;
      return {
        slice_ms: step_ms,
        slices: evenGrid(step_ms, offset_ms),
        every_ms: step_ms,
        firstEnd: (slice) => slice + step_ms,
        lastEnd: (slice) => floorTo(slice, size_ms, offset_ms) + size_ms,
        startOf: (end) => floorTo(end - step_ms, size_ms, offset_ms),
      };
    }
    case 'global': {
      const { start_ms, end_ms } = ALL_TIME;
      return {
        slice_ms: Number.POSITIVE_INFINITY,
        slices: { indexOf: () => 0, startOf: (index) => (index <= 0 ? start_ms : end_ms) },
        every_ms: end_ms,
        firstEnd: () => end_ms,
        lastEnd: () => end_ms,
        startOf: () => start_ms,
      };
    }
  }
}

/** The start of the slice that a time is in. */
export function sliceOf({ slices }: AlignedWindows, time_ms: number): number {
  return slices.startOf(slices.indexOf(time_ms));
}

function floorTo(time_ms: number, step_ms: number, offset_ms: number): number {
  return Math.floor((time_ms - offset_ms) / step_ms) * step_ms + offset_ms;
}

function ceilTo(time_ms: number, step_ms: number, offset_ms: number): number {
  return Math.ceil((time_ms - offset_ms) / step_ms) * step_ms + offset_ms;
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}
