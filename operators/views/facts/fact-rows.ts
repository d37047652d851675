import { invariant } from '../../../engine/index.ts';
import { copyBytes } from './fact-bytes.ts';
import type { FactKey } from './fact-key.ts';

const INITIAL_ROWS = 64;
const INITIAL_BYTES = 4_096;
/** Offsets are signed 32-bit numbers. */
const MAX_BYTES = 2 ** 31 - 1;
const ROW_WORDS = 8;
/** Words of a row. */
const HASH = 0;
const KEY_AT = 1;
const KEY_LENGTH = 2;
const VALUE_AT = 3;
const VALUE_LENGTH = 4;
const DIRTY = 5;
export const NO_ROW = -1;

/**
 * Rows of keys and values as bytes in one buffer outside the collected heap, found by an open-addressing
 * index (linear probing: Knuth, TAOCP vol. 3, 6.4 algorithm L). Rows only come; all go at once by `clear`,
 * which keeps the memory for the next ones. A value that is written anew leaves its old bytes behind.
 */
export class FactRows {
  bytes: Buffer = Buffer.allocUnsafeSlow(INITIAL_BYTES);
  view = new DataView(this.bytes.buffer, this.bytes.byteOffset, INITIAL_BYTES);
  #end = 0;
  #words = new Int32Array(INITIAL_ROWS * ROW_WORDS);
  #count = 0;
  /** Row + 1; 0 is empty. Loaded to a half at most. */
  #index = new Int32Array(INITIAL_ROWS * 2);
  #mask = INITIAL_ROWS * 2 - 1;
  #changed = new Int32Array(INITIAL_ROWS);
  #changes = 0;

  get count(): number {
    return this.#count;
  }

  /** Bytes in use, those of replaced values included. */
  get used_bytes(): number {
    return this.#end;
  }

  get memory_bytes(): number {
    const { byteLength } = this.#words;
    return this.bytes.length + byteLength + this.#index.byteLength + this.#changed.byteLength;
  }

  /** The row of a key, or NO_ROW. */
  find(key: FactKey): number {
    const { hash, length } = key;
    const index = this.#index;
    const words = this.#words;
    const mask = this.#mask;
    for (let probe = hash & mask; ; probe = (probe + 1) & mask) {
      const row = (index[probe] as number) - 1;
      if (row < 0) return NO_ROW;
      const at = row * ROW_WORDS;
      if (words[at + HASH] === hash && words[at + KEY_LENGTH] === length) {
        if (this.#hasKey(words[at + KEY_AT] as number, key.bytes, length)) return row;
      }
    }
  }

  #hasKey(at: number, key: Buffer, length: number): boolean {
    const { bytes } = this;
    // From the end: keys of one scope begin alike.
    for (let index = length - 1; index >= 0; index--) {
      if (bytes[at + index] !== key[index]) return false;
    }
    return true;
  }

  /** Adds a key that `find` does not know, with room for its value. */
  add(key: FactKey, value_bytes: number): number {
    const { length } = key;
    const row = this.#append(key.hash, length, value_bytes);
    const at = this.#words[row * ROW_WORDS + KEY_AT] as number;
    copyBytes(key.view, 0, this.view, at, length);
    return row;
  }

  /** Adds a row of another table whose key is not known here. The bytes stay as they are. */
  take(from: FactRows, other: number): number {
    const at = other * ROW_WORDS;
    const words = from.#words;
    const keyLength = words[at + KEY_LENGTH] as number;
    const valueLength = words[at + VALUE_LENGTH] as number;
    const row = this.#append(words[at + HASH] as number, keyLength, valueLength);
    const to = row * ROW_WORDS;
    const end = this.#words[to + VALUE_AT] as number;
    copyBytes(from.view, words[at + KEY_AT] as number, this.view, end - keyLength, keyLength);
    copyBytes(from.view, words[at + VALUE_AT] as number, this.view, end, valueLength);
    return row;
  }

  #append(hash: number, keyLength: number, valueLength: number): number {
    const at = this.#reserve(keyLength + valueLength);
    if (this.#count * 2 >= this.#mask) this.#grow();
    const row = this.#count++;
    const to = row * ROW_WORDS;
    const words = this.#words;
    words[to + HASH] = hash;
    words[to + KEY_AT] = at;
    words[to + KEY_LENGTH] = keyLength;
    words[to + VALUE_AT] = at + keyLength;
    words[to + VALUE_LENGTH] = valueLength;
    words[to + DIRTY] = 0;
    this.#insert(hash, row);
    return row;
  }

  #insert(hash: number, row: number): void {
    let probe = hash & this.#mask;
    while (this.#index[probe] !== 0) probe = (probe + 1) & this.#mask;
    this.#index[probe] = row + 1;
  }

  #grow(): void {
    const words = new Int32Array(this.#words.length * 2);
    words.set(this.#words);
    this.#words = words;
    this.#index = new Int32Array(this.#index.length * 2);
    this.#mask = this.#index.length - 1;
    for (let row = 0; row < this.#count; row++) this.#insert(words[row * ROW_WORDS + HASH] as number, row);
  }

  #reserve(bytes: number): number {
    const at = this.#end;
    const end = at + bytes;
    if (end > this.bytes.length) {
      invariant(end <= MAX_BYTES, 'the facts between two commits fit into 2 GiB');
      const grown = Buffer.allocUnsafeSlow(Math.min(MAX_BYTES, Math.max(this.bytes.length * 2, end)));
      this.bytes.copy(grown, 0, 0, at);
      this.bytes = grown;
      this.view = new DataView(grown.buffer, grown.byteOffset, grown.length);
    }
    this.#end = end;
    return at;
  }

  valueAt(row: number): number {
    return this.#words[row * ROW_WORDS + VALUE_AT] as number;
  }

  valueLength(row: number): number {
    return this.#words[row * ROW_WORDS + VALUE_LENGTH] as number;
  }

  /** Gives the row's value other bytes, of this length and yet to be written; where they begin. */
  replace(row: number, value_bytes: number): number {
    const at = this.#reserve(value_bytes);
    this.#words[row * ROW_WORDS + VALUE_AT] = at;
    this.#words[row * ROW_WORDS + VALUE_LENGTH] = value_bytes;
    return at;
  }

  /** Shortens the row's value. */
  truncate(row: number, value_bytes: number): void {
    this.#words[row * ROW_WORDS + VALUE_LENGTH] = value_bytes;
  }

  keyAt(row: number): number {
    return this.#words[row * ROW_WORDS + KEY_AT] as number;
  }

  keyLength(row: number): number {
    return this.#words[row * ROW_WORDS + KEY_LENGTH] as number;
  }

  isDirty(row: number): boolean {
    return this.#words[row * ROW_WORDS + DIRTY] === 1;
  }

  markDirty(row: number): void {
    const at = row * ROW_WORDS + DIRTY;
    if (this.#words[at] === 1) return;
    this.#words[at] = 1;
    if (this.#changes === this.#changed.length) {
      const grown = new Int32Array(this.#changes * 2);
      grown.set(this.#changed);
      this.#changed = grown;
    }
    this.#changed[this.#changes++] = row;
  }

  markClean(row: number): void {
    this.#words[row * ROW_WORDS + DIRTY] = 0;
  }

  /** Hands out each dirty row, in order of change, and leaves it clean. */
  drain(each: (row: number) => void): void {
    for (let index = 0; index < this.#changes; index++) {
      const row = this.#changed[index] as number;
      if (!this.isDirty(row)) continue;
      this.markClean(row);
      each(row);
    }
    this.#changes = 0;
  }

  clear(): void {
    this.#index.fill(0);
    this.#count = 0;
    this.#end = 0;
    this.#changes = 0;
  }
}
