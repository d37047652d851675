import type { Chunk, ChunkIndex } from '../../engine/index.ts';
import type { EventPlace } from '../events-query/index.ts';
import { CODE, NUMBER } from '../rows/index.ts';
import { netRows } from './net-rows.ts';
import { orderRows } from './row-order.ts';

/** Which columns of a chunk are carried. */
export interface RowTableColumns {
  readonly codes: readonly number[];
  readonly numbers: readonly number[];
  readonly hashes: readonly number[];
  readonly derived: readonly DerivedCode[];
  readonly loners: boolean;
}

/** Writes a code for each of `rows` of a chunk into `target`, from `from` on. */
export type DerivedCode = (chunk: Chunk, rows: Uint32Array, target: Int32Array, from: number) => void;

/** A hash column, one pair of words a row. */
export interface RowHashes {
  hi: Int32Array;
  lo: Int32Array;
}

const INITIAL_ROWS = 1_024;
/** Entities between two calls of `check`. */
const ENTITIES_A_CHECK = 4_096;

/**
 * Rows of many entities in columns. `codes`, `numbers` and `hashes` are in the order in which they were asked for.
 * Arrays are longer than `count`, and others after an `append`.
 */
export class RowTable {
  count = 0;
  /** The entity's hash. */
  readonly entity: RowHashes = { hi: new Int32Array(INITIAL_ROWS), lo: new Int32Array(INITIAL_ROWS) };
  time_ms = new Float64Array(INITIAL_ROWS);
  /** The tests that the row passes. */
  bits = new Uint32Array(INITIAL_ROWS);
  /** Of the event's id: tells events apart and orders those of one time. */
  event = new Int32Array(INITIAL_ROWS);
  /** Of the record that caused the row. */
  sequence = new Float64Array(INITIAL_ROWS);
  part = new Int32Array(INITIAL_ROWS);
  /** Sequence of the event that the row says anew; NaN: the row is that of its own event. */
  origin = new Float64Array(INITIAL_ROWS);
  /** 1: the row takes back what another says. No such row is left in a visit. */
  retraction = new Uint8Array(INITIAL_ROWS);
  readonly codes: Int32Array[];
  readonly numbers: Float64Array[];
  readonly hashes: RowHashes[];
  readonly #columns: RowTableColumns;

  constructor(columns: RowTableColumns) {
    this.#columns = columns;
    this.codes = [...columns.codes, ...columns.derived].map(() => new Int32Array(INITIAL_ROWS));
    this.numbers = columns.numbers.map(() => new Float64Array(INITIAL_ROWS));
    this.hashes = columns.hashes.map(() => ({
      hi: new Int32Array(INITIAL_ROWS),
      lo: new Int32Array(INITIAL_ROWS),
    }));
  }

  append(chunk: Chunk, entity: number, bits: Uint32Array, rows: Uint32Array): void {
    const from = this.count;
    this.#makeRoom(from + rows.length);
    this.count = from + rows.length;
    copyHashes(chunk, entity, rows, this.entity, from);
    for (let at = 0; at < rows.length; at++) this.bits[from + at] = bits[rows[at] as number] as number;
    copyNumbers(chunk.time_ms(), rows, this.time_ms, from);
    copyNumbers(chunk.sequence(), rows, this.sequence, from);
    const parts = chunk.part();
    for (let at = 0; at < rows.length; at++) this.part[from + at] = parts[rows[at] as number] as number;
    copyNumbers(chunk.number(NUMBER.origin), rows, this.origin, from);
    copyCodes(chunk, CODE.event, rows, this.event, from);
    copyCodes(chunk, CODE.retraction, rows, this.retraction, from);
    const { codes, derived, loners } = this.#columns;
    if (loners) standAlone(this.entity, this.event, from, this.count);
    for (const [at, column] of codes.entries())
      copyCodes(chunk, column, rows, this.codes[at] as Int32Array, from);
    for (const [at, write] of derived.entries())
      write(chunk, rows, this.codes[codes.length + at] as Int32Array, from);
    for (const [at, column] of this.#columns.numbers.entries())
      copyNumbers(chunk.number(column), rows, this.numbers[at] as Float64Array, from);
    for (const [at, column] of this.#columns.hashes.entries())
      copyHashes(chunk, column, rows, this.hashes[at] as RowHashes, from);
  }

  /** Each entity with the rows that are left of it, in order of hashes. */
  visit(
    visit: (table: RowTable, order: Uint32Array, from: number, to: number) => void,
    check: () => void,
  ): void {
    const order = orderRows(this, check);
    const { hi, lo } = this.entity;
    let visited = 0;
    for (let from = 0; from < this.count; ) {
      const first = order[from] as number;
      let end = from + 1;
      while (end < this.count && sameHash(hi, lo, order[end] as number, first)) end++;
      const to = netRows(this, order, from, end);
      if (to > from) visit(this, order, from, to);
      if (++visited % ENTITIES_A_CHECK === 0) check();
      from = end;
    }
  }

  /**
   * Where the entity of a row may be named: by the event itself, and by the one that changed what it says, if another
   * one did.
   */
  placesOf(row: number): readonly EventPlace[] {
    const cause = { sequence: this.sequence[row] as number, part: this.part[row] as number };
    const origin = this.origin[row] as number;
    return Number.isNaN(origin) ? [cause] : [{ sequence: origin, part: null }, cause];
  }

  #makeRoom(rows: number): void {
    if (rows <= this.time_ms.length) return;
    const room = Math.max(rows, this.time_ms.length * 2);
    for (const hashes of [this.entity, ...this.hashes]) {
      hashes.hi = grown(hashes.hi, new Int32Array(room));
      hashes.lo = grown(hashes.lo, new Int32Array(room));
    }
    this.time_ms = grown(this.time_ms, new Float64Array(room));
    this.bits = grown(this.bits, new Uint32Array(room));
    this.event = grown(this.event, new Int32Array(room));
    this.sequence = grown(this.sequence, new Float64Array(room));
    this.part = grown(this.part, new Int32Array(room));
    this.origin = grown(this.origin, new Float64Array(room));
    this.retraction = grown(this.retraction, new Uint8Array(room));
    for (const [at, column] of this.codes.entries()) this.codes[at] = grown(column, new Int32Array(room));
    for (const [at, column] of this.numbers.entries())
      this.numbers[at] = grown(column, new Float64Array(room));
  }
}

/** Rows without an entity become one of their event. */
function standAlone({ hi, lo }: RowHashes, event: Int32Array, from: number, to: number): void {
  for (let at = from; at < to; at++) {
    if (hi[at] !== 0 || lo[at] !== 0) continue;
    hi[at] = lonerHash(event[at] as number);
    lo[at] = event[at] as number;
  }
}

/** Spreads events without an entity over the buckets and shares of entities. */
export function lonerHash(event: number): number {
  return Math.imul(event | 1, 0x9e3779b1);
}

function grown<T extends Int32Array | Uint32Array | Float64Array | Uint8Array>(from: T, to: T): T {
  to.set(from);
  return to;
}

function sameHash(hi: Int32Array, lo: Int32Array, a: number, b: number): boolean {
  return hi[a] === hi[b] && lo[a] === lo[b];
}

const at = (index: ChunkIndex | null, row: number): number => (index === null ? 0 : (index[row] as number));

function copyCodes(
  chunk: Chunk,
  column: number,
  rows: Uint32Array,
  target: Int32Array | Uint8Array,
  from: number,
): void {
  const { index, values } = chunk.code(column);
  for (let place = 0; place < rows.length; place++)
    target[from + place] = values[at(index, rows[place] as number)] as number;
}

function copyHashes(chunk: Chunk, column: number, rows: Uint32Array, target: RowHashes, from: number): void {
  const { hi, lo, index } = chunk.hash(column);
  for (let place = 0; place < rows.length; place++) {
    const value = at(index, rows[place] as number);
    target.hi[from + place] = hi[value] as number;
    target.lo[from + place] = lo[value] as number;
  }
}

function copyNumbers(values: Float64Array, rows: Uint32Array, target: Float64Array, from: number): void {
  for (let place = 0; place < rows.length; place++)
    target[from + place] = values[rows[place] as number] as number;
}
