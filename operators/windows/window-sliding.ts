import type { ByteReader, ByteWriter, Codec } from '../../engine/index.ts';
import type { Taken } from '../core/index.ts';
import { KeyedWindows } from './window-keyed.ts';
import { byKey, isClosed, resultOf, type WindowOutput, type WindowResult } from './window-types.ts';
import type { WakingRow } from './window-wakes.ts';
import type { Windower } from './windower.ts';
import type { SlidingWindow, TimeWindow } from './windows.ts';

/** The events of a key at one time. */
interface Instant {
  readonly time_ms: number;
  acc: unknown;
  /** Results given for the window around it. */
  given: number;
  /** The first of them was on time. */
  isOnTime: boolean;
}

export interface SlidingRow extends WakingRow {
  /** Sorted by time. */
  instants: Instant[];
}

export function slidingRowCodec(accumulator: Codec<unknown>): Codec<SlidingRow> {
  return {
    write: (writer: ByteWriter, { instants, wake_ms }) => {
      writer.f64(wake_ms).varint(instants.length);
      for (const { time_ms, acc, given, isOnTime } of instants) {
        writer.f64(time_ms).varint(given * 2 + (isOnTime ? 1 : 0));
        accumulator.write(writer, acc);
      }
    },
    read: (reader: ByteReader) => {
      const row: SlidingRow = { wake_ms: reader.f64(), instants: [] };
      for (let left = reader.varint(); left > 0; left--) {
        const time_ms = reader.f64();
        const state = reader.varint();
        const acc = accumulator.read(reader);
        row.instants.push({ time_ms, acc, given: Math.floor(state / 2), isOnTime: state % 2 === 1 });
      }
      return row;
    },
  };
}

/** When it is looked at, and how often its windows have fired, is a matter of the way. */
export function logicalInstants({ instants }: SlidingRow): SlidingRow {
  const wake_ms = Number.POSITIVE_INFINITY;
  return { wake_ms, instants: instants.map((instant) => ({ ...instant, given: 0, isOnTime: false })) };
}

/**
 * A window around each event. One row a key with an accumulator for each time at which it has events, kept as
 * long as a window that may still be given reaches back to it. A result is the merge of the accumulators in it.
 */
export class SlidingWindows<E> extends KeyedWindows<E, SlidingWindow, SlidingRow> implements Windower<E> {
  add(event: E, time_ms: number, results: WindowResult<unknown>[]): Taken {
    const key = this.plan.keyOf(event);
    if (isClosed(this.#windowOf(time_ms).end_ms, this.control.closed_ms)) return 'late';
    const row = this.rows.get(key) ?? { instants: [], wake_ms: Number.POSITIVE_INFINITY };
    const at = lowerBound(row.instants, time_ms);
    const isNew = row.instants[at]?.time_ms !== time_ms;
    if (isNew && row.instants.length >= this.plan.max_open_per_key) return 'overflow';
    this.#add(key, row, { at, isNew, event, time_ms }, results);
    this.wakes.at(this.#wakeOf(row.instants[at] as Instant), key, row);
    this.rows.set(key, row);
    return 'taken';
  }

  advance(before_ms: number, time_ms: number, emit: WindowOutput<E>['emit']): void {
    const results: WindowResult<unknown>[] = [];
    for (const [key, row] of this.wakes.take(time_ms)) {
      for (const instant of row.instants) {
        const window = this.#windowOf(instant.time_ms);
        if (window.end_ms > time_ms) break;
        if (window.end_ms <= before_ms) continue;
        instant.isOnTime = true;
        this.#give(key, row, instant, 'onTime', results);
      }
      row.instants = row.instants.filter((instant) => this.#goneAt(instant) > time_ms);
      for (const instant of row.instants) this.wakes.at(this.#wakeOf(instant), key, row);
      if (row.instants.length === 0) this.rows.delete(key);
      else this.rows.set(key, row);
    }
    results.sort((a, b) => a.window.end_ms - b.window.end_ms || byKey([a.key, a], [b.key, b]));
    emit(results);
  }

  /** Both bounds belong to the window: it ends just after the last of its times. */
  #windowOf(time_ms: number): TimeWindow {
    const { before_ms, after_ms } = this.plan.window;
    return { start_ms: time_ms - before_ms, end_ms: time_ms + after_ms + 1 };
  }

  /** When no window that may still be given or amended has the instant in it. */
  #goneAt({ time_ms }: Instant): number {
    return this.#windowOf(time_ms).end_ms + this.plan.window.before_ms + this.plan.allowedLateness_ms;
  }

  #wakeOf(instant: Instant): number {
    const { end_ms } = this.#windowOf(instant.time_ms);
    return end_ms > this.control.watermark_ms ? end_ms : this.#goneAt(instant);
  }

  #add(
    key: string,
    row: SlidingRow,
    input: { readonly at: number; readonly isNew: boolean; readonly event: E; readonly time_ms: number },
    results: WindowResult<unknown>[],
  ): void {
    const { aggregate, mode } = this.plan;
    const { at, isNew, event, time_ms } = input;
    const watermark_ms = this.control.watermark_ms;
    if (isNew) {
      row.instants.splice(at, 0, { time_ms, acc: aggregate.init(), given: 0, isOnTime: false });
    }
    const fired = this.#around(row, time_ms).filter((instant) => {
      const { end_ms } = this.#windowOf(instant.time_ms);
      return end_ms <= watermark_ms && !isClosed(end_ms, this.control.closed_ms);
    });
    const before = fired.map((instant) =>
      mode === 'retract' && instant.given > 0 ? aggregate.result(this.#accOf(row, instant)) : undefined,
    );
    const instant = row.instants[at] as Instant;
    instant.acc = aggregate.add(instant.acc, event, time_ms);
    for (const [index, other] of fired.entries()) {
      if (mode === 'retract' && other.given > 0) {
        const wasOnTime = other.given === 1 && other.isOnTime;
        const pane = { kind: wasOnTime ? 'onTime' : 'late', index: other.given - 1 } as const;
        results.push(resultOf(key, this.#windowOf(other.time_ms), before[index], pane, 'retract'));
      }
      const fresh =
        mode === 'discard' && other.given > 0 ? aggregate.add(aggregate.init(), event, time_ms) : undefined;
      this.#give(key, row, other, 'late', results, fresh);
    }
  }

  #give(
    key: string,
    row: SlidingRow,
    instant: Instant,
    kind: 'onTime' | 'late',
    results: WindowResult<unknown>[],
    acc: unknown = this.#accOf(row, instant),
  ): void {
    const { aggregate, mode } = this.plan;
    const pane = { kind, index: instant.given++ };
    const change = mode === 'retract' ? 'insert' : undefined;
    results.push(resultOf(key, this.#windowOf(instant.time_ms), aggregate.result(acc), pane, change));
  }

  /** The instants whose windows a time is in. */
  #around({ instants }: SlidingRow, time_ms: number): Instant[] {
    const { before_ms, after_ms } = this.plan.window;
    return instants.slice(
      lowerBound(instants, time_ms - after_ms),
      upperBound(instants, time_ms + before_ms),
    );
  }

  #accOf({ instants }: SlidingRow, { time_ms }: Instant): unknown {
    const { aggregate } = this.plan;
    const { before_ms, after_ms } = this.plan.window;
    return instants
      .slice(lowerBound(instants, time_ms - before_ms), upperBound(instants, time_ms + after_ms))
      .reduce((into, { acc }) => aggregate.merge(into, acc), aggregate.init());
  }
}

/** The index of the first instant at or after a time. */
function lowerBound(instants: readonly Instant[], time_ms: number): number {
  return firstOf(instants, (instant) => instant.time_ms >= time_ms);
}

/** The index of the first instant after a time, which need not be whole ms. */
function upperBound(instants: readonly Instant[], time_ms: number): number {
  return firstOf(instants, (instant) => instant.time_ms > time_ms);
}

/** The index of the first instant that something holds for, which then holds for all after it. */
function firstOf(instants: readonly Instant[], holds: (instant: Instant) => boolean): number {
  let low = 0;
  let high = instants.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (holds(instants[middle] as Instant)) high = middle;
    else low = middle + 1;
  }
  return low;
}
