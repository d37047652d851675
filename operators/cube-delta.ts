import { ByteReader, ByteWriter, type KvView, prefixEnd } from '../engine/index.ts';
import { MINUTE_MS } from './cube-cell.ts';
import type { ExactSum } from './exact-sum.ts';

/**
 * What one commit adds to one cube, as one row of the `recent` table: few large writes instead of a read
 * and a write for each touched cell. Rows are folded into the cells later (`cube-fold.ts`); until then
 * readers add them (`cube-read.ts`).
 */
export interface DeltaEntry {
  /** Bucket of the finest granularity. */
  readonly bucket_ms: number;
  readonly unit: string;
  readonly values: readonly string[];
  /** Pairs (measure, sum), flat. */
  readonly sums: readonly ExactSum[];
  /** Pairs (distribution, observed value), flat. */
  readonly observed: readonly number[];
  readonly members: readonly number[];
}

export interface DeltaHeader {
  readonly entries: number;
  readonly min_ms: number;
  /** Of the last bucket, inclusive. */
  readonly max_ms: number;
}

const HEADER_BYTES = 12;

/** Writes entries one by one behind a header and a dictionary of their strings. */
export class DeltaEncoder {
  readonly #body = new ByteWriter();
  readonly #whole = new ByteWriter();
  readonly #dictionary = new Map<string, number>();
  #entries = 0;
  #min_ms = 0;
  #max_ms = 0;

  reset(): void {
    this.#body.reset();
    this.#dictionary.clear();
    this.#entries = 0;
    this.#min_ms = Number.POSITIVE_INFINITY;
    this.#max_ms = 0;
  }

  #text(value: string): void {
    let code = this.#dictionary.get(value);
    if (code === undefined) {
      code = this.#dictionary.size;
      this.#dictionary.set(value, code);
    }
    this.#body.varint(code);
  }

  /** Begins an entry; `sum`, then `endSums`, `observe`, `endObserved` and `members` follow in this order. */
  begin(bucket_ms: number, unit: string): void {
    this.#entries++;
    this.#min_ms = Math.min(this.#min_ms, bucket_ms);
    this.#max_ms = Math.max(this.#max_ms, bucket_ms);
    this.#body.varint(bucket_ms / MINUTE_MS);
    this.#text(unit);
  }

  value(text: string): void {
    this.#text(text);
  }

  sum(measure: number, sum: ExactSum): void {
    if (typeof sum === 'number') this.#body.u8(measure * 2 + 1).zigzag(sum);
    else this.#body.u8(measure * 2 + 2).string(sum.toString());
  }

  endSums(): void {
    this.#body.u8(0);
  }

  observe(distribution: number, value: number): void {
    this.#body.u8(distribution + 1).zigzag(value);
  }

  endObserved(): void {
    this.#body.u8(0);
  }

  members(hashes: readonly number[]): void {
    this.#body.varint(hashes.length);
    for (const hash of hashes) this.#body.f64(hash);
  }

  /** The row's bytes, valid until the next use. */
  finish(): Uint8Array {
    const whole = this.#whole.reset();
    whole
      .u32(this.#entries)
      .u32(this.#min_ms / MINUTE_MS)
      .u32(this.#max_ms / MINUTE_MS);
    whole.varint(this.#dictionary.size);
    for (const text of this.#dictionary.keys()) whole.string(text);
    return whole.bytes(this.#body.view()).view();
  }

  get entries(): number {
    return this.#entries;
  }
}

export function readDeltaHeader(bytes: Uint8Array): DeltaHeader {
  const reader = new ByteReader(bytes);
  return { entries: reader.u32(), min_ms: reader.u32() * MINUTE_MS, max_ms: reader.u32() * MINUTE_MS };
}

const NOTHING: readonly number[] = [];

/** The entries of a row; `dimensions` is the number of the cube's. */
export function* readDelta(bytes: Uint8Array, dimensions: number): Iterable<DeltaEntry> {
  const { entries } = readDeltaHeader(bytes);
  const reader = new ByteReader(bytes.subarray(HEADER_BYTES));
  const dictionary: string[] = [];
  for (let left = reader.varint(); left > 0; left--) dictionary.push(reader.string());
  for (let left = entries; left > 0; left--) {
    const bucket_ms = reader.varint() * MINUTE_MS;
    const unit = dictionary[reader.varint()] as string;
    const values: string[] = [];
    for (let index = 0; index < dimensions; index++) values.push(dictionary[reader.varint()] as string);
    const sums: ExactSum[] = [];
    for (let tag = reader.u8(); tag !== 0; tag = reader.u8()) {
      sums.push((tag - 1) >> 1, tag % 2 === 1 ? reader.zigzag() : BigInt(reader.string()));
    }
    let observed: number[] | undefined;
    for (let tag = reader.u8(); tag !== 0; tag = reader.u8()) {
      observed ??= [];
      observed.push(tag - 1, reader.zigzag());
    }
    let members: number[] | undefined;
    for (let count = reader.varint(); count > 0; count--) {
      members ??= [];
      members.push(reader.f64());
    }
    yield { bucket_ms, unit, values, sums, observed: observed ?? NOTHING, members: members ?? NOTHING };
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
