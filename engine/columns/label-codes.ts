import type { ChunkCodes } from './chunk.ts';
import { decodeCodes, type StoredColumn } from './column-decoder.ts';
import { dictionaryOf, isListed } from './column-encoder.ts';
import type { Unpacked } from './packed.ts';

/** A byte for a code; 0 adds nothing. */
export type LabelOf = (code: number) => number;

/** Rows of labels that are written at once: a target has room for a multiple of them. */
export const LABEL_ROWS = 8;

/**
 * Adds the bits that `labelOf` says of each row's code to the row's label; says whether any was added. `target` has
 * room for a multiple of `LABEL_ROWS`, of which those behind the last row may be written too. Indexes of less than a
 * byte are not unpacked: those of a stored byte are looked up together.
 */
export function labelCodes(
  column: StoredColumn,
  rows: number,
  labelOf: LabelOf,
  scratch: Unpacked,
  target: Uint8Array,
): boolean {
  const width = column !== undefined && isListed(column) ? (column[1] as number) : 0;
  if (column === undefined || width === 0 || width >= 8)
    return labelIndexed(decodeCodes(column, rows, scratch), rows, labelOf, target);
  const { values, first } = dictionaryOf(column);
  const labels = Uint8Array.from(values, labelOf);
  if (!labels.some((label) => label !== 0)) return false;
  const bytes = column.subarray(first);
  if (width === 4) labelNibbles(bytes, rows, labels, target);
  else if (width === 2) labelPairs(bytes, rows, labels, target);
  else labelBits(bytes, rows, labels, target);
  return true;
}

/** The same for codes that are decoded. */
export function labelIndexed(
  { index, values }: ChunkCodes,
  rows: number,
  labelOf: LabelOf,
  target: Uint8Array,
): boolean {
  const [only = 0] = index === null ? [labelOf(values[0] as number)] : [];
  if (index === null) {
    if (only !== 0) for (let row = 0; row < rows; row++) (target[row] as number) |= only;
    return only !== 0;
  }
  const labels = new Uint8Array(values.length);
  for (let at = 0; at < values.length; at++) labels[at] = labelOf(values[at] as number);
  if (!labels.some((label) => label !== 0)) return false;
  if (index instanceof Uint8Array)
    for (let row = 0; row < rows; row++) (target[row] as number) |= labels[index[row] as number] as number;
  else for (let row = 0; row < rows; row++) (target[row] as number) |= labels[index[row] as number] as number;
  return true;
}

/** Labels of the indexes in a byte as one number, the first in its lowest byte. */
function together(labels: Uint8Array, width: number, byte: number): number {
  let all = 0;
  for (let shift = 0; shift < 8; shift += width) {
    // Behind the last row there may be any index.
    const label = labels[(byte >>> shift) & ((1 << width) - 1)] ?? 0;
    all |= label << ((shift / width) * 8);
  }
  return all;
}

function labelNibbles(bytes: Uint8Array, rows: number, labels: Uint8Array, target: Uint8Array): void {
  const table = new Uint16Array(256);
  for (let byte = 0; byte < 256; byte++) table[byte] = together(labels, 4, byte);
  const count = Math.ceil(rows / 8);
  const words = new Int32Array(bytes.buffer, bytes.byteOffset, count);
  const fours = new Int32Array(target.buffer, target.byteOffset, count * 2);
  for (let at = 0; at < count; at++) {
    const word = words[at] as number;
    (fours[2 * at] as number) |=
      (table[word & 255] as number) | ((table[(word >>> 8) & 255] as number) << 16);
    (fours[2 * at + 1] as number) |=
      (table[(word >>> 16) & 255] as number) | ((table[word >>> 24] as number) << 16);
  }
}

function labelPairs(bytes: Uint8Array, rows: number, labels: Uint8Array, target: Uint8Array): void {
  const table = new Int32Array(256);
  for (let byte = 0; byte < 256; byte++) table[byte] = together(labels, 2, byte);
  const count = Math.ceil(rows / 4);
  const fours = new Int32Array(target.buffer, target.byteOffset, count);
  for (let at = 0; at < count; at++) (fours[at] as number) |= table[bytes[at] as number] as number;
}

function labelBits(bytes: Uint8Array, rows: number, labels: Uint8Array, target: Uint8Array): void {
  const table = Int32Array.from({ length: 16 }, (_unused, byte) => together4(labels, byte));
  const count = Math.ceil(rows / 8);
  const fours = new Int32Array(target.buffer, target.byteOffset, count * 2);
  for (let at = 0; at < count; at++) {
    const byte = bytes[at] as number;
    (fours[2 * at] as number) |= table[byte & 15] as number;
    (fours[2 * at + 1] as number) |= table[byte >>> 4] as number;
  }
}

/** As `together`, of four bits. */
function together4(labels: Uint8Array, bits: number): number {
  let all = 0;
  for (let bit = 0; bit < 4; bit++) all |= (labels[(bits >>> bit) & 1] as number) << (bit * 8);
  return all;
}
