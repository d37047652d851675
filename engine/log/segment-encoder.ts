import {
  type ColumnEncoder,
  type ColumnSpec,
  type ColumnVisitor,
  type HashValues,
  type ItemLists,
  LIST,
  LIST_SIZE,
  SEQUENCE,
  TIME,
} from '../columns/index.ts';
import type { KvTable } from '../state/index.ts';
import { ChunkBuilder } from './chunk-store.ts';
import type { ChunkEntry } from './manifest.ts';

/** Rows order[from..to) of a source, which become one chunk. */
export interface ChunkRows {
  readonly order: Uint32Array;
  readonly from: number;
  readonly to: number;
}

interface OpenChunk extends ChunkRows {
  readonly builder: ChunkBuilder;
  /** Its rows follow one another in the source: nothing has to be gathered. */
  readonly isRange: boolean;
  min_ms: number;
  max_ms: number;
  min_sequence: number;
  max_sequence: number;
}

/** Takes rows column by column and writes the chunks that they are divided into. Inside a commit. */
export class SegmentEncoder implements ColumnVisitor {
  readonly #encoder: ColumnEncoder;
  readonly #table: KvTable;
  readonly #columns: number;
  readonly #chunks: OpenChunk[] = [];
  /** Room for the rows of the largest chunk. */
  #ints = new Int32Array(0);
  #doubles = new Float64Array(0);
  /** Number of a list within its chunk, from 1, where #listChunk says that it is of this chunk. */
  #listNumber = new Int32Array(0);
  #listChunk = new Int32Array(0);

  /** `columns` is the number of places in a chunk. */
  constructor(encoder: ColumnEncoder, table: KvTable, columns: number) {
    this.#encoder = encoder;
    this.#table = table;
    this.#columns = columns;
  }

  /** Before the first column. */
  add(segment: Uint8Array, chunk: number, rows: ChunkRows): void {
    const builder = new ChunkBuilder(this.#table, segment, chunk, this.#columns, rows.to - rows.from);
    if (this.#ints.length < rows.to - rows.from) {
      this.#ints = new Int32Array(rows.to - rows.from);
      this.#doubles = new Float64Array(rows.to - rows.from);
    }
    const nothing = { min_ms: 0, max_ms: 0, min_sequence: 0, max_sequence: 0 };
    this.#chunks.push({ ...rows, builder, isRange: isRange(rows), ...nothing });
  }

  /** After the last column: the chunks in the order of `add`. */
  finish(): ChunkEntry[] {
    return this.#chunks.map(({ builder, from, to, min_ms, max_ms, min_sequence, max_sequence }) => ({
      ...{ rows: to - from, min_ms, max_ms, min_sequence, max_sequence },
      bytes: builder.finish(),
    }));
  }

  codes(place: number, values: Int32Array): void {
    for (const chunk of this.#chunks) {
      const own = this.#gatherInts(values, chunk);
      chunk.builder.add(place, this.#encoder.codes(own, chunk.to - chunk.from));
    }
  }

  hashes(place: number, { ids, hi, lo }: HashValues): void {
    for (const chunk of this.#chunks) {
      const own = this.#gatherInts(ids, chunk);
      chunk.builder.add(place, this.#encoder.hashes(own, chunk.to - chunk.from, hi, lo));
    }
  }

  numbers(place: number, values: Float64Array): void {
    for (const chunk of this.#chunks) {
      const own = this.#gatherDoubles(values, chunk);
      if (place === TIME || place === SEQUENCE) measure(chunk, place, own);
      chunk.builder.add(place, this.#encoder.numbers(own, chunk.to - chunk.from));
    }
  }

  #gatherInts(values: Int32Array, { order, from, to, isRange }: OpenChunk): Int32Array {
    const first = order[from] as number;
    if (isRange) return values.subarray(first, first + to - from);
    const gathered = this.#ints;
    for (let at = from; at < to; at++) gathered[at - from] = values[order[at] as number] as number;
    return gathered;
  }

  #gatherDoubles(values: Float64Array, { order, from, to, isRange }: OpenChunk): Float64Array {
    const first = order[from] as number;
    if (isRange) return values.subarray(first, first + to - from);
    const gathered = this.#doubles;
    for (let at = from; at < to; at++) gathered[at - from] = values[order[at] as number] as number;
    return gathered;
  }

  items(first: number, specs: readonly ColumnSpec[], lists: ItemLists): void {
    this.#listNumber = new Int32Array(lists.count);
    this.#listChunk = new Int32Array(lists.count).fill(-1);
    for (const [index, chunk] of this.#chunks.entries()) this.#itemsOf(index, chunk, first, specs, lists);
  }

  #itemsOf(
    index: number,
    { order, from, to, builder }: OpenChunk,
    first: number,
    specs: readonly ColumnSpec[],
    lists: ItemLists,
  ): void {
    const used: number[] = [];
    const rows = this.#ints;
    for (let at = from; at < to; at++) {
      const list = lists.list[order[at] as number] as number;
      if (list !== 0 && this.#listChunk[list] !== index) {
        this.#listChunk[list] = index;
        this.#listNumber[list] = used.push(list);
      }
      rows[at - from] = list === 0 ? 0 : (this.#listNumber[list] as number);
    }
    if (used.length === 0) return;
    builder.add(LIST, this.#encoder.integers(rows, to - from));
    const sizes = Int32Array.from(used, (list) => lists.size[list] as number);
    builder.add(LIST_SIZE, this.#encoder.integers(sizes, used.length));
    let total = 0;
    for (const size of sizes) total += size;
    const places = new Int32Array(total);
    let item = 0;
    for (const list of used) {
      const start = lists.start[list] as number;
      const size = lists.size[list] as number;
      for (let k = 0; k < size; k++) places[item++] = start + k;
    }
    this.#itemColumns(builder, first, specs, lists, places);
  }

  #itemColumns(
    builder: ChunkBuilder,
    first: number,
    specs: readonly ColumnSpec[],
    lists: ItemLists,
    places: Int32Array,
  ): void {
    const next = { code: 0, number: 0 };
    for (const [index, { kind }] of specs.entries()) {
      if (kind === 'code') {
        const values = lists.codes(next.code++);
        const gathered = Int32Array.from(places, (place) => values[place] as number);
        builder.add(first + index, this.#encoder.codes(gathered, places.length));
      } else {
        const values = lists.numbers(next.number++);
        const gathered = Float64Array.from(places, (place) => values[place] as number);
        builder.add(first + index, this.#encoder.numbers(gathered, places.length));
      }
    }
  }
}

function isRange({ order, from, to }: ChunkRows): boolean {
  for (let at = from + 1; at < to; at++) if (order[at] !== (order[at - 1] as number) + 1) return false;
  return true;
}

function measure(chunk: OpenChunk, place: number, values: Float64Array): void {
  const rows = chunk.to - chunk.from;
  let min = values[0] as number;
  let max = min;
  for (let row = 1; row < rows; row++) {
    const value = values[row] as number;
    if (value < min) min = value;
    if (value > max) max = value;
  }
  if (place === TIME) {
    chunk.min_ms = Math.floor(min);
    chunk.max_ms = Math.ceil(max);
  } else {
    chunk.min_sequence = Math.floor(min);
    chunk.max_sequence = Math.ceil(max);
  }
}
