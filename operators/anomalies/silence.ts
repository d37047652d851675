import type { WindowGrid } from './watched-rule.ts';

const DAY_MS = 86_400_000;
/** Days before a window whose same time of day says how many events it should have. */
const DAYS_BACK = 7;
/** Of them, those that must have been seen; with fewer the windows just before count instead. */
const DAYS_KNOWN = 3;
/** Windows just before, where there are not days enough. */
const WINDOWS_BACK = 24;
/** Events that should have come in a stretch without any: of a Poisson process, one in a thousand is so empty. */
const SILENT_EVENTS = 7;

/** Counts of a scope's events in buckets of a width. */
export interface Pulse {
  readonly bucket_ms: number;
  /** Gives the counts of [start, end), which are whole buckets; those that are 0 may be left out. */
  read(start_ms: number, end_ms: number, add: (bucket_ms: number, events: number) => void): void;
}

/**
 * Tells low from silent. In a window that holds a stretch in which no event of any kind came, although at least
 * seven were to be expected, nothing is known of any metric: the events are late, lost, or their source stands.
 * Expected are the fewest that came at the same time of any of the last seven days: where it was ever quiet at this
 * time, quiet is normal. A function of the counts alone, so that late events say it anew.
 */
export class Silence {
  readonly #counts: Float64Array;
  readonly #nextEvent: Int32Array;
  readonly #from_ms: number;
  readonly #bucket_ms: number;
  readonly #grid: WindowGrid;

  /** Of the windows [from, to). */
  constructor(pulse: Pulse, grid: WindowGrid, from: number, to: number) {
    const { bucket_ms } = pulse;
    const first_ms = Math.min(grid.startOf(from) - DAYS_BACK * DAY_MS, grid.startOf(from - WINDOWS_BACK));
    const start_ms = Math.floor(first_ms / bucket_ms) * bucket_ms;
    const end_ms = Math.ceil(grid.startOf(to) / bucket_ms) * bucket_ms;
    const length = (end_ms - start_ms) / bucket_ms;
    this.#counts = new Float64Array(length);
    pulse.read(start_ms, end_ms, (at_ms, events) => {
      (this.#counts[(at_ms - start_ms) / bucket_ms] as number) += events;
    });
    this.#nextEvent = new Int32Array(length + 1);
    this.#nextEvent[length] = length;
    for (let at = length - 1; at >= 0; at--)
      this.#nextEvent[at] = (this.#counts[at] as number) > 0 ? at : (this.#nextEvent[at + 1] as number);
    this.#from_ms = start_ms;
    this.#bucket_ms = bucket_ms;
    this.#grid = grid;
  }

  /** Events that a silent window should have had, at least; undefined where the window is not silent. */
  expectedOf(index: number): number | undefined {
    const [start, end] = this.#placesOf(this.#grid.startOf(index), this.#grid.startOf(index + 1));
    const longest = this.#longestQuiet(start, end);
    if (longest === 0) return undefined;
    const expected = this.#leastBefore(index);
    return (expected * longest) / (end - start) >= SILENT_EVENTS ? expected : undefined;
  }

  #placesOf(start_ms: number, end_ms: number): readonly [number, number] {
    const start = Math.floor((start_ms - this.#from_ms) / this.#bucket_ms);
    return [start, Math.max(start + 1, Math.floor((end_ms - this.#from_ms) / this.#bucket_ms))];
  }

  #sum(start: number, end: number): number {
    let sum = 0;
    for (let at = start; at < end; at++) sum += this.#counts[at] as number;
    return sum;
  }

  #longestQuiet(start: number, end: number): number {
    let longest = 0;
    for (let at = start; at < end; ) {
      const next = Math.min(end, this.#nextEvent[at] as number);
      longest = Math.max(longest, next - at);
      at = next + 1;
    }
    return longest;
  }

  #leastBefore(index: number): number {
    const start_ms = this.#grid.startOf(index);
    const width_ms = this.#grid.startOf(index + 1) - start_ms;
    const firstPlace = this.#placesOf(start_ms - DAYS_BACK * DAY_MS, start_ms)[0];
    const seen_ms = this.#from_ms + (this.#nextEvent[Math.max(0, firstPlace)] as number) * this.#bucket_ms;
    const counts: number[] = [];
    for (let day = 1; day <= DAYS_BACK; day++) {
      const before_ms = start_ms - day * DAY_MS;
      if (before_ms < seen_ms) break;
      counts.push(this.#sum(...this.#placesOf(before_ms, before_ms + width_ms)));
    }
    if (counts.length >= DAYS_KNOWN) return Math.min(...counts);
    const windows: number[] = [];
    for (let back = 1; back <= WINDOWS_BACK; back++) {
      const before_ms = this.#grid.startOf(index - back);
      if (before_ms < seen_ms) return 0;
      windows.push(this.#sum(...this.#placesOf(before_ms, this.#grid.startOf(index - back + 1))));
    }
    return Math.min(...windows);
  }
}

/** How far back counts decide whether a window is silent, ms. */
export const SILENCE_REACH_MS = DAYS_BACK * DAY_MS;
