import { ByteReader, ByteWriter } from '../base/index.ts';
import type { Timers } from '../graph/index.ts';
import type { KvStore, KvTable } from '../state/index.ts';

interface Due {
  readonly time_ms: number;
  readonly key: string;
}

interface Change {
  readonly timer: Due;
  readonly set: boolean;
}

interface Found {
  readonly id: string;
  readonly timer: Due;
}

/** Ids sort as the timers do. */
function byId(a: Found, b: Found): number {
  return a.id < b.id ? -1 : 1;
}

/**
 * Event-time timers of one operator. What was set since the last commit waits in a heap; the rest is in the
 * store, in time order, and each watermark reads only what lies between it and the one before.
 */
export class TimerService implements Timers {
  readonly #open: () => KvTable;
  #opened: KvTable | undefined;
  /** Since the last commit, by encoded (time, key), which sorts as the timers do. */
  #changed = new Map<string, Change>();
  /** Ids of set timers that a scan of the store would not find, or not any more. */
  #waiting = new MinHeap();
  /** A timer was set: the table is there from then on, whether or not one waits at a commit. */
  #isUsed = false;
  /** Stored timers up to here have fired. */
  #scanned_ms = -1;

  /** `exists`: the operator had timers before; without it the table is made with the first one. */
  constructor(open: () => KvTable, exists: boolean) {
    this.#open = open;
    if (exists) this.#opened = open();
  }

  /** Of an operator, in its own table. */
  static of(store: KvStore, operator: string): TimerService {
    const id = `${operator}/timers`;
    return new TimerService(() => store.table(id), store.tableNames().includes(id));
  }

  set(time_ms: number, key: string): void {
    const timer = { time_ms, key };
    const id = idOf(timer);
    if (this.#changed.get(id)?.set === true) return;
    this.#isUsed = true;
    this.#changed.set(id, { timer, set: true });
    this.#waiting.push(id);
  }

  clear(time_ms: number, key: string): void {
    const timer = { time_ms, key };
    this.#changed.set(idOf(timer), { timer, set: false });
  }

  due(watermark_ms: number): readonly Due[] {
    if (watermark_ms < 0) return [];
    const scanned_ms = this.#scanned_ms;
    const to_ms = Math.min(MAX_TIME_MS, Math.floor(watermark_ms));
    const stored = this.#scan(to_ms);
    for (const { id, timer } of stored) this.#changed.set(id, { timer, set: false });
    const fresh: Found[] = [];
    const end = Buffer.from(endOf(to_ms)).toString('latin1');
    let last: string | undefined;
    for (let id = this.#waiting.peek(); id !== undefined && id < end; id = this.#waiting.peek()) {
      this.#waiting.pop();
      // Set, cleared and set again it is in the heap twice.
      if (id === last) continue;
      last = id;
      const change = this.#changed.get(id);
      // Cleared since, or found by the scan.
      if (change?.set === false) continue;
      const timer = change?.timer ?? timerOf(Buffer.from(id, 'latin1'));
      fresh.push({ id, timer });
      // What the scan would have found, and has not, comes and goes between two commits: no row to remove.
      if (change !== undefined && timer.time_ms > scanned_ms) this.#changed.delete(id);
      else this.#changed.set(id, { timer, set: false });
    }
    // Both are in order.
    const due = stored.length === 0 ? fresh : fresh.length === 0 ? stored : [...stored, ...fresh].sort(byId);
    return due.map(({ timer }) => timer);
  }

  /** Stored timers between the last watermark and this one, but for those that were cleared since the commit. */
  #scan(to_ms: number): Found[] {
    const found: Found[] = [];
    if (to_ms <= this.#scanned_ms) return found;
    const start = new ByteWriter().u48(this.#scanned_ms + 1).copy();
    const end = endOf(to_ms);
    for (const { key } of this.#opened?.scan({ start, end }) ?? []) {
      const id = Buffer.from(key).toString('latin1');
      if (this.#changed.get(id)?.set !== false) found.push({ id, timer: timerOf(key) });
    }
    this.#scanned_ms = to_ms;
    return found;
  }

  next(): number | undefined {
    const waiting_ms = this.#firstWaiting();
    if (this.#scanned_ms >= MAX_TIME_MS) return waiting_ms;
    const start = new ByteWriter().u48(this.#scanned_ms + 1).copy();
    for (const { key } of this.#opened?.scan({ start }) ?? []) {
      if (this.#changed.get(Buffer.from(key).toString('latin1'))?.set === false) continue;
      return Math.min(waiting_ms ?? MAX_TIME_MS, timerOf(key).time_ms);
    }
    return waiting_ms;
  }

  /** The earliest that a scan of the store would not find. */
  #firstWaiting(): number | undefined {
    const top = this.#waiting.peek();
    if (top === undefined || this.#changed.get(top)?.set !== false) {
      return top === undefined ? undefined : timerOf(Buffer.from(top, 'latin1')).time_ms;
    }
    const set = this.#waiting.ids.filter((id) => this.#changed.get(id)?.set !== false);
    const first = set.reduce<string | undefined>(
      (least, id) => (least === undefined || id < least ? id : least),
      undefined,
    );
    return first === undefined ? undefined : timerOf(Buffer.from(first, 'latin1')).time_ms;
  }

  flush(): void {
    if (this.#isUsed) this.#opened ??= this.#open();
    if (this.#changed.size === 0) return;
    const waiting = new MinHeap();
    for (const [id, { timer, set }] of this.#changed) {
      const key = Buffer.from(id, 'latin1');
      if (set) this.#opened?.put(key, NOTHING);
      else this.#opened?.remove(key);
      // Behind the last scan the store is not looked at again.
      if (set && timer.time_ms <= this.#scanned_ms) waiting.push(id);
    }
    for (const id of this.#waiting.ids) {
      if (!this.#changed.has(id)) waiting.push(id);
    }
    this.#waiting = waiting;
    this.#changed = new Map();
  }
}

/** A binary heap of strings, the smallest first (Williams 1964). */
class MinHeap {
  readonly ids: string[] = [];

  peek(): string | undefined {
    return this.ids[0];
  }

  push(id: string): void {
    const { ids } = this;
    let at = ids.push(id) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = ids[parent] as string;
      if (above <= id) break;
      ids[at] = above;
      at = parent;
    }
    ids[at] = id;
  }

  pop(): void {
    const { ids } = this;
    const last = ids.pop();
    if (last === undefined || ids.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= ids.length) break;
      if (child + 1 < ids.length && (ids[child + 1] as string) < (ids[child] as string)) child++;
      if ((ids[child] as string) >= last) break;
      ids[at] = ids[child] as string;
      at = child;
    }
    ids[at] = last;
  }
}

/** The last time of a timer. A watermark may be beyond it: one says that nothing more comes by Infinity. */
const MAX_TIME_MS = 2 ** 48 - 1;
/** Behind the ids of all timers. */
const AFTER_ALL = new Uint8Array(7).fill(0xff);

/** Behind the ids of the timers of a time. */
function endOf(time_ms: number): Uint8Array {
  return time_ms < MAX_TIME_MS ? new ByteWriter().u48(time_ms + 1).copy() : AFTER_ALL;
}

/** Of one id at a time. */
const writer = new ByteWriter();
const NOTHING = new Uint8Array(0);

function idOf({ time_ms, key }: Due): string {
  return textOf(writer.reset().u48(time_ms).orderedString(key));
}

function textOf(bytes: ByteWriter): string {
  return bytes.view().toString('latin1');
}

function timerOf(key: Uint8Array): Due {
  const reader = new ByteReader(key);
  return { time_ms: reader.u48(), key: reader.orderedString() };
}
