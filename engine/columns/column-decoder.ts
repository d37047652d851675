import { invariant } from '../base/index.ts';
import type { ChunkCodes, ChunkHashes, ChunkIndex, ChunkTimes } from './chunk.ts';
import {
  CONSTANT,
  DICTIONARY,
  HEADER_BYTES,
  INTEGER,
  INTEGER_HEADER_BYTES,
  PACKED,
  placeWidth,
  RAW,
  SPARSE,
} from './column-encoder.ts';
import { packedBytes, type Unpacked, unpack } from './packed.ts';
import { CHUNK_MAX_ROWS } from './places.ts';

/** A stored column, at a multiple of 8 bytes in its buffer; undefined: all none. It may go on behind the column. */
export type StoredColumn = Uint8Array | undefined;

const EACH = Uint16Array.from({ length: CHUNK_MAX_ROWS }, (_unused, row) => row);
const ZERO = new Int32Array(1);
const NO_CODES: ChunkCodes = { index: null, values: ZERO };
const NO_HASHES: ChunkHashes = { index: null, hi: ZERO, lo: ZERO };

/** Of a column whose rows all differ: each is its own. */
function each(rows: number): ChunkIndex {
  if (rows <= CHUNK_MAX_ROWS) return EACH.subarray(0, rows);
  // Only columns of items.
  return Uint32Array.from({ length: rows }, (_unused, row) => row);
}

function countOf(column: Uint8Array): number {
  return new Uint32Array(column.buffer, column.byteOffset + 4, 1)[0] as number;
}

function words(column: Uint8Array, at: number, count: number): Int32Array {
  invariant(at + count * 4 <= column.length, 'a stored column has all its values');
  return new Int32Array(column.buffer, column.byteOffset + at, count);
}

function doubles(column: Uint8Array, at: number, count: number): Float64Array {
  invariant(at + count * 8 <= column.length, 'a stored column has all its values');
  return new Float64Array(column.buffer, column.byteOffset + at, count);
}

function padded(bytes: number): number {
  return (bytes + 7) & ~7;
}

/** Valid as long as the column's bytes and `scratch`. */
export function decodeCodes(column: StoredColumn, rows: number, scratch: Unpacked): ChunkCodes {
  if (column === undefined) return NO_CODES;
  const count = countOf(column);
  switch (column[0]) {
    case CONSTANT:
      return { index: null, values: Int32Array.of(count) };
    case RAW:
      return { index: each(rows), values: words(column, HEADER_BYTES, rows) };
    case DICTIONARY: {
      const at = HEADER_BYTES + padded(count * 4);
      return {
        index: unpack(column, at, rows, column[1] as number, scratch),
        values: words(column, HEADER_BYTES, count),
      };
    }
    default:
      invariant(false, `no encoding of codes has the number ${column[0]}`);
  }
}

/** Valid as long as the column's bytes and `scratch`. */
export function decodeHashes(column: StoredColumn, rows: number, scratch: Unpacked): ChunkHashes {
  if (column === undefined) return NO_HASHES;
  const count = countOf(column);
  const second = HEADER_BYTES + padded(count * 4);
  const hi = words(column, HEADER_BYTES, count);
  const lo = words(column, second, count);
  switch (column[0]) {
    case CONSTANT:
      return { index: null, hi, lo };
    case RAW:
      return { index: each(rows), hi, lo };
    case DICTIONARY: {
      const index = unpack(column, second + padded(count * 4), rows, column[1] as number, scratch);
      return { index, hi, lo };
    }
    default:
      invariant(false, `no encoding of hashes has the number ${column[0]}`);
  }
}

/** What `integers` wrote; none: no integers. Valid as long as the column's bytes and `scratch`. */
export function decodeIntegers(column: StoredColumn, scratch: Unpacked): ChunkIndex {
  if (column === undefined) return new Uint8Array(0);
  invariant(column[0] === PACKED, `no encoding of integers has the number ${column[0]}`);
  return unpack(column, HEADER_BYTES, countOf(column), column[1] as number, scratch);
}

/** Into `target`, from `at` on. */
export function decodeNumbers(
  column: StoredColumn,
  rows: number,
  scratch: Unpacked,
  target: Float64Array,
  at = 0,
): void {
  if (column === undefined) {
    target.fill(Number.NaN, at, at + rows);
    return;
  }
  const count = countOf(column);
  const width = column[1] as number;
  switch (column[0]) {
    case CONSTANT:
      target.fill(doubles(column, HEADER_BYTES, 1)[0] as number, at, at + rows);
      return;
    case RAW:
      target.set(doubles(column, HEADER_BYTES, rows), at);
      return;
    case DICTIONARY: {
      const index = unpack(column, HEADER_BYTES + count * 8, rows, width, scratch);
      const values = doubles(column, HEADER_BYTES, count);
      for (let row = 0; row < rows; row++) target[at + row] = values[index[row] as number] as number;
      return;
    }
    case INTEGER: {
      const [base, scale] = doubles(column, HEADER_BYTES, 2) as unknown as [number, number];
      const values = unpack(column, INTEGER_HEADER_BYTES, rows, width, scratch);
      if (column[2] === 0) addBase(values, rows, base, scale, target, at);
      else addBaseOrNone(values, rows, base, scale, target, at);
      return;
    }
    case SPARSE: {
      const [base, scale] = doubles(column, HEADER_BYTES, 2) as unknown as [number, number];
      const placeBits = placeWidth(rows);
      const places = unpack(column, INTEGER_HEADER_BYTES, count, placeBits, scratch);
      const values = unpack(
        column,
        INTEGER_HEADER_BYTES + packedBytes(count, placeBits),
        count,
        width,
        scratch,
      );
      target.fill(Number.NaN, at, at + rows);
      for (let k = 0; k < count; k++)
        target[at + (places[k] as number)] = base + (values[k] as number) * scale;
      return;
    }
    default:
      invariant(false, `no encoding of numbers has the number ${column[0]}`);
  }
}

/** Times that are stored as whole numbers from a base on; undefined: they are stored otherwise. */
export function decodeTimes(column: StoredColumn, rows: number, scratch: Unpacked): ChunkTimes | undefined {
  if (column === undefined || column[0] !== INTEGER || column[2] !== 0) return undefined;
  const [base_ms, scale_ms] = doubles(column, HEADER_BYTES, 2) as unknown as [number, number];
  return {
    base_ms,
    scale_ms,
    values: unpack(column, INTEGER_HEADER_BYTES, rows, column[1] as number, scratch),
  };
}

function addBase(
  values: ChunkIndex,
  rows: number,
  base: number,
  scale: number,
  target: Float64Array,
  at: number,
): void {
  for (let row = 0; row < rows; row++) target[at + row] = base + (values[row] as number) * scale;
}

function addBaseOrNone(
  values: ChunkIndex,
  rows: number,
  base: number,
  scale: number,
  target: Float64Array,
  at: number,
): void {
  for (let row = 0; row < rows; row++) {
    const value = values[row] as number;
    target[at + row] = value === 0 ? Number.NaN : base + (value - 1) * scale;
  }
}
