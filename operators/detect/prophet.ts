import { fnv1aOfString, mix32 } from '../core/index.ts';
import type { BackgroundFit, DetectorConfig } from './detector.ts';
import { MODEL_CELLS, type ProphetHistory, predictProphet, ROW_CELLS } from './prophet-fit.ts';
import { fitOfRequest, requestOf } from './prophet-request.ts';
import { HEAD_CELLS, type Judgement, SeriesDetector, UNKNOWN } from './series-state.ts';
import { SortedWindow, windowCells } from './sorted-window.ts';
import { TAIL_FLOATS, type TailBeliefs, TailScore } from './tail-score.ts';

const FORMAT = 401;
const DAY_MS = 86_400_000;
/** Values of the history; of short windows the mean of several is one, so that it reaches two weeks back. */
const HISTORY_VALUES = 2_016;
const HISTORY_MS = 14 * DAY_MS;
/** The oldest ones are left out of a fit: they may be overwritten until it takes effect. */
const SPARE_VALUES = 16;
/** A fit of fewer values, which a long gap may have left, is put off by as many. */
const LEAST_HISTORY = 14;
/** The first fit: after two days of windows, but no fewer windows than this. */
const LEAST_WARM = 28;
const WARM_MS = 2 * DAY_MS;
/** A fit is made when the history has grown by a tenth: every day at first (every week of days), every seventh later. */
const GROWTH = 0.1;
const MOST_DAYS = 7;
/** Of the residuals, whose median corrects the level between fits. */
const RESIDUALS = 32;
/** The residuals before which nothing is judged. */
const LEAST_RESIDUALS = 10;
const LEAST_SHARE = 0.01;

/** Of residuals in the model's own deviations. */
const BELIEFS: TailBeliefs = {
  quantile: 0.97,
  leastLevel: 1.5,
  level: 2.5,
  excess: 0.8,
  exceedances: 10,
  widening: 8,
  restTeaches: false,
  maxExcess: 10,
};

const SEED = HEAD_CELLS;
const SLOT = SEED + 1;
const SLOT_SUM = SLOT + 1;
const SLOT_COUNT = SLOT_SUM + 1;
/** Points with a value at which the next fit is made, and the slot before which its history ends; 0 while none is due. */
const NEXT_FIT = SLOT_COUNT + 1;
const DUE = NEXT_FIT + 1;
const FITTED = DUE + 1;
const MODEL = FITTED + 1;
const CELLS = MODEL + MODEL_CELLS;

const HISTORY = TAIL_FLOATS;
const LEVEL = HISTORY + HISTORY_VALUES;
const FLOATS = LEVEL + windowCells(RESIDUALS);

/**
 * Prophet, fitted beside the stream once a day, later once a week, and scored online between fits. A fit is due at one
 * point and takes effect a little later, at a point that is fixed, so that it does not matter when and where it was
 * made. Between fits the median of the last 32 residuals corrects the level.
 */
export class ProphetDetector extends SeriesDetector {
  readonly method = 'prophet';
  readonly background: BackgroundFit = {
    dueOf: (state) => this.inspect(state, () => this.#due),
    requestOf: (state) => this.inspect(state, () => (this.#due === undefined ? undefined : this.#request())),
    windowsLeft: (state, isMade) => this.inspect(state, () => this.#windowsLeft(isMade)),
  };
  readonly #tail: TailScore;
  readonly #level: SortedWindow;
  readonly #model: Float64Array;
  readonly #row = new Float64Array(ROW_CELLS);
  readonly #slotWindows: number;
  readonly #fitEvery: number;
  readonly #lag: number;
  readonly #warm: number;

  constructor(config: DetectorConfig, rest_windows: number) {
    super(config, FORMAT, { f64: CELLS, f32: FLOATS }, rest_windows);
    this.#tail = new TailScore(this.floats, 0, BELIEFS);
    this.#level = new SortedWindow(this.floats, LEVEL, RESIDUALS);
    this.#model = this.cells.subarray(MODEL, MODEL + MODEL_CELLS);
    const { window_ms } = this;
    this.#slotWindows = Math.max(1, Math.ceil(HISTORY_MS / window_ms / HISTORY_VALUES));
    this.#fitEvery = window_ms >= DAY_MS ? 7 : Math.ceil(DAY_MS / window_ms);
    this.#lag = Math.max(1, Math.floor(this.#fitEvery / 24));
    this.#warm = Math.max(LEAST_WARM, Math.ceil(WARM_MS / window_ms));
  }

  protected override begin(key: string): void {
    this.cells[SEED] = fnv1aOfString(key);
    this.cells[SLOT] = Number.NaN;
    this.cells[NEXT_FIT] = this.#warm;
    this.floats.fill(Number.NaN, HISTORY, HISTORY + HISTORY_VALUES);
    this.#tail.begin();
  }

  protected override judge(value: number, start_ms: number, fitted: Uint8Array | undefined): Judgement {
    const { cells } = this;
    const local_ms = start_ms + this.utcOffsetOf_ms(start_ms);
    this.#passTo(start_ms, fitted);
    this.#schedule(fitted);
    const judgement = cells[FITTED] === 0 ? UNKNOWN : this.#judgeAgainst(value, start_ms, local_ms);
    cells[SLOT_SUM] = (cells[SLOT_SUM] as number) + value;
    cells[SLOT_COUNT] = (cells[SLOT_COUNT] as number) + 1;
    return judgement;
  }

  protected override pass(start_ms: number): Judgement {
    if (this.cells[FITTED] === 0 || this.#level.held < LEAST_RESIDUALS) return UNKNOWN;
    const { expected, scale } = this.#expect(start_ms, start_ms + this.utcOffsetOf_ms(start_ms));
    const reach = this.#tail.limit(this.threshold) * scale;
    return this.bounded(0, expected, reach, reach);
  }

  #judgeAgainst(value: number, start_ms: number, local_ms: number): Judgement {
    const { mean, expected, scale } = this.#expect(start_ms, local_ms);
    const deviation = Math.abs(value - expected) / scale;
    const score = this.#tail.score(deviation);
    const reach = this.#tail.limit(this.threshold) * scale;
    const isKnown = this.#level.held >= LEAST_RESIDUALS;
    if (isKnown) this.#tail.learn(deviation, !this.isResting);
    this.#level.add(value - mean);
    return isKnown ? this.bounded(score, expected, reach, reach) : UNKNOWN;
  }

  #expect(start_ms: number, local_ms: number): { mean: number; expected: number; scale: number } {
    const { mean, deviation } = predictProphet(this.#model, start_ms, local_ms, this.#row);
    const moved = mean + (this.#level.held === 0 ? 0 : this.#level.median());
    const expected = this.isNegative ? moved : Math.max(0, moved);
    const scale = Math.max(deviation, LEAST_SHARE * Math.abs(expected), this.isWhole ? 1 : 1e-9);
    return { mean, expected, scale };
  }

  /** Ends the slot of the history that the last value was in, once a later one begins. */
  #passTo(start_ms: number, fitted: Uint8Array | undefined): void {
    const { cells, floats } = this;
    const slot = Math.floor(start_ms / this.window_ms / this.#slotWindows);
    const last = cells[SLOT] as number;
    if (slot === last) return;
    // Behind a gap the slots to come take the place of those that the fit is made of.
    const due = this.#due;
    if (due !== undefined && slot >= due + SPARE_VALUES) this.#takeEffect(fitted);
    const count = cells[SLOT_COUNT] as number;
    if (count > 0) floats[HISTORY + ringOf(last)] = (cells[SLOT_SUM] as number) / count;
    for (let passed = Math.max(last + 1, slot - HISTORY_VALUES); passed <= slot; passed++) {
      floats[HISTORY + ringOf(passed)] = Number.NaN;
    }
    cells[SLOT] = slot;
    cells[SLOT_SUM] = 0;
    cells[SLOT_COUNT] = 0;
  }

  /** Asks for a fit when it is time, and puts it into effect a little later. */
  #schedule(fitted: Uint8Array | undefined): void {
    const { cells, points } = this;
    const next = cells[NEXT_FIT] as number;
    if (points < next) return;
    if (cells[DUE] === 0) {
      cells[DUE] = cells[SLOT] as number;
      if (this.#history().values.length < LEAST_HISTORY) {
        cells[DUE] = 0;
        cells[NEXT_FIT] = points + LEAST_HISTORY;
        return;
      }
    }
    if (points >= next + this.#lag) this.#takeEffect(fitted);
  }

  #takeEffect(fitted: Uint8Array | undefined): void {
    const { cells } = this;
    const bytes = fitted?.length === MODEL_CELLS * 8 ? fitted : fitOfRequest(this.#request());
    this.#model.set(new Float64Array(bytes.slice().buffer));
    cells[FITTED] = 1;
    cells[DUE] = 0;
    cells[NEXT_FIT] = this.#fitAfter(cells[NEXT_FIT] as number);
    this.#level.clear();
    for (const residual of this.#recentResiduals()) this.#level.add(residual);
  }

  #fitAfter(points: number): number {
    const most = MOST_DAYS * this.#fitEvery;
    return points + Math.max(this.#fitEvery, Math.min(most, Math.floor(points * GROWTH)));
  }

  /** The slot before which the history of the fit that is due ends. */
  get #due(): number | undefined {
    const due = this.cells[DUE] as number;
    return due === 0 ? undefined : due;
  }

  #windowsLeft(isMade: boolean): number {
    const { points, window_ms } = this;
    const [due, next] = [this.#due, this.cells[NEXT_FIT] as number];
    if (due === undefined) return next + this.#lag - points;
    if (isMade) return this.#fitAfter(next) + this.#lag - points;
    const until_ms = (due + SPARE_VALUES) * this.#slotWindows * window_ms - this.lastStart_ms;
    // Local days are not all of one length.
    const untilOverwritten = Math.floor(until_ms / window_ms) - 2;
    return Math.max(0, Math.min(next + this.#lag - points, untilOverwritten));
  }

  #request(): Uint8Array {
    const { cells, window_ms } = this;
    const horizon_ms = (MOST_DAYS + 1) * this.#fitEvery * window_ms;
    const seed = mix32((cells[SEED] as number) ^ (cells[DUE] as number));
    return requestOf(this.#history(), horizon_ms, seed);
  }

  #history(): ProphetHistory {
    const slot_ms = this.#slotWindows * this.window_ms;
    const due = this.cells[DUE] as number;
    const times: number[] = [];
    const values: number[] = [];
    for (let slot = due - HISTORY_VALUES + SPARE_VALUES; slot < due; slot++) {
      const value = this.floats[HISTORY + ringOf(slot)] as number;
      if (Number.isNaN(value)) continue;
      times.push(slot * slot_ms);
      values.push(value);
    }
    return {
      times_ms: Float64Array.from(times),
      local_ms: Float64Array.from(times, (time_ms) => time_ms + this.utcOffsetOf_ms(time_ms)),
      values: Float64Array.from(values),
    };
  }

  /** Residuals of the newest values against the model. */
  #recentResiduals(): number[] {
    const slot_ms = this.#slotWindows * this.window_ms;
    const last = this.cells[SLOT] as number;
    const residuals: number[] = [];
    for (let slot = last - RESIDUALS; slot < last; slot++) {
      const value = this.floats[HISTORY + ringOf(slot)] as number;
      if (Number.isNaN(value)) continue;
      const time_ms = slot * slot_ms;
      const local_ms = time_ms + this.utcOffsetOf_ms(time_ms);
      residuals.push(value - predictProphet(this.#model, time_ms, local_ms, this.#row).mean);
    }
    return residuals;
  }
}

function ringOf(slot: number): number {
  return ((slot % HISTORY_VALUES) + HISTORY_VALUES) % HISTORY_VALUES;
}
