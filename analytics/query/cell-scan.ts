import { ByteReader, ByteWriter, invariant, type KvView } from '../../engine/index.ts';
import {
  type CellDetail,
  type ExactSum,
  emptyDetail,
  MINUTE_MS,
  readDetail,
  writeCellPrefix,
} from '../../operators/index.ts';
import { M, MEASURES, type Measure } from '../model/index.ts';

// The form of a row's detail, as `writeCell` writes it.
const INLINE = 1;
const SPILLED = 2;

/** The number that a combination of values and unit goes by, or -1 to skip its cells. */
export type Classify = (values: readonly string[], unit: string) => number;

/** What is read of each cell. */
export interface CellScanOptions {
  readonly scope: string;
  readonly cube: string;
  readonly dimensions: number;
  /** Order of the sums handed to the visitor. */
  readonly measures: readonly Measure[];
  /** Also read distributions and distinct sets. */
  readonly withDetail: boolean;
  /** Called once for each combination of values and unit. */
  readonly classify: Classify;
}

/** `sums` is valid only during the call. */
export type CellVisitor = (
  series: number,
  bucket_ms: number,
  sums: readonly ExactSum[],
  detail: CellDetail | undefined,
) => void;

/**
 * Reads cells of a cube as `readCells` does, five times as fast: the values of a key are decoded once
 * for each combination instead of once for each cell, and only the sums asked for are kept.
 */
export class CellScan {
  readonly #cells: KvView;
  readonly #details: KvView;
  readonly #options: CellScanOptions;
  /** Position in `measures` by measure index, or -1. */
  readonly #slots = new Int32Array(MEASURES.length).fill(-1);
  readonly #sums: ExactSum[];
  /** By the bytes of a key after its bucket. */
  readonly #known = new Map<string, number>();

  constructor(cells: KvView, details: KvView, options: CellScanOptions) {
    // The masks of a row are read with 32-bit operations.
    invariant(MEASURES.length <= 31, 'a row has at most 31 measures');
    this.#cells = cells;
    this.#details = details;
    this.#options = options;
    this.#sums = new Array<ExactSum>(options.measures.length).fill(0);
    for (const [slot, measure] of options.measures.entries()) this.#slots[M[measure]] = slot;
  }

  /** Visits the cells of one granularity with buckets in [start_ms, end_ms), in time order. */
  visit(granularity: number, start_ms: number, end_ms: number, visitor: CellVisitor): void {
    const { scope, cube, withDetail } = this.#options;
    const prefix = writeCellPrefix(new ByteWriter(), scope, cube, granularity).copy();
    const bound = (time_ms: number): Uint8Array =>
      new ByteWriter()
        .bytes(prefix)
        .u32(time_ms / MINUTE_MS)
        .copy();
    for (const row of this.#cells.scan({ start: bound(start_ms), end: bound(end_ms) })) {
      const key = asBuffer(row.key);
      const series = this.#classify(key, prefix.length + 4);
      if (series < 0) continue;
      const formAt = readSums(row.value, this.#slots, this.#sums);
      const detail = withDetail ? this.#detail(key, row.value, formAt) : undefined;
      visitor(series, key.readUInt32BE(prefix.length) * MINUTE_MS, this.#sums, detail);
    }
  }

  #classify(key: Buffer, from: number): number {
    const id = key.toString('latin1', from);
    const known = this.#known.get(id);
    if (known !== undefined) return known;
    const reader = new ByteReader(key.subarray(from));
    const values: string[] = [];
    for (let left = this.#options.dimensions; left > 0; left--) values.push(reader.orderedString());
    const series = this.#options.classify(values, reader.orderedString());
    this.#known.set(id, series);
    return series;
  }

  #detail(key: Uint8Array, value: Uint8Array, formAt: number): CellDetail {
    const form = value[formAt];
    if (form === INLINE) return readDetail(new ByteReader(value.subarray(formAt + 1)));
    const spilled = form === SPILLED ? this.#details.get(key) : undefined;
    return spilled === undefined ? emptyDetail() : readDetail(new ByteReader(spilled));
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Reads the sums of a row into `out` and returns the offset of the detail's form byte. */
function readSums(row: Uint8Array, slots: Int32Array, out: ExactSum[]): number {
  out.fill(0);
  let at = 0;
  let byte = row[at++] as number;
  let mask = byte & 127;
  for (let shift = 7; byte >= 128; shift += 7) {
    byte = row[at++] as number;
    mask |= (byte & 127) << shift;
  }
  for (let index = 0; mask !== 0; index++, mask >>>= 1) {
    if ((mask & 1) === 0) continue;
    byte = row[at++] as number;
    const negative = (byte & 1) === 1;
    let magnitude = (byte & 127) >> 1;
    // Not shifts: a sum has up to 53 bits.
    for (let scale = 64; byte >= 128; scale *= 128) {
      byte = row[at++] as number;
      magnitude += (byte & 127) * scale;
    }
    const slot = slots[index] as number;
    if (slot >= 0) out[slot] = negative ? -magnitude : magnitude;
  }
  return row[at] === 0 ? at + 1 : readBigSums(row, at, slots, out);
}

/** The sums beyond 2^53, which are rare: decimal texts. */
function readBigSums(row: Uint8Array, from: number, slots: Int32Array, out: ExactSum[]): number {
  const reader = new ByteReader(row.subarray(from));
  let mask = reader.varint();
  for (let index = 0; mask !== 0; index++, mask >>>= 1) {
    if ((mask & 1) === 0) continue;
    const sum = BigInt(reader.string());
    const slot = slots[index] as number;
    if (slot >= 0) out[slot] = sum;
  }
  return from + reader.position;
}
