import { invariant } from '../base/index.ts';
import type { ChunkIndex } from './chunk.ts';

/** Bits of one stored number. */
const WIDTHS = [1, 2, 4, 8, 16, 24, 32] as const;
const TWO_32 = 2 ** 32;

/** The narrowest width that holds 0..max; 0 when nothing of at most 32 bits does. */
export function widthOf(max: number): number {
  if (max >= TWO_32) return 0;
  for (const width of WIDTHS) if (max < 2 ** width) return width;
  return 0;
}

/** Bytes of `count` numbers, a multiple of 8. */
export function packedBytes(count: number, width: number): number {
  return Math.ceil((count * width) / 64) * 8;
}

/** Writes the low `width` bits of each number at a place that is a multiple of 8. */
export function pack(values: Int32Array, count: number, width: number, target: Uint8Array, at: number): void {
  const { buffer, byteOffset } = target;
  if (width === 8) for (let i = 0; i < count; i++) target[at + i] = values[i] as number;
  else if (width === 16) {
    const words = new Uint16Array(buffer, byteOffset + at, count);
    for (let i = 0; i < count; i++) words[i] = values[i] as number;
  } else if (width === 32) {
    const words = new Int32Array(buffer, byteOffset + at, count);
    for (let i = 0; i < count; i++) words[i] = values[i] as number;
  } else if (width === 24) {
    for (let i = 0, to = at; i < count; i++, to += 3) {
      const value = values[i] as number;
      target[to] = value;
      target[to + 1] = value >>> 8;
      target[to + 2] = value >>> 16;
    }
  } else packBits(values, count, width, target, at);
}

function packBits(values: Int32Array, count: number, width: number, target: Uint8Array, at: number): void {
  const each = 8 / width;
  let to = at;
  for (let i = 0; i < count; i += each) {
    let byte = 0;
    const last = Math.min(each, count - i);
    for (let k = 0; k < last; k++) byte |= (values[i + k] as number) << (k * width);
    target[to++] = byte;
  }
}

const MIN_ROOM = 64;

/**
 * How many numbers memory is made for that is used again: at least `count`, and as many for all chunks that are about
 * as large, or it would be made anew for each that is a little larger.
 */
export function roomFor(count: number): number {
  return count <= MIN_ROOM ? MIN_ROOM : 2 ** (32 - Math.clz32(count - 1));
}

/** Memory that is used again for what has to be unpacked; one an array that is in use. */
export class Unpacked {
  #bytes = new Uint8Array(0);
  #words = new Uint32Array(0);

  bytes(count: number): Uint8Array {
    // Whole stored bytes are unpacked: up to seven numbers more.
    if (this.#bytes.length < count + 7) this.#bytes = new Uint8Array(roomFor(count + 7));
    return this.#bytes;
  }

  words(count: number): Uint32Array {
    if (this.#words.length < count) this.#words = new Uint32Array(roomFor(count));
    return this.#words;
  }
}

/** The numbers that `pack` wrote: a view of the source where it can be. */
export function unpack(
  source: Uint8Array,
  at: number,
  count: number,
  width: number,
  scratch: Unpacked,
): ChunkIndex {
  invariant(at + Math.ceil((count * width) / 8) <= source.length, 'a stored column has all its numbers');
  const { buffer, byteOffset } = source;
  switch (width) {
    case 8:
      return new Uint8Array(buffer, byteOffset + at, count);
    case 16:
      return new Uint16Array(buffer, byteOffset + at, count);
    case 32:
      return new Uint32Array(buffer, byteOffset + at, count);
    case 24:
      return unpack24(source, at, count, scratch.words(count));
    case 4:
      return unpack4(source, at, count, scratch.bytes(count));
    case 2:
      return unpack2(source, at, count, scratch.bytes(count));
    case 1:
      return unpack1(source, at, count, scratch.bytes(count));
    default:
      invariant(false, `a stored column has numbers of ${width} bits`);
  }
}

function unpack24(source: Uint8Array, at: number, count: number, target: Uint32Array): Uint32Array {
  for (let i = 0, from = at; i < count; i++, from += 3)
    target[i] =
      (source[from] as number) | ((source[from + 1] as number) << 8) | ((source[from + 2] as number) << 16);
  return target.subarray(0, count);
}

function unpack4(source: Uint8Array, at: number, count: number, target: Uint8Array): Uint8Array {
  for (let to = 0, from = at; to < count; from++) {
    const byte = source[from] as number;
    target[to++] = byte & 15;
    target[to++] = byte >> 4;
  }
  return target.subarray(0, count);
}

function unpack2(source: Uint8Array, at: number, count: number, target: Uint8Array): Uint8Array {
  for (let to = 0, from = at; to < count; from++) {
    const byte = source[from] as number;
    target[to++] = byte & 3;
    target[to++] = (byte >> 2) & 3;
    target[to++] = (byte >> 4) & 3;
    target[to++] = byte >> 6;
  }
  return target.subarray(0, count);
}

function unpack1(source: Uint8Array, at: number, count: number, target: Uint8Array): Uint8Array {
  for (let to = 0, from = at; to < count; from++) {
    const byte = source[from] as number;
    for (let bit = 0; bit < 8; bit++) target[to++] = (byte >> bit) & 1;
  }
  return target.subarray(0, count);
}
