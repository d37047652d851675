import { crc32 } from 'node:zlib';
import { MillraceError } from '../base/index.ts';

/** What a checksum takes behind a stored value. */
export const CHECKSUM_BYTES = 4;
/** From here on the native CRC-32 is faster than the loop. */
const LONG_BYTES = 256;
/** From here on a value that was compared once is remembered, where the reader asks for that. */
const REMEMBERED_BYTES = 4_096;
/** Values of a table that are remembered so; beyond, all are compared again. */
const REMEMBERED_MAX_VALUES = 65_536;

/** Takes in a word as MurmurHash3 does (Appleby, 2011): a bijection, so that one flipped bit always shows. */
function withWord(state: number, word: number): number {
  const mixing = Math.imul(word, 0xcc9e2d51);
  return state ^ Math.imul((mixing << 15) | (mixing >>> 17), 0x1b873593);
}

function mixed(state: number, word: number): number {
  const next = withWord(state, word);
  return (Math.imul((next << 13) | (next >>> 19), 5) + 0xe6546b64) | 0;
}

/** MurmurHash3 x86-32, going on from `seed`. */
export function shortHash(seed: number, bytes: Uint8Array, length: number): number {
  let state = seed;
  const whole = length & ~3;
  for (let at = 0; at < whole; at += 4) {
    const low = (bytes[at] as number) | ((bytes[at + 1] as number) << 8);
    const high = ((bytes[at + 2] as number) << 16) | ((bytes[at + 3] as number) << 24);
    state = mixed(state, low | high);
  }
  let last = 0;
  for (let at = whole; at < length; at++) last |= (bytes[at] as number) << ((at - whole) * 8);
  if (whole < length) state = withWord(state, last);
  state ^= length;
  state = Math.imul(state ^ (state >>> 16), 0x85ebca6b);
  state = Math.imul(state ^ (state >>> 13), 0xc2b2ae35);
  return (state ^ (state >>> 16)) | 0;
}

/** Checksums of the rows of one table: of key and value, so that a value under another key shows too. */
export class RowChecksums {
  readonly #table: string;
  readonly #seed: number;
  /** By the key the checksum of a long value that was compared. */
  readonly #compared = new Map<string, number>();
  /** A value with its checksum, on its way to the store. */
  #row = Buffer.alloc(4_096);

  constructor(table: string) {
    this.#table = table;
    const name = Buffer.from(table);
    this.#seed = shortHash(0, name, name.length);
  }

  #of(key: Uint8Array, value: Uint8Array, length: number): number {
    const state = shortHash(this.#seed, key, key.length);
    if (length < LONG_BYTES) return shortHash(state, value, length);
    return crc32(value.length === length ? value : value.subarray(0, length), state >>> 0) | 0;
  }

  /** The value with its checksum behind it, valid until the next call. */
  add(key: Uint8Array, value: Uint8Array): Buffer {
    const { length } = value;
    const size = length + CHECKSUM_BYTES;
    if (this.#row.length < size) this.#row = Buffer.alloc(Math.max(size, this.#row.length * 2));
    this.#row.set(value);
    this.#row.writeInt32LE(this.#of(key, value, length), length);
    return this.#row.subarray(0, size);
  }

  /** The value of a stored row. Throws `state_damaged` where it is not what was written. */
  valueOf(key: Uint8Array, row: Uint8Array): Uint8Array {
    const length = row.length - CHECKSUM_BYTES;
    if (length < 0 || storedAt(row, length) !== this.#of(key, row, length)) throw this.#damaged(key, row);
    return row.subarray(0, length);
  }

  /**
   * The value of a stored row, compared the first time that this reader meets it: for scans, which read the same long
   * values again and again. Another value under the key has another checksum, and is compared. What flips afterwards is
   * found by those who compare always: health, and `state verify`.
   */
  valueOnce(key: Uint8Array, row: Uint8Array): Uint8Array {
    const length = row.length - CHECKSUM_BYTES;
    if (length < REMEMBERED_BYTES) return this.valueOf(key, row);
    const name = Buffer.from(key.buffer, key.byteOffset, key.length).toString('latin1');
    const stored = storedAt(row, length);
    if (this.#compared.get(name) === stored) return row.subarray(0, length);
    const value = this.valueOf(key, row);
    if (this.#compared.size >= REMEMBERED_MAX_VALUES) this.#compared.clear();
    this.#compared.set(name, stored);
    return value;
  }

  #damaged(key: Uint8Array, row: Uint8Array): MillraceError {
    const shown = Buffer.from(key.subarray(0, 64)).toString('hex');
    return stateDamaged(
      `a row of table "${this.#table}" (key ${shown}, ${row.length} bytes) is not what was written`,
    );
  }
}

function storedAt(row: Uint8Array, at: number): number {
  const low = (row[at] as number) | ((row[at + 1] as number) << 8);
  return low | ((row[at + 2] as number) << 16) | ((row[at + 3] as number) << 24);
}

/** Bytes of the state are not what was written: no answer may come from it. */
export function stateDamaged(what: string): MillraceError {
  return new MillraceError(
    'state_damaged',
    `The state is damaged: ${what}. Nothing is served from what cannot be trusted. Look for errors of the disk or ` +
      'the memory, then stop millrace and run "npx millrace state rebuild", which builds the state anew from the stream.',
  );
}
