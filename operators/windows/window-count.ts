import { ByteReader, ByteWriter, type Codec } from '../../engine/index.ts';
import type { Taken } from '../core/index.ts';
import { KeyedWindows } from './window-keyed.ts';
import { byKey, resultOf, type WindowOutput, type WindowResult } from './window-types.ts';
import type { WakingRow } from './window-wakes.ts';
import type { Windower } from './windower.ts';
import type { CountWindow } from './windows.ts';

interface Waiting {
  readonly time_ms: number;
  /** The event as stored: what equal times are ordered by. */
  readonly bytes: Uint8Array;
}

interface Filling {
  acc: unknown;
  events: number;
  readonly first_ms: number;
  last_ms: number;
}

export interface CountRow extends WakingRow {
  /** Events that the watermark has not passed, in the order of arrival. */
  waiting: Waiting[];
  /** The window that is not full. */
  filling: Filling | undefined;
}

export function countRowCodec(accumulator: Codec<unknown>): Codec<CountRow> {
  return {
    write: (writer: ByteWriter, { waiting, filling, wake_ms }) => {
      writer
        .f64(wake_ms)
        .varint(waiting.length)
        .u8(filling === undefined ? 0 : 1);
      for (const { time_ms, bytes } of [...waiting].sort(byPlace)) {
        writer.f64(time_ms).varint(bytes.length).bytes(bytes);
      }
      if (filling === undefined) return;
      writer.varint(filling.events).f64(filling.first_ms).f64(filling.last_ms);
      accumulator.write(writer, filling.acc);
    },
    read: (reader: ByteReader) => {
      const wake_ms = reader.f64();
      const events = reader.varint();
      const isFilling = reader.u8() === 1;
      const row: CountRow = { wake_ms, waiting: [], filling: undefined };
      for (let left = events; left > 0; left--) {
        const time_ms = reader.f64();
        row.waiting.push({ time_ms, bytes: Uint8Array.from(reader.bytes(reader.varint())) });
      }
      if (isFilling) {
        const [filled, first_ms, last_ms] = [reader.varint(), reader.f64(), reader.f64()];
        row.filling = { events: filled, first_ms, last_ms, acc: accumulator.read(reader) };
      }
      return row;
    },
  };
}

function byPlace(a: Waiting, b: Waiting): number {
  return a.time_ms - b.time_ms || Buffer.compare(a.bytes, b.bytes);
}

/**
 * Every n events of a key, in the order of (event time, stored bytes). Events wait until they are older than the
 * watermark by more than the allowed lateness; so their place is final, and each window has one result.
 */
export class CountWindows<E> extends KeyedWindows<E, CountWindow, CountRow> implements Windower<E> {
  add(event: E, time_ms: number): Taken {
    const { keyOf, codec, allowedLateness_ms, max_open_per_key } = this.plan;
    const key = keyOf(event);
    if (time_ms < this.control.closed_ms) return 'late';
    const row = this.rows.get(key) ?? {
      waiting: [],
      filling: undefined,
      wake_ms: Number.POSITIVE_INFINITY,
    };
    if (row.waiting.length >= max_open_per_key) return 'overflow';
    const writer = new ByteWriter();
    codec.write(writer, event);
    row.waiting.push({ time_ms, bytes: writer.copy() });
    this.wakes.at(time_ms + allowedLateness_ms + 1, key, row);
    this.rows.set(key, row);
    return 'taken';
  }

  advance(_: number, time_ms: number, emit: WindowOutput<E>['emit']): void {
    const { allowedLateness_ms } = this.plan;
    const { idle_ms } = this.plan.window;
    const final_ms = this.control.closed_ms;
    const results: WindowResult<unknown>[] = [];
    for (const [key, row] of this.wakes.take(time_ms)) {
      const final = row.waiting.filter((event) => event.time_ms < final_ms).sort(byPlace);
      row.waiting = row.waiting.filter((event) => event.time_ms >= final_ms);
      for (const event of final) this.#fill(key, row, event, results);
      if (row.filling !== undefined && row.filling.last_ms + idle_ms <= final_ms)
        this.#close(key, row, results);
      for (const event of row.waiting) this.wakes.at(event.time_ms + allowedLateness_ms + 1, key, row);
      if (row.filling !== undefined) {
        this.wakes.at(row.filling.last_ms + idle_ms + allowedLateness_ms, key, row);
      }
      if (row.waiting.length === 0 && row.filling === undefined) this.rows.delete(key);
      else this.rows.set(key, row);
    }
    results.sort((a, b) => a.window.end_ms - b.window.end_ms || byKey([a.key, a], [b.key, b]));
    emit(results);
  }

  #fill(key: string, row: CountRow, { time_ms, bytes }: Waiting, results: WindowResult<unknown>[]): void {
    const { aggregate, codec } = this.plan;
    const { count, idle_ms } = this.plan.window;
    if (row.filling !== undefined && row.filling.last_ms + idle_ms <= time_ms) this.#close(key, row, results);
    row.filling ??= { acc: aggregate.init(), events: 0, first_ms: time_ms, last_ms: time_ms };
    const { filling } = row;
    filling.acc = aggregate.add(filling.acc, codec.read(new ByteReader(bytes)), time_ms);
    filling.last_ms = time_ms;
    if (++filling.events === count) this.#close(key, row, results);
  }

  #close(key: string, row: CountRow, results: WindowResult<unknown>[]): void {
    const { filling } = row;
    if (filling === undefined) return;
    const { aggregate, mode } = this.plan;
    const window = { start_ms: filling.first_ms, end_ms: filling.last_ms + 1 };
    const change = mode === 'retract' ? 'insert' : undefined;
    const value = aggregate.result(filling.acc);
    results.push(resultOf(key, window, value, { kind: 'onTime', index: 0 }, change));
    row.filling = undefined;
  }
}
