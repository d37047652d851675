import type { ScopedMap, Timers } from '../../engine/index.ts';
import { TIME_END_MS } from '../core/index.ts';

/** A key's row that knows for when its one timer is set; Infinity for none. */
export interface WakingRow {
  wake_ms: number;
}

/**
 * One timer a key, for the first thing to be done for it. It is moved to an earlier time only: a key whose
 * work became later is looked at once for nothing, which is cheaper than moving the timer with each event.
 */
export class KeyWakes<R extends WakingRow> {
  readonly #rows: ScopedMap<string, R>;
  readonly #timers: Pick<Timers, 'set' | 'clear'>;
  #due: string[] = [];

  constructor(rows: ScopedMap<string, R>, timers: Pick<Timers, 'set' | 'clear'>) {
    this.#rows = rows;
    this.#timers = timers;
  }

  /** A timer has fired. */
  onTimer(key: string): void {
    this.#due.push(key);
  }

  /** The row is to be looked at when the watermark is here; the caller stores it. */
  at(wake_ms: number, key: string, row: R): void {
    if (wake_ms >= row.wake_ms) return;
    if (row.wake_ms !== Number.POSITIVE_INFINITY) this.#timers.clear(timerOf(row.wake_ms), key);
    this.#timers.set(timerOf(wake_ms), key);
    row.wake_ms = wake_ms;
  }

  /** Sets the timers again that have fired for a watermark that is not new. */
  putBack(): void {
    for (const key of this.#due) {
      const row = this.#rows.get(key);
      if (row !== undefined) this.#timers.set(timerOf(row.wake_ms), key);
    }
    this.#due = [];
  }

  /** Takes the rows to look at now; their timers are gone. */
  take(watermark_ms: number): (readonly [string, R])[] {
    const rows: (readonly [string, R])[] = [];
    // Timers begin in 1970: the rows that wait for an earlier time are found by looking at all.
    if (watermark_ms < 0) rows.push(...this.#rows.entries());
    else {
      for (const key of new Set(this.#due)) {
        const row = this.#rows.get(key);
        if (row !== undefined) rows.push([key, row]);
      }
    }
    this.#due = [];
    for (const [, row] of rows) row.wake_ms = Number.POSITIVE_INFINITY;
    return rows;
  }
}

/** Rounded up, so that what is to be done is due when the timer is. */
function timerOf(time_ms: number): number {
  return Math.min(TIME_END_MS, Math.max(0, Math.ceil(time_ms)));
}
