import { invariant, MillraceError } from './errors.ts';
import { decodeUtf8, writeHalves } from './utf8.ts';

const INITIAL_BYTES = 256;
/** Below this a loop is faster than a native call (and a length fits one varint byte). */
const SHORT_CHARS = 64;
/** The same of copies. */
const COPY_BYTES = 128;
const TWO_32 = 2 ** 32;

/** A growing buffer that codecs write into. `finish` returns a view that the next `reset` invalidates. */
export class ByteWriter {
  #buffer: Buffer = Buffer.allocUnsafe(INITIAL_BYTES);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  reset(): this {
    this.#length = 0;
    return this;
  }

  /** The bytes written since `reset`, valid until the next write to this writer. */
  view(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  /** A copy of the bytes written since `reset`. */
  copy(): Buffer {
    return Buffer.from(this.view());
  }

  /** Copies the bytes written since `reset` into `target`, which has room for them. */
  copyTo(target: Uint8Array, at: number): void {
    const buffer = this.#buffer;
    const length = this.#length;
    if (length < COPY_BYTES)
      for (let index = 0; index < length; index++) target[at + index] = buffer[index] as number;
    else target.set(this.view(), at);
  }

  #reserve(bytes: number): number {
    const at = this.#length;
    if (at + bytes > this.#buffer.length) {
      const grown = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, at + bytes));
      this.#buffer.copy(grown, 0, 0, at);
      this.#buffer = grown;
    }
    this.#length = at + bytes;
    return at;
  }

  u8(value: number): this {
    const at = this.#length < this.#buffer.length ? this.#length++ : this.#reserve(1);
    this.#buffer[at] = value;
    return this;
  }

  u32(value: number): this {
    const at = this.#reserve(4);
    this.#buffer.writeUInt32BE(value >>> 0, at);
    return this;
  }

  /** Big-endian 48 bits: sorts like the number. Holds every time in ms up to the year 10889. */
  u48(value: number): this {
    const at = this.#reserve(6);
    this.#buffer.writeUIntBE(value, at, 6);
    return this;
  }

  f64(value: number): this {
    const at = this.#reserve(8);
    // NaN has many forms, of which one is written: equal values are equal bytes.
    this.#buffer.writeDoubleBE(Number.isNaN(value) ? Number.NaN : value, at);
    return this;
  }

  /** LEB128 of an integer in 0..2^53-1: 1 byte below 128. */
  varint(value: number): this {
    let rest = value;
    while (rest >= 128) {
      this.u8((rest % 128) | 128);
      rest = Math.floor(rest / 128);
    }
    return this.u8(rest);
  }

  /** Zigzag LEB128 of any safe integer. */
  zigzag(value: number): this {
    // Doubling could leave the safe range, so the sign takes the lowest bit of the first 7-bit group.
    const sign = value < 0 ? 1 : 0;
    const magnitude = value < 0 ? -value : value;
    const low = magnitude % 64;
    const high = Math.floor(magnitude / 64);
    if (high === 0) return this.u8((low << 1) | sign);
    this.u8(128 | (low << 1) | sign);
    return this.varint(high);
  }

  /** UTF-8 with its length before it. */
  string(value: string): this {
    requireText(value);
    const { length } = value;
    if (length < SHORT_CHARS) {
      const start = this.#reserve(length + 1);
      if (this.#ascii(value, start + 1)) {
        this.#buffer[start] = length;
        return this;
      }
      this.#length = start;
    }
    const bytes = Buffer.byteLength(value);
    this.varint(bytes);
    const at = this.#reserve(bytes);
    this.#buffer.write(value, at, 'utf8');
    writeHalves(value, this.#buffer, at);
    return this;
  }

  /** Writes a short string of ASCII without a call out of JavaScript; false when it is not ASCII. */
  #ascii(value: string, at: number): boolean {
    const buffer = this.#buffer;
    for (let index = 0; index < value.length; index++) {
      const code = value.charCodeAt(index);
      if (code > 127 || code === 0) return false;
      buffer[at + index] = code;
    }
    return true;
  }

  /** A string in a composite key: sorts by UTF-8 bytes, ends with 00; a 00 inside is written 00 FF. */
  orderedString(value: string): this {
    requireText(value);
    const { length } = value;
    if (length < SHORT_CHARS) {
      const start = this.#reserve(length + 1);
      if (this.#ascii(value, start)) {
        this.#buffer[start + length] = 0;
        return this;
      }
      this.#length = start;
    }
    const bytes = Buffer.from(value);
    writeHalves(value, bytes, 0);
    for (const byte of bytes) {
      this.u8(byte);
      if (byte === 0) this.u8(0xff);
    }
    return this.u8(0);
  }

  bytes(value: Uint8Array): this {
    const at = this.#reserve(value.length);
    this.#buffer.set(value, at);
    return this;
  }
}

/** Reads what ByteWriter wrote. Reading past the end is an invariant broken, never a silent zero. */
export class ByteReader {
  #buffer: Uint8Array;
  #view: DataView;
  #at = 0;

  constructor(buffer: Uint8Array) {
    this.#buffer = buffer;
    this.#view = new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
  }

  get position(): number {
    return this.#at;
  }

  get remaining(): number {
    return this.#buffer.length - this.#at;
  }

  #take(bytes: number): number {
    const at = this.#at;
    invariant(at + bytes <= this.#buffer.length, 'a stored value is shorter than its codec expects');
    this.#at = at + bytes;
    return at;
  }

  u8(): number {
    return this.#buffer[this.#take(1)] as number;
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4));
  }

  u48(): number {
    const at = this.#take(6);
    return this.#view.getUint16(at) * TWO_32 + this.#view.getUint32(at + 2);
  }

  f64(): number {
    return this.#view.getFloat64(this.#take(8));
  }

  varint(): number {
    let byte = this.u8();
    let value = byte & 127;
    let scale = 128;
    while (byte >= 128) {
      byte = this.u8();
      value += (byte & 127) * scale;
      scale *= 128;
    }
    return value;
  }

  zigzag(): number {
    const first = this.u8();
    let magnitude = (first & 127) >> 1;
    if (first >= 128) magnitude += this.varint() * 64;
    return first & 1 ? -magnitude : magnitude;
  }

  string(): string {
    const bytes = this.varint();
    const at = this.#take(bytes);
    return decodeUtf8(this.#buffer, at, at + bytes);
  }

  orderedString(): string {
    const start = this.#at;
    let end = this.#buffer.indexOf(0, start);
    invariant(end >= 0, 'a composite key has no end of string');
    if (this.#buffer[end + 1] !== 0xff) {
      this.#at = end + 1;
      return decodeUtf8(this.#buffer, start, end);
    }
    const bytes: number[] = [];
    for (end = start; ; end++) {
      const byte = this.#buffer[end];
      invariant(byte !== undefined, 'a composite key has no end of string');
      if (byte === 0) {
        if (this.#buffer[end + 1] !== 0xff) break;
        end++;
      }
      bytes.push(byte);
    }
    this.#at = end + 1;
    return decodeUtf8(Uint8Array.from(bytes), 0, bytes.length);
  }

  /** A view of the next `length` bytes, valid as long as the buffer read from. */
  bytes(length: number): Uint8Array {
    const at = this.#take(length);
    return this.#buffer.subarray(at, at + length);
  }
}

/** Types say so, but items often come out of JSON. Throws `bad_text`. */
export function requireText(value: unknown): void {
  if (typeof value === 'string') return;
  throw new MillraceError(
    'bad_text',
    `A key, an id or a value to be stored is ${value === null ? 'null' : typeof value}, and has to be text. Look at keyOf, idOf and what the operator keeps; check the items where they are parsed, so that what has to be there is there.`,
  );
}
