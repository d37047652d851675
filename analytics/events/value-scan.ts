import { FNV_OFFSET, FNV_PRIME, fnv1a, hashInteger, hashMember, mix32 } from '../../operators/index.ts';
import { MAX_NESTING } from './event-schema.ts';

export const QUOTE = 0x22;
export const COMMA = 0x2c;
export const COLON = 0x3a;
export const OPEN = 0x7b;
export const CLOSE = 0x7d;
export const OPEN_LIST = 0x5b;
export const CLOSE_LIST = 0x5d;
const BACKSLASH = 0x5c;
const MINUS = 0x2d;
const POINT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;

/** Integers of up to this many digits are safe, and decimals of as many are written by JavaScript as they were. */
const MAX_DIGITS = 15;
/** Zeros behind the point, before JavaScript writes a decimal with an exponent. */
const MAX_SMALL_ZEROS = 5;
/** Members of one object inside an event, before the careful path is the faster one. */
const MAX_MEMBERS = 64;

/** What `hashJson` gives for values that have no bytes to hash. */
const HASH_NULL = 0x510e527f;
const HASH_TRUE = 0x3c6ef372;
const HASH_FALSE = 0x1f83d9ab;
const HASH_TEXT = 0x5bd1e995;
const HASH_OBJECT = 0x1b873593;
const HASH_LIST = 0x2545f491;

/** Bytes within a string that need no look: 0. Quote, backslash, controls and what is no ASCII: 1. */
const SPECIAL = new Uint8Array(256).fill(1, 0, 0x20).fill(1, 0x80);
SPECIAL[QUOTE] = 1;
SPECIAL[BACKSLASH] = 1;

export function hashOfText(fnv: number): number {
  return mix32(fnv ^ HASH_TEXT);
}

/** The length of the UTF-8 sequence at `at`, 2 to 4; 0 where it is none, or a byte order mark. */
function sequenceLength(b: Uint8Array, at: number): number {
  const first = b[at] as number;
  const second = b[at + 1] as number;
  if (first < 0xc2 || (second & 0xc0) !== 0x80) return 0;
  if (first < 0xe0) return 2;
  const third = b[at + 2] as number;
  if ((third & 0xc0) !== 0x80) return 0;
  if (first < 0xf0) {
    // Overlong forms and halves of surrogate pairs are none.
    if ((first === 0xe0 && second < 0xa0) || (first === 0xed && second > 0x9f)) return 0;
    return first === 0xef && second === 0xbb && third === 0xbf ? 0 : 3;
  }
  if (first > 0xf4 || ((b[at + 3] as number) & 0xc0) !== 0x80) return 0;
  return (first === 0xf0 && second < 0x90) || (first === 0xf4 && second > 0x8f) ? 0 : 4;
}

/**
 * Reads JSON values where they lie and hashes them as `hashJson` hashes what JSON.parse makes of them. Takes what
 * programs write: no escapes, integers of up to 15 digits and decimals in JavaScript's own form, members of an
 * object once. At anything else a method returns false, and nothing of its results counts. `end` bounds every read
 * that is used; bytes behind it may be looked at.
 */
export class ValueScan {
  /** Behind the value that was read last. */
  at = 0;
  /** The text read last: its bytes and their FNV-1a. */
  from = 0;
  to = 0;
  fnv = 0;
  /** Of the value read last, as `hashJson` gives it. */
  hash = 0;
  /** The bytes that are read, as words. */
  protected view: DataView = new DataView(new ArrayBuffer(0));
  #bytes: Uint8Array | undefined;
  /** The integer read last. */
  readonly integer = new Float64Array(1);
  /** Hashes of the names of the objects that are open. */
  readonly #names = new Int32Array(MAX_MEMBERS * MAX_NESTING);
  #open = 0;

  /** To be called before bytes are read. */
  protected look(b: Uint8Array): void {
    if (b === this.#bytes) return;
    this.#bytes = b;
    this.view = new DataView(b.buffer, b.byteOffset, b.byteLength);
  }

  skipSpace(b: Uint8Array, from: number): number {
    let at = from;
    for (let byte = b[at]; byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09; byte = b[at])
      at++;
    return at;
  }

  /** A string whose quote is at `quote`. */
  text(b: Uint8Array, quote: number, end: number): boolean {
    let at = quote + 1;
    let fnv = FNV_OFFSET;
    for (;;) {
      let byte = b[at] as number;
      while (SPECIAL[byte] === 0) {
        fnv = Math.imul(fnv ^ byte, FNV_PRIME);
        byte = b[++at] as number;
      }
      if (byte === QUOTE) break;
      if (!(byte >= 0x80)) return false;
      for (let left = sequenceLength(b, at); ; left--) {
        if (left === 0) return false;
        fnv = Math.imul(fnv ^ (b[at++] as number), FNV_PRIME);
        if (left === 1) break;
      }
    }
    this.from = quote + 1;
    this.to = at;
    this.fnv = fnv;
    this.at = at + 1;
    return at < end;
  }

  /** An integer; its value is in `integer`. */
  whole(b: Uint8Array, from: number): boolean {
    let at = from;
    const negative = b[at] === MINUS;
    if (negative) at++;
    const first = at;
    let value = 0;
    for (let byte = b[at] as number; byte >= ZERO && byte <= NINE; byte = b[++at] as number)
      value = value * 10 + (byte - ZERO);
    const digits = at - first;
    // JSON has no leading zeros; -0 is another number than 0.
    if (digits === 0 || digits > MAX_DIGITS || (b[first] === ZERO && (digits > 1 || negative))) return false;
    this.at = at;
    this.integer[0] = negative ? -value : value;
    const byte = b[at];
    // Neither a fraction nor an exponent follows.
    return byte !== POINT && byte !== 0x65 && byte !== 0x45;
  }

  /** A number: an integer, or a decimal as JavaScript writes it. */
  number(b: Uint8Array, from: number): boolean {
    if (this.whole(b, from)) {
      this.hash = hashInteger(this.integer[0] as number);
      return true;
    }
    const first = b[from] === MINUS ? from + 1 : from;
    let at = first;
    while (isDigit(b[at])) at++;
    const point = at;
    if (point === first || (b[first] === ZERO && point > first + 1) || b[point] !== POINT) return false;
    at++;
    while (b[at] === ZERO) at++;
    const small = b[first] === ZERO && at - point - 1 > MAX_SMALL_ZEROS;
    while (isDigit(b[at])) at++;
    const byte = b[at];
    if (small || at - first - 1 > MAX_DIGITS || byte === 0x65 || byte === 0x45) return false;
    if (at === point + 1 || b[at - 1] === ZERO) return false;
    this.at = at;
    this.hash = mix32(fnv1a(b, from, at));
    return true;
  }

  /** Any value; `depth` is its own, the event's is 1. */
  value(b: Uint8Array, at: number, end: number, depth: number): boolean {
    switch (b[at]) {
      case QUOTE:
        if (!this.text(b, at, end)) return false;
        this.hash = hashOfText(this.fnv);
        return true;
      case OPEN:
        return this.object(b, at, end, depth);
      case OPEN_LIST:
        return this.#list(b, at, end, depth);
      case 0x74:
      case 0x66:
      case 0x6e:
        return this.word(b, at);
      default:
        return this.number(b, at);
    }
  }

  /** `true`, `false` or `null`. */
  word(b: Uint8Array, at: number): boolean {
    if (b[at] === 0x74 && b[at + 1] === 0x72 && b[at + 2] === 0x75 && b[at + 3] === 0x65) {
      this.at = at + 4;
      this.hash = HASH_TRUE;
      return true;
    }
    if (b[at] === 0x6e && b[at + 1] === 0x75 && b[at + 2] === 0x6c && b[at + 3] === 0x6c) {
      this.at = at + 4;
      this.hash = HASH_NULL;
      return true;
    }
    this.at = at + 5;
    this.hash = HASH_FALSE;
    const f = b[at] === 0x66 && b[at + 1] === 0x61 && b[at + 2] === 0x6c;
    return f && b[at + 3] === 0x73 && b[at + 4] === 0x65;
  }

  object(b: Uint8Array, open: number, end: number, depth: number): boolean {
    if (depth > MAX_NESTING) return false;
    const base = this.#open;
    const taken = this.#members(b, open, end, depth, base);
    this.#open = base;
    return taken;
  }

  #members(b: Uint8Array, open: number, end: number, depth: number, base: number): boolean {
    let sum = 0;
    let at = this.skipSpace(b, open + 1);
    if (b[at] === CLOSE) {
      this.hash = mix32(HASH_OBJECT);
      this.at = at + 1;
      return at < end;
    }
    for (;;) {
      if (b[at] !== QUOTE || !this.text(b, at, end)) return false;
      const name = this.fnv;
      if (!this.remember(name, base)) return false;
      const { from, to } = this;
      at = this.skipSpace(b, this.at);
      if (b[at] !== COLON) return false;
      at = this.skipSpace(b, at + 1);
      if (!this.value(b, at, end, depth + 1)) return false;
      sum = (sum + hashMember(name, this.hash)) | 0;
      if (depth === 2) this.member(b, name, from, to, at);
      at = this.skipSpace(b, this.at);
      const byte = b[at];
      if (byte === CLOSE) break;
      if (byte !== COMMA) return false;
      at = this.skipSpace(b, at + 1);
    }
    this.hash = mix32((HASH_OBJECT + sum) | 0);
    this.at = at + 1;
    return at < end;
  }

  /**
   * Told of each member of an object that is a member of the event: name's bytes [from, to), value's from `at` to
   * `this.at`. To be overridden; must leave the results of the last value as they are.
   */
  protected member(_b: Uint8Array, _name: number, _from: number, _to: number, _at: number): void {}

  /** False for a name that its object had before (JSON takes the last of equals), or one too many. */
  protected remember(name: number, base: number): boolean {
    const names = this.#names;
    const open = this.#open;
    if (open - base >= MAX_MEMBERS) return false;
    for (let index = base; index < open; index++) if (names[index] === name) return false;
    names[open] = name;
    this.#open = open + 1;
    return true;
  }

  /** Opens an object whose members the caller reads; `close` ends it. */
  protected openNames(): number {
    return this.#open;
  }

  protected closeNames(base: number): void {
    this.#open = base;
  }

  #list(b: Uint8Array, open: number, end: number, depth: number): boolean {
    if (depth > MAX_NESTING) return false;
    let hash = HASH_LIST;
    let at = this.skipSpace(b, open + 1);
    if (b[at] === CLOSE_LIST) {
      this.hash = hash;
      this.at = at + 1;
      return at < end;
    }
    for (;;) {
      if (!this.value(b, at, end, depth + 1)) return false;
      hash = listHash(hash, this.hash);
      at = this.skipSpace(b, this.at);
      const byte = b[at];
      if (byte === CLOSE_LIST) break;
      if (byte !== COMMA) return false;
      at = this.skipSpace(b, at + 1);
    }
    this.hash = hash;
    this.at = at + 1;
    return at < end;
  }
}

/** Of an empty list. */
export const EMPTY_LIST_HASH = HASH_LIST;
export const EMPTY_OBJECT_HASH = HASH_OBJECT;

/** The hash of a list with one more item. */
export function listHash(hash: number, item: number): number {
  return mix32(Math.imul(hash, 31) + item);
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= ZERO && byte <= NINE;
}
