import { ByteReader, ByteWriter, type KvTable, type KvView } from '../../../engine/index.ts';
import { DAY_MS } from '../backfill/index.ts';
import { bucketKey, prefixRange, scopePrefix, wordsOfKey } from './cell-keys.ts';
import type { CellLimit } from './cell-store.ts';

interface Day {
  readonly day: number;
  cells: number;
  refused: number;
}

/** Counts the cells of a cube by scope and UTC day, and admits no new ones on a day that is full, for good. */
export class DayCells implements CellLimit {
  readonly #table: KvTable;
  readonly #bucket_ms: number;
  readonly #max_cells: number;
  #prefix: Uint8Array = new Uint8Array(0);
  readonly #days = new Map<number, Day>();
  #day: Day | undefined;
  /** Days that became full since `open`. */
  readonly filled: number[] = [];

  constructor(table: KvTable, bucket_ms: number, max_cells: number) {
    this.#table = table;
    this.#bucket_ms = bucket_ms;
    this.#max_cells = max_cells;
  }

  open(prefix: Uint8Array): void {
    this.#prefix = prefix;
    this.#days.clear();
    this.#day = undefined;
    this.filled.length = 0;
  }

  admit(bucket: number): boolean {
    const day = this.#of(bucket);
    if (day.refused === 0 && day.cells < this.#max_cells) {
      day.cells++;
      return true;
    }
    if (day.refused++ === 0) this.filled.push(day.day * DAY_MS);
    return false;
  }

  removed(bucket: number): void {
    const day = this.#of(bucket);
    day.cells = Math.max(0, day.cells - 1);
  }

  #of(bucket: number): Day {
    const day = Math.floor((bucket * this.#bucket_ms) / DAY_MS);
    if (this.#day?.day === day) return this.#day;
    let found = this.#days.get(day);
    if (found === undefined) {
      const stored = this.#table.get(bucketKey(this.#prefix, day));
      found = { day, ...(stored === undefined ? { cells: 0, refused: 0 } : read(stored)) };
      this.#days.set(day, found);
    }
    this.#day = found;
    return found;
  }

  close(): void {
    for (const { day, cells, refused } of this.#days.values()) {
      const key = bucketKey(this.#prefix, day);
      if (cells === 0 && refused === 0) this.#table.remove(key);
      else this.#table.put(key, new ByteWriter().varint(cells).varint(refused).view());
    }
  }
}

function read(value: Uint8Array): { cells: number; refused: number } {
  const reader = new ByteReader(value);
  return { cells: reader.varint(), refused: reader.varint() };
}

/** How full a cube is on a UTC day. */
export interface DayCardinality {
  readonly day_ms: number;
  readonly cells: number;
  /** Additions to new cells that went to `__other__`. Not 0: only sums over all values are right on this day. */
  readonly refused: number;
}

/** The days of [start, end) with cells, from the operator's table `days`. Cubes without dimensions have none. */
export function* readCardinality(
  days: KvView,
  { cube, scope, start_ms, end_ms }: { cube: number; scope: string; start_ms: number; end_ms: number },
): Iterable<DayCardinality> {
  const prefix = scopePrefix(cube, scope);
  const range = {
    start: bucketKey(prefix, Math.floor(start_ms / DAY_MS)),
    end: bucketKey(prefix, Math.ceil(end_ms / DAY_MS)),
  };
  for (const { key, value } of days.scan(range)) {
    const [day = 0] = wordsOfKey(key, prefix, 1) ?? [];
    yield { day_ms: day * DAY_MS, ...read(value) };
  }
}

/** The days of a cube and scope on which only sums over all values are right. */
export function fullDays(days: KvView, prefix: Uint8Array): ReadonlySet<number> {
  const full = new Set<number>();
  for (const { key, value } of days.scan(prefixRange(prefix)))
    if (read(value).refused > 0) full.add((wordsOfKey(key, prefix, 1) ?? [0])[0] as number);
  return full;
}
