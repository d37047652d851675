import type { MapTable, ScopedMap, Timers } from '../../engine/index.ts';
import type { WindowControl } from './window-control.ts';
import type { WindowPlan } from './window-types.ts';
import { KeyWakes, type WakingRow } from './window-wakes.ts';
import type { WindowSpec } from './windows.ts';

/** What the kinds of windows that keep one row a key have in common: their parts, and a timer a key. */
export abstract class KeyedWindows<E, W extends WindowSpec, R extends WakingRow> {
  protected readonly plan: WindowPlan<E, W>;
  protected readonly rows: ScopedMap<string, R>;
  protected readonly control: WindowControl;
  protected readonly wakes: KeyWakes<R>;

  constructor(
    plan: WindowPlan<E, W>,
    table: MapTable<string, R>,
    control: WindowControl,
    timers: Pick<Timers, 'set' | 'clear'>,
  ) {
    this.plan = plan;
    this.rows = table.scope('');
    this.control = control;
    this.wakes = new KeyWakes(this.rows, timers);
  }

  onTimer(key: string): void {
    this.wakes.onTimer(key);
  }

  putBack(): void {
    this.wakes.putBack();
  }
}
