import { LocalIds } from './local-ids.ts';
import { pack, packedBytes, widthOf } from './packed.ts';
import { CHUNK_MAX_ROWS } from './places.ts';

/** First byte of a stored column; the second is the width of its numbers, the last four of eight its count. */
export const CONSTANT = 1;
/** Distinct values, then an index of them for each row. */
export const DICTIONARY = 2;
/** A value for each row. */
export const RAW = 3;
/** Numbers only: base + scale × a small integer. */
export const INTEGER = 4;
/** Numbers only: the rows that have one, and those as of INTEGER. */
export const SPARSE = 5;
/** Small integers, without distinct values beside them. */
export const PACKED = 6;

export const HEADER_BYTES = 8;
/** Of INTEGER and SPARSE: header, base, scale. */
export const INTEGER_HEADER_BYTES = 24;
const NOTHING = new Uint8Array(0);
const INITIAL_BYTES = 1 << 16;
/** Distinct numbers of a dictionary, at most: an index of 8 bits. */
const MAX_NUMBERS = 256;
/** Times that are whole seconds are stored as such. */
const SECOND_MS = 1_000;

/** Bits of a row's number in SPARSE. Columns of items may have more than a chunk has rows. */
export function placeWidth(rows: number): number {
  return rows <= CHUNK_MAX_ROWS ? 16 : 32;
}

function padded(bytes: number): number {
  return (bytes + 7) & ~7;
}

/** Whether a stored column has distinct values and an index of them. */
export function isListed(column: Uint8Array): boolean {
  return column[0] === DICTIONARY;
}

/** The distinct codes of such a column, and where its indexes begin. */
export function dictionaryOf({ buffer, byteOffset }: Uint8Array): {
  readonly values: Int32Array;
  readonly first: number;
} {
  const count = new Uint32Array(buffer, byteOffset + 4, 1)[0] as number;
  return {
    values: new Int32Array(buffer, byteOffset + HEADER_BYTES, count),
    first: HEADER_BYTES + padded(count * 4),
  };
}

/**
 * Encodes columns of one chunk. Each encoding can be scanned as it lies; the smallest is taken. What comes back
 * is valid until the next call, has a multiple of 8 bytes and none at all when every value is none.
 */
export class ColumnEncoder {
  #bytes = new Uint8Array(INITIAL_BYTES);
  readonly #ids = new LocalIds();
  #places = new Int32Array(0);
  #integers = new Int32Array(0);

  #start(kind: number, width: number, count: number, size: number): Uint8Array {
    if (size > this.#bytes.length) this.#bytes = new Uint8Array(Math.max(size, this.#bytes.length * 2));
    const bytes = this.#bytes;
    bytes[0] = kind;
    bytes[1] = width;
    bytes[2] = 0;
    bytes[3] = 0;
    new Uint32Array(bytes.buffer, 4, 1)[0] = count;
    return bytes;
  }

  /** Codes 0..2^31-1. */
  codes(values: Int32Array, rows: number): Uint8Array {
    const ids = this.#ids;
    const count = ids.of(values, rows);
    if (count === 1) return this.#constantCode(values[0] as number);
    const width = widthOf(count - 1);
    const listed = HEADER_BYTES + padded(count * 4) + packedBytes(rows, width);
    const raw = HEADER_BYTES + padded(rows * 4);
    if (count === 0 || raw <= listed) {
      const bytes = this.#start(RAW, 0, rows, raw);
      new Int32Array(bytes.buffer, HEADER_BYTES, rows).set(values.subarray(0, rows));
      return bytes.subarray(0, raw);
    }
    const bytes = this.#start(DICTIONARY, width, count, listed);
    new Int32Array(bytes.buffer, HEADER_BYTES, count).set(ids.distinct.subarray(0, count));
    pack(ids.ids, rows, width, bytes, HEADER_BYTES + padded(count * 4));
    return bytes.subarray(0, listed);
  }

  #constantCode(value: number): Uint8Array {
    return value === 0 ? NOTHING : this.#start(CONSTANT, 0, value, HEADER_BYTES).subarray(0, HEADER_BYTES);
  }

  /** Numbers of hashes whose words are `hi` and `lo`; number 0 is none. */
  hashes(values: Int32Array, rows: number, hi: Int32Array, lo: Int32Array): Uint8Array {
    const ids = this.#ids;
    const count = ids.of(values, rows);
    if (count === 1 && values[0] === 0) return NOTHING;
    const width = count === 1 ? 0 : widthOf(count - 1);
    const raw = HEADER_BYTES + 2 * padded(rows * 4);
    const words = padded(count * 4);
    const listed = HEADER_BYTES + 2 * words + packedBytes(rows, width);
    if (count > 1 && raw <= listed) return this.#rawHashes(values, rows, hi, lo, raw);
    const bytes = this.#start(count === 1 ? CONSTANT : DICTIONARY, width, count, listed);
    const his = new Int32Array(bytes.buffer, HEADER_BYTES, count);
    const los = new Int32Array(bytes.buffer, HEADER_BYTES + words, count);
    const { distinct } = ids;
    for (let id = 0; id < count; id++) {
      his[id] = hi[distinct[id] as number] as number;
      los[id] = lo[distinct[id] as number] as number;
    }
    if (count > 1) pack(ids.ids, rows, width, bytes, HEADER_BYTES + 2 * words);
    return bytes.subarray(0, listed);
  }

  #rawHashes(values: Int32Array, rows: number, hi: Int32Array, lo: Int32Array, size: number): Uint8Array {
    const bytes = this.#start(RAW, 0, rows, size);
    const his = new Int32Array(bytes.buffer, HEADER_BYTES, rows);
    const los = new Int32Array(bytes.buffer, HEADER_BYTES + padded(rows * 4), rows);
    for (let row = 0; row < rows; row++) {
      his[row] = hi[values[row] as number] as number;
      los[row] = lo[values[row] as number] as number;
    }
    return bytes.subarray(0, size);
  }

  /** Integers that are not negative, as they are. */
  integers(values: Int32Array, count: number): Uint8Array {
    let max = 0;
    for (let at = 0; at < count; at++) if ((values[at] as number) > max) max = values[at] as number;
    const width = widthOf(max);
    const size = HEADER_BYTES + packedBytes(count, width);
    const bytes = this.#start(PACKED, width, count, size);
    pack(values, count, width, bytes, HEADER_BYTES);
    return bytes.subarray(0, size);
  }

  /** Numbers, NaN is none; times may be stored in seconds. */
  numbers(values: Float64Array, rows: number): Uint8Array {
    let none = 0;
    let min = Number.POSITIVE_INFINITY;
    let max = Number.NEGATIVE_INFINITY;
    let isWhole = true;
    for (let row = 0; row < rows; row++) {
      const value = values[row] as number;
      if (value < min) min = value;
      if (value > max) max = value;
      if (Number.isNaN(value)) none++;
      else if (value !== Math.floor(value)) isWhole = false;
    }
    if (none === rows) return NOTHING;
    if (min === max && none === 0) {
      const bytes = this.#start(CONSTANT, 0, 1, HEADER_BYTES + 8);
      new Float64Array(bytes.buffer, HEADER_BYTES, 1)[0] = min;
      return bytes.subarray(0, HEADER_BYTES + 8);
    }
    return this.#manyNumbers(values, rows, none, min, isWhole ? max - min : Number.POSITIVE_INFINITY);
  }

  #manyNumbers(values: Float64Array, rows: number, none: number, min: number, range: number): Uint8Array {
    const scale = range > 0xffff && isScaled(values, rows, min) ? SECOND_MS : 1;
    // 0 is none, where there is one.
    const width = widthOf(range / scale + (none > 0 ? 1 : 0));
    const raw = HEADER_BYTES + rows * 8;
    const integer = width === 0 ? raw : INTEGER_HEADER_BYTES + packedBytes(rows, width);
    const sparseWidth = widthOf(range / scale);
    const held = rows - none;
    const sparse =
      sparseWidth === 0 || none * 2 < rows
        ? raw
        : INTEGER_HEADER_BYTES + packedBytes(held, placeWidth(rows)) + packedBytes(held, sparseWidth);
    const best = Math.min(raw, integer, sparse);
    const count = width === 1 ? 0 : this.#ids.ofNumbers(values, rows, MAX_NUMBERS);
    if (count > 0) {
      const indexWidth = widthOf(Math.max(1, count - 1));
      const listed = HEADER_BYTES + count * 8 + packedBytes(rows, indexWidth);
      if (listed < best) return this.#listedNumbers(count, indexWidth, rows, listed);
    }
    if (best === raw) {
      const bytes = this.#start(RAW, 0, rows, raw);
      new Float64Array(bytes.buffer, HEADER_BYTES, rows).set(values.subarray(0, rows));
      return bytes.subarray(0, raw);
    }
    if (best === integer) return this.#small(values, rows, min, scale, width, none > 0 ? 1 : 0);
    return this.#sparse(values, rows, held, min, scale, sparseWidth);
  }

  #listedNumbers(count: number, width: number, rows: number, size: number): Uint8Array {
    const bytes = this.#start(DICTIONARY, width, count, size);
    new Float64Array(bytes.buffer, HEADER_BYTES, count).set(this.#ids.numbers.subarray(0, count));
    pack(this.#ids.ids, rows, width, bytes, HEADER_BYTES + count * 8);
    return bytes.subarray(0, size);
  }

  #small(
    values: Float64Array,
    rows: number,
    base: number,
    scale: number,
    width: number,
    first: number,
  ): Uint8Array {
    const size = INTEGER_HEADER_BYTES + packedBytes(rows, width);
    const bytes = this.#start(INTEGER, width, rows, size);
    bytes[2] = first;
    const head = new Float64Array(bytes.buffer, HEADER_BYTES, 2);
    head[0] = base;
    head[1] = scale;
    const integers = this.#room(rows);
    for (let row = 0; row < rows; row++) {
      const value = values[row] as number;
      integers[row] = Number.isNaN(value) ? 0 : (value - base) / scale + first;
    }
    pack(integers, rows, width, bytes, INTEGER_HEADER_BYTES);
    return bytes.subarray(0, size);
  }

  #sparse(
    values: Float64Array,
    rows: number,
    held: number,
    base: number,
    scale: number,
    width: number,
  ): Uint8Array {
    const placesBytes = packedBytes(held, placeWidth(rows));
    const size = INTEGER_HEADER_BYTES + placesBytes + packedBytes(held, width);
    const bytes = this.#start(SPARSE, width, held, size);
    const head = new Float64Array(bytes.buffer, HEADER_BYTES, 2);
    head[0] = base;
    head[1] = scale;
    const integers = this.#room(rows);
    const places = this.#places;
    let at = 0;
    for (let row = 0; row < rows; row++) {
      const value = values[row] as number;
      if (Number.isNaN(value)) continue;
      places[at] = row;
      integers[at++] = (value - base) / scale;
    }
    pack(places, held, placeWidth(rows), bytes, INTEGER_HEADER_BYTES);
    pack(integers, held, width, bytes, INTEGER_HEADER_BYTES + placesBytes);
    return bytes.subarray(0, size);
  }

  #room(rows: number): Int32Array {
    if (this.#integers.length < rows) {
      this.#integers = new Int32Array(rows);
      this.#places = new Int32Array(rows);
    }
    return this.#integers;
  }
}

/** Whether all distances from the least are whole seconds. */
function isScaled(values: Float64Array, rows: number, min: number): boolean {
  for (let row = 0; row < rows; row++) {
    const value = values[row] as number;
    if (!Number.isNaN(value) && (value - min) % SECOND_MS !== 0) return false;
  }
  return true;
}
