import type { MapTable, ScopedMap } from '../../engine/index.ts';
import { isTime, type Taken } from '../core/index.ts';
import { AMENDED, type WindowControl } from './window-control.ts';
import {
  byKey,
  isClosed,
  resultOf,
  type WindowOutput,
  type WindowPlan,
  type WindowResult,
} from './window-types.ts';
import type { Windower } from './windower.ts';
import {
  type AlignedSpec,
  type AlignedWindows,
  alignedWindows,
  sliceOf,
  type TimeWindow,
} from './windows.ts';

/** A slice of event time: an accumulator for each key with events in it. */
interface Slice {
  readonly start_ms: number;
  readonly firstEnd_ms: number;
  readonly lastEnd_ms: number;
  readonly rows: ScopedMap<string, unknown>;
  /** The rows, read once for several windows; gone with the next event. */
  read: readonly (readonly [string, unknown])[] | undefined;
}

const SLICES = 'slices';

/** By key: twice the results given for a window that was fired again, plus one if the first was on time. */
function amendedOf(end_ms: number): string {
  return `${AMENDED} ${end_ms}`;
}

/**
 * Tumbling, hopping and cumulating windows that fire on the watermark. An event is added to the one slice
 * of time that it is in; a window is the merge of its slices when it fires. After that, within the allowed
 * lateness, each event fires the windows that it is in again, for its key.
 */
export class SlicedWindows<E> implements Windower<E> {
  readonly #plan: WindowPlan<E, AlignedSpec>;
  readonly #windows: AlignedWindows;
  readonly #rows: MapTable<string, unknown>;
  readonly #control: WindowControl;
  readonly #slices = new Map<number, Slice>();
  readonly #amendedEnds: Set<number>;
  #current: Slice | undefined;
  #readRows = 0;
  /** Nothing fires and nothing expires before the watermark is here. */
  #next_ms = Number.POSITIVE_INFINITY;

  constructor(plan: WindowPlan<E, AlignedSpec>, rows: MapTable<string, unknown>, control: WindowControl) {
    this.#plan = plan;
    this.#windows = alignedWindows(plan.window);
    this.#rows = rows;
    this.#control = control;
    this.#amendedEnds = new Set(control.times(AMENDED));
    for (const start_ms of control.times(SLICES)) this.#open(start_ms);
    // With less allowed lateness than before some are closed already.
    this.#expire(control.watermark_ms);
  }

  add(event: E, time_ms: number, results: WindowResult<unknown>[]): Taken {
    const { keyOf, aggregate, allowedLateness_ms } = this.#plan;
    const start_ms = sliceOf(this.#windows, time_ms);
    const slice = this.#current?.start_ms === start_ms ? this.#current : this.#sliceAt(start_ms);
    if (typeof slice === 'string') return slice;
    this.#current = slice;
    const key = keyOf(event);
    if (slice.firstEnd_ms <= this.#control.watermark_ms && allowedLateness_ms > 0) {
      this.#amend(slice, key, event, time_ms, results);
    } else {
      const acc = slice.rows.get(key);
      slice.rows.set(key, aggregate.add(acc === undefined ? aggregate.init() : acc, event, time_ms));
      if (slice.read !== undefined) this.#forget(slice);
    }
    return 'taken';
  }

  /** The slice that begins there, a new one if need be; or why it takes no events. */
  #sliceAt(start_ms: number): Slice | 'late' | 'overflow' {
    const open = this.#slices.get(start_ms);
    if (open !== undefined) return open;
    const last_ms = this.#windows.lastEnd(start_ms);
    if (!isTime(start_ms) || isClosed(last_ms, this.#control.closed_ms)) return 'late';
    if (this.#slices.size >= this.#plan.max_open_windows) return 'overflow';
    this.#control.add(SLICES, start_ms);
    return this.#open(start_ms);
  }

  advance(before_ms: number, time_ms: number, emit: WindowOutput<E>['emit']): void {
    if (time_ms < this.#next_ms) return;
    for (let end = this.#endAfter(before_ms); end <= time_ms; end = this.#endAfter(end))
      this.#fire(end, emit);
    this.#expire(time_ms);
  }

  nextDue_ms(): number | undefined {
    return this.#endAfter(this.#control.watermark_ms);
  }

  #open(start_ms: number): Slice {
    const slice: Slice = {
      start_ms,
      firstEnd_ms: this.#windows.firstEnd(start_ms),
      lastEnd_ms: this.#windows.lastEnd(start_ms),
      rows: this.#rows.scope(String(start_ms)),
      read: undefined,
    };
    this.#slices.set(start_ms, slice);
    const wake_ms = Math.min(
      this.#endOf(slice, this.#control.watermark_ms),
      slice.lastEnd_ms + this.#plan.allowedLateness_ms,
    );
    if (wake_ms < this.#next_ms) this.#next_ms = wake_ms;
    return slice;
  }

  /** The first end after a time of a window that the slice is in. */
  #endOf({ firstEnd_ms, lastEnd_ms }: Slice, after_ms: number): number {
    if (after_ms < firstEnd_ms) return firstEnd_ms;
    const { every_ms } = this.#windows;
    const end = firstEnd_ms + (Math.floor((after_ms - firstEnd_ms) / every_ms) + 1) * every_ms;
    return end <= lastEnd_ms ? end : Number.POSITIVE_INFINITY;
  }

  #endAfter(after_ms: number): number {
    let first_ms = Number.POSITIVE_INFINITY;
    for (const slice of this.#slices.values()) first_ms = Math.min(first_ms, this.#endOf(slice, after_ms));
    return first_ms;
  }

  #slicesOf({ start_ms, end_ms }: TimeWindow): Slice[] {
    const { slice_ms } = this.#windows;
    const found: Slice[] = [];
    if ((end_ms - start_ms) / slice_ms <= this.#slices.size) {
      for (let at = start_ms; at < end_ms; at += slice_ms) {
        const slice = this.#slices.get(at);
        if (slice !== undefined) found.push(slice);
      }
      return found;
    }
    for (const slice of this.#slices.values()) {
      if (slice.start_ms >= start_ms && slice.start_ms < end_ms) found.push(slice);
    }
    return found.sort((a, b) => a.start_ms - b.start_ms);
  }

  #fire(end_ms: number, emit: WindowOutput<E>['emit']): void {
    const window: TimeWindow = { start_ms: this.#windows.startOf(end_ms), end_ms };
    const { aggregate, mode } = this.#plan;
    const kind = mode === 'retract' ? 'insert' : undefined;
    const pane = { kind: 'onTime', index: 0 } as const;
    const merged = this.#merged(this.#slicesOf(window), end_ms);
    emit(merged.map(([key, acc]) => resultOf(key, window, aggregate.result(acc), pane, kind)));
  }

  /** The accumulators of some slices by key, sorted. */
  #merged(slices: readonly Slice[], end_ms: number): (readonly [string, unknown])[] {
    const [only] = slices;
    if (slices.length === 1 && only !== undefined) return this.#read(only, end_ms).toSorted(byKey);
    const { aggregate } = this.#plan;
    // What is merged into must be nobody else's: the accumulators of a slice stay as they are.
    const found = new Map<string, { acc: unknown; isOwn: boolean }>();
    for (const slice of slices) {
      for (const [key, acc] of this.#read(slice, end_ms)) {
        const known = found.get(key);
        if (known === undefined) found.set(key, { acc, isOwn: false });
        else {
          if (!known.isOwn) known.acc = aggregate.merge(aggregate.init(), known.acc);
          known.acc = aggregate.merge(known.acc, acc);
          known.isOwn = true;
        }
      }
    }
    return Array.from(found, ([key, { acc }]) => [key, acc] as const).sort(byKey);
  }

  #read(slice: Slice, end_ms: number): readonly (readonly [string, unknown])[] {
    if (slice.read !== undefined) return slice.read;
    const rows = slice.rows.entries();
    const isWanted = slice.lastEnd_ms > end_ms && slice.start_ms + this.#windows.slice_ms <= end_ms;
    if (isWanted && this.#readRows + rows.length <= this.#plan.max_cached_rows) {
      slice.read = rows;
      this.#readRows += rows.length;
    }
    return rows;
  }

  #forget(slice: Slice): void {
    this.#readRows -= slice.read?.length ?? 0;
    slice.read = undefined;
  }

  /** Adds an event of which at least one window has fired, and fires those again. */
  #amend(slice: Slice, key: string, event: E, time_ms: number, results: WindowResult<unknown>[]): void {
    const { aggregate, mode } = this.#plan;
    const watermark_ms = this.#control.watermark_ms;
    const fired: { window: TimeWindow; given: number; before: unknown }[] = [];
    for (
      let end_ms = this.#endOf(slice, this.#control.closed_ms);
      end_ms <= watermark_ms;
      end_ms = this.#endOf(slice, end_ms)
    ) {
      const window = { start_ms: this.#windows.startOf(end_ms), end_ms };
      const before = this.#valueOf(window, key);
      const given = this.#control.scope(amendedOf(end_ms)).get(key) ?? (before === undefined ? 0 : 3);
      fired.push({
        window,
        given,
        before: mode === 'retract' && before !== undefined ? aggregate.result(before) : undefined,
      });
    }
    const held = slice.rows.get(key);
    slice.rows.set(key, aggregate.add(held === undefined ? aggregate.init() : held, event, time_ms));
    this.#forget(slice);
    for (const { window, given, before } of fired) {
      const index = given >> 1;
      if (mode === 'retract' && index > 0) {
        const wasOnTime = index === 1 && (given & 1) === 1;
        const pane = { kind: wasOnTime ? 'onTime' : 'late', index: index - 1 } as const;
        results.push(resultOf(key, window, before, pane, 'retract'));
      }
      const acc =
        mode === 'discard' ? aggregate.add(aggregate.init(), event, time_ms) : this.#valueOf(window, key);
      const pane = { kind: 'late', index } as const;
      const kind = mode === 'retract' ? 'insert' : undefined;
      results.push(resultOf(key, window, aggregate.result(acc), pane, kind));
      this.#note(window.end_ms, key, given + 2);
    }
  }

  #note(end_ms: number, key: string, given: number): void {
    this.#control.scope(amendedOf(end_ms)).set(key, given);
    if (this.#amendedEnds.has(end_ms)) return;
    this.#amendedEnds.add(end_ms);
    this.#control.add(AMENDED, end_ms);
  }

  /** The accumulator of a window for a key; undefined when the key has no events in it. */
  #valueOf(window: TimeWindow, key: string): unknown {
    const { aggregate } = this.#plan;
    const accs = this.#slicesOf(window)
      .map(({ rows }) => rows.get(key))
      .filter((acc) => acc !== undefined);
    if (accs.length < 2) return accs[0];
    return accs.reduce((merged, acc) => aggregate.merge(merged, acc), aggregate.init());
  }

  #expire(watermark_ms: number): void {
    const { allowedLateness_ms } = this.#plan;
    this.#next_ms = Number.POSITIVE_INFINITY;
    for (const slice of this.#slices.values()) {
      const until_ms = slice.lastEnd_ms + allowedLateness_ms;
      if (until_ms > watermark_ms) {
        this.#next_ms = Math.min(this.#next_ms, until_ms, this.#endOf(slice, watermark_ms));
        continue;
      }
      this.#forget(slice);
      if (this.#current === slice) this.#current = undefined;
      this.#slices.delete(slice.start_ms);
      this.#rows.drop(String(slice.start_ms));
      this.#control.remove(SLICES, slice.start_ms);
    }
    for (const end_ms of this.#amendedEnds) {
      if (end_ms + allowedLateness_ms > watermark_ms) continue;
      this.#amendedEnds.delete(end_ms);
      this.#control.drop(amendedOf(end_ms));
      this.#control.remove(AMENDED, end_ms);
    }
  }
}
