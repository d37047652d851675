import {
  type Chunk,
  type ChunkCodes,
  type ChunkHashes,
  type ChunkItems,
  type ChunkTimes,
  type ColumnPlaces,
  decodeCodes,
  decodeHashes,
  decodeIntegers,
  decodeNumbers,
  decodeTimes,
  type LabelOf,
  LIST,
  LIST_SIZE,
  labelCodes,
  PART,
  roomFor,
  SEQUENCE,
  selectCodes,
  TIME,
  Unpacked,
} from '../columns/index.ts';
import type { KvView } from '../state/index.ts';
import { Reusable, StoredChunkBytes } from './chunk-store.ts';
import type { ChunkEntry } from './manifest.ts';

/** Memory of one column, used again from chunk to chunk. */
class ColumnMemory {
  readonly bytes = new Reusable();
  readonly unpacked = new Unpacked();
  #doubles = new Float64Array(0);
  #words = new Uint32Array(0);
  #ints = new Int32Array(0);

  doubles(rows: number): Float64Array {
    if (this.#doubles.length < rows) this.#doubles = new Float64Array(roomFor(rows));
    return this.#doubles.subarray(0, rows);
  }

  words(rows: number): Uint32Array {
    if (this.#words.length < rows) this.#words = new Uint32Array(roomFor(rows));
    return this.#words.subarray(0, rows);
  }

  ints(rows: number): Int32Array {
    if (this.#ints.length < rows) this.#ints = new Int32Array(roomFor(rows));
    return this.#ints.subarray(0, rows);
  }
}

/** What a scan keeps between chunks. */
export class ScanMemory {
  readonly head = new Reusable();
  readonly #columns: ColumnMemory[] = [];

  column(place: number): ColumnMemory {
    let memory = this.#columns[place];
    if (memory === undefined) {
      memory = new ColumnMemory();
      this.#columns[place] = memory;
    }
    return memory;
  }
}

/** A column that the segment does not have: its memory is beside those of all places. */
const MISSING = 65_535;

/** A chunk of a scan. Columns are decoded once, when they are asked for. */
export class StoredChunk implements Chunk {
  readonly rows: number;
  readonly isWhole: boolean;
  readonly min_ms: number;
  readonly max_ms: number;
  readonly min_sequence: number;
  readonly max_sequence: number;
  readonly #bytes: StoredChunkBytes;
  readonly #places: ColumnPlaces;
  readonly #memory: ScanMemory;
  readonly #decoded = new Map<number, ChunkCodes | ChunkHashes | Float64Array>();
  readonly #copied = new Map<number, Uint8Array>();
  #items: ChunkItems | undefined;

  constructor(
    chunks: KvView,
    at: { readonly segment: Uint8Array; readonly chunk: number; readonly isWhole: boolean },
    entry: ChunkEntry,
    places: ColumnPlaces,
    memory: ScanMemory,
  ) {
    this.rows = entry.rows;
    this.isWhole = at.isWhole;
    this.min_ms = entry.min_ms;
    this.max_ms = entry.max_ms;
    this.min_sequence = entry.min_sequence;
    this.max_sequence = entry.max_sequence;
    this.#bytes = new StoredChunkBytes(chunks, at.segment, at.chunk, memory.head);
    this.#places = places;
    this.#memory = memory;
  }

  time_ms(): Float64Array {
    return this.#numbers(TIME, this.rows);
  }

  times(): ChunkTimes {
    const memory = this.#memory.column(TIME);
    const times = decodeTimes(this.#storedOf(TIME, memory), this.rows, memory.unpacked);
    return times ?? { base_ms: 0, scale_ms: 1, values: this.time_ms() };
  }

  sequence(): Float64Array {
    return this.#numbers(SEQUENCE, this.rows);
  }

  part(): Int32Array {
    const { index, values } = this.#codes(PART, this.rows);
    const part = this.#memory.column(PART).ints(this.rows);
    if (index === null) part.fill(values[0] as number);
    else for (let row = 0; row < part.length; row++) part[row] = values[index[row] as number] as number;
    return part;
  }

  code(column: number): ChunkCodes {
    return this.#codes(this.#places.codes[column] ?? -1, this.rows);
  }

  select(column: number, accepts: (code: number) => boolean, rows: Uint32Array): number {
    const place = this.#places.codes[column] ?? -1;
    const memory = this.#memory.column(place < 0 ? MISSING : place);
    return selectCodes(this.#storedOf(place, memory), this.rows, accepts, memory.unpacked, rows);
  }

  label(column: number, labelOf: LabelOf, target: Uint8Array): boolean {
    const place = this.#places.codes[column] ?? -1;
    const memory = this.#memory.column(place < 0 ? MISSING : place);
    return labelCodes(this.#storedOf(place, memory), this.rows, labelOf, memory.unpacked, target);
  }

  hash(column: number): ChunkHashes {
    const place = this.#places.hashes[column] ?? -1;
    return this.#once(place, (stored, memory) => decodeHashes(stored, this.rows, memory.unpacked));
  }

  number(column: number): Float64Array {
    return this.#numbers(this.#places.numbers[column] ?? -1, this.rows);
  }

  get hasItems(): boolean {
    return this.#bytes.has(LIST);
  }

  items(): ChunkItems {
    this.#items ??= this.#readItems();
    return this.#items;
  }

  #readItems(): ChunkItems {
    const { rows } = this;
    const start = this.#memory.column(LIST).words(rows);
    const count = this.#memory.column(LIST_SIZE).words(rows);
    const sizes = decodeIntegers(...this.#stored(LIST_SIZE));
    const lists = decodeIntegers(...this.#stored(LIST));
    const starts = new Uint32Array(sizes.length + 1);
    for (let list = 0; list < sizes.length; list++)
      starts[list + 1] = (starts[list] as number) + (sizes[list] as number);
    if (lists.length === 0) count.fill(0);
    for (let row = 0; row < lists.length; row++) {
      const list = lists[row] as number;
      start[row] = list === 0 ? 0 : (starts[list - 1] as number);
      count[row] = list === 0 ? 0 : (sizes[list - 1] as number);
    }
    const length = starts[sizes.length] as number;
    const { itemCodes, itemNumbers } = this.#places;
    return {
      ...{ start, count, length },
      code: (column) => this.#codes(itemCodes[column] ?? -1, length),
      number: (column) => this.#numbers(itemNumbers[column] ?? -1, length),
    };
  }

  #stored(place: number): [Uint8Array | undefined, Unpacked] {
    const memory = this.#memory.column(place);
    return [this.#bytes.column(place, memory.bytes), memory.unpacked];
  }

  #codes(place: number, rows: number): ChunkCodes {
    return this.#once(place, (stored, memory) => decodeCodes(stored, rows, memory.unpacked));
  }

  #numbers(place: number, rows: number): Float64Array {
    return this.#once(place, (stored, memory) => {
      const target = memory.doubles(rows);
      decodeNumbers(stored, rows, memory.unpacked, target);
      return target;
    });
  }

  #once<T extends ChunkCodes | ChunkHashes | Float64Array>(
    place: number,
    decode: (stored: Uint8Array | undefined, memory: ColumnMemory) => T,
  ): T {
    const memory = this.#memory.column(place < 0 ? MISSING : place);
    if (place < 0) return decode(undefined, memory);
    // A place has one kind, so what was decoded of it is of that kind.
    let decoded = this.#decoded.get(place) as T | undefined;
    if (decoded === undefined) {
      decoded = decode(this.#storedOf(place, memory), memory);
      this.#decoded.set(place, decoded);
    }
    return decoded;
  }

  /** A column's bytes, copied once. */
  #storedOf(place: number, memory: ColumnMemory): Uint8Array | undefined {
    if (place < 0) return undefined;
    let stored = this.#copied.get(place);
    if (stored === undefined) {
      stored = this.#bytes.column(place, memory.bytes);
      if (stored !== undefined) this.#copied.set(place, stored);
    }
    return stored;
  }
}
