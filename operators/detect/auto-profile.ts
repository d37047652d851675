import { SMOOTHED_FLOATS, Smoothed } from './smoothed.ts';

const BINS = 48;
/** A bin's mean remembers about a week, as so many values. */
const MEMORY_MS = 80 * 300_000;
const MOST_VALUES = 80;
const LEAST_VALUES = 10;
/** The recent mean, which stands for bins that have no value yet. */
const RECENT_VALUES = 50;

const RECENT = 0;
const MEANS = 1;
const COUNTS = MEANS + BINS;
/** A byte each. */
const SMOOTHED = COUNTS + BINS / 4;
export const PROFILE_FLOATS = SMOOTHED + SMOOTHED_FLOATS;

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** Days since 1970, and hours of the day with fractions, of a local time. */
export function dayOf(local_ms: number): number {
  return Math.floor(local_ms / DAY_MS);
}

export function hourOf(local_ms: number): number {
  return (local_ms - dayOf(local_ms) * DAY_MS) / HOUR_MS;
}

/** 0 is Sunday. */
export function weekdayOf(day: number): number {
  return (((day + 4) % 7) + 7) % 7;
}

/** First bin of a day: 0 for weekdays, 24 for Saturdays and Sundays. */
export function firstBinOf(day: number): number {
  return weekdayOf(day) % 6 === 0 ? 24 : 0;
}

/** How far the last five values were from the mean of their hour of a weekday, or of a day of the weekend. */
export class ProfileChannel {
  readonly #cells: Float32Array;
  readonly #counts: Uint8Array;
  readonly #memory: number;
  readonly #smoothed: Smoothed;

  constructor(floats: Float32Array, at: number, window_ms: number) {
    this.#memory = Math.max(LEAST_VALUES, Math.min(MOST_VALUES, Math.round(MEMORY_MS / window_ms)));
    this.#cells = floats.subarray(at, at + PROFILE_FLOATS);
    this.#counts = new Uint8Array(floats.buffer, this.#cells.byteOffset + 4 * COUNTS, BINS);
    this.#smoothed = new Smoothed(this.#cells, SMOOTHED);
  }

  expected(local_ms: number): number {
    const bin = binOf(local_ms);
    return this.#cells[(this.#counts[bin] as number) > 0 ? MEANS + bin : RECENT] as number;
  }

  /** The level has changed: the hours begin anew, and the recent mean stands for them until they do. */
  forget(): void {
    this.#counts.fill(0);
  }

  /** The recent mean, of about 50 values. */
  get recent(): number {
    return this.#cells[RECENT] as number;
  }

  /** How far a value has to be from its expectation for the deviation to be `deviation`, whatever was before it. */
  reach(deviation: number): number {
    return Math.max(deviation, this.#smoothed.needed(deviation));
  }

  /** The deviation with the value at `index`, the number of values before it. */
  add(value: number, index: number, local_ms: number): number | undefined {
    const cells = this.#cells;
    const bin = binOf(local_ms);
    const deviation = index === 0 ? undefined : this.#smoothed.add(Math.abs(value - this.expected(local_ms)));
    const count = Math.min(this.#memory, (this.#counts[bin] as number) + 1);
    this.#counts[bin] = count;
    cells[MEANS + bin] = (cells[MEANS + bin] as number) + (value - (cells[MEANS + bin] as number)) / count;
    cells[RECENT] = index === 0 ? value : this.recent + (value - this.recent) / RECENT_VALUES;
    return deviation;
  }
}

function binOf(local_ms: number): number {
  return firstBinOf(dayOf(local_ms)) + Math.floor(hourOf(local_ms));
}
