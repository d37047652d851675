import type { MapTable, ScopedMap, Timers } from '../../engine/index.ts';
import type { WindowControl } from './window-control.ts';
import type { WindowOutput, WindowPlan } from './window-types.ts';
import { KeyWakes, type WakingRow } from './window-wakes.ts';
import type { WindowSpec } from './windows.ts';

/** What the kinds of windows that keep one row a key have in common: their parts, and a timer a key. */
export abstract class KeyedWindows<E, W extends WindowSpec, R extends WakingRow> {
  protected readonly plan: WindowPlan<E, W>;
  protected readonly rows: ScopedMap<string, R>;
  protected readonly control: WindowControl;
  protected readonly wakes: KeyWakes<R>;
  protected readonly output: WindowOutput<E>;
  readonly #table: MapTable<string, R>;

  constructor(
    plan: WindowPlan<E, W>,
    table: MapTable<string, R>,
    control: WindowControl,
    output: WindowOutput<E>,
    timers: Pick<Timers, 'set' | 'clear'>,
  ) {
    this.plan = plan;
    this.#table = table;
    this.rows = table.scope('');
    this.control = control;
    this.wakes = new KeyWakes(this.rows, timers);
    this.output = output;
  }

  onTimer(_: number, key: string): void {
    this.wakes.onTimer(key);
  }

  /** Whether a watermark is further than the last: the committed one comes again at start. */
  protected isFurther(reached_ms: number): boolean {
    if (reached_ms > this.control.watermark_ms) return true;
    this.wakes.putBack();
    return false;
  }

  /** Gives out the events that no window took, and asks for a commit where much has changed. */
  protected finish(late: readonly E[], overflow: readonly E[]): void {
    this.output.late(late);
    this.output.overflow(overflow);
    if (this.#table.dirtyRows > this.plan.max_uncommitted_rows) this.output.requestBarrier();
  }
}
