import { ByteReader, ByteWriter } from './bytes.ts';
import type { KvTable } from './kv.ts';
import type { Timers } from './operator.ts';

interface Due {
  readonly time_ms: number;
  readonly key: string;
}

/**
 * Event-time timers of one operator. What was set since the last commit waits in memory; the rest is
 * in the store, in time order, and only its due head is read.
 */
export class TimerService implements Timers {
  readonly #open: () => KvTable;
  #opened: KvTable | undefined;
  /** By encoded (time, key): true to set, false to clear. */
  #changed = new Map<string, { readonly timer: Due; readonly set: boolean }>();

  /** `exists`: the operator had timers before; without it the table is made with the first one. */
  constructor(open: () => KvTable, exists: boolean) {
    this.#open = open;
    if (exists) this.#opened = open();
  }

  set(time_ms: number, key: string): void {
    this.#change({ time_ms, key }, true);
  }

  clear(time_ms: number, key: string): void {
    this.#change({ time_ms, key }, false);
  }

  #change(timer: Due, set: boolean): void {
    this.#changed.set(encode(timer).toString('latin1'), { timer, set });
  }

  due(watermark_ms: number): readonly Due[] {
    const found = new Map<string, Due>();
    if (watermark_ms < 0) return [];
    const end = new ByteWriter().u48(Math.floor(watermark_ms) + 1).copy();
    for (const { key } of this.#opened?.scan({ end }) ?? []) {
      const reader = new ByteReader(key);
      const timer = { time_ms: reader.u48(), key: reader.orderedString() };
      found.set(encode(timer).toString('latin1'), timer);
    }
    for (const [id, { timer, set }] of this.#changed) {
      if (!set) found.delete(id);
      else if (timer.time_ms <= watermark_ms) found.set(id, timer);
    }
    const due = [...found].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, timer]) => timer);
    for (const timer of due) this.clear(timer.time_ms, timer.key);
    return due;
  }

  flush(): void {
    if (this.#changed.size === 0) return;
    this.#opened ??= this.#open();
    for (const { timer, set } of this.#changed.values()) {
      if (set) this.#opened.put(encode(timer), new Uint8Array(0));
      else this.#opened.remove(encode(timer));
    }
    this.#changed = new Map();
  }
}

function encode({ time_ms, key }: Due): Buffer {
  return new ByteWriter().u48(time_ms).orderedString(key).copy();
}
