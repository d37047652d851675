import type { DetectorConfig } from './detector.ts';
import { HEAD_CELLS, type Judgement, SeriesDetector, UNKNOWN } from './series-state.ts';
import { TAIL_FLOATS, type TailBeliefs, TailScore } from './tail-score.ts';

const FORMAT = 101;
/** Values that location and scale are taken of. */
const WINDOW_VALUES = 64;
/** Values before which nothing is said. */
const WARM_VALUES = 20;
/** So many values in a row far out on one side are a new level, and the only ones that are kept. */
const SHIFT_VALUES = 8;
/** A value is far out at this score: about one in thirty. */
const FAR_SCORE = 1.5;
/** What a normal distribution's MAD, and its mean absolute deviation, are multiplied by for its deviation. */
const MAD_TO_SIGMA = 1.4826;
const MEAN_TO_SIGMA = 1.2533;
/** Least scale, as a share of the median: of a constant, only a change of several per cent is strange. */
const LEAST_SHARE = 0.01;
/** Of |z| of a normal distribution with estimated scale. What lies within two deviations is never strange. */
const BELIEFS: TailBeliefs = {
  quantile: 0.97,
  leastLevel: 2,
  level: 2.5,
  excess: 0.6,
  exceedances: 10,
  widening: 8,
  maxExcess: 10,
};

const RUN = HEAD_CELLS;
const HELD = RUN + 1;
const NEXT = HELD + 1;
const RING = NEXT + 1;
const SORTED = RING + WINDOW_VALUES;
const CELLS = SORTED + WINDOW_VALUES;

/**
 * Robust z-score: |value − median| / (1.4826 MAD) over the last 64 values (Iglewicz and Hoaglin 1993), made a score by
 * what such deviations of this series have been. It knows no seasons. Eight values in a row far out on one side
 * become the new level at once; else half of the 64 do.
 */
export class ZscoreDetector extends SeriesDetector {
  readonly method = 'zscore';
  readonly #tail: TailScore;

  constructor(config: DetectorConfig, rest_windows: number) {
    super(config, FORMAT, { f64: CELLS, f32: TAIL_FLOATS }, rest_windows);
    this.#tail = new TailScore(this.floats, 0, BELIEFS);
  }

  protected override begin(): void {
    this.#tail.begin();
  }

  protected override judge(value: number): Judgement {
    const judgement = this.#held < 2 ? UNKNOWN : this.#judgeAgainst(value);
    this.#keep(value);
    return judgement;
  }

  protected override pass(): Judgement {
    if (this.#held < WARM_VALUES && this.points < WARM_VALUES) return UNKNOWN;
    const reach = this.#tail.limit(this.threshold) * this.#scale();
    return this.bounded(0, this.#median(), reach, reach);
  }

  #judgeAgainst(value: number): Judgement {
    const tail = this.#tail;
    const median = this.#median();
    const scale = this.#scale();
    const deviation = Math.abs(value - median) / scale;
    const isKnown = this.points >= WARM_VALUES;
    const score = tail.score(deviation);
    const reach = tail.limit(this.threshold) * scale;
    // The first values say too little of location and scale for what lies beside them to be learned from.
    if (this.#held >= SHIFT_VALUES) tail.learn(deviation, !this.isResting);
    this.#follow(score >= FAR_SCORE ? Math.sign(value - median) : 0);
    return isKnown ? this.bounded(score, median, reach, reach) : UNKNOWN;
  }

  /** Counts values far out on one side; at the eighth, what was before them is forgotten. */
  #follow(side: number): void {
    const run = this.cells[RUN] as number;
    const next = side === 0 ? 0 : Math.sign(run) === side ? run + side : side;
    this.cells[RUN] = next;
    if (Math.abs(next) < SHIFT_VALUES) return;
    const recent = this.#newest(SHIFT_VALUES - 1);
    this.cells[RUN] = 0;
    this.cells[HELD] = 0;
    this.cells[NEXT] = 0;
    for (const value of recent) this.#keep(value);
  }

  get #held(): number {
    return this.cells[HELD] as number;
  }

  /** The newest values, oldest first. */
  #newest(count: number): number[] {
    const next = this.cells[NEXT] as number;
    return Array.from({ length: count }, (_, index) => {
      const at = (next - count + index + WINDOW_VALUES) % WINDOW_VALUES;
      return this.cells[RING + at] as number;
    });
  }

  #keep(value: number): void {
    const { cells } = this;
    const next = cells[NEXT] as number;
    let held = this.#held;
    if (held === WINDOW_VALUES) {
      remove(cells, SORTED, held, cells[RING + next] as number);
      held--;
    }
    cells[RING + next] = value;
    insert(cells, SORTED, held, value);
    cells[NEXT] = (next + 1) % WINDOW_VALUES;
    cells[HELD] = held + 1;
  }

  #median(): number {
    const held = this.#held;
    const middle = SORTED + (held >> 1);
    const upper = this.cells[middle] as number;
    return held % 2 === 1 ? upper : (upper + (this.cells[middle - 1] as number)) / 2;
  }

  #scale(): number {
    const held = this.#held;
    const median = this.#median();
    let scale = MAD_TO_SIGMA * medianDeviation(this.cells, SORTED, held, median);
    if (scale === 0) {
      let sum = 0;
      for (let at = SORTED; at < SORTED + held; at++) sum += Math.abs((this.cells[at] as number) - median);
      scale = (MEAN_TO_SIGMA * sum) / held;
    }
    // A count may go up or down by one without a meaning; for an amount in minor units 1 is nothing.
    return Math.max(scale, LEAST_SHARE * Math.abs(median), this.isWhole ? 1 : 1e-12);
  }
}

/** Index, from `at`, of the first of `count` sorted values that is not below `value`. */
function lowerBound(cells: Float64Array, at: number, count: number, value: number): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((cells[at + middle] as number) < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

function insert(cells: Float64Array, at: number, count: number, value: number): void {
  const index = at + lowerBound(cells, at, count, value);
  cells.copyWithin(index + 1, index, at + count);
  cells[index] = value;
}

function remove(cells: Float64Array, at: number, count: number, value: number): void {
  const index = at + lowerBound(cells, at, count, value);
  cells.copyWithin(index, index + 1, at + count);
}

/** Median of |value − median| over sorted values: a walk outwards from the median, half of them long. */
function medianDeviation(cells: Float64Array, at: number, count: number, median: number): number {
  let below = lowerBound(cells, at, count, median) - 1;
  let above = below + 1;
  let last = 0;
  let before = 0;
  for (let taken = 0; taken <= count >> 1; taken++) {
    const down = below < 0 ? Infinity : median - (cells[at + below] as number);
    const up = above >= count ? Infinity : (cells[at + above] as number) - median;
    before = last;
    last = Math.min(down, up);
    if (down <= up) below--;
    else above++;
  }
  return count % 2 === 1 ? last : (last + before) / 2;
}
