import type { DetectorConfig } from './detector.ts';
import { HEAD_CELLS, type Judgement, SeriesDetector, UNKNOWN } from './series-state.ts';
import { SortedWindow, windowCells } from './sorted-window.ts';
import { studentQuantile, studentTail } from './student.ts';
import { TAIL_FLOATS, type TailBeliefs, TailScore } from './tail-score.ts';

const FORMAT = 301;
const DAY_MS = 86_400_000;
const WEEK_MS = 7 * DAY_MS;
/** The season is a week where that has at most so many windows, else a day where that has, else there is none. */
const MOST_OF_WEEK = 336;
const MOST_OF_DAY = 1_440;
/** Values that the level is the median of, where there is no season. */
const NO_SEASON_VALUES = 32;
/** Periods that are remembered: as many as fit, within these bounds. */
const MOST_VALUES = 2_048;
const LEAST_PERIODS = 3;
const MOST_PERIODS = 8;
/** Remainders that the test is made on, and those before which nothing is said. */
const REMAINDERS = 512;
const WARM_REMAINDERS = 30;
/** At most this share of the window is taken as outliers. */
const MAX_ANOMS = 0.1;

/** Of |remainder| / MAD of a normal distribution. */
const BELIEFS: TailBeliefs = {
  quantile: 0.97,
  leastLevel: 2,
  level: 2.5,
  excess: 0.6,
  exceedances: 10,
  widening: 8,
  restTeaches: false,
  maxExcess: 10,
};

const LAST = HEAD_CELLS;
const CELLS = LAST + 1;

/** Windows of a period; 1 where there is none. */
function periodOf(window_ms: number): number {
  for (const [season_ms, most] of [
    [WEEK_MS, MOST_OF_WEEK],
    [DAY_MS, MOST_OF_DAY],
  ] as const) {
    const period = season_ms / window_ms;
    if (Number.isInteger(period) && period > 1 && period <= most) return period;
  }
  return 1;
}

/**
 * Seasonal hybrid ESD, rolling: the expectation is the median of the last period, and the median of how far the same
 * place of former periods was from theirs (a piecewise median in the place of the published one, so that a trend is
 * followed). The remainder is tested against the last 512 by the statistic of the generalised ESD test: those that are
 * more extreme are taken away first, then |remainder − median| / MAD is judged by Student's t, and by what such
 * deviations of this series have been; the milder of the two counts.
 */
export class SeasonalEsdDetector extends SeriesDetector {
  readonly method = 'seasonal_esd';
  readonly #period: number;
  readonly #periods: number;
  readonly #level: SortedWindow;
  readonly #remainders: SortedWindow;
  readonly #tail: TailScore;
  readonly #season: Float32Array;
  readonly #same: Float64Array;
  /** Of the test at the threshold, for so many remainders. */
  #critical = { held: 0, value: 0 };

  constructor(config: DetectorConfig, rest_windows: number) {
    const period = periodOf(config.window_ms);
    const periods = Math.max(LEAST_PERIODS, Math.min(MOST_PERIODS, Math.floor(MOST_VALUES / period)));
    const levelValues = period === 1 ? NO_SEASON_VALUES : period;
    const season = TAIL_FLOATS + windowCells(levelValues) + windowCells(REMAINDERS);
    const seasonFloats = period === 1 ? 0 : period * periods;
    super(config, FORMAT, { f64: CELLS, f32: season + seasonFloats }, rest_windows);
    this.#period = period;
    this.#periods = periods;
    this.#tail = new TailScore(this.floats, 0, BELIEFS);
    this.#level = new SortedWindow(this.floats, TAIL_FLOATS, levelValues);
    this.#remainders = new SortedWindow(this.floats, TAIL_FLOATS + windowCells(levelValues), REMAINDERS);
    this.#season = this.floats.subarray(season);
    this.#same = new Float64Array(periods);
  }

  protected override begin(): void {
    this.#tail.begin();
    this.#season.fill(Number.NaN);
    this.cells[LAST] = Number.NaN;
  }

  protected override judge(value: number, start_ms: number): Judgement {
    const place = this.#placeOf(start_ms);
    this.#passTo(place);
    const level = this.#level.held === 0 ? value : this.#level.median();
    const expected = this.#expected(place, level);
    const judgement = expected === undefined ? UNKNOWN : this.#test(value, expected);
    this.#level.add(value);
    // A level of few values is of a part of the period, and says nothing of the place.
    if (this.#season.length > 0 && this.#isLevel) this.#season[this.#slotOf(place)] = value - level;
    return judgement;
  }

  protected override pass(start_ms: number): Judgement {
    const place = this.#placeOf(start_ms);
    this.#passTo(place);
    if (this.#remainders.held < WARM_REMAINDERS) return UNKNOWN;
    const expected = this.#expected(place, this.#level.median());
    return expected === undefined ? UNKNOWN : this.#around(0, expected, 0, 0);
  }

  /** Windows since 1970, by the local time: a day has the same places when the clocks have changed. */
  #placeOf(start_ms: number): number {
    return Math.floor((start_ms + this.utcOffsetOf_ms(start_ms)) / this.window_ms);
  }

  #slotOf(place: number): number {
    const { length } = this.#season;
    return ((place % length) + length) % length;
  }

  /** Places that were passed over have no value. */
  #passTo(place: number): void {
    const last = this.cells[LAST] as number;
    const { length } = this.#season;
    for (let passed = Math.max(last + 1, place - length); passed < place; passed++) {
      this.#season[this.#slotOf(passed)] = Number.NaN;
    }
    if (length > 0) this.#season[this.#slotOf(place)] = Number.NaN;
    this.cells[LAST] = place;
  }

  get #isLevel(): boolean {
    return this.#period === 1 || this.#level.held >= this.#period / 2;
  }

  /** Undefined while no former period has a value of the place. */
  #expected(place: number, level: number): number | undefined {
    if (this.#period === 1) return this.#level.held === 0 ? undefined : level;
    if (!this.#isLevel) return undefined;
    const same = this.#same;
    let count = 0;
    for (let back = 1; back < this.#periods; back++) {
      const away = this.#season[this.#slotOf(place - back * this.#period)] as number;
      if (!Number.isNaN(away)) same[count++] = away;
    }
    if (count === 0) return undefined;
    const sorted = same.subarray(0, count).sort();
    return level + ((sorted[count >> 1] as number) + (sorted[(count - 1) >> 1] as number)) / 2;
  }

  #test(value: number, expected: number): Judgement {
    const remainders = this.#remainders;
    const remainder = value - expected;
    const { held } = remainders;
    if (held < 2) {
      remainders.add(remainder);
      return UNKNOWN;
    }
    const most = Math.floor(MAX_ANOMS * held);
    const whole = remainders.median();
    const extreme = remainders.beyond(whole, Math.abs(remainder - whole));
    // Where more would have to go, the remainder is no outlier among them: the test takes none away.
    const isOutlier = extreme.below + extreme.above <= most;
    const below = isOutlier ? extreme.below : 0;
    const above = isOutlier ? extreme.above : 0;
    const median = remainders.median(below, above);
    const scale = remainders.scale(median, expected, this.isWhole, below, above);
    const deviation = Math.abs(remainder - median) / scale;
    const left = held + 1 - below - above;
    const score = Math.min(this.#tail.score(deviation), -Math.log10(2 * tailOf(deviation, left)));
    const judgement = held < WARM_REMAINDERS ? UNKNOWN : this.#around(score, expected, below, above);
    this.#tail.learn(deviation, !this.isResting);
    remainders.add(remainder);
    return judgement;
  }

  #around(score: number, expected: number, below: number, above: number): Judgement {
    const median = this.#remainders.median(below, above);
    const scale = this.#remainders.scale(median, expected, this.isWhole, below, above);
    const { held } = this.#remainders;
    if (this.#critical.held !== held) {
      this.#critical = { held, value: criticalOf(10 ** -this.threshold / 2, held + 1) };
    }
    const reach = scale * Math.max(this.#tail.limit(this.threshold), this.#critical.value);
    return this.bounded(score, expected + median, reach, reach);
  }
}

/** P(R > deviation) on one side, of the ESD statistic of one of `count` values: the inverse of `criticalOf`. */
function tailOf(deviation: number, count: number): number {
  const square = deviation * deviation * count;
  const room = (count - 1) ** 2 - square;
  // The statistic of a normal sample is bounded; one by median and MAD is not.
  if (room <= 0) return studentTail(1e6, count - 2);
  return Math.max(1e-12, studentTail(Math.sqrt((square * (count - 2)) / room), count - 2));
}

/** The critical value of the generalised ESD test at a level, without Rosner's correction for many: one value is judged. */
function criticalOf(tail: number, count: number): number {
  const t = studentQuantile(tail, count - 2);
  return (t * (count - 1)) / Math.sqrt((count - 2 + t * t) * count);
}
