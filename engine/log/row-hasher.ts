import {
  type ColumnSpec,
  type ColumnVisitor,
  type Dictionary,
  type HashValues,
  type ItemLists,
  TIME,
} from '../columns/index.ts';
import { DAY_MS } from './layout.ts';
import { type DayEntry, DaySums } from './manifest.ts';

const TWO_32 = 2 ** 32;
const GOLDEN = 0x9e3779b1;
const double = new Float64Array(1);
const doubleWords = new Int32Array(double.buffer);

/** Murmur3's finaliser (Austin Appleby, public domain). Signed 32 bits. */
function mix(value: number): number {
  let h = value;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

/** Two independent 32-bit hashes of a text, into `out`. */
function hashText(text: string, out: Int32Array): void {
  let first = 0x811c9dc5 | 0;
  let second = GOLDEN | 0;
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    first = Math.imul(first ^ unit, 0x01000193);
    second = Math.imul((second << 13) | (second >>> 19), 5) + Math.imul(unit + 1, 0xcc9e2d51);
  }
  out[0] = mix(first ^ text.length);
  out[1] = mix(second);
}

/** Hashes of a dictionary's texts by code. */
class TextHashes {
  readonly #dictionary: Dictionary;
  first = new Int32Array(1_024);
  second = new Int32Array(1_024);
  #count = 0;

  constructor(dictionary: Dictionary) {
    this.#dictionary = dictionary;
  }

  follow(): void {
    const { size } = this.#dictionary;
    if (size > this.first.length) {
      let length = this.first.length;
      while (length < size) length *= 2;
      const { first, second } = this;
      this.first = new Int32Array(length);
      this.second = new Int32Array(length);
      this.first.set(first);
      this.second.set(second);
    }
    const out = new Int32Array(2);
    for (; this.#count < size; this.#count++) {
      hashText(this.#dictionary.textOf(this.#count), out);
      this.first[this.#count] = out[0] as number;
      this.second[this.#count] = out[1] as number;
    }
  }
}

/**
 * Hashes what rows say: time, columns and items, texts in place of their codes; not where they came from. A column
 * adds to its row by name, and nothing where it is none: neither the order of columns nor one that is declared
 * later changes a hash. The digest of a set of rows is the sum of their hashes, retractions subtracted.
 */
export class RowHasher implements ColumnVisitor {
  readonly #texts: TextHashes;
  readonly #retraction: string;
  #first = new Int32Array(0);
  #second = new Int32Array(0);
  #isRetraction = new Uint8Array(0);
  #rows = 0;
  readonly #salt = new Int32Array(2);

  /** `retraction` is the name of the column that gives a row its sign. */
  constructor(dictionary: Dictionary, retraction: string) {
    this.#texts = new TextHashes(dictionary);
    this.#retraction = retraction;
  }

  start(rows: number): void {
    this.#rows = rows;
    this.#texts.follow();
    if (this.#first.length < rows) {
      this.#first = new Int32Array(rows);
      this.#second = new Int32Array(rows);
      this.#isRetraction = new Uint8Array(rows);
    } else {
      this.#first.fill(0, 0, rows);
      this.#second.fill(0, 0, rows);
      this.#isRetraction.fill(0, 0, rows);
    }
  }

  codes(_place: number, values: Int32Array, spec?: ColumnSpec): void {
    // Without a spec it is the part, which says where a row came from.
    if (spec === undefined || spec.provenance === true) return;
    if (spec.name === this.#retraction) {
      for (let row = 0; row < this.#rows; row++) this.#isRetraction[row] = values[row] === 0 ? 0 : 1;
      return;
    }
    this.#addCodes(this.#first, this.#second, values, this.#rows, spec);
  }

  #addCodes(
    first: Int32Array,
    second: Int32Array,
    values: Int32Array,
    count: number,
    { name, text }: ColumnSpec,
  ): void {
    hashText(name, this.#salt);
    const [a, b] = this.#salt as unknown as [number, number];
    if (text !== true) {
      for (let at = 0; at < count; at++) {
        const code = values[at] as number;
        if (code === 0) continue;
        first[at] = (first[at] as number) + mix(code ^ a);
        second[at] = (second[at] as number) + mix(Math.imul(code, GOLDEN) + b);
      }
      return;
    }
    const { first: firsts, second: seconds } = this.#texts;
    for (let at = 0; at < count; at++) {
      const code = values[at] as number;
      if (code === 0) continue;
      first[at] = (first[at] as number) + mix((firsts[code] as number) ^ a);
      second[at] = (second[at] as number) + mix((seconds[code] as number) + b);
    }
  }

  hashes(_place: number, { ids, hi, lo, count }: HashValues, { name, provenance }: ColumnSpec): void {
    if (provenance === true) return;
    hashText(name, this.#salt);
    const [a, b] = this.#salt as unknown as [number, number];
    const firsts = new Int32Array(count);
    const seconds = new Int32Array(count);
    for (let id = 1; id < count; id++) {
      firsts[id] = mix((hi[id] as number) ^ mix((lo[id] as number) ^ a));
      seconds[id] = mix((lo[id] as number) + mix((hi[id] as number) + b));
    }
    const first = this.#first;
    const second = this.#second;
    for (let row = 0; row < this.#rows; row++) {
      first[row] = (first[row] as number) + (firsts[ids[row] as number] as number);
      second[row] = (second[row] as number) + (seconds[ids[row] as number] as number);
    }
  }

  numbers(place: number, values: Float64Array, spec?: ColumnSpec): void {
    // Without a spec it is the sequence, which stays out, or the time.
    if (spec === undefined ? place !== TIME : spec.provenance === true) return;
    this.#addNumbers(this.#first, this.#second, values, this.#rows, spec?.name ?? ' time');
  }

  #addNumbers(
    first: Int32Array,
    second: Int32Array,
    values: Float64Array,
    count: number,
    name: string,
  ): void {
    hashText(name, this.#salt);
    const [a, b] = this.#salt as unknown as [number, number];
    for (let at = 0; at < count; at++) {
      const value = values[at] as number;
      if (Number.isNaN(value)) continue;
      let low = value | 0;
      let high = Math.floor(value / TWO_32) | 0;
      if (low + (high + (low < 0 ? 1 : 0)) * TWO_32 !== value) {
        // No safe integer: its bits.
        double[0] = value;
        low = ~(doubleWords[0] as number);
        high = doubleWords[1] as number;
      }
      first[at] = (first[at] as number) + mix(low ^ mix(high ^ a));
      second[at] = (second[at] as number) + mix(high + mix(low + b));
    }
  }

  items(_first: number, specs: readonly ColumnSpec[], lists: ItemLists): void {
    let length = 0;
    for (let list = 1; list < lists.count; list++)
      length = Math.max(length, (lists.start[list] as number) + (lists.size[list] as number));
    const first = new Int32Array(length);
    const second = new Int32Array(length);
    const next = { code: 0, number: 0 };
    for (const spec of specs) {
      if (spec.kind === 'code') this.#addCodes(first, second, lists.codes(next.code++), length, spec);
      else this.#addNumbers(first, second, lists.numbers(next.number++), length, spec.name);
    }
    const firsts = new Int32Array(lists.count);
    const seconds = new Int32Array(lists.count);
    for (let list = 1; list < lists.count; list++) {
      const start = lists.start[list] as number;
      const end = start + (lists.size[list] as number);
      let [a, b] = [end - start, start - end];
      for (let item = start; item < end; item++) {
        a = mix(Math.imul(a, 31) + (first[item] as number));
        b = mix(Math.imul(b, 37) + (second[item] as number));
      }
      firsts[list] = a;
      seconds[list] = b;
    }
    for (let row = 0; row < this.#rows; row++) {
      const list = lists.list[row] as number;
      if (list === 0) continue;
      this.#first[row] = (this.#first[row] as number) + (firsts[list] as number);
      this.#second[row] = (this.#second[row] as number) + (seconds[list] as number);
    }
  }

  /** Sums by day of the rows order[from..to), after all their columns. */
  sums(time_ms: Float64Array, order: Uint32Array, from: number, to: number): DaySums {
    const sums = new DaySums();
    let day = Number.NaN;
    let entry: DayEntry = { day, rows: 0, net: 0, first: 0, second: 0 };
    for (let at = from; at < to; at++) {
      const row = order[at] as number;
      const rowDay = Math.floor((time_ms[row] as number) / DAY_MS);
      if (rowDay !== day) {
        day = rowDay;
        entry = sums.entry(day);
      }
      const first = this.#first[row] as number;
      const second = this.#second[row] as number;
      const sign = this.#isRetraction[row] === 0 ? 1 : -1;
      entry.rows++;
      entry.net += sign;
      // Both halves depend on both sums: equal sums of one half alone are not enough.
      entry.first = (entry.first + sign * mix(first ^ Math.imul(second, GOLDEN))) | 0;
      entry.second = (entry.second + sign * mix(second + Math.imul(first, 0x85ebca6b))) | 0;
    }
    return sums;
  }
}
