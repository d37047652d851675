import { ByteReader, ByteWriter, invariant, type KvTable } from '../../../engine/index.ts';
import type { ExactSum } from '../../aggregates/index.ts';
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
import { scanRecent } from './cube-delta.ts';
import { Combinations, PendingCells } from './cube-pending.ts';
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

/** The day and combination of cells that found their day full. */
type Redirected = Set<string>;

function redirectKey(day_ms: number, combination: number): string {
  return `${day_ms} ${combination}`;
}

/** Moves the delta rows of one cube into its cells: each touched cell is read, merged and written once. */
export class CubeFolder {
  readonly #config: FoldConfig;
  readonly #tables: CubeTables;
  readonly #keyWriter = new ByteWriter();
  readonly #cellWriter = new ByteWriter();
  readonly #detailWriter = new ByteWriter();
  /** Of the cell in hand. */
  readonly #sums: ExactSum[];
  #combinations = new Combinations();
  /** By granularity. */
  #levels: readonly PendingCells[] = [];

  constructor(config: FoldConfig, tables: CubeTables) {
    this.#config = config;
    this.#tables = tables;
    this.#sums = new Array<ExactSum>(config.measures).fill(0);
  }

  /** Inside the commit. Returns the number of cells written. */
  fold(scope: string, cube: CubeDefinition, watermark_ms: number): number {
    const { granularities, measures } = this.#config;
    const { recent } = this.#tables;
    this.#combinations = new Combinations();
    this.#levels = granularities.map(() => new PendingCells(this.#combinations, measures));
    const place = this.#finestKept(watermark_ms);
    const keys: Uint8Array[] = [];
    for (const { key, value } of scanRecent(recent, scope, cube.name)) {
      keys.push(Uint8Array.from(key));
      PendingCells.addDelta(value, cube.dimensions.length, this.#combinations, measures, place);
    }
    for (let level = 1; level < this.#levels.length; level++) {
      const { bucket_ms: width_ms } = granularities[level] as Granularity;
      const finer = this.#levels[level - 1] as PendingCells;
      const coarser = this.#levels[level] as PendingCells;
      for (let cell = 0; cell < finer.count; cell++) {
        const time_ms = finer.bucket_ms(cell);
        coarser.addCell(finer, cell, finer.combination(cell), time_ms - (time_ms % width_ms));
      }
    }
    const redirected = this.#admit(scope, cube, this.#levels.at(-1) as PendingCells);
    let written = 0;
    for (const [level, cells] of this.#levels.entries()) {
      const granularity = granularities[level] as Granularity;
      const placed = redirected.size === 0 ? cells : this.#redirect(cells, redirected, cube);
      for (const cell of inTimeOrder(placed)) {
        // A bucket past its retention would be removed again: it is not written at all.
        if (!isKept(placed.bucket_ms(cell), granularity, watermark_ms)) continue;
        this.#merge(scope, cube.name, level, placed, cell);
        written++;
      }
    }
    for (const key of keys) recent.remove(key);
    return written;
  }

  /**
   * Into the finest buckets that are still kept: those of a load of old events are not even made. Nowhere when
   * none is.
   */
  #finestKept(watermark_ms: number) {
    const { granularities } = this.#config;
    let last_ms = -1;
    let last: { readonly cells: PendingCells; readonly bucket_ms: number } | undefined;
    return (time_ms: number) => {
      if (time_ms === last_ms) return last;
      const level = granularities.findIndex((granularity) => isKept(time_ms, granularity, watermark_ms));
      last_ms = time_ms;
      const granularity = granularities[level];
      if (granularity === undefined) last = undefined;
      else {
        const bucket_ms = time_ms - (time_ms % granularity.bucket_ms);
        last = { cells: this.#levels[level] as PendingCells, bucket_ms };
      }
      return last;
    };
  }

  #key(scope: string, cube: string, granularity: number, cells: PendingCells, cell: number): Uint8Array {
    const { unit, values } = this.#combinations.at(cells.combination(cell));
    const bucket_ms = cells.bucket_ms(cell);
    const key = { scope, cube, granularity, bucket_ms, values, unit };
    return writeCellKey(this.#keyWriter.reset(), key).view();
  }

  #merge(scope: string, cube: string, granularity: number, added: PendingCells, from: number): void {
    const { measures } = this.#config;
    const { cells, details } = this.#tables;
    const key = this.#key(scope, cube, granularity, added, from);
    const stored = cells.get(key);
    const cell: Cell = stored === undefined ? emptyCell(measures) : readCell(stored, measures, true);
    mergeSums(cell.sums, added.sumsInto(from, this.#sums));
    const fresh = added.detail(from);
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
  #admit(scope: string, cube: CubeDefinition, days: PendingCells): Redirected {
    const redirected: Redirected = new Set();
    const { cells, cardinality } = this.#tables;
    const counts = new Map<number, { cells: number; other_rows: number }>();
    const granularity = this.#config.granularities.length - 1;
    for (let day = 0; day < days.count; day++) {
      const day_ms = days.bucket_ms(day);
      if (cells.get(this.#key(scope, cube.name, granularity, days, day)) !== undefined) continue;
      let count = counts.get(day_ms);
      if (count === undefined) {
        const bytes = cardinality.get(cardinalityKey(scope, cube.name, day_ms));
        const reader = bytes === undefined ? undefined : new ByteReader(bytes);
        count = { cells: reader?.varint() ?? 0, other_rows: reader?.varint() ?? 0 };
        counts.set(day_ms, count);
      }
      if (count.cells < this.#config.cells_per_day) count.cells++;
      else {
        count.other_rows++;
        redirected.add(redirectKey(day_ms, days.combination(day)));
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

  /** The cells with those that have no place of their own moved into those of OTHER. */
  #redirect(cells: PendingCells, redirected: Redirected, cube: CubeDefinition): PendingCells {
    const placed = new PendingCells(this.#combinations, this.#config.measures);
    const values = cube.dimensions.map(() => OTHER);
    for (let cell = 0; cell < cells.count; cell++) {
      const bucket_ms = cells.bucket_ms(cell);
      const own = cells.combination(cell);
      const day_ms = bucket_ms - (bucket_ms % DAY_MS);
      const combination = redirected.has(redirectKey(day_ms, own))
        ? this.#combinations.numberOf({ unit: this.#combinations.at(own).unit, values })
        : own;
      placed.addCell(cells, cell, combination, bucket_ms);
    }
    return placed;
  }
}

function inTimeOrder(cells: PendingCells): readonly number[] {
  const order = Array.from({ length: cells.count }, (_, cell) => cell);
  return order.sort((a, b) => cells.bucket_ms(a) - cells.bucket_ms(b));
}

function isEmptyDetail({ distributions, distinct }: CellDetail): boolean {
  return (
    distinct.kind === 'exact' && distinct.members.length === 0 && distributions.every((d) => d === undefined)
  );
}
