import {
  floatCodec,
  type MapSpec,
  mapTable,
  type ScopedMap,
  stringKey,
  type TableRow,
  type Timers,
} from '../../engine/index.ts';
import { TIME_END_MS } from '../core/index.ts';

/** One row: the time of the newest deletion that was forgotten. Which were is a matter of the way. */
export function forgottenTable(): MapSpec<string, number> {
  return mapTable({ key: stringKey, value: floatCodec, version: 1, logicalRows: () => [] });
}

const NEWEST = '';

interface World<V> {
  readonly rows: ScopedMap<string, TableRow<V>>;
  readonly forgotten: ScopedMap<string, number>;
  readonly timers: Pick<Timers, 'set' | 'clear'>;
}

/**
 * The deletions of a table that is kept by time. Each is remembered as a row without a value, until the watermark is so
 * far past it that nothing older is expected; of those that are forgotten the newest time is kept. So an item without a
 * row is refused only where a deletion that is not older may have been there: where nothing was deleted, never.
 */
export class Deletions<V> {
  readonly #world: World<V>;
  readonly #remember_ms: number;
  #watermark_ms: number;
  #forgotten_ms = Number.NEGATIVE_INFINITY;

  constructor(world: World<V>, remember_ms: number, watermark_ms: number) {
    this.#world = world;
    this.#remember_ms = remember_ms;
    this.#watermark_ms = watermark_ms;
  }

  /** `isNew`: the table has no rows, so nothing is known to have been deleted. */
  begin(isNew: () => boolean): void {
    const stored_ms = this.#world.forgotten.get(NEWEST);
    if (stored_ms !== undefined) this.#forgotten_ms = stored_ms;
    else this.#forgetUntil(isNew() ? Number.NEGATIVE_INFINITY : this.#watermark_ms);
  }

  /** Whether a deletion that would win over the item may have been there. */
  mayHaveForgotten({ time_ms }: TableRow<V>): boolean {
    return time_ms !== undefined && time_ms <= this.#forgotten_ms;
  }

  /** The row of a key is deleted. */
  remember(key: string, row: TableRow<V>): void {
    const { rows, timers } = this.#world;
    if (row.time_ms === undefined) {
      rows.delete(key);
      return;
    }
    const until_ms = this.#until(row.time_ms);
    if (until_ms <= this.#watermark_ms) {
      rows.delete(key);
      this.#forgetUntil(Math.max(this.#forgotten_ms, row.time_ms));
      return;
    }
    rows.set(key, row);
    if (until_ms < TIME_END_MS) timers.set(until_ms, key);
  }

  onTimer(time_ms: number, key: string): void {
    const { rows, timers } = this.#world;
    const row = rows.get(key);
    if (row === undefined || row.value !== undefined || row.time_ms === undefined) return;
    const until_ms = this.#until(row.time_ms);
    if (until_ms <= time_ms) {
      rows.delete(key);
      this.#forgetUntil(Math.max(this.#forgotten_ms, row.time_ms));
    } else if (until_ms < TIME_END_MS) timers.set(until_ms, key); // Set for a shorter time.
  }

  onWatermark(time_ms: number): void {
    this.#watermark_ms = Math.max(this.#watermark_ms, time_ms);
  }

  /** While the watermark is at the deletion's own time, an item of that time may come. */
  #until(time_ms: number): number {
    return time_ms + 1 + this.#remember_ms;
  }

  #forgetUntil(time_ms: number): void {
    if (time_ms === this.#forgotten_ms && this.#world.forgotten.get(NEWEST) !== undefined) return;
    this.#forgotten_ms = time_ms;
    this.#world.forgotten.set(NEWEST, time_ms);
  }
}
