const INITIAL_BYTES = 1_024;
const TWO_32 = 2 ** 32;

/** Writes the parts of one record one after the other; `reset` begins the next. */
export class RecordWriter {
  bytes = new Uint8Array(INITIAL_BYTES);
  length = 0;

  reset(): void {
    this.length = 0;
  }

  reserve(count: number): void {
    if (this.length + count <= this.bytes.length) return;
    let size = this.bytes.length * 2;
    while (size < this.length + count) size *= 2;
    const grown = new Uint8Array(size);
    grown.set(this.bytes.subarray(0, this.length));
    this.bytes = grown;
  }

  u8(value: number): void {
    this.reserve(1);
    this.bytes[this.length++] = value;
  }

  u32(value: number): void {
    this.reserve(4);
    const { bytes, length } = this;
    bytes[length] = value;
    bytes[length + 1] = value >>> 8;
    bytes[length + 2] = value >>> 16;
    bytes[length + 3] = value >>> 24;
    this.length = length + 4;
  }

  u16(value: number): void {
    this.reserve(2);
    this.bytes[this.length] = value;
    this.bytes[this.length + 1] = value >>> 8;
    this.length += 2;
  }

  /** Overwrites what `u16` wrote at a place. */
  setU16(at: number, value: number): void {
    this.bytes[at] = value;
    this.bytes[at + 1] = value >>> 8;
  }

  /** An integer 0..2^48-1. */
  u48(value: number): void {
    this.u32(value % TWO_32);
    const high = Math.floor(value / TWO_32);
    this.u8(high);
    this.u8(high >>> 8);
  }

  /** LEB128 of an integer 0..2^53-1. */
  varint(value: number): void {
    this.reserve(8);
    const { bytes } = this;
    let rest = value;
    let at = this.length;
    while (rest >= TWO_32 / 2) {
      bytes[at++] = (rest % 128) | 128;
      rest = Math.floor(rest / 128);
    }
    while (rest >= 128) {
      bytes[at++] = (rest & 127) | 128;
      rest >>>= 7;
    }
    bytes[at++] = rest;
    this.length = at;
  }

  /** Any safe integer: its sign in a byte's lowest bit, then its magnitude. */
  zigzag(value: number): void {
    const sign = value < 0 ? 1 : 0;
    const magnitude = value < 0 ? -value : value;
    const high = Math.floor(magnitude / 64);
    const low = ((magnitude % 64) << 1) | sign;
    if (high === 0) {
      this.u8(low);
      return;
    }
    this.u8(low | 128);
    this.varint(high);
  }

  copy(from: Uint8Array, start: number, end: number): void {
    const count = end - start;
    this.reserve(count);
    const { bytes, length } = this;
    for (let index = 0; index < count; index++) bytes[length + index] = from[start + index] as number;
    this.length = length + count;
  }
}

/** Reads what `RecordWriter` wrote. */
export class RecordReader {
  bytes: Uint8Array = new Uint8Array(0);
  at = 0;

  open(bytes: Uint8Array, at: number): void {
    this.bytes = bytes;
    this.at = at;
  }

  u8(): number {
    return this.bytes[this.at++] as number;
  }

  u16(): number {
    const { bytes, at } = this;
    this.at = at + 2;
    return (bytes[at] as number) | ((bytes[at + 1] as number) << 8);
  }

  /** Signed. */
  u32(): number {
    const { bytes, at } = this;
    this.at = at + 4;
    return (
      (bytes[at] as number) |
      ((bytes[at + 1] as number) << 8) |
      ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24)
    );
  }

  u48(): number {
    const low = this.u32() >>> 0;
    const high = this.u8();
    return low + (high + this.u8() * 256) * TWO_32;
  }

  varint(): number {
    const { bytes } = this;
    let byte = bytes[this.at++] as number;
    if (byte < 128) return byte;
    let value = byte & 127;
    for (let scale = 128; byte >= 128; scale *= 128) {
      byte = bytes[this.at++] as number;
      value += (byte & 127) * scale;
    }
    return value;
  }

  zigzag(): number {
    const low = this.u8();
    const magnitude = low < 128 ? low >> 1 : ((low & 127) >> 1) + this.varint() * 64;
    return (low & 1) === 1 ? -magnitude : magnitude;
  }
}
