import { ByteReader, ByteWriter, invariant, type KvTable } from '../engine/index.ts';
import {
  type Accumulated,
  accumulatedKey,
  accumulateEntry,
  addAccumulated,
  detailOf,
} from './cube-accumulate.ts';
import {
  type Cell,
  type CellDetail,
  emptyCell,
  emptyDetail,
  INLINE_DETAIL_BYTES,
  mergeDetail,
  mergeSums,
  readCell,
  readDetail,
  writeCell,
  writeCellKey,
  writeDetail,
} from './cube-cell.ts';
import { readDelta, scanRecent } from './cube-delta.ts';
import { cardinalityKey } from './cube-read.ts';
import { type CubeDefinition, type Granularity, OTHER } from './cube-types.ts';

const DAY_MS = 86_400_000;

export interface CubeTables {
  readonly cells: KvTable;
  readonly details: KvTable;
  readonly cardinality: KvTable;
  readonly recent: KvTable;
}

interface FoldConfig {
  readonly granularities: readonly Granularity[];
  readonly measures: number;
  readonly cells_per_day: number;
}

/** Whether the bucket that holds a time is within its retention. */
function isKept(time_ms: number, { bucket_ms, retain_ms }: Granularity, watermark_ms: number): boolean {
  return retain_ms === undefined || time_ms - (time_ms % bucket_ms) + bucket_ms + retain_ms > watermark_ms;
}

/** Moves the delta rows of one cube into its cells: each touched cell is read, merged and written once. */
export class CubeFolder {
  readonly #config: FoldConfig;
  readonly #tables: CubeTables;
  readonly #keyWriter = new ByteWriter();
  readonly #cellWriter = new ByteWriter();
  readonly #detailWriter = new ByteWriter();

  constructor(config: FoldConfig, tables: CubeTables) {
    this.#config = config;
    this.#tables = tables;
  }

  /** Inside the commit. Returns the number of cells written. */
  fold(scope: string, cube: CubeDefinition, watermark_ms: number): number {
    const { granularities, measures } = this.#config;
    const { recent } = this.#tables;
    const keys: Uint8Array[] = [];
    const levels = granularities.map(() => new Map<string, Accumulated>());
    for (const { key, value } of scanRecent(recent, scope, cube.name)) {
      keys.push(Uint8Array.from(key));
      for (const entry of readDelta(value, cube.dimensions.length)) {
        // Into the finest buckets that are still kept: those of a load of old events are not even made.
        const level = granularities.findIndex((granularity) =>
          isKept(entry.bucket_ms, granularity, watermark_ms),
        );
        const { bucket_ms } = granularities[level] as Granularity;
        accumulateEntry(levels[level] as Map<string, Accumulated>, entry, bucket_ms, measures);
      }
    }
    for (let level = 1; level < levels.length; level++) {
      const { bucket_ms: width_ms } = granularities[level] as Granularity;
      for (const cell of (levels[level - 1] as Map<string, Accumulated>).values()) {
        const bucket_ms = cell.bucket_ms - (cell.bucket_ms % width_ms);
        addAccumulated(levels[level] as Map<string, Accumulated>, cell, bucket_ms, cell.values);
      }
    }
    const redirected = this.#admit(scope, cube, levels.at(-1) as Map<string, Accumulated>);
    let written = 0;
    for (const [level, cells] of levels.entries()) {
      const granularity = granularities[level] as Granularity;
      if (redirected.size > 0) redirect(cells, redirected, cube);
      const ordered = [...cells.values()].sort((a, b) => a.bucket_ms - b.bucket_ms);
      for (const cell of ordered) {
        // A bucket past its retention would be removed again: it is not written at all.
        if (!isKept(cell.bucket_ms, granularity, watermark_ms)) continue;
        this.#merge(scope, cube.name, level, cell);
        written++;
      }
    }
    for (const key of keys) recent.remove(key);
    return written;
  }

  #merge(scope: string, cube: string, granularity: number, added: Accumulated): void {
    const { measures } = this.#config;
    const { cells, details } = this.#tables;
    const key = writeCellKey(this.#keyWriter.reset(), {
      scope,
      cube,
      granularity,
      bucket_ms: added.bucket_ms,
      values: added.values,
      unit: added.unit,
    }).view();
    const stored = cells.get(key);
    const cell: Cell = stored === undefined ? emptyCell(measures) : readCell(stored, measures, true);
    mergeSums(cell.sums, added.sums);
    const fresh = detailOf(added);
    if (fresh !== undefined) {
      const detail = cell.spilled ? this.#storedDetail(details, key) : (cell.detail ?? emptyDetail());
      mergeDetail(detail, fresh);
      cell.detail = detail;
    }
    let inline: Uint8Array | undefined;
    if (cell.detail !== undefined && !isEmptyDetail(cell.detail)) {
      writeDetail(this.#detailWriter.reset(), cell.detail);
      const bytes = this.#detailWriter.view();
      if (cell.spilled || bytes.length > INLINE_DETAIL_BYTES) {
        cell.spilled = true;
        details.put(key, bytes);
      } else inline = bytes;
    }
    writeCell(this.#cellWriter.reset(), cell, inline);
    cells.put(key, this.#cellWriter.view());
  }

  #storedDetail(details: KvTable, key: Uint8Array): CellDetail {
    const bytes = details.get(key);
    invariant(bytes !== undefined, 'a spilled cell has its detail row');
    return readDetail(new ByteReader(bytes));
  }

  /**
   * Counts new cells of each day, and finds those that get none because their day is full. Whether values
   * have been admitted is remembered by their day cell being there, so it holds for what comes later.
   */
  #admit(scope: string, cube: CubeDefinition, days: Map<string, Accumulated>): Set<string> {
    const redirected = new Set<string>();
    const { cells, cardinality } = this.#tables;
    const counts = new Map<number, { cells: number; other_rows: number }>();
    const granularity = this.#config.granularities.length - 1;
    for (const [key, { bucket_ms, unit, values }] of days) {
      const cellKey = writeCellKey(this.#keyWriter.reset(), {
        scope,
        cube: cube.name,
        granularity,
        bucket_ms,
        values,
        unit,
      });
      if (cells.get(cellKey.view()) !== undefined) continue;
      let count = counts.get(bucket_ms);
      if (count === undefined) {
        const bytes = cardinality.get(cardinalityKey(scope, cube.name, bucket_ms));
        const reader = bytes === undefined ? undefined : new ByteReader(bytes);
        count = { cells: reader?.varint() ?? 0, other_rows: reader?.varint() ?? 0 };
        counts.set(bucket_ms, count);
      }
      if (count.cells < this.#config.cells_per_day) count.cells++;
      else {
        count.other_rows++;
        redirected.add(key);
      }
    }
    for (const [day_ms, count] of counts) {
      cardinality.put(
        cardinalityKey(scope, cube.name, day_ms),
        new ByteWriter().varint(count.cells).varint(count.other_rows).copy(),
      );
    }
    return redirected;
  }
}

/** Moves the cells without a place of their own into those of OTHER. */
function redirect(
  cells: Map<string, Accumulated>,
  redirected: ReadonlySet<string>,
  cube: CubeDefinition,
): void {
  const other = cube.dimensions.map(() => OTHER);
  for (const [key, cell] of [...cells]) {
    const day_ms = cell.bucket_ms - (cell.bucket_ms % DAY_MS);
    if (!redirected.has(accumulatedKey(day_ms, cell.unit, cell.values))) continue;
    cells.delete(key);
    addAccumulated(cells, cell, cell.bucket_ms, other);
  }
}

function isEmptyDetail({ distributions, distinct }: CellDetail): boolean {
  return (
    distinct.kind === 'exact' && distinct.members.length === 0 && distributions.every((d) => d === undefined)
  );
}
