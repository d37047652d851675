import { invariant, longValueBytes } from '../../engine/index.ts';
import { ID_WORDS } from './recent-ids.ts';

const ROW_BYTES = longValueBytes(4);
const HEAD_BYTES = 8;
const COLUMNS = 4;
/** Of states without checksums, whose rows are a little longer. */
const MAX_ROW_BYTES = 4 * 4_096;
const MAX_ROW_IDS = Math.floor((MAX_ROW_BYTES - HEAD_BYTES) / (COLUMNS * 4));
const LONGEST_TIME_BYTES = 4;

/** Ids that a row has at most, with times of so many bytes. */
function roomOf(timeBytes: number): number {
  return Math.floor((ROW_BYTES - HEAD_BYTES) / (COLUMNS * 4 + timeBytes));
}

function timeBytesOf(span_s: number): number {
  if (span_s < 1) return 0;
  if (span_s < 0x100) return 1;
  return span_s < 0x1_0000 ? 2 : span_s < 0x100_0000 ? 3 : LONGEST_TIME_BYTES;
}

/**
 * Rows of the log of ids: u16 count, u8 bytes of a time, u8 0, u32 earliest time in s; then the three words of the
 * ids and the payloads' hashes, a column each, and the times from the earliest on. Little-endian. Ids that come
 * together have times near each other: 17 or 18 bytes an id.
 */
export class IdRows {
  readonly #limit: number;
  readonly #words = new Int32Array(MAX_ROW_BYTES / 4);
  readonly #bytes = new Uint8Array(this.#words.buffer);
  /** Of the row written or read last. */
  ids = 0;
  min_s = 0;
  max_s = 0;
  isFull = false;

  /** Rows of `limit` ids at most. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  #measure(entries: Int32Array, from: number, to: number): void {
    let min_s = 0xffff_ffff;
    let max_s = 0;
    for (let entry = from; entry < to; entry++) {
      const time_s = (entries[entry * ID_WORDS + 4] as number) >>> 0;
      if (time_s < min_s) min_s = time_s;
      if (time_s > max_s) max_s = time_s;
    }
    this.min_s = min_s;
    this.max_s = max_s;
  }

  /** How many bytes a time has in the row that begins at `from`; sets `ids` to as many as fit. */
  #fit(entries: Int32Array, from: number, to: number): number {
    for (let timeBytes = 0; ; timeBytes++) {
      const room = Math.min(this.#limit, roomOf(timeBytes));
      const ids = Math.min(room, to - from);
      this.#measure(entries, from, from + ids);
      if (timeBytes < timeBytesOf(this.max_s - this.min_s)) continue;
      this.ids = ids;
      this.isFull = ids === room;
      return timeBytes;
    }
  }

  /** A row of the first of entries [from, to), of ID_WORDS words each; its bytes are valid until the next call. */
  write(entries: Int32Array, from: number, to: number): Uint8Array {
    const timeBytes = this.#fit(entries, from, to);
    const { ids, min_s } = this;
    const words = this.#words;
    words[0] = ids | (timeBytes << 16);
    words[1] = min_s;
    for (let column = 0, at = 2; column < COLUMNS; column++) {
      for (let entry = 0; entry < ids; entry++)
        words[at++] = entries[(from + entry) * ID_WORDS + column] as number;
    }
    let at = HEAD_BYTES + ids * COLUMNS * 4;
    for (let entry = 0; entry < ids; entry++) {
      let rest = ((entries[(from + entry) * ID_WORDS + 4] as number) >>> 0) - min_s;
      for (let byte = 0; byte < timeBytes; byte++, rest >>>= 8) this.#bytes[at++] = rest;
    }
    return this.#bytes.subarray(0, at);
  }

  /** Writes a row's entries into `entries` from entry `to` on; how many. */
  read(row: Uint8Array, entries: Int32Array, to: number): number {
    invariant(row.length >= HEAD_BYTES && row.length <= MAX_ROW_BYTES, 'a row of ids has its size');
    this.#bytes.set(row);
    const words = this.#words;
    const ids = (words[0] as number) & 0xffff;
    const timeBytes = (words[0] as number) >>> 16;
    const min_s = (words[1] as number) >>> 0;
    let max_s = min_s;
    let at = HEAD_BYTES + ids * COLUMNS * 4;
    for (let entry = 0; entry < ids; entry++) {
      const target = (to + entry) * ID_WORDS;
      for (let column = 0; column < COLUMNS; column++)
        entries[target + column] = words[2 + column * ids + entry] as number;
      let offset_s = 0;
      for (let byte = 0; byte < timeBytes; byte++)
        offset_s += (this.#bytes[at++] as number) * 2 ** (8 * byte);
      entries[target + 4] = min_s + offset_s;
      if (min_s + offset_s > max_s) max_s = min_s + offset_s;
    }
    this.ids = ids;
    this.min_s = min_s;
    this.max_s = max_s;
    return ids;
  }

  /** Entries that one row has at most. */
  static get maxIds(): number {
    return MAX_ROW_IDS;
  }
}
