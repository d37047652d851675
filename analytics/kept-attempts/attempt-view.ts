import type { KvView } from '../../engine/index.ts';
import { AttemptBlockReader } from './attempt-block.ts';
import { dayOf, readDays } from './attempt-days.ts';
import { blockRange, timeOfKey } from './attempt-keys.ts';

/** The attempts of a definition, in a snapshot. */
export class AttemptView {
  readonly #table: KvView;
  readonly #id: number;

  constructor(table: KvView, id: number) {
    this.#table = table;
    this.#id = id;
  }

  /** How many begin in [start_ms, end_ms); all of a day count where one of it may. */
  countIn(start_ms: number, end_ms: number): number {
    let rows = 0;
    for (const [day, count] of readDays(this.#table, this.#id))
      if (day >= dayOf(start_ms) && day <= dayOf(end_ms - 1)) rows += count;
    return rows;
  }

  /** Blocks that have all attempts that begin in [start_ms, end_ms), and perhaps others; each valid until the next. */
  *blocks(start_ms: number, end_ms: number): Iterable<AttemptBlockReader> {
    const block = new AttemptBlockReader();
    const before = { ...blockRange(this.#id, 0, start_ms + 1), reverse: true, limit: 1 };
    let from_ms = start_ms;
    for (const { key } of this.#table.scan(before)) from_ms = timeOfKey(key);
    for (const { value } of this.#table.scan(blockRange(this.#id, from_ms, end_ms))) {
      block.open(value);
      yield block;
    }
  }
}
