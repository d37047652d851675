import { longValueBytes } from '../state/index.ts';
import { ByteArea, copyBetween } from './copy-bytes.ts';
import { rank } from './rank.ts';

/**
 * Records of a block, sorted by key:
 *
 *     u32 records · u8 width of hi · u8 width of ends · u16 0 · u32 base
 *     hi − base of each record · lo of each record (u32) · end of each record · the records' bytes
 *
 * All little-endian. An end is where the record's bytes end, doubled, plus 1 for a tombstone.
 */
const HEAD_BYTES = 12;
/** A fuller block would take a fifth page. */
export const BLOCK_BYTES = longValueBytes(4);
const SHORT_ENDS = 1 << 15;
/** A record has 8 bytes at least: 2 of the high word, the low word and its end. */
const MAX_RECORDS = Math.ceil(BLOCK_BYTES / 8);

/** Collects records in ascending order until a block is full. */
export class BlockBuilder {
  readonly #hi = new Int32Array(MAX_RECORDS + 1);
  readonly #lo = new Int32Array(MAX_RECORDS + 1);
  readonly #ends = new Int32Array(MAX_RECORDS + 1);
  readonly #data = new ByteArea(2 * BLOCK_BYTES);
  readonly #block = new ByteArea(2 * BLOCK_BYTES);
  count = 0;
  #size = 0;

  get firstHi(): number {
    return this.#hi[0] as number;
  }

  get firstLo(): number {
    return this.#lo[0] as number;
  }

  /** false: the block is full, take it first. A record longer than a block gets one of its own. */
  add(hi: number, lo: number, source: ByteArea, start: number, end: number, isTombstone: boolean): boolean {
    const { count } = this;
    const size = this.#size + end - start;
    if (count > 0) {
      const width = widthOf(hi - (this.#hi[0] as number));
      if (HEAD_BYTES + (count + 1) * (width + 6) + size > BLOCK_BYTES) return false;
    }
    this.#data.reserve(size);
    copyBetween(this.#data, this.#size, source, start, end);
    this.#hi[count] = hi;
    this.#lo[count] = lo;
    this.#ends[count] = size * 2 + (isTombstone ? 1 : 0);
    this.#size = size;
    this.count = count + 1;
    return true;
  }

  /** The block's bytes, valid until the next call; begins the next block. */
  take(): Uint8Array {
    const { count } = this;
    const base = this.firstHi;
    const hiWidth = widthOf((this.#hi[count - 1] as number) - base);
    const endWidth = this.#size < SHORT_ENDS ? 2 : 4;
    const dataAt = HEAD_BYTES + count * (hiWidth + 4 + endWidth);
    const block = this.#block;
    block.reserve(dataAt + this.#size);
    const { view } = block;
    view.setUint32(0, count, true);
    view.setUint32(4, hiWidth | (endWidth << 8), true);
    view.setInt32(8, base, true);
    const loAt = HEAD_BYTES + count * hiWidth;
    const endAt = loAt + count * 4;
    for (let index = 0; index < count; index++) {
      // The bytes beyond a short width are written over by what follows.
      view.setInt32(HEAD_BYTES + index * hiWidth, (this.#hi[index] as number) - base, true);
    }
    for (let index = 0; index < count; index++)
      view.setInt32(loAt + index * 4, this.#lo[index] as number, true);
    for (let index = 0; index < count; index++) {
      const end = this.#ends[index] as number;
      if (endWidth === 2) view.setUint16(endAt + index * 2, end, true);
      else view.setInt32(endAt + index * 4, end, true);
    }
    block.bytes.set(this.#data.bytes.subarray(0, this.#size), dataAt);
    const bytes = block.bytes.subarray(0, dataAt + this.#size);
    this.count = 0;
    this.#size = 0;
    return bytes;
  }
}

/** Bytes that the distance of two words needs, modulo 2^32; 2 at least. */
function widthOf(distance: number): number {
  return (distance & 0xffff_0000) === 0 ? 2 : (distance & 0xff00_0000) === 0 ? 3 : 4;
}

/** One block at a time, copied, so that it stays whatever the store does next. */
export class BlockReader {
  readonly area = new ByteArea(BLOCK_BYTES);
  count = 0;
  #base = 0;
  #hiWidth = 0;
  #loAt = 0;
  #endAt = 0;
  #endWidth = 0;
  #dataAt = 0;

  load(block: Uint8Array): void {
    this.area.reserve(block.length);
    this.area.bytes.set(block);
    const { view } = this.area;
    const count = view.getUint32(0, true);
    this.count = count;
    this.#hiWidth = view.getUint8(4);
    this.#endWidth = view.getUint8(5);
    this.#base = view.getInt32(8, true);
    this.#loAt = HEAD_BYTES + count * this.#hiWidth;
    this.#endAt = this.#loAt + count * 4;
    this.#dataAt = this.#endAt + count * this.#endWidth;
  }

  /** Signed, as all words here. */
  hi(index: number): number {
    const at = HEAD_BYTES + index * this.#hiWidth;
    const { view } = this.area;
    const base = this.#base;
    if (this.#hiWidth === 3) return (base + (view.getUint16(at, true) | (view.getUint8(at + 2) << 16))) | 0;
    return (base + (this.#hiWidth === 2 ? view.getUint16(at, true) : view.getInt32(at, true))) | 0;
  }

  lo(index: number): number {
    return this.area.view.getInt32(this.#loAt + index * 4, true);
  }

  #end(index: number): number {
    const { view } = this.area;
    return this.#endWidth === 2
      ? view.getUint16(this.#endAt + index * 2, true)
      : view.getInt32(this.#endAt + index * 4, true);
  }

  isTombstone(index: number): boolean {
    return (this.#end(index) & 1) === 1;
  }

  /** Where a record's bytes are in `area`. */
  start(index: number): number {
    return this.#dataAt + (index === 0 ? 0 : this.#end(index - 1) >>> 1);
  }

  end(index: number): number {
    return this.#dataAt + (this.#end(index) >>> 1);
  }

  /** The index of the first record whose key is not below (hi, lo); `count` if there is none. */
  lowerBound(hi: number, lo: number): number {
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const found = this.hi(middle);
      if (found === hi ? rank(this.lo(middle)) < rank(lo) : rank(found) < rank(hi)) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The index of a key's record, or -1. */
  find(hi: number, lo: number): number {
    const index = this.lowerBound(hi, lo);
    return index < this.count && this.hi(index) === hi && this.lo(index) === lo ? index : -1;
  }
}
