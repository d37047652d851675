import type { MapTable, ScopedMap } from '../../engine/index.ts';
import type { Taken } from '../core/index.ts';
import type { WindowControl } from './window-control.ts';
import { firePane, newPanedRow, type PanedRow } from './window-pane.ts';
import { byKey, isClosed, type WindowOutput, type WindowPlan, type WindowResult } from './window-types.ts';
import type { Windower } from './windower.ts';
import {
  type AlignedSpec,
  type AlignedWindows,
  alignedWindows,
  sliceOf,
  type TimeWindow,
} from './windows.ts';

interface OpenWindow {
  readonly window: TimeWindow;
  readonly rows: ScopedMap<string, PanedRow>;
  /** Keys with events since their last result; undefined: not known, and all rows have to be looked at. */
  fresh: Set<string> | undefined;
}

/** Something that the watermark has reached: an end, or a time for early results. */
interface Firing {
  readonly time_ms: number;
  readonly kind: 'early' | 'onTime';
  readonly open: OpenWindow;
}

const WINDOWS = 'windows';

/**
 * Aligned windows with early results: a row for each window and key, which knows what was given already. An
 * event goes into every window that it is in.
 */
export class PanedWindows<E> implements Windower<E> {
  readonly #plan: WindowPlan<E, AlignedSpec>;
  readonly #windows: AlignedWindows;
  readonly #rows: MapTable<string, PanedRow>;
  readonly #control: WindowControl;
  /** By end. */
  readonly #open = new Map<number, OpenWindow>();

  constructor(plan: WindowPlan<E, AlignedSpec>, rows: MapTable<string, PanedRow>, control: WindowControl) {
    this.#plan = plan;
    this.#windows = alignedWindows(plan.window);
    this.#rows = rows;
    this.#control = control;
    for (const end_ms of control.times(WINDOWS)) this.#opened(end_ms, undefined);
  }

  add(event: E, time_ms: number, results: WindowResult<unknown>[]): Taken {
    const openAfter_ms = this.#control.closed_ms;
    const slice_ms = sliceOf(this.#windows, time_ms);
    const last_ms = this.#windows.lastEnd(slice_ms);
    if (isClosed(last_ms, openAfter_ms)) return 'late';
    const ends: number[] = [];
    for (let end = this.#windows.firstEnd(slice_ms); end <= last_ms; end += this.#windows.every_ms) {
      if (end > openAfter_ms) ends.push(end);
    }
    const created = ends.filter((end) => !this.#open.has(end));
    if (this.#open.size + created.length > this.#plan.max_open_windows) return 'overflow';
    for (const end of created) {
      this.#control.add(WINDOWS, end);
      this.#opened(end, new Set());
    }
    const key = this.#plan.keyOf(event);
    for (const end of ends) this.#add(end, key, event, time_ms, results);
    return 'taken';
  }

  advance(before_ms: number, time_ms: number, emit: WindowOutput<E>['emit']): void {
    const firings: Firing[] = [];
    for (const open of this.#open.values()) {
      const firing = this.#firingOf(open, before_ms, time_ms);
      if (firing !== undefined) firings.push(firing);
    }
    firings.sort((a, b) => a.time_ms - b.time_ms || a.open.window.end_ms - b.open.window.end_ms);
    for (const { open, kind } of firings) {
      const { window, rows } = open;
      const results: WindowResult<unknown>[] = [];
      for (const [key, row] of this.#rowsToFire(open, kind)) {
        if (firePane(this.#plan, { key, window, row }, kind, results)) rows.set(key, row);
      }
      open.fresh = new Set();
      emit(results);
    }
    this.#expire(time_ms);
  }

  nextDue_ms(): number | undefined {
    const { watermark_ms } = this.#control;
    return Math.min(...[...this.#open.keys()].filter((end_ms) => end_ms > watermark_ms));
  }

  #opened(end_ms: number, fresh: Set<string> | undefined): void {
    const window = { start_ms: this.#windows.startOf(end_ms), end_ms };
    this.#open.set(end_ms, { window, rows: this.#rows.scope(String(end_ms)), fresh });
  }

  /** A window may have far more keys than have events between two results. */
  #rowsToFire({ rows, fresh }: OpenWindow, kind: Firing['kind']): readonly (readonly [string, PanedRow])[] {
    if (fresh === undefined || (kind === 'onTime' && this.#plan.mode === 'accumulate')) {
      return rows.entries().toSorted(byKey);
    }
    return [...fresh].sort().flatMap((key) => {
      const row = rows.get(key);
      return row === undefined ? [] : [[key, row] as const];
    });
  }

  #add(end_ms: number, key: string, event: E, time_ms: number, results: WindowResult<unknown>[]): void {
    const { aggregate, trigger } = this.#plan;
    const open = this.#open.get(end_ms);
    if (open === undefined) return;
    const { window, rows, fresh } = open;
    const row = rows.get(key) ?? newPanedRow();
    fresh?.add(key);
    if (fresh !== undefined && fresh.size > this.#plan.max_cached_rows) open.fresh = undefined;
    row.acc = aggregate.add(row.acc === undefined ? aggregate.init() : row.acc, event, time_ms);
    row.fresh++;
    if (end_ms <= this.#control.watermark_ms) firePane(this.#plan, { key, window, row }, 'late', results);
    else if (trigger.kind === 'events' && row.fresh >= trigger.every_events) {
      firePane(this.#plan, { key, window, row }, 'early', results);
    }
    rows.set(key, row);
  }

  #firingOf(open: OpenWindow, before_ms: number, time_ms: number): Firing | undefined {
    const { start_ms, end_ms } = open.window;
    if (end_ms <= before_ms) return undefined;
    if (end_ms <= time_ms) return { time_ms: end_ms, kind: 'onTime', open };
    const { trigger } = this.#plan;
    if (trigger.kind !== 'interval' || time_ms <= start_ms) return undefined;
    const { every_ms } = trigger;
    const turn = Math.floor((time_ms - start_ms) / every_ms);
    const turnBefore = Math.floor((Math.max(before_ms, start_ms) - start_ms) / every_ms);
    return turn > turnBefore ? { time_ms: start_ms + turn * every_ms, kind: 'early', open } : undefined;
  }

  #expire(watermark_ms: number): void {
    for (const end_ms of this.#open.keys()) {
      if (end_ms + this.#plan.allowedLateness_ms > watermark_ms) continue;
      this.#open.delete(end_ms);
      this.#rows.drop(String(end_ms));
      this.#control.remove(WINDOWS, end_ms);
    }
  }
}
