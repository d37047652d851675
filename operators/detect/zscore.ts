import type { DetectorConfig } from './detector.ts';
import { HEAD_CELLS, type Judgement, SeriesDetector, UNKNOWN } from './series-state.ts';
import { SortedWindow, windowCells } from './sorted-window.ts';
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
/** Of |z| of a normal distribution with estimated scale. What lies within two deviations is never strange. */
const BELIEFS: TailBeliefs = {
  quantile: 0.97,
  leastLevel: 2,
  level: 2.5,
  excess: 0.6,
  exceedances: 10,
  widening: 8,
  restTeaches: true,
  maxExcess: 10,
};

const RUN = HEAD_CELLS;
const WINDOW = RUN + 1;
const CELLS = WINDOW + windowCells(WINDOW_VALUES);

/**
 * Robust z-score: |value − median| / (1.4826 MAD) over the last 64 values (Iglewicz and Hoaglin 1993), made a score by
 * what such deviations of this series have been. It knows no seasons. Eight values in a row far out on one side
 * become the new level at once; else half of the 64 do.
 */
export class ZscoreDetector extends SeriesDetector {
  readonly method = 'zscore';
  readonly #tail: TailScore;
  readonly #window: SortedWindow;

  constructor(config: DetectorConfig, rest_windows: number) {
    super(config, FORMAT, { f64: CELLS, f32: TAIL_FLOATS }, rest_windows);
    this.#tail = new TailScore(this.floats, 0, BELIEFS);
    this.#window = new SortedWindow(this.cells, WINDOW, WINDOW_VALUES);
  }

  protected override begin(): void {
    this.#tail.begin();
  }

  protected override judge(value: number): Judgement {
    const judgement = this.#window.held < 2 ? UNKNOWN : this.#judgeAgainst(value);
    this.#window.add(value);
    return judgement;
  }

  protected override pass(): Judgement {
    if (this.points < WARM_VALUES) return UNKNOWN;
    const median = this.#window.median();
    const reach = this.#tail.limit(this.threshold) * this.#window.scale(median, median, this.isWhole);
    return this.bounded(0, median, reach, reach);
  }

  #judgeAgainst(value: number): Judgement {
    const tail = this.#tail;
    const window = this.#window;
    const median = window.median();
    const scale = window.scale(median, median, this.isWhole);
    const deviation = Math.abs(value - median) / scale;
    const score = tail.score(deviation);
    const reach = tail.limit(this.threshold) * scale;
    // The first values say too little of location and scale for what lies beside them to be learned from.
    if (window.held >= SHIFT_VALUES) tail.learn(deviation, !this.isResting);
    this.#follow(score >= FAR_SCORE ? Math.sign(value - median) : 0);
    return this.points >= WARM_VALUES ? this.bounded(score, median, reach, reach) : UNKNOWN;
  }

  /** Counts values far out on one side; at the eighth, what was before them is forgotten. */
  #follow(side: number): void {
    const run = this.cells[RUN] as number;
    const next = side === 0 ? 0 : Math.sign(run) === side ? run + side : side;
    this.cells[RUN] = next;
    if (Math.abs(next) < SHIFT_VALUES) return;
    this.cells[RUN] = 0;
    this.#window.keepNewest(SHIFT_VALUES - 1);
  }
}
