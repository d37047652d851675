import { ByteArea } from './copy-bytes.ts';
import type { PagedArea } from './paged-area.ts';

/** The length that stands for "removed". */
export const REMOVED = -1;

const INITIAL_RECORDS = 1_024;
const INITIAL_BYTES = 65_536;
const DIGIT_BITS = 11;
const DIGITS = 1 << DIGIT_BITS;

/**
 * Changed records on their way to a `RunTable`: one area of bytes, and parallel columns that say where in it each
 * record lies. A key that comes twice has the value that came last. Used again after `clear`. Or the
 * records lie in another's pages, and are not copied: see `borrow`.
 */
export class RecordArena {
  readonly area = new ByteArea(INITIAL_BYTES);
  #pages: PagedArea | undefined;
  hi = new Int32Array(INITIAL_RECORDS);
  lo = new Int32Array(INITIAL_RECORDS);
  offset = new Int32Array(INITIAL_RECORDS);
  /** Bytes, or REMOVED. */
  length = new Int32Array(INITIAL_RECORDS);
  count = 0;
  /** Bytes used. */
  size_bytes = 0;
  #order = new Int32Array(INITIAL_RECORDS);
  #spare = new Int32Array(INITIAL_RECORDS);
  readonly #starts = new Int32Array(DIGITS);

  clear(): void {
    this.#pages = undefined;
    this.count = 0;
    this.size_bytes = 0;
  }

  /** Until `clear` all records are places in `pages`: `refer` takes them. Clears the arena. */
  borrow(pages: PagedArea): void {
    this.clear();
    this.#pages = pages;
  }

  /** Takes what lies at a place of the borrowed pages as the record of a key. */
  refer(hi: number, lo: number, place: number, length: number): void {
    this.#add(hi, lo, place, length);
  }

  /** Where a record's bytes are, from `startOf`. */
  areaOf(index: number): ByteArea {
    return this.#pages?.areaOf(this.offset[index] as number) ?? this.area;
  }

  startOf(index: number): number {
    const offset = this.offset[index] as number;
    return this.#pages?.offsetOf(offset) ?? offset;
  }

  /** Takes a copy of source[start, end) as the record of a key. */
  put(hi: number, lo: number, source: Uint8Array, start = 0, end = source.length): void {
    const at = this.append(hi, lo, end - start);
    const bytes = this.area.bytes;
    if (end - start > 64) bytes.set(source.subarray(start, end), at);
    else for (let from = start, to = at; from < end; from++, to++) bytes[to] = source[from] as number;
  }

  /** Room for a record of a key: the caller writes its bytes at the offset returned, in `area`. */
  append(hi: number, lo: number, length: number): number {
    const at = this.size_bytes;
    this.area.reserve(at + length);
    this.size_bytes = at + length;
    this.#add(hi, lo, at, length);
    return at;
  }

  remove(hi: number, lo: number): void {
    this.#add(hi, lo, 0, REMOVED);
  }

  #add(hi: number, lo: number, offset: number, length: number): void {
    const index = this.count;
    if (index === this.hi.length) this.#grow();
    this.hi[index] = hi;
    this.lo[index] = lo;
    this.offset[index] = offset;
    this.length[index] = length;
    this.count = index + 1;
  }

  #grow(): void {
    for (const name of ['hi', 'lo', 'offset', 'length'] as const) {
      const grown = new Int32Array(this.hi.length === this[name].length ? this.count * 2 : this.hi.length);
      grown.set(this[name]);
      this[name] = grown;
    }
    this.#order = new Int32Array(this.count * 2);
    this.#spare = new Int32Array(this.count * 2);
  }

  /**
   * Indexes of the records in ascending order of (hi, lo), unsigned, of equal keys the last one only. Valid until
   * the next call. A radix sort over `hi` from the lowest digit (Knuth, TAOCP vol. 3, 5.2.5), then insertion over
   * `lo` among the few of equal `hi`.
   */
  sorted(): Int32Array {
    const { count } = this;
    let from = this.#spare;
    let to = this.#order;
    for (let index = 0; index < count; index++) from[index] = index;
    for (let shift = 0; shift < 32; shift += DIGIT_BITS) {
      this.#pass(from, to, shift);
      [from, to] = [to, from];
    }
    return from.subarray(0, this.#settle(from));
  }

  #pass(from: Int32Array, to: Int32Array, shift: number): void {
    const { count, hi } = this;
    const starts = this.#starts.fill(0);
    for (let index = 0; index < count; index++) {
      const digit = ((hi[index] as number) >>> shift) & (DIGITS - 1);
      starts[digit] = (starts[digit] as number) + 1;
    }
    let start = 0;
    for (let digit = 0; digit < DIGITS; digit++) {
      const size = starts[digit] as number;
      starts[digit] = start;
      start += size;
    }
    for (let place = 0; place < count; place++) {
      const index = from[place] as number;
      const digit = ((hi[index] as number) >>> shift) & (DIGITS - 1);
      const target = starts[digit] as number;
      to[target] = index;
      starts[digit] = target + 1;
    }
  }

  /** Orders equal `hi` by `lo`, keeps the last of equal keys; how many are left. */
  #settle(order: Int32Array): number {
    const { count, hi, lo } = this;
    for (let place = 1; place < count; place++) {
      const index = order[place] as number;
      const low = (lo[index] as number) >>> 0;
      let hole = place;
      for (; hole > 0; hole--) {
        const other = order[hole - 1] as number;
        if (hi[other] !== hi[index] || (lo[other] as number) >>> 0 <= low) break;
        order[hole] = other;
      }
      order[hole] = index;
    }
    let kept = 0;
    for (let place = 0; place < count; place++) {
      const index = order[place] as number;
      const last = kept === 0 ? -1 : (order[kept - 1] as number);
      const isAgain = last >= 0 && hi[last] === hi[index] && lo[last] === lo[index];
      order[isAgain ? kept - 1 : kept++] = index;
    }
    return kept;
  }
}
