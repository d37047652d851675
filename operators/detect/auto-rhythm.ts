import { dayOf, firstBinOf, hourOf, weekdayOf } from './auto-profile.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const BINS = 48;
/** How long a bin's mean remembers, and how many values of a weekday where a window is a day or longer. */
const MEMORY_DAYS = 40;
const MEMORY_WEEKS = 8;
/** The level follows a day's sum by this share; a weekday's factor at most by the other one. */
const LEVEL_GAIN = 1 / 7;
const WEEKDAY_GAIN = 0.7;
/** A day's sum moves the level by this factor at most. */
const MAX_RATIO = 20;
/** Of the spread, in windows. */
const SPREAD_MEMORY = 500;
/** What a value that is far out may teach, in deviations; more while little is known. */
const CLIP = 3;
const EARLY_CLIP = 8;
/** Mean absolute deviation of a standard normal, and of a Poisson count in roots of its mean. */
const MEAN_ABSOLUTE = 0.8;
const LEAST_SHARE = 0.01;
/** Windows of the running mean of z; of shorter windows those of a quarter of an hour. */
const SMOOTH_WINDOWS = 3;
const SMOOTH_MS = 900_000;
/** What one window adds to the running mean at most, and what its variance learns at most, in deviations. */
const SMOOTH_CLIP = 8;
const VARIANCE_CLIP = 3;
const MAX_DEVIATION = 15;
/** A level has changed where the sum of recent windows is so many deviations off. */
const SHIFT_DEVIATIONS = 4;
/** Least factor of a level that has changed. */
const LEAST_LEVEL = 0.02;

const LEVEL = 0;
const SPREAD = 1;
const SMOOTHED = 2;
const VARIANCE = 3;
const DAY = 4;
const DAY_SUM = 5;
const DAY_EXPECTED = 6;
const LATE_SUM = 7;
const LATE_EXPECTED = 8;
const LATE_VARIANCE = 9;
const REST_SUM = 10;
const REST_EXPECTED = 11;
const SHIFTED = 12;
const MEANS = 13;
const COUNTS = MEANS + BINS;
const WEEKDAYS = COUNTS + BINS;
const WEEKDAY_COUNTS = WEEKDAYS + 7;
export const RHYTHM_FLOATS = WEEKDAY_COUNTS + 7;

/** What is expected of one window. */
export interface Expectation {
  readonly mean: number;
  readonly deviation: number;
}

/** How a rest ended: as before the anomaly, still far off, or at a new level. */
export type AfterRest = 'calm' | 'off' | 'shifted';

/**
 * A shop's week, multiplicatively: level · mean of the hour (weekdays and weekends apart) · factor of the weekday; a
 * window of a day or more has the mean of its weekday alone. The level and the factors follow the sums of days,
 * so growth is followed within days. The deviation of a window is that of a count: φ √mean, with φ learned, and at least
 * 1 where values are whole numbers. z = (value − mean) / deviation; what counts is the larger of |z| and its running
 * mean in standard deviations (an EWMA chart: Roberts, "Control chart tests based on geometric moving averages", 1959).
 */
export class RhythmChannel {
  readonly #cells: Float32Array;
  readonly #window_ms: number;
  /** Values before which it has seen too little: a week, or three of windows of a day and more. */
  readonly warmPoints: number;
  readonly #late: number;
  readonly #gain: number;
  /** Of the window in hand. */
  #mean = 0;
  #scale = 1;

  constructor(floats: Float32Array, at: number, window_ms: number, rest_windows: number) {
    this.#cells = floats.subarray(at, at + RHYTHM_FLOATS);
    this.#window_ms = window_ms;
    this.warmPoints = window_ms >= DAY_MS ? 21 : Math.ceil((7 * DAY_MS) / window_ms);
    this.#gain = 1 / Math.max(SMOOTH_WINDOWS, Math.round(SMOOTH_MS / window_ms));
    this.#late = Math.max(0, 1 - 4 / rest_windows);
  }

  begin(): void {
    const cells = this.#cells;
    cells[LEVEL] = 1;
    cells[SPREAD] = 1;
    cells[VARIANCE] = this.#gain / (2 - this.#gain);
    cells[DAY] = -Infinity;
    cells.fill(1, WEEKDAYS, WEEKDAYS + 7);
  }

  isWarm(points: number): boolean {
    return points >= this.warmPoints;
  }

  /** What the window at the local time is expected to be; `recent` stands for hours that were never seen. */
  expect(local_ms: number, recent: number, isWhole: boolean): Expectation {
    const mean = Math.max(0, this.#meanOf(local_ms, recent));
    const root = rootOf(mean, isWhole);
    const least = isWhole ? MEAN_ABSOLUTE * Math.max(1, root) : 0;
    const spread = Math.max((this.#cells[SPREAD] as number) * root, least);
    this.#mean = mean;
    this.#scale = Math.max(spread, LEAST_SHARE * mean, 1e-9) / MEAN_ABSOLUTE;
    return { mean, deviation: this.#scale };
  }

  /** How far above, and below, its expectation a value has to be for the deviation to reach `deviation`. */
  reach(deviation: number): { readonly above: number; readonly below: number } {
    const gain = this.#gain;
    const kept = (1 - gain) * (this.#cells[SMOOTHED] as number);
    const mean = deviation * Math.sqrt(this.#cells[VARIANCE] as number);
    return {
      above: this.#scale * reachOf(deviation, (mean - kept) / gain),
      below: this.#scale * reachOf(deviation, (mean + kept) / gain),
    };
  }

  /** The deviation of the value whose window was `expect`ed last. */
  deviation(value: number): number {
    const cells = this.#cells;
    const gain = this.#gain;
    const z = (value - this.#mean) / this.#scale;
    const clipped = Math.max(-SMOOTH_CLIP, Math.min(SMOOTH_CLIP, z));
    const smoothed = (cells[SMOOTHED] as number) + gain * (clipped - (cells[SMOOTHED] as number));
    const variance = cells[VARIANCE] as number;
    const square = Math.min(smoothed ** 2, VARIANCE_CLIP ** 2 * variance);
    cells[SMOOTHED] = smoothed;
    // No less than what independent windows would have.
    cells[VARIANCE] = Math.max(gain / (2 - gain), variance + (square - variance) / SPREAD_MEMORY);
    return Math.min(MAX_DEVIATION, Math.max(Math.abs(z), Math.abs(smoothed) / Math.sqrt(variance)));
  }

  /** Learns the value whose window was `expect`ed last. */
  learn(value: number, local_ms: number, points: number, isWhole: boolean, isResting: boolean): void {
    const cells = this.#cells;
    const day = dayOf(local_ms);
    if (day !== cells[DAY]) {
      if ((cells[DAY_EXPECTED] as number) > 0) this.#endDay();
      cells[DAY] = day;
      cells[DAY_SUM] = 0;
      cells[DAY_EXPECTED] = 0;
    }
    const mean = this.#mean;
    const reach = (this.isWarm(points) ? CLIP : EARLY_CLIP) * this.#scale;
    const clipped = Math.max(mean - reach, Math.min(mean + reach, value));
    cells[DAY_SUM] = (cells[DAY_SUM] as number) + clipped;
    cells[DAY_EXPECTED] = (cells[DAY_EXPECTED] as number) + mean;
    const spread = Math.abs(clipped - mean) / rootOf(mean, isWhole);
    const gain = 1 / Math.min(points + 6, SPREAD_MEMORY);
    cells[SPREAD] = (cells[SPREAD] as number) + (spread - (cells[SPREAD] as number)) * gain;
    this.#learnBins(clipped, local_ms, day);
    if (isResting) this.#follow(value);
  }

  /** An anomaly was told: what is summed begins anew. */
  restart(): void {
    const cells = this.#cells;
    cells[SMOOTHED] = 0;
    cells[SHIFTED] = 0;
    this.#clearRest();
  }

  /** At the end of a rest of so many windows. What has been off for a day is the new level. */
  afterRest(rest_windows: number): AfterRest {
    const cells = this.#cells;
    const expected = cells[LATE_EXPECTED] as number;
    const z =
      ((cells[LATE_SUM] as number) - expected) / Math.sqrt(2 * (cells[LATE_VARIANCE] as number) + 1e-12);
    if (!(Math.abs(z) > SHIFT_DEVIATIONS && expected > 0)) return 'calm';
    const shifted_ms = ((cells[SHIFTED] as number) + rest_windows) * this.#window_ms;
    if (shifted_ms < DAY_MS) {
      cells[SHIFTED] = (cells[SHIFTED] as number) + rest_windows;
      this.#clearRest();
      return 'off';
    }
    const ratio = (cells[REST_SUM] as number) / (cells[REST_EXPECTED] as number);
    cells[LEVEL] = (cells[LEVEL] as number) * Math.max(LEAST_LEVEL, ratio);
    this.restart();
    return 'shifted';
  }

  #clearRest(): void {
    this.#cells.fill(0, LATE_SUM, REST_EXPECTED + 1);
  }

  /** Sums of the windows of a rest, and of its last part. */
  #follow(value: number): void {
    const cells = this.#cells;
    const kept = this.#late;
    cells[REST_SUM] = (cells[REST_SUM] as number) + value;
    cells[REST_EXPECTED] = (cells[REST_EXPECTED] as number) + this.#mean;
    cells[LATE_SUM] = kept * (cells[LATE_SUM] as number) + value;
    cells[LATE_EXPECTED] = kept * (cells[LATE_EXPECTED] as number) + this.#mean;
    cells[LATE_VARIANCE] = kept * kept * (cells[LATE_VARIANCE] as number) + this.#scale ** 2;
  }

  #meanOf(local_ms: number, recent: number): number {
    const cells = this.#cells;
    const day = dayOf(local_ms);
    const level = cells[LEVEL] as number;
    if (this.#window_ms >= DAY_MS) {
      const bin = weekdayOf(day);
      return (cells[COUNTS + bin] as number) > 0 ? level * (cells[MEANS + bin] as number) : recent;
    }
    const first = firstBinOf(day);
    const factor = level * (cells[WEEKDAYS + weekdayOf(day)] as number);
    const { low, high, share } = this.#between(local_ms);
    const lower = this.#binMean(first + low, factor, recent);
    return share === 0 ? lower : lower + share * (this.#binMean(first + high, factor, recent) - lower);
  }

  #binMean(bin: number, factor: number, recent: number): number {
    const cells = this.#cells;
    return (cells[COUNTS + bin] as number) > 0 ? factor * (cells[MEANS + bin] as number) : recent;
  }

  /** The hours that a window lies between: means are of the middle of an hour. */
  #between(local_ms: number): { readonly low: number; readonly high: number; readonly share: number } {
    const hour = hourOf(local_ms);
    if (this.#window_ms >= HOUR_MS) return { low: Math.floor(hour), high: 0, share: 0 };
    const middle = hour - 0.5 + this.#window_ms / HOUR_MS / 2;
    const low = Math.floor(middle);
    return { low: (low + 24) % 24, high: (low + 25) % 24, share: middle - low };
  }

  #learnBins(value: number, local_ms: number, day: number): void {
    const level = this.#cells[LEVEL] as number;
    if (this.#window_ms >= DAY_MS) {
      this.#learnBin(weekdayOf(day), value / level, 1, MEMORY_WEEKS);
      return;
    }
    const first = firstBinOf(day);
    const share_days = first === 0 ? 5 / 7 : 2 / 7;
    const memory = MEMORY_DAYS * share_days * Math.max(1, HOUR_MS / this.#window_ms);
    const mean = value / (level * (this.#cells[WEEKDAYS + weekdayOf(day)] as number));
    const { low, high, share } = this.#between(local_ms);
    this.#learnBin(first + low, mean, 1 - share, memory);
    if (share > 0) this.#learnBin(first + high, mean, share, memory);
  }

  #learnBin(bin: number, mean: number, weight: number, memory: number): void {
    const cells = this.#cells;
    const count = (cells[COUNTS + bin] as number) + weight;
    cells[COUNTS + bin] = Math.min(memory, count);
    const before = cells[MEANS + bin] as number;
    cells[MEANS + bin] = before + ((mean - before) * weight) / Math.min(memory, count);
  }

  #endDay(): void {
    const cells = this.#cells;
    const ratio = (cells[DAY_SUM] as number) / (cells[DAY_EXPECTED] as number);
    const log = Math.log(Math.max(1 / MAX_RATIO, Math.min(MAX_RATIO, ratio)));
    cells[LEVEL] = (cells[LEVEL] as number) * Math.exp(LEVEL_GAIN * log);
    if (this.#window_ms >= DAY_MS) return;
    const weekday = weekdayOf(cells[DAY] as number);
    const count = (cells[WEEKDAY_COUNTS + weekday] as number) + 1;
    cells[WEEKDAY_COUNTS + weekday] = count;
    const factor = cells[WEEKDAYS + weekday] as number;
    cells[WEEKDAYS + weekday] = factor * Math.exp((WEEKDAY_GAIN * log) / (count + 1));
  }
}

/** In deviations: by the value alone, or by the running mean, which no value beyond the clip moves further. */
function reachOf(alone: number, smoothed: number): number {
  return Math.max(0, Math.min(alone, smoothed <= SMOOTH_CLIP ? smoothed : Infinity));
}

/** What the spread of a window is measured in: the root of its mean, of a count never less than half. */
function rootOf(mean: number, isWhole: boolean): number {
  return Math.sqrt(isWhole ? mean + 0.25 : Math.max(mean, 1e-12));
}
