import { MillraceError } from '../../engine/index.ts';
import type { Detector, DetectorConfig, DetectorMethod, Point, Verdict } from './detector.ts';

/** Cells at the front of every state. */
const FORMAT = 0;
const LAST_START = 1;
const POINTS = 2;
const REST = 3;
const FRACTIONS = 4;
const NEGATIVES = 5;
export const HEAD_CELLS = 6;

/** How many cells of each width a method keeps for a series, the head's among them. */
export interface StateSize {
  readonly f64: number;
  readonly f32: number;
}

/** A method's part of a verdict. */
export interface Judgement {
  readonly score: number;
  readonly expected: number | null;
  readonly lower: number | null;
  readonly upper: number | null;
}

export const UNKNOWN: Judgement = { score: 0, expected: null, lower: null, upper: null };

/**
 * What all methods have in common. A state is a row of doubles and a row of floats (in the byte order of the
 * machine, which is little-endian wherever Node runs), copied into one working area that the views of the method
 * look at, and back.
 */
export abstract class SeriesDetector implements Detector {
  abstract readonly method: DetectorMethod;
  readonly threshold: number;
  readonly state_bytes: number;
  protected readonly cells: Float64Array;
  protected readonly floats: Float32Array;
  protected readonly window_ms: number;
  protected readonly utcOffsetOf_ms: (time_ms: number) => number;
  readonly #bytes: Uint8Array;
  readonly #format: number;
  readonly #rest_windows: number;

  /** `format` tells methods and versions of their layout apart. */
  constructor(config: DetectorConfig, format: number, size: StateSize, rest_windows: number) {
    const { sensitivity, window_ms } = config;
    checkConfig(sensitivity, window_ms);
    this.threshold = -Math.log10(1 - sensitivity);
    this.window_ms = window_ms;
    this.utcOffsetOf_ms = config.utcOffsetOf_ms ?? (() => 0);
    this.#format = format;
    this.#rest_windows = rest_windows;
    this.state_bytes = size.f64 * 8 + size.f32 * 4;
    const area = new ArrayBuffer(this.state_bytes);
    this.#bytes = new Uint8Array(area);
    this.cells = new Float64Array(area, 0, size.f64);
    this.floats = new Float32Array(area, size.f64 * 8, size.f32);
  }

  /** Puts what a series begins with into the cells, which are 0. */
  protected abstract begin(key: string): void;
  /** Judges a value, then learns it. */
  protected abstract judge(value: number, start_ms: number, fitted: Uint8Array | undefined): Judgement;
  /** The judgement of a window without a value, of which only the expectation matters. */
  protected abstract pass(start_ms: number): Judgement;

  /** An anomaly was told of the window in hand. */
  protected told(): void {}
  /** Whether a rest, of so many windows, is followed by another one. */
  protected isRestLonger(_rest_windows: number): boolean {
    return false;
  }

  start(key: string): Uint8Array {
    this.#bytes.fill(0);
    this.cells[FORMAT] = this.#format;
    this.cells[LAST_START] = -Infinity;
    this.begin(key);
    return this.#bytes.slice();
  }

  update(state: Uint8Array, point: Point, fitted?: Uint8Array): Verdict {
    const verdict = this.rescore(state, point, fitted);
    state.set(this.#bytes);
    return verdict;
  }

  rescore(before: Uint8Array, { start_ms, value }: Point, fitted?: Uint8Array): Verdict {
    this.#load(before);
    const { cells } = this;
    const last_ms = cells[LAST_START] as number;
    if (!(start_ms > last_ms)) throw outOfOrder(start_ms, last_ms);
    const gap = Math.round((start_ms - last_ms) / this.window_ms);
    cells[LAST_START] = start_ms;
    const rest = cells[REST] as number;
    if (rest > 0) cells[REST] = Math.max(0, rest - gap);
    if (rest > 0 && rest <= gap && this.isRestLonger(this.#rest_windows)) cells[REST] = this.#rest_windows;
    if (value === null) return { ...this.pass(start_ms), score: 0, is_anomaly: false };
    if (!Number.isFinite(value)) throw notFinite(value, start_ms);
    if (value < 0) cells[NEGATIVES] = 1;
    const judgement = this.judge(value, start_ms, fitted);
    cells[POINTS] = this.points + 1;
    if (value !== Math.floor(value)) cells[FRACTIONS] = 1;
    const isAnomaly = judgement.score >= this.threshold && cells[REST] === 0;
    if (isAnomaly) {
      cells[REST] = this.#rest_windows;
      this.told();
    }
    const { score, expected, lower, upper } = judgement;
    return { score, expected, lower, upper, is_anomaly: isAnomaly };
  }

  /** Looks at a state that is left as it is. */
  protected inspect<T>(state: Uint8Array, look: () => T): T {
    this.#load(state);
    return look();
  }

  /** Points with a value so far. */
  protected get points(): number {
    return this.cells[POINTS] as number;
  }

  /** Start of the last window, ms. */
  protected get lastStart_ms(): number {
    return this.cells[LAST_START] as number;
  }

  /** An anomaly was told just before: this window is not flagged, whatever it scores. */
  protected get isResting(): boolean {
    return (this.cells[REST] as number) > 0;
  }

  /** No value so far had a fraction: a count, or an amount in minor units. */
  protected get isWhole(): boolean {
    return this.cells[FRACTIONS] === 0;
  }

  /** Some value so far was below 0. */
  protected get isNegative(): boolean {
    return this.cells[NEGATIVES] !== 0;
  }

  /** Bounds around the expectation; never below 0 where no value ever was. */
  protected bounded(score: number, expected: number, below: number, above: number): Judgement {
    const least = this.cells[NEGATIVES] === 0 ? 0 : -Infinity;
    return { score, expected, lower: Math.max(least, expected - below), upper: expected + above };
  }

  #load(state: Uint8Array): void {
    const isOurs = state.length === this.state_bytes;
    if (isOurs) this.#bytes.set(state);
    if (isOurs && this.cells[FORMAT] === this.#format) return;
    throw new MillraceError(
      'detector_state_mismatch',
      `The state of a series is not one of the method ${this.method} in this version: start it anew, from history.`,
    );
  }
}

function checkConfig(sensitivity: number, window_ms: number): void {
  if (!(sensitivity > 0 && sensitivity <= 0.999999)) {
    throw new MillraceError(
      'bad_sensitivity',
      `Sensitivity must be above 0 and at most 0.999999, not ${sensitivity}.`,
    );
  }
  if (!Number.isSafeInteger(window_ms) || window_ms <= 0) {
    throw new MillraceError('bad_window', `A window must be a whole number of ms above 0, not ${window_ms}.`);
  }
}

function outOfOrder(start_ms: number, last_ms: number): MillraceError {
  return new MillraceError(
    'point_out_of_order',
    `The window at ${start_ms} is not behind the last one, at ${last_ms}: judge a correction from a state before it.`,
  );
}

function notFinite(value: number, start_ms: number): MillraceError {
  return new MillraceError(
    'bad_value',
    `The value ${value} of the window at ${start_ms} is not a finite number: a window without a value is null.`,
  );
}
