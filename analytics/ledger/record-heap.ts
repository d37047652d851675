import { PagedArea, type PagePool, type RecordArena } from '../../engine/index.ts';
import { RecordReader } from './record-bytes.ts';

/** Where records lie that are not in memory: the runs of the last commits. */
export interface RecordSource {
  /** The record's bytes, valid until the next call; undefined where there is none. */
  find(hi: number, lo: number): Uint8Array | undefined;
  /** Every record once. */
  visit(visitor: (hi: number, lo: number, bytes: Uint8Array, start: number, end: number) => void): void;
}

export interface HeapLimits {
  /** Of one of two generations, when it is time to let go of what was not used since the last turn. */
  readonly generation_bytes: number;
}

const INITIAL_RECORDS = 4_096;

/** A record begins with the time of its entity's last event. */
export function lastEventOf(bytes: Uint8Array, start: number): number {
  reader.open(bytes, start);
  return reader.u48();
}

const reader = new RecordReader();

/** One generation: records in one buffer, found by open addressing (linear probing). Records only come. */
class Generation {
  readonly area: PagedArea;
  /** Bytes of records, with those that have moved. */
  size_bytes = 0;
  count = 0;
  hi = new Int32Array(INITIAL_RECORDS);
  lo = new Int32Array(INITIAL_RECORDS);
  offset = new Int32Array(INITIAL_RECORDS);
  length = new Int32Array(INITIAL_RECORDS);
  dirty = new Uint8Array(INITIAL_RECORDS);
  /** Record + 1, or 0. */
  #slots = new Int32Array(INITIAL_RECORDS * 2);

  constructor(pool: PagePool) {
    this.area = new PagedArea(pool);
  }

  find(hi: number, lo: number): number {
    const mask = this.#slots.length - 1;
    for (let slot = lo & mask; ; slot = (slot + 1) & mask) {
      const record = (this.#slots[slot] as number) - 1;
      if (record < 0 || (this.lo[record] === lo && this.hi[record] === hi)) return record;
    }
  }

  add(hi: number, lo: number): number {
    if (this.count === this.hi.length) this.#grow();
    const record = this.count++;
    this.hi[record] = hi;
    this.length[record] = 0;
    this.lo[record] = lo;
    this.dirty[record] = 0;
    this.#insert(lo, record);
    return record;
  }

  #insert(lo: number, record: number): void {
    const mask = this.#slots.length - 1;
    let slot = lo & mask;
    while (this.#slots[slot] !== 0) slot = (slot + 1) & mask;
    this.#slots[slot] = record + 1;
  }

  #grow(): void {
    const size = this.hi.length * 2;
    for (const name of ['hi', 'lo', 'offset', 'length'] as const) {
      const grown = new Int32Array(size);
      grown.set(this[name]);
      this[name] = grown;
    }
    const dirty = new Uint8Array(size);
    dirty.set(this.dirty);
    this.dirty = dirty;
    this.#slots = new Int32Array(size * 2);
    for (let record = 0; record < this.count; record++) this.#insert(this.lo[record] as number, record);
  }

  write(record: number, from: Uint8Array, start: number, length: number): void {
    const { area } = this;
    const former = this.length[record] as number;
    let place = this.offset[record] as number;
    // A record that did not grow keeps its place, and so does the last one: what comes together is written once.
    if (former > 0 && length > former && area.extend(place, former, length))
      this.size_bytes += length - former;
    else if (former === 0 || length > former) {
      place = area.reserve(length);
      this.size_bytes += length;
      this.offset[record] = place;
    }
    const { bytes } = area.areaOf(place);
    const at = area.offsetOf(place);
    for (let index = 0; index < length; index++) bytes[at + index] = from[start + index] as number;
    this.length[record] = length;
  }

  clear(): void {
    this.size_bytes = 0;
    this.area.clear();
    this.count = 0;
    this.length.fill(0);
    this.#slots.fill(0);
  }

  get memory_bytes(): number {
    return this.area.memory_bytes + this.hi.byteLength * 4 + this.dirty.byteLength + this.#slots.byteLength;
  }
}

/**
 * Records by 64-bit hash as bytes outside the collected heap: a write-back cache of two generations over
 * `RecordSource`. What was used since the last turn stays in memory; what changed since the last commit always.
 */
export class RecordHeap {
  readonly #source: RecordSource;
  readonly #limits: HeapLimits;
  #young: Generation;
  #old: Generation;
  #changed = 0;
  /** Of the record opened last: [start, end) of `bytes`, valid until the next call. */
  bytes: Uint8Array = new Uint8Array(0);
  start = 0;
  end = 0;
  /** Records whose last event (their first six bytes) was before this time are as if they were not there, ms. */
  cut_ms = 0;

  /** `pool`: of the pages that the records lie in, shared among heaps. */
  constructor(source: RecordSource, limits: HeapLimits, pool: PagePool) {
    this.#source = source;
    this.#limits = limits;
    this.#young = new Generation(pool);
    this.#old = new Generation(pool);
  }

  get memory_bytes(): number {
    return this.#young.memory_bytes + this.#old.memory_bytes;
  }

  get cached(): number {
    return this.#young.count + this.#old.count;
  }

  /** Records that changed since the last commit. */
  get changed(): number {
    return this.#changed;
  }

  /** Whether there is a record; then `bytes`, `start` and `end` say where. */
  open(hi: number, lo: number): boolean {
    const young = this.#young;
    let record = young.find(hi, lo);
    if (record < 0) {
      const old = this.#old;
      const former = old.find(hi, lo);
      if (former >= 0) {
        record = young.add(hi, lo);
        const place = old.offset[former] as number;
        const { bytes } = old.area.areaOf(place);
        young.write(record, bytes, old.area.offsetOf(place), old.length[former] as number);
      } else {
        const found = this.#source.find(hi, lo);
        if (found === undefined) return false;
        record = young.add(hi, lo);
        young.write(record, found, 0, found.length);
      }
    }
    const place = young.offset[record] as number;
    this.bytes = young.area.areaOf(place).bytes;
    this.start = young.area.offsetOf(place);
    this.end = this.start + (young.length[record] as number);
    return !this.#isForgotten(this.bytes, this.start);
  }

  /** Whether a record is one of an entity whose last event is behind the cut. */
  #isForgotten(bytes: Uint8Array, start: number): boolean {
    return this.cut_ms > 0 && lastEventOf(bytes, start) < this.cut_ms;
  }

  put(hi: number, lo: number, bytes: Uint8Array, length: number): void {
    const young = this.#young;
    let record = young.find(hi, lo);
    if (record < 0) record = young.add(hi, lo);
    young.write(record, bytes, 0, length);
    if (young.dirty[record] === 0) {
      young.dirty[record] = 1;
      this.#changed++;
    }
  }

  /** Visits every record as it is now but those that are forgotten; takes as long as there are records. */
  visit(visitor: (hi: number, lo: number, bytes: Uint8Array, start: number, end: number) => void): void {
    const young = this.#young;
    for (let record = 0; record < young.count; record++) {
      const place = young.offset[record] as number;
      const { bytes } = young.area.areaOf(place);
      const start = young.area.offsetOf(place);
      const end = start + (young.length[record] as number);
      if (this.#isForgotten(bytes, start)) continue;
      visitor(young.hi[record] as number, young.lo[record] as number, bytes, start, end);
    }
    // What is older is the same in the old generation and in the source.
    this.#source.visit((hi, lo, bytes, start, end) => {
      if (young.find(hi, lo) < 0 && !this.#isForgotten(bytes, start)) visitor(hi, lo, bytes, start, end);
    });
  }

  /** Fills `arena` with what the commit has to write, where it lies here: valid until the next use of the heap. */
  takeChanged(arena: RecordArena): void {
    const young = this.#young;
    const { dirty, hi, lo, offset, length } = young;
    arena.borrow(young.area);
    for (let record = 0; record < young.count; record++) {
      if (dirty[record] === 0) continue;
      dirty[record] = 0;
      arena.refer(
        hi[record] as number,
        lo[record] as number,
        offset[record] as number,
        length[record] as number,
      );
    }
    this.#changed = 0;
  }

  /** After the changes are written: the generations turn when the young one is large enough. */
  turn(): void {
    if (this.#young.size_bytes < this.#limits.generation_bytes) return;
    const former = this.#old;
    this.#old = this.#young;
    former.clear();
    this.#young = former;
  }
}
