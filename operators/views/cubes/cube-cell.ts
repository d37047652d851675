import { ByteReader, type ByteWriter } from '../../../engine/index.ts';
import {
  addExact,
  type Distinct,
  type Distribution,
  EMPTY_DISTINCT,
  type ExactSum,
  mergeDistribution,
  readDistinct,
  readDistribution,
  unionDistinct,
  writeDistinct,
  writeDistribution,
} from '../../aggregates/index.ts';

/** Distributions and the distinct set of a cell: what is large, and asked for rarely. */
export interface CellDetail {
  /** By distribution index; undefined where nothing was observed. */
  readonly distributions: (Distribution | undefined)[];
  distinct: Distinct;
}

/** The accumulators of one (cube, dimension values, unit, bucket). */
export interface Cell {
  /** By measure index; 0 where nothing was added. */
  readonly sums: ExactSum[];
  /** undefined: the detail row (if `spilled`) was not read. */
  detail: CellDetail | undefined;
  /** The detail lies in its own row because it is large. */
  spilled: boolean;
}

/** Details up to this size lie inside the cell's row: one write instead of two for the many small cells. */
export const INLINE_DETAIL_BYTES = 160;

export function emptyCell(measures: number): Cell {
  return { sums: new Array<ExactSum>(measures).fill(0), detail: undefined, spilled: false };
}

export function emptyDetail(): CellDetail {
  return { distributions: [], distinct: EMPTY_DISTINCT };
}

export function mergeSums(into: ExactSum[], other: readonly ExactSum[]): void {
  for (let index = 0; index < other.length; index++) {
    const sum = other[index] as ExactSum;
    if (sum !== 0) into[index] = addExact(into[index] ?? 0, sum);
  }
}

export function mergeDetail(into: CellDetail, other: CellDetail): void {
  for (let index = 0; index < other.distributions.length; index++) {
    const distribution = other.distributions[index];
    if (distribution === undefined) continue;
    const mine = into.distributions[index];
    if (mine === undefined) into.distributions[index] = { ...distribution };
    else mergeDistribution(mine, distribution);
  }
  into.distinct = unionDistinct(into.distinct, other.distinct);
}

const NO_DETAIL = 0;
const INLINE = 1;
const SPILLED = 2;

/** The detail alone, as its own row or the tail of the cell's. */
export function writeDetail(writer: ByteWriter, { distributions, distinct }: CellDetail): void {
  writer.varint(distributions.length);
  for (const distribution of distributions) {
    if (distribution === undefined) writer.varint(0);
    else writeDistribution(writer, distribution);
  }
  writeDistinct(writer, distinct);
}

export function readDetail(reader: ByteReader): CellDetail {
  const distributions: (Distribution | undefined)[] = [];
  for (let left = reader.varint(); left > 0; left--) {
    const distribution = readDistribution(reader);
    distributions.push(distribution.count === 0 ? undefined : distribution);
  }
  return { distributions, distinct: readDistinct(reader) };
}

/** The cell's row. `detailBytes` is its encoded detail where that is known and small enough to lie inside. */
export function writeCell(writer: ByteWriter, cell: Cell, detailBytes: Uint8Array | undefined): void {
  let mask = 0;
  let bigMask = 0;
  for (let index = cell.sums.length - 1; index >= 0; index--) {
    const sum = cell.sums[index] as ExactSum;
    mask = mask * 2 + (sum !== 0 && typeof sum === 'number' ? 1 : 0);
    bigMask = bigMask * 2 + (typeof sum === 'bigint' ? 1 : 0);
  }
  writer.varint(mask);
  const { sums } = cell;
  for (let index = 0; index < sums.length; index++) {
    const sum = sums[index] as ExactSum;
    if (sum !== 0 && typeof sum === 'number') writer.zigzag(sum);
  }
  writer.varint(bigMask);
  if (bigMask !== 0) for (const sum of sums) if (typeof sum === 'bigint') writer.string(sum.toString());
  if (cell.spilled) writer.u8(SPILLED);
  else if (detailBytes === undefined) writer.u8(NO_DETAIL);
  else writer.u8(INLINE).bytes(detailBytes);
}

/** Reads a row; an inline detail comes with it when `withDetail`. */
export function readCell(bytes: Uint8Array, measures: number, withDetail: boolean): Cell {
  const reader = new ByteReader(bytes);
  const sums = new Array<ExactSum>(measures).fill(0);
  let mask = reader.varint();
  for (let index = 0; mask > 0; index++, mask = Math.floor(mask / 2)) {
    if (mask % 2 === 1) sums[index] = reader.zigzag();
  }
  let bigMask = reader.varint();
  for (let index = 0; bigMask > 0; index++, bigMask = Math.floor(bigMask / 2)) {
    if (bigMask % 2 === 1) sums[index] = BigInt(reader.string());
  }
  const form = reader.u8();
  return {
    sums,
    detail:
      form === INLINE && withDetail ? readDetail(reader) : form === NO_DETAIL ? emptyDetail() : undefined,
    spilled: form === SPILLED,
  };
}

export interface CellKey {
  readonly scope: string;
  readonly cube: string;
  readonly granularity: number;
  readonly bucket_ms: number;
  /** The cube's dimensions in its order; '' where the event had none. */
  readonly values: readonly string[];
  /** What money is counted in; cells of different units are never added. */
  readonly unit: string;
}

export const MINUTE_MS = 60_000;

/** Everything before the bucket: rows of one prefix lie together, in time order. */
export function writeCellPrefix(
  writer: ByteWriter,
  scope: string,
  cube: string,
  granularity: number,
): ByteWriter {
  return writer.orderedString(scope).orderedString(cube).u8(granularity);
}

/** Buckets are whole minutes; as minutes they fit 32 bits until the year 10136. */
export function writeCellKey(writer: ByteWriter, key: CellKey): ByteWriter {
  writeCellPrefix(writer, key.scope, key.cube, key.granularity).u32(key.bucket_ms / MINUTE_MS);
  for (const value of key.values) writer.orderedString(value);
  return writer.orderedString(key.unit);
}

export function readCellKey(bytes: Uint8Array, dimensions: number): CellKey {
  const reader = new ByteReader(bytes);
  const scope = reader.orderedString();
  const cube = reader.orderedString();
  const granularity = reader.u8();
  const bucket_ms = reader.u32() * MINUTE_MS;
  const values: string[] = [];
  for (let left = dimensions; left > 0; left--) values.push(reader.orderedString());
  return { scope, cube, granularity, bucket_ms, values, unit: reader.orderedString() };
}
