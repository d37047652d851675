import { MillraceError } from '../../engine/index.ts';
import type { Detector, DetectorConfig, Point, ThresholdBounds, Verdict } from './detector.ts';

const FORMAT = 501;
const STATE_BYTES = 24;
const LAST_START = 8;
const LAST_VALUE = 16;
/** Scores of a window that keeps the bounds, and of one that breaks them. */
const KEPT = 0;
const BROKEN = 12;
const THRESHOLD = 1;

/**
 * Fixed bounds: a window is flagged where its value is above or below them, or further from the value of the window
 * before than a share of that. Nothing is learned, and there is no rest: what lasts is flagged as long as it lasts.
 */
export class ThresholdDetector implements Detector {
  readonly method = 'threshold';
  readonly threshold = THRESHOLD;
  readonly state_bytes = STATE_BYTES;
  readonly #bounds: ThresholdBounds;

  constructor({ bounds }: DetectorConfig) {
    const { above, below, change_percent } = bounds ?? {};
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
    const state = new Uint8Array(STATE_BYTES);
    const view = new DataView(state.buffer);
    view.setFloat64(0, FORMAT);
    view.setFloat64(LAST_START, Number.NEGATIVE_INFINITY);
    view.setFloat64(LAST_VALUE, Number.NaN);
    return state;
  }

  update(state: Uint8Array, point: Point): Verdict {
    const view = this.#viewOf(state, point);
    const verdict = this.#judge(view.getFloat64(LAST_VALUE), point.value);
    view.setFloat64(LAST_START, point.start_ms);
    if (point.value !== null) view.setFloat64(LAST_VALUE, point.value);
    return verdict;
  }

  rescore(before: Uint8Array, point: Point): Verdict {
    return this.update(Uint8Array.from(before), point);
  }

  #viewOf(state: Uint8Array, { start_ms }: Point): DataView {
    const view = new DataView(state.buffer, state.byteOffset, state.byteLength);
    if (state.byteLength !== STATE_BYTES || view.getFloat64(0) !== FORMAT)
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
