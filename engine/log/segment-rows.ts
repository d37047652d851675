import {
  type ChunkIndex,
  type ColumnPlaces,
  decodeCodes,
  decodeHashes,
  decodeIntegers,
  decodeNumbers,
  HashIds,
  type HashValues,
  type ItemLists,
  ItemListTable,
  LIST,
  LIST_SIZE,
  PART,
  placesOf,
  type RowSource,
  SEQUENCE,
  type StoredSchema,
  TIME,
  Unpacked,
} from '../columns/index.ts';
import type { KvTable, KvView } from '../state/index.ts';
import { Reusable, StoredChunkBytes } from './chunk-store.ts';
import type { Manifest } from './manifest.ts';
import type { StoredSchemas } from './stored-schemas.ts';

/** A segment that lies in the store. */
export interface StoredSegment {
  readonly key: Uint8Array;
  readonly manifest: Manifest;
}

interface LoadedChunk {
  readonly bytes: StoredChunkBytes;
  readonly places: ColumnPlaces;
  /** Its rows are [start, start + rows) of all. */
  readonly start: number;
  readonly rows: number;
}

/** All rows of some segments, one after the other, as whole columns: what a merge or a check reads. */
export class SegmentRows implements RowSource {
  readonly rows: number;
  readonly time_ms: Float64Array;
  readonly #chunks: LoadedChunk[] = [];
  readonly #schema: Pick<StoredSchema, 'columns' | 'items'>;
  readonly #memory = new Reusable();
  readonly #unpacked = new Unpacked();
  readonly #hashIds = new HashIds();
  readonly #ints: Int32Array;
  #doubles: Float64Array | undefined;

  constructor(
    chunks: KvView,
    segments: readonly StoredSegment[],
    schema: Pick<StoredSchema, 'columns' | 'items'>,
    schemas: StoredSchemas,
  ) {
    this.#schema = schema;
    let rows = 0;
    const known = new Map<number, ColumnPlaces>();
    for (const { key, manifest } of segments) {
      const places = known.get(manifest.schema) ?? placesOf(schema, schemas.get(manifest.schema));
      known.set(manifest.schema, places);
      for (const [chunk, entry] of manifest.chunks.entries()) {
        const bytes = new StoredChunkBytes(chunks, key, chunk, new Reusable());
        this.#chunks.push({ bytes, places, start: rows, rows: entry.rows });
        rows += entry.rows;
      }
    }
    this.rows = rows;
    this.#ints = new Int32Array(rows);
    this.time_ms = this.#fill(() => TIME, new Float64Array(rows)) ?? new Float64Array(rows).fill(Number.NaN);
  }

  /** Removes the chunks that were read; inside a commit. */
  remove(chunks: KvTable): void {
    for (const { bytes } of this.#chunks) bytes.remove(chunks);
  }

  #column({ bytes }: LoadedChunk, place: number): Uint8Array | undefined {
    return place < 0 ? undefined : bytes.column(place, this.#memory);
  }

  sequence(): Float64Array {
    const { rows } = this;
    return this.#fill(() => SEQUENCE, new Float64Array(rows)) ?? new Float64Array(rows).fill(Number.NaN);
  }

  part(): Int32Array | null {
    return this.#codes(() => PART);
  }

  codes(column: number): Int32Array | null {
    return this.#codes(({ codes }) => codes[column] as number);
  }

  #codes(placeOf: (places: ColumnPlaces) => number): Int32Array | null {
    const target = this.#ints;
    let hasValues = false;
    for (const chunk of this.#chunks) {
      const { start, rows } = chunk;
      const stored = this.#column(chunk, placeOf(chunk.places));
      if (stored !== undefined) hasValues = true;
      const { index, values } = decodeCodes(stored, rows, this.#unpacked);
      if (index === null) target.fill(values[0] as number, start, start + rows);
      else fillInts(index, values, target, start, rows);
    }
    return hasValues ? target : null;
  }

  hashes(column: number): HashValues | null {
    const hashIds = this.#hashIds;
    hashIds.clear();
    const ids = this.#ints;
    for (const chunk of this.#chunks) {
      const { start, rows } = chunk;
      const stored = this.#column(chunk, chunk.places.hashes[column] as number);
      const { index, hi, lo } = decodeHashes(stored, rows, this.#unpacked);
      const own = new Int32Array(hi.length);
      for (let id = 0; id < own.length; id++) own[id] = hashIds.idOf(hi[id] as number, lo[id] as number);
      if (index === null) ids.fill(own[0] as number, start, start + rows);
      else fillInts(index, own, ids, start, rows);
    }
    const { count } = hashIds;
    return count === 1 ? null : { ids, hi: hashIds.hi, lo: hashIds.lo, count };
  }

  numbers(column: number): Float64Array | null {
    this.#doubles ??= new Float64Array(this.rows);
    return this.#fill(({ numbers }) => numbers[column] as number, this.#doubles);
  }

  #fill(placeOf: (places: ColumnPlaces) => number, target: Float64Array): Float64Array | null {
    let hasValues = false;
    for (const chunk of this.#chunks) {
      const stored = this.#column(chunk, placeOf(chunk.places));
      if (stored !== undefined) hasValues = true;
      decodeNumbers(stored, chunk.rows, this.#unpacked, target, chunk.start);
    }
    return hasValues ? target : null;
  }

  items(): ItemLists | null {
    const sizes = this.#chunks.map((chunk) => this.#listSizes(chunk));
    let total = 0;
    for (const chunk of sizes) for (const size of chunk) total += size;
    if (sizes.every(({ length }) => length === 0)) return null;
    const of = (wanted: string) => this.#schema.items.filter(({ kind }) => kind === wanted);
    const codes = of('code').map(() => new Int32Array(total));
    const numbers = of('number').map(() => new Float64Array(total));
    const table = new ItemListTable({ codes, numbers });
    const list = new Int32Array(this.rows);
    let first = 0;
    for (const [at, chunk] of this.#chunks.entries()) {
      const chunkSizes = sizes[at] as Int32Array;
      if (chunkSizes.length === 0) continue;
      const length = chunkSizes.reduce((sum, size) => sum + size, 0);
      this.#itemColumns(chunk, first, length, codes, numbers);
      const lists = new Int32Array(chunkSizes.length + 1);
      for (let own = 0; own < chunkSizes.length; own++) {
        const size = chunkSizes[own] as number;
        lists[own + 1] = table.listOf(first, size);
        first += size;
      }
      const rowLists = decodeIntegers(this.#column(chunk, LIST), this.#unpacked);
      fillInts(rowLists, lists, list, chunk.start, chunk.rows);
    }
    return table.lists(list);
  }

  #listSizes(chunk: LoadedChunk): Int32Array {
    return Int32Array.from(decodeIntegers(this.#column(chunk, LIST_SIZE), this.#unpacked));
  }

  #itemColumns(
    chunk: LoadedChunk,
    first: number,
    length: number,
    codes: readonly Int32Array[],
    numbers: readonly Float64Array[],
  ): void {
    for (const [column, target] of codes.entries()) {
      const stored = this.#column(chunk, chunk.places.itemCodes[column] as number);
      const { index, values } = decodeCodes(stored, length, this.#unpacked);
      if (index === null) target.fill(values[0] as number, first, first + length);
      else fillInts(index, values, target, first, length);
    }
    for (const [column, target] of numbers.entries()) {
      const stored = this.#column(chunk, chunk.places.itemNumbers[column] as number);
      decodeNumbers(stored, length, this.#unpacked, target, first);
    }
  }
}

function fillInts(
  index: ChunkIndex,
  values: Int32Array,
  target: Int32Array,
  start: number,
  rows: number,
): void {
  for (let row = 0; row < rows; row++) target[start + row] = values[index[row] as number] as number;
}
