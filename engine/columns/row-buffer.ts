import { invariant } from '../base/index.ts';
import { HashIds } from './hash-ids.ts';
import { ItemListTable } from './item-lists.ts';
import { Columns, type HashColumn, type LogSchema, type RowBatch, type RowsView } from './row-batch.ts';
import type { HashValues, ItemLists, RowSource } from './row-source.ts';

const INITIAL_ROWS = 4_096;
/** What a busy commit needed is kept for the next one up to so many rows. */
const KEPT_ROWS = 262_144;
const DOUBLED_MAX_ROWS = 65_536;

/**
 * Rows since the last commit, of all tenants, in order of arrival. One buffer for all: a copy of a batch is one
 * copy a column, and a tenant with one row does not hold columns of its own.
 */
export class RowBuffer implements RowSource {
  readonly #schema: LogSchema;
  rows = 0;
  time_ms = new Float64Array(INITIAL_ROWS);
  /** Dictionary codes of the tenants. */
  scope = new Int32Array(INITIAL_ROWS);
  #sequence = new Float64Array(INITIAL_ROWS);
  #part = new Int32Array(INITIAL_ROWS);
  #itemStart = new Int32Array(INITIAL_ROWS);
  #itemCount = new Int32Array(INITIAL_ROWS);
  #columns: Columns;
  #items: Columns;
  #itemLength = 0;
  readonly #hashIds = new HashIds();
  #ids = new Int32Array(0);

  constructor(schema: LogSchema) {
    this.#schema = schema;
    this.#columns = new Columns(schema.columns, INITIAL_ROWS);
    this.#items = new Columns(schema.items, INITIAL_ROWS);
  }

  append(batch: RowBatch): void {
    const count = batch.length;
    const at = this.rows;
    if (count === 0) return;
    if (at + count > this.#columns.capacity) this.#grow(at + count);
    this.time_ms.set(batch.time_ms.subarray(0, count), at);
    this.scope.set(batch.scope.subarray(0, count), at);
    this.#sequence.set(batch.sequence.subarray(0, count), at);
    this.#part.set(batch.part.subarray(0, count), at);
    this.#itemCount.set(batch.itemCount.subarray(0, count), at);
    copyColumns(batch.columns, count, this.#columns, at);
    const firstItem = this.#itemLength;
    for (let row = 0; row < count; row++)
      this.#itemStart[at + row] = (batch.itemStart[row] as number) + firstItem;
    const items = batch.itemLength;
    if (firstItem + items > this.#items.capacity) this.#growItems(firstItem + items);
    copyColumns(batch.items, items, this.#items, firstItem);
    this.#itemLength = firstItem + items;
    this.rows = at + count;
  }

  #grow(needed: number): void {
    const capacity = grownCapacity(this.#columns.capacity, needed);
    this.#columns.grow(capacity);
    this.time_ms = grownDoubles(this.time_ms, capacity);
    this.#sequence = grownDoubles(this.#sequence, capacity);
    this.scope = grownInts(this.scope, capacity);
    this.#part = grownInts(this.#part, capacity);
    this.#itemStart = grownInts(this.#itemStart, capacity);
    this.#itemCount = grownInts(this.#itemCount, capacity);
  }

  #growItems(needed: number): void {
    this.#items.grow(grownCapacity(this.#items.capacity, needed));
  }

  clear(): void {
    this.rows = 0;
    this.#itemLength = 0;
    if (this.#items.capacity > KEPT_ROWS) this.#items = new Columns(this.#schema.items, INITIAL_ROWS);
    if (this.#columns.capacity <= KEPT_ROWS) return;
    this.#columns = new Columns(this.#schema.columns, INITIAL_ROWS);
    this.time_ms = new Float64Array(INITIAL_ROWS);
    this.#sequence = new Float64Array(INITIAL_ROWS);
    this.scope = new Int32Array(INITIAL_ROWS);
    this.#part = new Int32Array(INITIAL_ROWS);
    this.#itemStart = new Int32Array(INITIAL_ROWS);
    this.#itemCount = new Int32Array(INITIAL_ROWS);
    this.#ids = new Int32Array(0);
  }

  /** What it holds, to be read row by row until the next `append` or `clear`. */
  get view(): RowsView {
    return {
      length: this.rows,
      time_ms: this.time_ms,
      scope: this.scope,
      sequence: this.#sequence,
      part: this.#part,
      itemStart: this.#itemStart,
      itemCount: this.#itemCount,
      columns: this.#columns,
      items: this.#items,
    };
  }

  sequence(): Float64Array {
    return this.#sequence;
  }

  part(): Int32Array | null {
    return orNull(this.#part, this.rows);
  }

  codes(column: number): Int32Array | null {
    return orNull(this.#columns.codes[column] as Int32Array, this.rows);
  }

  hashes(column: number): HashValues | null {
    const { hi, lo } = this.#columns.hashes[column] as HashColumn;
    const { rows } = this;
    if (this.#ids.length < rows) this.#ids = new Int32Array(this.#columns.capacity);
    const hashIds = this.#hashIds;
    hashIds.clear();
    const ids = this.#ids;
    for (let row = 0; row < rows; row++) ids[row] = hashIds.idOf(hi[row] as number, lo[row] as number);
    const { count } = hashIds;
    return count === 1 ? null : { ids, hi: hashIds.hi, lo: hashIds.lo, count };
  }

  numbers(column: number): Float64Array | null {
    const values = this.#columns.numbers[column] as Float64Array;
    for (let row = 0; row < this.rows; row++) if (!Number.isNaN(values[row] as number)) return values;
    return null;
  }

  items(): ItemLists | null {
    const table = new ItemListTable(this.#items);
    const list = new Int32Array(this.rows);
    let lastStart = -1;
    let lastSize = -1;
    let last = 0;
    for (let row = 0; row < this.rows; row++) {
      const size = this.#itemCount[row] as number;
      if (size === 0) continue;
      const start = this.#itemStart[row] as number;
      if (start !== lastStart || size !== lastSize) {
        invariant(start + size <= this.#itemLength, "a row's items are in its batch");
        last = table.listOf(start, size);
        lastStart = start;
        lastSize = size;
      }
      list[row] = last;
    }
    return table.count === 1 ? null : table.lists(list);
  }
}

/** Doubled while small. A commit of a backlog is near its limit: doubled columns would be half empty. */
function grownCapacity(capacity: number, needed: number): number {
  return Math.max(needed, capacity < DOUBLED_MAX_ROWS ? capacity * 2 : Math.ceil(capacity * 1.25));
}

function orNull(values: Int32Array, rows: number): Int32Array | null {
  for (let row = 0; row < rows; row++) if (values[row] !== 0) return values;
  return null;
}

function copyColumns(from: Columns, count: number, to: Columns, at: number): void {
  for (let index = 0; index < from.codes.length; index++)
    (to.codes[index] as Int32Array).set((from.codes[index] as Int32Array).subarray(0, count), at);
  for (let index = 0; index < from.numbers.length; index++)
    (to.numbers[index] as Float64Array).set((from.numbers[index] as Float64Array).subarray(0, count), at);
  for (let index = 0; index < from.hashes.length; index++) {
    const source = from.hashes[index] as HashColumn;
    const target = to.hashes[index] as HashColumn;
    target.hi.set(source.hi.subarray(0, count), at);
    target.lo.set(source.lo.subarray(0, count), at);
  }
}

function grownInts(from: Int32Array, capacity: number): Int32Array<ArrayBuffer> {
  const to = new Int32Array(capacity);
  to.set(from);
  return to;
}

function grownDoubles(from: Float64Array, capacity: number): Float64Array<ArrayBuffer> {
  const to = new Float64Array(capacity);
  to.set(from);
  return to;
}
