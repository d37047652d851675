import { invariant } from '../../../engine/errors.ts';

/**
 * A block is a run of cells of one cube and scope, sorted by key: a row of the table `cells`. Of each cell its
 * bucket (the difference to the one before it), currency and dimension codes, a bit for each sum that is not 0, and
 * these sums as zigzag LEB128 of any length.
 */

/** With its key's entry beside it, a page of LMDB. */
export const BLOCK_MAX_BYTES = 4_064;
/** Words of a cell's key in a block before the dimension codes: bucket, currency. */
export const CELL_WORDS = 2;

const INITIAL_BYTES = 8_192;
/** A varint of a safe integer. */
const VARINT_BYTES = 8;

/** The cells of a block, one after the other: `next` moves on. Its arrays hold the cell at which it stands. */
export class BlockReader {
  readonly measures: number;
  /** Bucket, currency, dimension codes. */
  readonly key: Int32Array;
  readonly sums: Float64Array;
  /** The sums that are no safe integers, by measure; `sums` has them rounded. */
  readonly wide = new Map<number, bigint>();
  /** Measures that are not 0. */
  readonly present: Int32Array;
  presentCount = 0;
  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;

  constructor(dimensions: number, measures: number) {
    this.measures = measures;
    this.key = new Int32Array(CELL_WORDS + dimensions);
    this.sums = new Float64Array(measures);
    this.present = new Int32Array(measures);
  }

  /** The bytes must stay as they are until the last `next`. */
  open(bytes: Uint8Array): void {
    this.#bytes = bytes;
    this.#at = 0;
    this.key[0] = 0;
  }

  /** False at the end. */
  next(): boolean {
    const bytes = this.#bytes;
    if (this.#at >= bytes.length) return false;
    const { key, sums, present } = this;
    if (this.wide.size > 0) this.wide.clear();
    for (let at = 0; at < this.presentCount; at++) sums[present[at] as number] = 0;
    key[0] = (key[0] as number) + this.#zigzag();
    for (let word = 1; word < key.length; word++) key[word] = this.#varint();
    let count = 0;
    for (let base = 0; base < this.measures; base += 8) {
      for (let bits = bytes[this.#at++] as number; bits !== 0; bits &= bits - 1)
        present[count++] = base + 31 - Math.clz32(bits & -bits);
    }
    this.presentCount = count;
    for (let at = 0; at < count; at++) {
      const measure = present[at] as number;
      const start = this.#at;
      const sum = this.#zigzag();
      sums[measure] = sum;
      if (sum > Number.MAX_SAFE_INTEGER || sum < -Number.MAX_SAFE_INTEGER) this.#readWide(measure, start);
    }
    invariant(this.#at <= bytes.length, 'a block of cells ends with a cell');
    return true;
  }

  #varint(): number {
    const bytes = this.#bytes;
    let byte = bytes[this.#at++] as number;
    if (byte < 128) return byte;
    let value = byte & 127;
    for (let scale = 128; byte >= 128; scale *= 128) {
      byte = bytes[this.#at++] as number;
      value += (byte & 127) * scale;
    }
    return value;
  }

  /** Rounded where it is no safe integer. */
  #zigzag(): number {
    const bytes = this.#bytes;
    const first = bytes[this.#at++] as number;
    let magnitude = (first & 127) >>> 1;
    if (first >= 128) {
      let byte = bytes[this.#at++] as number;
      magnitude |= (byte & 127) << 6;
      if (byte >= 128) {
        byte = bytes[this.#at++] as number;
        magnitude |= (byte & 127) << 13;
        for (let scale = 2 ** 20; byte >= 128; scale *= 128) {
          byte = bytes[this.#at++] as number;
          magnitude += (byte & 127) * scale;
        }
      }
    }
    return (first & 1) === 1 ? -magnitude : magnitude;
  }

  #readWide(measure: number, start: number): void {
    const bytes = this.#bytes;
    const first = bytes[start] as number;
    let magnitude = BigInt((first & 127) >>> 1);
    let at = start + 1;
    let shift = 6n;
    for (let byte = first; byte >= 128; shift += 7n) {
      byte = bytes[at++] as number;
      magnitude |= BigInt(byte & 127) << shift;
    }
    this.wide.set(measure, (first & 1) === 1 ? -magnitude : magnitude);
  }
}

/** Writes one block; `add` gives false when the cell would make it larger than a limit, and leaves it as it was. */
export class BlockWriter {
  readonly #measures: number;
  #bytes = new Uint8Array(INITIAL_BYTES);
  #length = 0;
  #bucket = 0;

  constructor(measures: number) {
    this.#measures = measures;
  }

  get length(): number {
    return this.#length;
  }

  reset(): void {
    this.#length = 0;
    this.#bucket = 0;
  }

  /** Valid until the next `reset`. */
  view(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /**
   * The cell with the key words [keyAt, keyAt + words) and the sums from `sumsAt`; `wide` has those that are no safe
   * integers, by their index. A cell that is too large alone is taken.
   */
  add(cells: CellArrays, cell: number, max_bytes: number): boolean {
    const { keys, words, sums, wide } = cells;
    const start = this.#length;
    const keyAt = cell * words;
    this.#reserve((words + this.#measures) * VARINT_BYTES + this.#measures);
    this.#zigzag((keys[keyAt] as number) - this.#bucket);
    for (let word = 1; word < words; word++) this.#varint(keys[keyAt + word] as number);
    const sumsAt = cell * this.#measures;
    for (let base = 0; base < this.#measures; base += 8) {
      let bits = 0;
      for (let bit = 0; bit < 8 && base + bit < this.#measures; bit++)
        if (sums[sumsAt + base + bit] !== 0) bits |= 1 << bit;
      this.#bytes[this.#length++] = bits;
    }
    for (let measure = 0; measure < this.#measures; measure++) {
      const sum = sums[sumsAt + measure] as number;
      if (sum === 0) continue;
      const exact = wide.size === 0 ? undefined : wide.get(sumsAt + measure);
      if (exact === undefined) this.#zigzag(sum);
      else this.#wide(exact);
    }
    if (this.#length > max_bytes && start > 0) {
      this.#length = start;
      return false;
    }
    this.#bucket = keys[keyAt] as number;
    return true;
  }

  #reserve(bytes: number): void {
    if (this.#length + bytes <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + bytes));
    grown.set(this.#bytes);
    this.#bytes = grown;
  }

  #varint(value: number): void {
    const bytes = this.#bytes;
    let rest = value;
    for (; rest >= 128; rest = Math.floor(rest / 128)) bytes[this.#length++] = (rest % 128) | 128;
    bytes[this.#length++] = rest;
  }

  #zigzag(value: number): void {
    const magnitude = Math.abs(value);
    const sign = value < 0 ? 1 : 0;
    const low = ((magnitude % 64) << 1) | sign;
    if (magnitude < 64) {
      this.#bytes[this.#length++] = low;
      return;
    }
    this.#bytes[this.#length++] = low | 128;
    this.#varint(Math.floor(magnitude / 64));
  }

  #wide(value: bigint): void {
    let rest = value < 0n ? -value : value;
    this.#reserve(value.toString(16).length + VARINT_BYTES * this.#measures);
    this.#bytes[this.#length++] = (Number(rest % 64n) << 1) | (value < 0n ? 1 : 0) | 128;
    for (rest /= 64n; rest >= 128n; rest /= 128n) this.#bytes[this.#length++] = Number(rest % 128n) | 128;
    this.#bytes[this.#length++] = Number(rest);
  }
}

/** Cells one after the other. */
export interface CellArrays {
  readonly words: number;
  readonly keys: Int32Array;
  readonly sums: Float64Array;
  /** Exact value of each sum that is no safe integer, by its index; the double is not 0. */
  readonly wide: ReadonlyMap<number, bigint>;
}
