import type { ChunkIndex } from './chunk.ts';
import { decodeCodes, type StoredColumn } from './column-decoder.ts';
import { dictionaryOf, isListed } from './column-encoder.ts';
import type { Unpacked } from './packed.ts';

/** Accepted codes up to which a word of indexes is compared with each of them. */
const FEW_CODES = 3;

/**
 * Writes the rows whose code a test accepts, in order; returns how many. `target` has room for all rows. Indexes of
 * at most a byte are not unpacked: those of a machine word are looked at together.
 */
export function selectCodes(
  column: StoredColumn,
  rows: number,
  accepts: (code: number) => boolean,
  scratch: Unpacked,
  target: Uint32Array,
): number {
  const width = column !== undefined && isListed(column) ? (column[1] as number) : 0;
  if (column !== undefined && width > 0 && width <= 8) {
    const { values, first } = dictionaryOf(column);
    const few = fewAccepted(values, accepts);
    if (few !== undefined) return selectFew(column, first, width, rows, few, target);
    if (width < 8) return selectPacked(column, width, rows, accepts, target);
  }
  const { index, values } = decodeCodes(column, rows, scratch);
  const accepted = Uint8Array.from(values, (code) => (accepts(code) ? 1 : 0));
  if (!accepted.includes(1)) return 0;
  if (index !== null && accepted.includes(0)) return selectIndexed(index, accepted, rows, target);
  for (let row = 0; row < rows; row++) target[row] = row;
  return rows;
}

/** Places of the accepted codes; undefined where there are many. */
function fewAccepted(values: Int32Array, accepts: (code: number) => boolean): number[] | undefined {
  const accepted: number[] = [];
  for (let local = 0; local < values.length; local++)
    if (accepts(values[local] as number) && accepted.push(local) > FEW_CODES) return undefined;
  return accepted;
}

/** Compares all indexes of a word with one of the accepted ones at a time. */
function selectFew(
  column: Uint8Array,
  first: number,
  width: number,
  rows: number,
  accepted: readonly number[],
  target: Uint32Array,
): number {
  const [local] = accepted;
  if (local === undefined) return 0;
  // The lowest bit of each index, and the highest.
  const ones = Math.floor(0xffffffff / ((1 << width) - 1)) | 0;
  const high = ones << (width - 1);
  const low = ~high;
  const pattern = Math.imul(ones, local);
  const others = accepted.slice(1).map((other) => Math.imul(ones, other));
  const rowShift = 31 - Math.clz32(width);
  const words = new Int32Array(column.buffer, column.byteOffset + first, Math.ceil((rows * width) / 32));
  // The last word may have more indexes than there are rows.
  const rest = (rows * width) & 31;
  const lastBits = rest === 0 ? -1 : (1 << rest) - 1;
  let selected = 0;
  for (let at = 0; at < words.length; at++) {
    const word = words[at] as number;
    // Where an index is the accepted one, all its bits are 0 now, and its highest bit is 1 in the end.
    const differs = word ^ pattern;
    let hits = ~(((differs & low) + low) | differs) & high;
    for (let k = 0; k < others.length; k++) {
      const other = word ^ (others[k] as number);
      hits |= ~(((other & low) + low) | other) & high;
    }
    if (at === words.length - 1) hits &= lastBits;
    for (; hits !== 0; hits &= hits - 1)
      target[selected++] = ((at << 5) + 31 - Math.clz32(hits & -hits)) >>> rowShift;
  }
  return selected;
}

function selectPacked(
  column: Uint8Array,
  width: number,
  rows: number,
  accepts: (code: number) => boolean,
  target: Uint32Array,
): number {
  const { values, first } = dictionaryOf(column);
  let accepted = 0;
  for (let local = 0; local < values.length; local++)
    if (accepts(values[local] as number)) accepted |= 1 << local;
  if (accepted === 0) return 0;
  const lanes = lanesOf(accepted, width);
  const each = 8 / width;
  const whole = Math.floor(rows / each);
  const bytes = column.subarray(first, first + whole + 1);
  let selected = 0;
  for (let at = 0; at < whole; at++)
    selected = take(lanes[bytes[at] as number] as number, at * each, target, selected);
  // The last byte may have more numbers than there are rows.
  const rest = rows - whole * each;
  if (rest === 0) return selected;
  const left = (lanes[bytes[whole] as number] as number) & ((1 << rest) - 1);
  return take(left, whole * each, target, selected);
}

function take(lanes: number, row: number, target: Uint32Array, selected: number): number {
  for (let left = lanes; left !== 0; left &= left - 1)
    target[selected++] = row + 31 - Math.clz32(left & -left);
  return selected;
}

/** By stored byte: which of the numbers in it are accepted, the first in the lowest bit. */
function lanesOf(accepted: number, width: number): Uint8Array {
  const lanes = new Uint8Array(256);
  const mask = (1 << width) - 1;
  for (let byte = 0; byte < 256; byte++)
    for (let lane = 0; lane * width < 8; lane++)
      if ((accepted >>> ((byte >>> (lane * width)) & mask)) & 1)
        lanes[byte] = (lanes[byte] as number) | (1 << lane);
  return lanes;
}

function selectIndexed(index: ChunkIndex, accepted: Uint8Array, rows: number, target: Uint32Array): number {
  let count = 0;
  for (let row = 0; row < rows; row++) {
    target[count] = row;
    count += accepted[index[row] as number] as number;
  }
  return count;
}
