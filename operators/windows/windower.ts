import type { Handlers } from '../../engine/index.ts';
import { isTime, type Taken, takeBatch } from '../core/index.ts';
import type { WindowControl } from './window-control.ts';
import type { WindowOutput, WindowPlan, WindowResult } from './window-types.ts';

/**
 * One kind of windows: which of them an event goes into, and what they give as time moves. What all kinds do alike
 * with batches and watermarks is `Windowing`. Rows and control are the state; whatever else is kept follows from them.
 */
export interface Windower<E> {
  /** Puts an event into its windows; late where all of them are closed. What that gives at once, early or late, goes to `results`. */
  add(event: E, time_ms: number, results: WindowResult<unknown>[]): Taken;
  /** Time has moved: gives out what that completes, by end and key, and lets go of what can change no more. */
  advance(before_ms: number, time_ms: number, emit: WindowOutput<E>['emit']): void;
  /** When it has something to give next, where no timer says so. */
  nextDue_ms?(): number | undefined;
  onTimer?(key: string): void;
  /** Timers have fired for a watermark that is not new. */
  putBack?(): void;
}

/** A windower at work in an operator. */
export class Windowing<E> implements Handlers<E> {
  readonly #plan: WindowPlan<E>;
  readonly #rows: { readonly dirtyRows: number };
  readonly #control: WindowControl;
  readonly #windower: Windower<E>;
  readonly #output: WindowOutput<E>;

  constructor(
    plan: WindowPlan<E>,
    rows: { readonly dirtyRows: number },
    control: WindowControl,
    windower: Windower<E>,
    output: WindowOutput<E>,
  ) {
    this.#plan = plan;
    this.#rows = rows;
    this.#control = control;
    this.#windower = windower;
    this.#output = output;
  }

  onBatch(events: readonly E[]): void {
    const { timeOf, max_uncommitted_rows } = this.#plan;
    const results: WindowResult<unknown>[] = [];
    const { late, overflow } = takeBatch(events, (event) => {
      const time_ms = timeOf(event);
      return isTime(time_ms) ? this.#windower.add(event, time_ms, results) : 'late';
    });
    this.#output.emit(results);
    this.#output.late(late);
    this.#output.overflow(overflow);
    if (this.#rows.dirtyRows > max_uncommitted_rows) this.#output.requestBarrier();
  }

  onWatermark(reached_ms: number): void {
    const before_ms = this.#control.watermark_ms;
    // The committed one comes again at start.
    if (reached_ms <= before_ms) this.#windower.putBack?.();
    else this.#windower.advance(before_ms, this.#control.advance(reached_ms), this.#output.emit);
  }

  onTimer(_: number, key: string): void {
    this.#windower.onTimer?.(key);
  }

  nextDue_ms(): number | undefined {
    return this.#windower.nextDue_ms?.();
  }
}
