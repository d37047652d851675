import { MillraceError } from '../../engine/index.ts';
import type { Detector, DetectorConfig, Point, ThresholdBounds, Verdict } from './detector.ts';

const FORMAT = 501;
const HEAD_BYTES = 24;
const VALUE_BYTES = 8;
/** Values that a series keeps, for one a day or a week before: more take too much memory. */
const KEPT_MAX = 1_440;
const DAY_MS = 86_400_000;
const SPAN_MS = { window: 0, day: DAY_MS, week: 7 * DAY_MS } as const;
const LAST_START = 8;
const LAST_VALUE = 16;
/** Scores of a window that keeps the bounds, and of one that breaks them. */
const KEPT = 0;
const BROKEN = 12;
const THRESHOLD = 1;

/**
 * Fixed bounds: a window is flagged where its value is above or below them, or further from the value of the window
 * before, or of the one a day or a week before, than a share of that. Nothing is learned, and there is no rest: what lasts is flagged as long as it lasts.
 */
export class ThresholdDetector implements Detector {
  readonly method = 'threshold';
  readonly threshold = THRESHOLD;
  readonly state_bytes: number;
  readonly #window_ms: number;
  /** Windows back that a window is compared with. */
  readonly #back: number;
  readonly #bounds: ThresholdBounds;

  constructor({ bounds, window_ms }: DetectorConfig) {
    const { above, below, change_percent, against = 'window' } = bounds ?? {};
    this.#window_ms = window_ms;
    this.#back = Math.max(1, Math.round(SPAN_MS[against] / window_ms));
    if (this.#back > KEPT_MAX)
      throw new MillraceError(
        'bad_threshold',
        'Against a week ago windows of at least 15 minutes are compared.',
      );
    this.state_bytes = HEAD_BYTES + (this.#back - 1) * VALUE_BYTES;
    if (above === undefined && below === undefined && change_percent === undefined)
      throw new MillraceError('bad_threshold', 'A threshold has `above`, `below` or `change_percent`.');
    if (change_percent === 0 || (above !== undefined && below !== undefined && above < below))
      throw new MillraceError(
        'bad_threshold',
        'Of a threshold `above` is at least `below`, and `change_percent` is not 0.',
      );
    this.#bounds = bounds ?? {};
  }

  start(): Uint8Array {
    const state = new Uint8Array(this.state_bytes);
    const view = new DataView(state.buffer);
    view.setFloat64(0, FORMAT);
    view.setFloat64(LAST_START, Number.NEGATIVE_INFINITY);
    for (let at = LAST_VALUE; at < this.state_bytes; at += VALUE_BYTES) view.setFloat64(at, Number.NaN);
    return state;
  }

  update(state: Uint8Array, point: Point): Verdict {
    const view = this.#viewOf(state, point);
    // A place holds the value of the window that is as many windows back as there are places.
    const [last_ms, { start_ms, value }] = [view.getFloat64(LAST_START), point];
    const index = Math.round(start_ms / this.#window_ms);
    if (this.#back > 1 && Number.isFinite(last_ms)) {
      const last = Math.round(last_ms / this.#window_ms);
      for (let left = Math.max(last + 1, index - this.#back); left < index; left++)
        view.setFloat64(this.#placeOf(left), Number.NaN);
    }
    const place = this.#placeOf(index);
    const verdict = this.#judge(view.getFloat64(place), value);
    view.setFloat64(LAST_START, start_ms);
    if (value !== null) view.setFloat64(place, value);
    else if (this.#back > 1) view.setFloat64(place, Number.NaN);
    return verdict;
  }

  #placeOf(index: number): number {
    return LAST_VALUE + (((index % this.#back) + this.#back) % this.#back) * VALUE_BYTES;
  }

  rescore(before: Uint8Array, point: Point): Verdict {
    return this.update(Uint8Array.from(before), point);
  }

  #viewOf(state: Uint8Array, { start_ms }: Point): DataView {
    const view = new DataView(state.buffer, state.byteOffset, state.byteLength);
    if (state.byteLength !== this.state_bytes || view.getFloat64(0) !== FORMAT)
      throw new MillraceError('detector_state_mismatch', 'The state is none of a threshold.');
    if (start_ms <= view.getFloat64(LAST_START))
      throw new MillraceError('point_out_of_order', 'A window comes at or before the last one.');
    return view;
  }

  #judge(before: number, value: number | null): Verdict {
    const { above, below, change_percent: change } = this.#bounds;
    const [lower, upper] = [below ?? null, above ?? null];
    const kept = { score: KEPT, expected: null, lower, upper, is_anomaly: false };
    if (value === null) return kept;
    const broken = (expected: number): Verdict => ({
      ...{ score: BROKEN, expected, lower, upper, is_anomaly: true },
    });
    if (above !== undefined && value > above) return broken(above);
    if (below !== undefined && value < below) return broken(below);
    if (change === undefined || Number.isNaN(before) || before === 0) return kept;
    const changed = ((value - before) / Math.abs(before)) * 100;
    return (change > 0 ? changed > change : changed < change) ? broken(before) : kept;
  }
}
