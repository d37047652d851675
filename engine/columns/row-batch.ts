import { ROWS } from '../base/index.ts';
import type { Dictionary } from './dictionary.ts';

/**
 * - `code`: an integer 0..2^31-1: a dictionary code, a bit mask, a small count. 0 is "none".
 * - `hash`: 64 bits as two signed words; both 0 is "none".
 * - `number`: a safe integer as a double; NaN is "none".
 */
export type ColumnKind = 'code' | 'hash' | 'number';

/** A column by its name and kind. */
export interface ColumnSpec {
  readonly name: string;
  readonly kind: ColumnKind;
  /** Codes of the dictionary: the digest takes the text in place of the code. Only for `code`. */
  readonly text?: boolean;
  /** Says where a row came from, not what it says: stays out of the digest. */
  readonly provenance?: boolean;
}

/**
 * The columns of a log. Every row has besides them a time (ms since the epoch), the stream sequence and part of
 * the record that made it, and a list of items (may be empty), whose columns are `items`.
 */
export interface LogSchema {
  readonly columns: readonly ColumnSpec[];
  readonly items: readonly ColumnSpec[];
  /** The hash column by which sealed segments are sorted, before time. */
  readonly sortBy: string;
  /** The code column whose value 1 means that the row takes back an equal one. */
  readonly retraction: string;
}

export interface HashColumn {
  hi: Int32Array;
  lo: Int32Array;
}

/** One column of a batch; which member is there goes by the kind. Names are found once, not in loops. */
export type Column = Int32Array | Float64Array | HashColumn;

const INITIAL_ROWS = 4_096;

/** Growable columns by kind, all of one length. Index of a column is its place in the schema among its kind. */
export class Columns {
  capacity: number;
  readonly codes: Int32Array[];
  readonly hashes: HashColumn[];
  readonly numbers: Float64Array[];

  constructor(specs: readonly ColumnSpec[], capacity: number) {
    this.capacity = capacity;
    const of = (kind: ColumnKind) => specs.filter((spec) => spec.kind === kind);
    this.codes = of('code').map(() => new Int32Array(capacity));
    this.hashes = of('hash').map(() => ({ hi: new Int32Array(capacity), lo: new Int32Array(capacity) }));
    this.numbers = of('number').map(() => new Float64Array(capacity).fill(Number.NaN));
  }

  grow(capacity: number): void {
    const { codes, hashes, numbers } = this;
    for (let index = 0; index < codes.length; index++)
      codes[index] = ints(codes[index] as Int32Array, capacity);
    for (const hash of hashes) {
      hash.hi = ints(hash.hi, capacity);
      hash.lo = ints(hash.lo, capacity);
    }
    for (let index = 0; index < numbers.length; index++)
      numbers[index] = doubles(numbers[index] as Float64Array, capacity);
    this.capacity = capacity;
  }
}

function ints(from: Int32Array, capacity: number) {
  const to = new Int32Array(capacity);
  to.set(from);
  return to;
}

function doubles(from: Float64Array, capacity: number) {
  const to = new Float64Array(capacity);
  to.set(from);
  return to;
}

/** Place of a column among those of its kind; throws for a name that the schema does not have. */
export function columnIndex(specs: readonly ColumnSpec[], name: string): number {
  const spec = specs.find((each) => each.name === name);
  if (spec === undefined) throw new Error(`there is no column ${name}`);
  return specs.filter(({ kind }) => kind === spec.kind).indexOf(spec);
}

/** Rows in memory as parallel arrays, to be read. */
export type RowsView = Readonly<
  Pick<
    RowBatch,
    'length' | 'time_ms' | 'scope' | 'sequence' | 'part' | 'itemStart' | 'itemCount' | 'columns' | 'items'
  >
>;

/**
 * Rows on their way to the log and its views. Columns are parallel arrays that are used again after `clear`: who
 * takes a batch must not keep it. `append` gives a new row whose columns hold what the last user left there:
 * its writer sets every column.
 */
export class RowBatch {
  readonly schema: LogSchema;
  /** Of the codes in `text` columns. */
  readonly dictionary: Dictionary;
  length = 0;
  /** Rows before this time are no longer kept: a whole UTC day, ms; 0: all are. */
  cut_ms = 0;
  time_ms = new Float64Array(INITIAL_ROWS);
  sequence = new Float64Array(INITIAL_ROWS);
  part = new Int32Array(INITIAL_ROWS);
  /** Dictionary code of the tenant. */
  scope = new Int32Array(INITIAL_ROWS);
  readonly columns: Columns;
  /** A row's items are items[itemStart .. itemStart + itemCount). Rows may share items. */
  itemStart = new Int32Array(INITIAL_ROWS);
  itemCount = new Int32Array(INITIAL_ROWS);
  readonly items: Columns;
  itemLength = 0;

  constructor(schema: LogSchema, dictionary: Dictionary) {
    this.schema = schema;
    this.dictionary = dictionary;
    this.columns = new Columns(schema.columns, INITIAL_ROWS);
    this.items = new Columns(schema.items, INITIAL_ROWS);
  }

  get [ROWS](): number {
    return this.length;
  }

  clear(): void {
    this.length = 0;
    this.itemLength = 0;
  }

  /** The index of a new row. */
  append(): number {
    if (this.length === this.columns.capacity) this.#grow();
    return this.length++;
  }

  /** The index of the first of `count` new items. */
  appendItems(count: number): number {
    const first = this.itemLength;
    this.itemLength += count;
    if (this.itemLength > this.items.capacity) {
      let capacity = this.items.capacity;
      while (capacity < this.itemLength) capacity *= 2;
      this.items.grow(capacity);
    }
    return first;
  }

  /** Drops the rows of which `live` has a 0; their items stay behind. */
  keep(live: Uint8Array): void {
    let kept = 0;
    while (kept < this.length && live[kept] === 1) kept++;
    for (let row = kept + 1; row < this.length; row++) {
      if (live[row] === 1) this.#move(row, kept++);
    }
    this.length = kept;
  }

  #move(from: number, to: number): void {
    this.time_ms[to] = this.time_ms[from] as number;
    this.sequence[to] = this.sequence[from] as number;
    for (const column of [this.part, this.scope, this.itemStart, this.itemCount, ...this.columns.codes])
      column[to] = column[from] as number;
    for (const { hi, lo } of this.columns.hashes) {
      hi[to] = hi[from] as number;
      lo[to] = lo[from] as number;
    }
    for (const column of this.columns.numbers) column[to] = column[from] as number;
  }

  #grow(): void {
    const capacity = this.columns.capacity * 2;
    this.columns.grow(capacity);
    this.time_ms = doubles(this.time_ms, capacity);
    this.sequence = doubles(this.sequence, capacity);
    this.part = ints(this.part, capacity);
    this.scope = ints(this.scope, capacity);
    this.itemStart = ints(this.itemStart, capacity);
    this.itemCount = ints(this.itemCount, capacity);
  }
}
