import { ByteReader, ByteWriter, type KvView, prefixEnd } from '../../../engine/index.ts';
import { type ExactSum, narrow } from '../../aggregates/index.ts';
import { MINUTE_MS } from './cube-cell.ts';
import { DeltaTable } from './delta-table.ts';

/**
 * What one commit adds to one cube, as one row of the `recent` table: few large writes instead of a read
 * and a write for each touched cell. Rows are folded into the cells later (`cube-fold.ts`); until then
 * readers add them (`cube-read.ts`).
 *
 * Layout: entries, first and last minute, offset of the details (4 × u32); texts; combinations of a unit
 * and dimension values, as numbers of texts; entries, each a combination, a minute and its sums; details,
 * each a combination, a minute, observations and members. A combination is decoded once however many
 * entries have it, and a reader that wants sums alone never touches the details.
 */
export interface DeltaHeader {
  readonly entries: number;
  readonly min_ms: number;
  /** Of the last bucket, inclusive. */
  readonly max_ms: number;
}

/** A unit and the values of a cube's dimensions. */
export interface Combination {
  readonly unit: string;
  readonly values: readonly string[];
}

const HEADER_BYTES = 16;
const MAX_MINUTE = 2 ** 32 - 1;

/** Writes entries one by one; used again after `reset`. */
export class DeltaEncoder {
  readonly #entries = new ByteWriter();
  readonly #details = new ByteWriter();
  readonly #combinations = new ByteWriter();
  readonly #whole = new ByteWriter();
  readonly #texts = new Map<string, number>();
  readonly #known = new DeltaTable(0);
  #count = 0;
  #min = MAX_MINUTE;
  #max = 0;
  #combination = 0;
  #minute = 0;
  /** Of the entry before, and of the entry before that has details: times are written as differences. */
  #lastMinute = 0;
  #lastDetailMinute = 0;

  reset(): void {
    this.#entries.reset();
    this.#details.reset();
    this.#combinations.reset();
    this.#texts.clear();
    this.#known.clear();
    this.#count = 0;
    this.#min = MAX_MINUTE;
    this.#max = 0;
    this.#lastMinute = 0;
    this.#lastDetailMinute = 0;
  }

  get entries(): number {
    return this.#count;
  }

  /**
   * Begins an entry of a combination that the caller knows by three numbers; returns whether it is new, and
   * then `text` follows for its unit and each of its values.
   */
  begin(bucket_ms: number, unit: number, first: number, second: number): boolean {
    const minute = bucket_ms / MINUTE_MS;
    const known = this.#known.count;
    this.#combination = this.#known.slot(unit, 0, first, second);
    this.#minute = minute;
    this.#count++;
    if (minute < this.#min) this.#min = minute;
    if (minute > this.#max) this.#max = minute;
    return this.#combination === known;
  }

  text(value: string): void {
    let code = this.#texts.get(value);
    if (code === undefined) {
      code = this.#texts.size;
      this.#texts.set(value, code);
    }
    this.#combinations.varint(code);
  }

  /** `mask` has a bit for each measure whose `sum` follows, in order. */
  sums(mask: number): void {
    this.#entries
      .varint(this.#combination)
      .zigzag(this.#minute - this.#lastMinute)
      .varint(mask);
    this.#lastMinute = this.#minute;
  }

  sum(sum: ExactSum): void {
    // Sums that take a bigint are rare: the number 0, which no sum here is, and the digits.
    if (typeof sum === 'number') this.#entries.zigzag(sum);
    else this.#entries.zigzag(0).string(sum.toString());
  }

  /** For entries with observations or members: `observe` that often, then `members` and `member` that often. */
  detail(observations: number): void {
    this.#details
      .varint(this.#combination)
      .zigzag(this.#minute - this.#lastDetailMinute)
      .varint(observations);
    this.#lastDetailMinute = this.#minute;
  }

  observe(distribution: number, value: number): void {
    this.#details.u8(distribution).zigzag(value);
  }

  members(count: number): void {
    this.#details.varint(count);
  }

  member(hash: number): void {
    this.#details.f64(hash);
  }

  /** The row's bytes, valid until the next use. */
  finish(): Uint8Array {
    const texts = new ByteWriter().varint(this.#texts.size);
    for (const text of this.#texts.keys()) texts.string(text);
    texts.varint(this.#known.count);
    const whole = this.#whole.reset();
    const details = HEADER_BYTES + texts.length + this.#combinations.length + this.#entries.length;
    whole.u32(this.#count).u32(this.#min).u32(this.#max).u32(details);
    whole.bytes(texts.view()).bytes(this.#combinations.view()).bytes(this.#entries.view());
    return whole.bytes(this.#details.view()).view();
  }
}

export function readDeltaHeader(bytes: Uint8Array): DeltaHeader {
  const reader = new ByteReader(bytes);
  return { entries: reader.u32(), min_ms: reader.u32() * MINUTE_MS, max_ms: reader.u32() * MINUTE_MS };
}

/** What a caller takes of each entry: an index into `combinations`, its bucket, and sums that are valid only during the call. */
export type SumsVisitor = (combination: number, bucket_ms: number, sums: readonly ExactSum[]) => void;

export interface DetailVisitor {
  observed(combination: number, bucket_ms: number, distribution: number, value: number): void;
  member(combination: number, bucket_ms: number, hash: number): void;
}

/** Reads a row of the `recent` table; `dimensions` is the number of the cube's. */
export class DeltaReader {
  readonly header: DeltaHeader;
  readonly combinations: readonly Combination[];
  readonly #bytes: Uint8Array;
  readonly #entriesAt: number;
  readonly #detailsAt: number;
  #at = 0;

  constructor(bytes: Uint8Array, dimensions: number) {
    this.#bytes = bytes;
    this.header = readDeltaHeader(bytes);
    const reader = new ByteReader(bytes);
    reader.bytes(HEADER_BYTES - 4);
    this.#detailsAt = reader.u32();
    const texts: string[] = [];
    for (let left = reader.varint(); left > 0; left--) texts.push(reader.string());
    const combinations: Combination[] = [];
    for (let left = reader.varint(); left > 0; left--) {
      const unit = texts[reader.varint()] as string;
      const values = new Array<string>(dimensions);
      for (let index = 0; index < dimensions; index++) values[index] = texts[reader.varint()] as string;
      combinations.push({ unit, values });
    }
    this.combinations = combinations;
    this.#entriesAt = reader.position;
  }

  /** The sum of measure m goes to `out[slots[m]]`, if that is 0 or more; the other places are 0. */
  visitSums(slots: ArrayLike<number>, out: ExactSum[], visitor: SumsVisitor): void {
    this.#at = this.#entriesAt;
    let minute = 0;
    for (let left = this.header.entries; left > 0; left--) {
      const combination = this.#varint();
      minute += this.#zigzag();
      for (let index = 0; index < out.length; index++) out[index] = 0;
      for (let rest = this.#varint(); rest !== 0; rest &= rest - 1) {
        const slot = slots[31 - Math.clz32(rest & -rest)] as number;
        const sum = this.#zigzag();
        const exact = sum === 0 ? narrow(this.#big()) : sum;
        if (slot >= 0) out[slot] = exact;
      }
      visitor(combination, minute * MINUTE_MS, out);
    }
  }

  visitDetails(visitor: DetailVisitor): void {
    const bytes = this.#bytes;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#at = this.#detailsAt;
    let minute = 0;
    while (this.#at < bytes.length) {
      const combination = this.#varint();
      minute += this.#zigzag();
      const bucket_ms = minute * MINUTE_MS;
      for (let left = this.#varint(); left > 0; left--) {
        const distribution = bytes[this.#at++] as number;
        visitor.observed(combination, bucket_ms, distribution, this.#zigzag());
      }
      for (let left = this.#varint(); left > 0; left--) {
        visitor.member(combination, bucket_ms, view.getFloat64(this.#at));
        this.#at += 8;
      }
    }
  }

  #varint(): number {
    const bytes = this.#bytes;
    let byte = bytes[this.#at++] as number;
    let value = byte & 127;
    for (let scale = 128; byte >= 128; scale *= 128) {
      byte = bytes[this.#at++] as number;
      value += (byte & 127) * scale;
    }
    return value;
  }

  #zigzag(): number {
    const first = this.#bytes[this.#at++] as number;
    let magnitude = (first & 127) >> 1;
    if (first >= 128) magnitude += this.#varint() * 64;
    return (first & 1) === 1 ? -magnitude : magnitude;
  }

  #big(): bigint {
    const length = this.#varint();
    const from = this.#at;
    this.#at += length;
    return BigInt(Buffer.from(this.#bytes.subarray(from, this.#at)).toString('latin1'));
  }
}

export function recentPrefix(scope: string, cube: string): Uint8Array {
  return new ByteWriter().orderedString(scope).orderedString(cube).copy();
}

export function recentKey(scope: string, cube: string, commit: number): Uint8Array {
  return new ByteWriter().orderedString(scope).orderedString(cube).u48(commit).copy();
}

/** The rows of the `recent` table of one cube, oldest first. */
export function scanRecent(recent: KvView, scope: string, cube: string) {
  const start = recentPrefix(scope, cube);
  const end = prefixEnd(start);
  return recent.scan(end === undefined ? { start } : { start, end });
}
