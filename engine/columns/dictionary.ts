import { ByteReader, ByteWriter } from '../base/index.ts';
import type { KvTable, KvView } from '../state/index.ts';

/** The code of the empty text, which stands for "none". */
export const NO_TEXT = 0;
/** Where texts go when the dictionary is full. */
export const OTHER_TEXT = '__other__';
/** Texts in memory, if nothing else is said. */
export const DEFAULT_DICTIONARY_TEXTS = 1_000_000;

const encoder = new TextEncoder();
const FNV_OFFSET = 0x811c9dc5 | 0;
const FNV_PRIME = 0x01000193;
const INITIAL_SLOTS = 1 << 12;
const INITIAL_BYTES = 1 << 16;

/**
 * Texts by code and codes by text; codes are given in order of arrival, from 1. Text lives here only, once. A code
 * is durable with the commit after it was given. When `limit` texts are there, new ones get the code of
 * `OTHER_TEXT`, which `overflowed` counts.
 */
export class Dictionary {
  readonly limit: number;
  readonly #texts: string[] = [''];
  /** FNV-1a of each text's UTF-8, and where its bytes lie. */
  #hashes = new Int32Array(INITIAL_SLOTS);
  #starts = new Int32Array(INITIAL_SLOTS + 1);
  #bytes = new Uint8Array(INITIAL_BYTES);
  /** Codes by hash, open addressing with linear probing, at most half full; 0 is empty. */
  #slots = new Int32Array(INITIAL_SLOTS);
  /** Codes below it are stored; that of OTHER_TEXT is the same in every dictionary. */
  #stored = 2;
  /** Look-ups that got OTHER_TEXT. */
  overflowed = 0;

  constructor(limit: number = DEFAULT_DICTIONARY_TEXTS) {
    this.limit = limit;
    this.#add(
      OTHER_TEXT,
      encoder.encode(OTHER_TEXT),
      hashOf(encoder.encode(OTHER_TEXT), 0, OTHER_TEXT.length),
    );
  }

  /** Codes given so far; the next one. */
  get size(): number {
    return this.#texts.length;
  }

  textOf(code: number): string {
    const text = this.#texts[code];
    if (text === undefined) throw new Error(`no text has the code ${code}`);
    return text;
  }

  /** Whether new texts get the code of `OTHER_TEXT`. */
  get isFull(): boolean {
    return this.#texts.length > this.limit;
  }

  /** The code of a text, or -1 when it has none; gives none. */
  find(text: string): number {
    if (text === '') return NO_TEXT;
    const bytes = encoder.encode(text);
    const slot = this.#slot(bytes, 0, bytes.length, hashOf(bytes, 0, bytes.length));
    return this.#slots[slot] === 0 ? -1 : (this.#slots[slot] as number);
  }

  codeOf(text: string): number {
    if (text === '') return NO_TEXT;
    const bytes = encoder.encode(text);
    const hash = hashOf(bytes, 0, bytes.length);
    const slot = this.#slot(bytes, 0, bytes.length, hash);
    const code = this.#slots[slot] as number;
    return code !== 0 ? code : this.#add(text, bytes, hash);
  }

  /**
   * The code of a text that must not share one: a tenant, a currency. Never that of `OTHER_TEXT`, however full the
   * dictionary is. For texts of which there are few.
   */
  ownCodeOf(text: string): number {
    const known = this.find(text);
    if (known >= 0) return known;
    const bytes = encoder.encode(text);
    return this.#give(text, bytes, hashOf(bytes, 0, bytes.length));
  }

  /** The code of UTF-8 bytes [start, end) whose FNV-1a is `hash`. */
  codeOfBytes(bytes: Uint8Array, start: number, end: number, hash: number): number {
    if (start === end) return NO_TEXT;
    const slot = this.#slot(bytes, start, end, hash);
    const code = this.#slots[slot] as number;
    if (code !== 0) return code;
    // A copy: the bytes may lie in memory that threads share, which decoders refuse.
    const copy = Uint8Array.from(bytes.subarray(start, end));
    return this.#add(new TextDecoder('utf-8', { ignoreBOM: true }).decode(copy), copy, hash);
  }

  #slot(bytes: Uint8Array, start: number, end: number, hash: number): number {
    const mask = this.#slots.length - 1;
    for (let slot = (hash ^ (hash >>> 15)) & mask; ; slot = (slot + 1) & mask) {
      const code = this.#slots[slot] as number;
      if (code === 0) return slot;
      if (this.#hashes[code] === hash && this.#equals(code, bytes, start, end)) return slot;
    }
  }

  #equals(code: number, bytes: Uint8Array, start: number, end: number): boolean {
    const from = this.#starts[code] as number;
    if ((this.#starts[code + 1] as number) - from !== end - start) return false;
    const own = this.#bytes;
    for (let at = start, own_at = from; at < end; at++, own_at++) if (own[own_at] !== bytes[at]) return false;
    return true;
  }

  #add(text: string, bytes: Uint8Array, hash: number): number {
    if (this.isFull && text !== OTHER_TEXT) {
      this.overflowed++;
      return this.codeOf(OTHER_TEXT);
    }
    return this.#give(text, bytes, hash);
  }

  #give(text: string, bytes: Uint8Array, hash: number): number {
    const code = this.#texts.length;
    this.#texts.push(text);
    if (code + 2 > this.#starts.length) this.#growEntries();
    const from = this.#starts[code] as number;
    if (from + bytes.length > this.#bytes.length) this.#growBytes(from + bytes.length);
    this.#bytes.set(bytes, from);
    this.#starts[code + 1] = from + bytes.length;
    this.#hashes[code] = hash;
    if ((code + 1) * 2 > this.#slots.length) this.#growSlots();
    else this.#slots[this.#slot(bytes, 0, bytes.length, hash)] = code;
    return code;
  }

  #growEntries(): void {
    const size = this.#hashes.length * 2;
    const hashes = new Int32Array(size);
    hashes.set(this.#hashes);
    this.#hashes = hashes;
    const starts = new Int32Array(size + 1);
    starts.set(this.#starts);
    this.#starts = starts;
  }

  #growBytes(needed: number): void {
    let size = this.#bytes.length;
    while (size < needed) size *= 2;
    const bytes = new Uint8Array(size);
    bytes.set(this.#bytes);
    this.#bytes = bytes;
  }

  #growSlots(): void {
    const slots = new Int32Array(this.#slots.length * 2);
    const mask = slots.length - 1;
    for (let code = 1; code < this.#texts.length; code++) {
      const hash = this.#hashes[code] as number;
      let slot = (hash ^ (hash >>> 15)) & mask;
      while (slots[slot] !== 0) slot = (slot + 1) & mask;
      slots[slot] = code;
    }
    this.#slots = slots;
  }

  /** Writes what was given since the last time; inside a commit. */
  flush(table: KvTable): void {
    if (this.#stored === this.#texts.length) return;
    const writer = new ByteWriter();
    for (let code = this.#stored; code < this.#texts.length; code++)
      writer.string(this.#texts[code] as string);
    table.put(new ByteWriter().u48(this.#stored).copy(), writer.copy());
    this.#stored = this.#texts.length;
  }

  /** Reads what is stored beyond what is known here; so a reader's copy follows the writer's. */
  follow(table: KvView): void {
    const start = new ByteWriter().u48(this.#texts.length).copy();
    for (const { key, value } of table.scan({ start })) {
      const first = new ByteReader(key).u48();
      if (first > this.#texts.length) throw new Error(`the dictionary lacks codes before ${first}`);
      const reader = new ByteReader(value);
      for (; reader.position < value.length; ) {
        const text = reader.string();
        const bytes = encoder.encode(text);
        this.#give(text, bytes, hashOf(bytes, 0, bytes.length));
      }
    }
    this.#stored = this.#texts.length;
  }
}

/** FNV-1a, 32 bits, signed. */
function hashOf(bytes: Uint8Array, start: number, end: number): number {
  let hash = FNV_OFFSET;
  for (let at = start; at < end; at++) hash = Math.imul(hash ^ (bytes[at] as number), FNV_PRIME);
  return hash;
}
