import { ByteReader, ByteWriter, type KvView } from '../../../engine/index.ts';
import {
  type Cell,
  emptyDetail,
  MINUTE_MS,
  mergeDetail,
  mergeSums,
  readCell,
  readDetail,
  writeCellPrefix,
} from './cube-cell.ts';
import { readDeltaHeader, scanRecent } from './cube-delta.ts';
import { Combinations, PendingCells } from './cube-pending.ts';
import type { CubeDefinition } from './cube-types.ts';

export interface CellQuery {
  readonly scope: string;
  readonly cube: CubeDefinition;
  /** Index of the granularity in the cubes operator's list. */
  readonly granularity: number;
  /** Half-open, ms, whole buckets. */
  readonly start_ms: number;
  readonly end_ms: number;
  /** Number of measures of the cubes operator. */
  readonly measures: number;
  /** Also read distributions and distinct sets. */
  readonly withDetail: boolean;
}

export interface CellRow {
  readonly bucket_ms: number;
  readonly values: readonly string[];
  readonly unit: string;
  readonly cell: Cell;
}

/** The cells of a cube in a range, in time order. `cells` and `details` are the operator's tables. */
export function* readCells(cells: KvView, details: KvView, query: CellQuery): Iterable<CellRow> {
  const { scope, cube, granularity, start_ms, end_ms, measures, withDetail } = query;
  const prefix = writeCellPrefix(new ByteWriter(), scope, cube.name, granularity).copy();
  const bound = (time_ms: number): Uint8Array =>
    new ByteWriter()
      .bytes(prefix)
      .u32(Math.max(0, Math.ceil(time_ms / MINUTE_MS)))
      .copy();
  for (const { key, value } of cells.scan({ start: bound(start_ms), end: bound(end_ms) })) {
    const reader = new ByteReader(key.subarray(prefix.length));
    const bucket_ms = reader.u32() * MINUTE_MS;
    const values: string[] = [];
    for (let left = cube.dimensions.length; left > 0; left--) values.push(reader.orderedString());
    const unit = reader.orderedString();
    const cell = readCell(value, measures, withDetail);
    if (withDetail && cell.spilled) {
      const detail = details.get(key);
      cell.detail = detail === undefined ? emptyDetail() : readDetail(new ByteReader(detail));
    }
    yield { bucket_ms, values, unit, cell };
  }
}

/** The tables of a cubes operator that a reader needs. */
export interface CubeViews {
  readonly cells: KvView;
  readonly details: KvView;
  readonly recent: KvView;
}

/** The views of the cubes operator called `operator` in a snapshot. */
export function cubeViews(table: (name: string) => KvView, operator: string): CubeViews {
  return {
    cells: table(`${operator}/cells`),
    details: table(`${operator}/details`),
    recent: table(`${operator}/recent`),
  };
}

/** As `readCells`, with what is not folded yet added in; rows of new cells come last. */
export function* readCube(
  { cells, details, recent }: CubeViews,
  query: CellQuery & { readonly width_ms: number },
): Iterable<CellRow> {
  const { withDetail } = query;
  const combinations = new Combinations();
  const pending = pendingOf(recent, query, combinations);
  const added = new Set<number>();
  for (const row of readCells(cells, details, query)) {
    const found = pending.count === 0 ? -1 : pending.find(combinations.find(row), row.bucket_ms);
    if (found >= 0) {
      added.add(found);
      mergeSums(row.cell.sums, pending.sums(found));
      const detail = withDetail ? pending.detail(found) : undefined;
      if (detail !== undefined) {
        row.cell.detail ??= emptyDetail();
        mergeDetail(row.cell.detail, detail);
      }
    }
    yield row;
  }
  for (let cell = 0; cell < pending.count; cell++) {
    if (added.has(cell)) continue;
    const detail = (withDetail ? pending.detail(cell) : undefined) ?? emptyDetail();
    yield {
      bucket_ms: pending.bucket_ms(cell),
      ...combinations.at(pending.combination(cell)),
      cell: { sums: pending.sums(cell), detail, spilled: false },
    };
  }
}

/** What waits to be folded into the cells of a query. */
function pendingOf(
  recent: KvView,
  query: CellQuery & { readonly width_ms: number },
  combinations: Combinations,
): PendingCells {
  const { scope, cube, start_ms, end_ms, measures, width_ms } = query;
  const cells = new PendingCells(combinations, measures);
  const place = (time_ms: number) =>
    time_ms >= start_ms && time_ms < end_ms
      ? { cells, bucket_ms: time_ms - (time_ms % width_ms) }
      : undefined;
  for (const { value } of scanRecent(recent, scope, cube.name)) {
    const { min_ms, max_ms } = readDeltaHeader(value);
    if (max_ms < start_ms || min_ms >= end_ms) continue;
    PendingCells.addDelta(value, cube.dimensions.length, combinations, measures, place);
  }
  return cells;
}

/** How full a cube is on a UTC day. */
export interface Cardinality {
  readonly cube: string;
  readonly day_ms: number;
  readonly cells: number;
  /** Rows that went to OTHER because the day's cells were used up. */
  readonly other_rows: number;
}

export function cardinalityKey(scope: string, cube: string, day_ms: number): Uint8Array {
  return new ByteWriter()
    .orderedString(scope)
    .orderedString(cube)
    .u32(day_ms / MINUTE_MS)
    .copy();
}

/** Cardinality of one cube over days in [start, end), from the operator's `cardinality` table. */
export function* readCardinality(
  table: KvView,
  scope: string,
  cube: string,
  start_ms: number,
  end_ms: number,
): Iterable<Cardinality> {
  const range = { start: cardinalityKey(scope, cube, start_ms), end: cardinalityKey(scope, cube, end_ms) };
  for (const { key, value } of table.scan(range)) {
    const keyReader = new ByteReader(key);
    keyReader.orderedString();
    keyReader.orderedString();
    const day_ms = keyReader.u32() * MINUTE_MS;
    const reader = new ByteReader(value);
    yield { cube, day_ms, cells: reader.varint(), other_rows: reader.varint() };
  }
}
