import type { WindowGrid } from '../windows/index.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** Days before a quiet stretch whose same time of day says how many events it should have. */
const DAYS_BACK = 7;
/** Of them, those that must have been seen; with fewer the day just before counts instead. */
const DAYS_KNOWN = 3;
/** By so much the hours of a day may move: opening hours do, and clocks do. */
const MOVED_MS = HOUR_MS;
/** A quiet stretch is followed back so far, ms. */
const STRETCH_MAX_MS = 5 * DAY_MS;
/** Windows, or a day, that must be known where there are not days enough. */
const WINDOWS_KNOWN = 24;
/** Events that should have come in a stretch without any: of a Poisson process, one in a thousand is so empty. */
const SILENT_EVENTS = 7;
/** By so much a pause must be longer than those that a day has regularly. */
const LONGER = 1.5;
/** Share of a stretch that a day which is not like others is searched for. */
const ALIKE = 0.8;

/** Counts of a scope's events in buckets of a width. */
export interface Pulse {
  readonly bucket_ms: number;
  /** Gives the counts of [start, end), which are whole buckets; those that are 0 may be left out. */
  read(start_ms: number, end_ms: number, add: (bucket_ms: number, events: number) => void): void;
}

/** How far back counts decide whether a window is silent, ms. */
export const SILENCE_REACH_MS = STRETCH_MAX_MS + (DAYS_BACK + 1) * DAY_MS;

/**
 * Tells low from silent. Where a window lies in a stretch in which no event of any kind came, although at least
 * seven were to be expected, nothing is known of any metric: the events are late, lost, or their source stands.
 *
 * - Expected are the fewest that came at the same time of day, an hour sooner or later too, on any of the last seven
 *   days: where it was ever quiet at this time, quiet is normal.
 * - Pauses that come at no fixed time are normal too: a stretch must be longer by a half than the longest pause of
 *   the third of the last seven days. Pauses are measured in the events that their times of day have on average, so
 *   that nights say nothing of days.
 * - A stretch goes on through windows: who was silent in the afternoon is so in the night, until something comes.
 *
 * A function of the counts alone, so that late events say it anew.
 */
export class Silence {
  readonly #grid: WindowGrid;
  readonly #own: PulseCounts;
  readonly #read: () => PulseCounts;
  #all: PulseCounts | undefined;
  #pauses: Pauses | undefined;

  /** Of the windows [from, to). */
  constructor(pulse: Pulse, grid: WindowGrid, from: number, to: number) {
    const [start_ms, end_ms] = [grid.startOf(from), grid.startOf(to)];
    this.#grid = grid;
    this.#own = new PulseCounts(pulse, start_ms, end_ms);
    this.#read = () => new PulseCounts(pulse, start_ms - SILENCE_REACH_MS, end_ms);
  }

  /** Events that should have come in a silent window's stretch, at least; undefined: the window is not silent. */
  expectedOf(index: number): number | undefined {
    const [start_ms, end_ms] = [this.#grid.startOf(index), this.#grid.startOf(index + 1)];
    // What was before is read where there is a pause at all.
    if (!this.#own.hasPause(start_ms, end_ms)) return undefined;
    this.#all ??= this.#read();
    const counts = this.#all;
    const start = counts.placeOf(start_ms);
    const end = Math.max(start + 1, counts.placeOf(end_ms));
    for (const stretch of counts.pauses(start, end, counts.places(STRETCH_MAX_MS))) {
      const inside = { start: Math.max(start, stretch.start), end: stretch.end };
      const isMost = 2 * (inside.end - inside.start) >= end - start;
      if (!isMost && fewest(counts, inside, end - start) < SILENT_EVENTS) continue;
      const expected = fewest(counts, stretch, end - start);
      if (expected >= SILENT_EVENTS && !this.#isUsual(counts, stretch)) return expected;
    }
    return undefined;
  }

  #isUsual(counts: PulseCounts, stretch: Stretch): boolean {
    if (this.#pauses?.before !== stretch.start) this.#pauses = new Pauses(counts, stretch.start);
    return this.#pauses.isUsual(stretch);
  }
}

/** Places of buckets [start, end). */
interface Stretch {
  readonly start: number;
  readonly end: number;
}

/** Counts of the buckets of a time. */
class PulseCounts {
  readonly #from_ms: number;
  readonly #bucket_ms: number;
  readonly length: number;
  /** Events before each bucket. */
  readonly #before: Float64Array;
  /** The first bucket with an event, at or behind each. */
  readonly #next: Int32Array;
  /** The first bucket of the pause that each is in; itself where it has an event. */
  readonly #begin: Int32Array;

  constructor(pulse: Pulse, start_ms: number, end_ms: number) {
    const { bucket_ms } = pulse;
    this.#bucket_ms = bucket_ms;
    this.#from_ms = Math.floor(start_ms / bucket_ms) * bucket_ms;
    const until_ms = Math.ceil(end_ms / bucket_ms) * bucket_ms;
    const length = (until_ms - this.#from_ms) / bucket_ms;
    this.length = length;
    const counts = new Float64Array(length);
    pulse.read(this.#from_ms, until_ms, (at_ms, events) => {
      (counts[(at_ms - this.#from_ms) / bucket_ms] as number) += events;
    });
    this.#before = new Float64Array(length + 1);
    this.#next = new Int32Array(length + 1).fill(length);
    this.#begin = new Int32Array(length);
    for (let at = 0; at < length; at++) {
      const events = counts[at] as number;
      this.#before[at + 1] = (this.#before[at] as number) + events;
      const isPause = events <= 0 && at > 0 && (counts[at - 1] as number) <= 0;
      this.#begin[at] = isPause ? (this.#begin[at - 1] as number) : at;
    }
    for (let at = length - 1; at >= 0; at--)
      this.#next[at] = (counts[at] as number) > 0 ? at : (this.#next[at + 1] as number);
  }

  places(span_ms: number): number {
    return Math.ceil(span_ms / this.#bucket_ms);
  }

  placeOf(time_ms: number): number {
    return Math.floor((time_ms - this.#from_ms) / this.#bucket_ms);
  }

  /** The bucket's place in a day. */
  placeInDay(place: number): number {
    const day = this.places(DAY_MS);
    const at = this.#from_ms / this.#bucket_ms + place;
    return ((at % day) + day) % day;
  }

  /** The first bucket with an event. */
  get first(): number {
    return this.#next[0] ?? this.length;
  }

  sum({ start, end }: Stretch): number {
    return (this.#before[Math.max(0, end)] as number) - (this.#before[Math.max(0, start)] as number);
  }

  hasPause(start_ms: number, end_ms: number): boolean {
    const [start, end] = [this.placeOf(start_ms), this.placeOf(end_ms)];
    for (let at = start; at < end; at++) if (this.#next[at] !== at) return true;
    return false;
  }

  /** Stretches without an event that reach into [start, end), each followed back for `most` buckets. */
  *pauses(start: number, end: number, most: number): Iterable<Stretch> {
    for (let at = start; at < end; ) {
      const next = Math.min(end, this.#next[at] as number);
      if (next > at) yield { start: Math.max(this.#begin[at] as number, next - most, 0), end: next };
      at = next + 1;
    }
  }
}

/** The fewest events that came in a stretch like it; `window` is the buckets of a window. */
function fewest(counts: PulseCounts, { start, end }: Stretch, window: number): number {
  const [day, moved] = [counts.places(DAY_MS), counts.places(MOVED_MS)];
  const nearest = Math.ceil((end - start + moved) / day);
  let [least, known] = [Number.POSITIVE_INFINITY, 0];
  for (let back = nearest; back <= DAYS_BACK; back++) {
    const shift = back * day;
    if (start - shift - moved < counts.first) break;
    known++;
    for (const by of [-moved, 0, moved])
      least = Math.min(least, counts.sum({ start: start - shift + by, end: end - shift + by }));
  }
  if (known >= DAYS_KNOWN) return least;
  const from = Math.max(counts.first, start - day);
  if (start - from < Math.min(day, WINDOWS_KNOWN * window)) return 0;
  const length = Math.ceil((end - start) * ALIKE);
  if (length >= start - from) return counts.sum({ start: from, end: start });
  least = Number.POSITIVE_INFINITY;
  for (let at = from; at + length <= start; at++)
    least = Math.min(least, counts.sum({ start: at, end: at + length }));
  return least;
}

/** How long pauses regularly are, by the days before a bucket. */
class Pauses {
  readonly before: number;
  readonly #counts: PulseCounts;
  readonly #day: number;
  /** Events that a day has on average before each of its buckets. */
  readonly #profile: Float64Array;
  /** The longest pause of the third day, by the longest of each, in events of the profile. */
  readonly #regular: number;

  constructor(counts: PulseCounts, before: number) {
    this.before = before;
    this.#counts = counts;
    this.#day = counts.places(DAY_MS);
    const days = Math.min(DAYS_BACK, Math.floor((before - counts.first) / this.#day));
    this.#profile = this.#profileOf(days);
    const longest = Array.from({ length: Math.max(0, days) }, (_, at) => {
      const start = before - (at + 1) * this.#day;
      const pauses = [...counts.pauses(start, start + this.#day, this.#day)];
      return Math.max(
        0,
        ...pauses.map((pause) => this.#eventsOf({ ...pause, start: Math.max(start, pause.start) })),
      );
    });
    this.#regular = longest.sort((a, b) => b - a)[DAYS_KNOWN - 1] ?? 0;
  }

  isUsual(stretch: Stretch): boolean {
    return this.#regular > 0 && this.#eventsOf(stretch) <= LONGER * this.#regular;
  }

  /** Smoothed by an hour, so that pauses which come at no fixed time are not seen in it. */
  #profileOf(days: number): Float64Array {
    const [counts, day] = [this.#counts, this.#day];
    const half = counts.places(HOUR_MS / 2);
    const sums = new Float64Array(day + 1);
    const smooth = new Float64Array(day);
    for (let back = 1; back <= days; back++) {
      const start = this.before - back * day;
      for (let at = 0; at < day; at++) {
        const around = {
          start: Math.max(0, start + at - half),
          end: Math.min(this.before, start + at + half),
        };
        (smooth[counts.placeInDay(start + at)] as number) +=
          counts.sum(around) / Math.max(1, around.end - around.start) / days;
      }
    }
    for (let at = 0; at < day; at++) sums[at + 1] = (sums[at] as number) + (smooth[at] as number);
    return sums;
  }

  #eventsOf({ start, end }: Stretch): number {
    const [profile, day] = [this.#profile, this.#day];
    const whole = Math.floor((end - start) / day);
    const [from, to] = [this.#counts.placeInDay(start), this.#counts.placeInDay(end)];
    const total = profile[day] as number;
    const rest = (profile[to] as number) - (profile[from] as number) + (to < from ? total : 0);
    return whole * total + rest;
  }
}
