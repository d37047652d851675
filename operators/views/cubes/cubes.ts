import {
  type Barrier,
  ByteReader,
  ByteWriter,
  defineOperator,
  type KvTable,
  type KvView,
  type OperatorDoc,
  rawTable,
} from '../../../engine/index.ts';
import {
  type CellDetail,
  emptyDetail,
  MINUTE_MS,
  writeCell,
  writeCellKey,
  writeDetail,
} from './cube-cell.ts';
import { type DeltaHeader, readDeltaHeader, recentKey } from './cube-delta.ts';
import { CubeFolder, type CubeTables } from './cube-fold.ts';
import { CubeGatherer } from './cube-gather.ts';
import { cardinalityKey, readCube } from './cube-read.ts';
import type { CubeDefinition, CubeRow, Granularity } from './cube-types.ts';
import { cubeDescribers } from './describe-cubes.ts';

export interface CubesConfig {
  /** Names of the dimensions of a row, in its order. */
  readonly dimensions: readonly string[];
  readonly cubes: readonly CubeDefinition[];
  /** Finest first; the last one's buckets are days. */
  readonly granularities: readonly Granularity[];
  readonly measures: number;
  /** Cells of one cube, day and scope before new values go to OTHER. */
  readonly cells_per_day: number;
  /** Touched cells between two commits before a barrier is asked for: bounds memory. */
  readonly delta_max_cells: number;
  /** A cube's delta entries before they are folded into its cells: bounds what a query adds up. See `foldLimit`. */
  readonly fold_max_entries: number;
  /** Commits after which a cube's deltas are folded however few they are. */
  readonly fold_max_commits: number;
}

/** Folds of cubes that are merely old, a commit: spreads them out. */
const AGED_FOLDS_PER_COMMIT = 2;
/** Narrow cubes answer most queries: where waiting saves nothing, they are folded this much sooner. */
const NARROW_FOLD_DIVISOR = 10;

/**
 * Commits that touch the same minutes again and again are worth waiting for: their entries become one write
 * a cell. Commits that each touch new minutes (a backlog of a quiet stream) are not.
 */
function foldLimit({ fold_max_entries }: CubesConfig, { cube, minutes, newMinutes }: Waiting): number {
  const isWorthWaiting = cube.dimensions.length > 1 || newMinutes * 2 <= minutes;
  return isWorthWaiting ? fold_max_entries : Math.ceil(fold_max_entries / NARROW_FOLD_DIVISOR);
}

const DAY_MS = 86_400_000;
/** Cells of each granularity that are removed in a commit: of one cube in turn; and of each that is folded. */
const SWEEP_MIN_CELLS = 2_000;
/** More go than come, however fast event time moves. */
const SWEEP_CELLS_PER_WRITE = 2;

function tables(config: CubesConfig) {
  const none = (): Iterable<Uint8Array> => [];
  const describe = cubeDescribers(config);
  return {
    cells: rawTable({
      version: 1,
      describeRow: describe.cell,
      logicalRows: (cells, watermark_ms, sibling) =>
        logicalCells(
          config,
          { cells, details: sibling('details'), recent: sibling('recent') },
          sibling('cardinality'),
          watermark_ms,
        ),
    }),
    details: rawTable({ version: 1, logicalRows: none, describeRow: describe.detail }),
    cardinality: rawTable({ version: 1, logicalRows: none, describeRow: describe.cardinality }),
    recent: rawTable({ version: 2, logicalRows: none, describeRow: describe.recent }),
  };
}

/** Every cell within its retention as one row, folded or not, in key order. */
function* logicalCells(
  config: CubesConfig,
  views: { readonly cells: KvView; readonly details: KvView; readonly recent: KvView },
  cardinality: KvView,
  watermark_ms: number,
): Iterable<Uint8Array> {
  const known = new CubeCatalog(config.cubes);
  known.restore(cardinality, views.recent);
  const everything = { start_ms: 0, end_ms: (2 ** 32 - 1) * 60_000, measures: config.measures };
  for (const { scope, cube } of known.sorted()) {
    for (const [granularity, { bucket_ms: width_ms, retain_ms }] of config.granularities.entries()) {
      const rows: Buffer[] = [];
      for (const row of readCube(views, {
        ...everything,
        scope,
        cube,
        granularity,
        width_ms,
        withDetail: true,
      })) {
        if (retain_ms !== undefined && row.bucket_ms + width_ms + retain_ms <= watermark_ms) continue;
        const detail = trimmed(row.cell.detail ?? emptyDetail());
        // A contribution that was taken back may have left a cell that other orders of arrival never made.
        if (row.cell.sums.every((sum) => sum === 0) && isEmpty(detail)) continue;
        const writer = new ByteWriter();
        writeCellKey(writer, {
          scope,
          cube: cube.name,
          granularity,
          bucket_ms: row.bucket_ms,
          values: row.values,
          unit: row.unit,
        });
        writeCell(writer, { ...row.cell, spilled: false }, undefined);
        writeDetail(writer, detail);
        rows.push(writer.copy());
      }
      yield* rows.sort(Buffer.compare);
    }
  }
}

/** Without empty distributions at the end: how many were written depends on the way. */
function trimmed({ distributions, distinct }: CellDetail): CellDetail {
  const length = distributions.findLastIndex((distribution) => distribution !== undefined) + 1;
  return { distributions: distributions.slice(0, length), distinct };
}

function isEmpty({ distributions, distinct }: CellDetail): boolean {
  return distributions.length === 0 && distinct.kind === 'exact' && distinct.members.length === 0;
}

/** A cube of a scope, and its delta entries that wait to be folded. */
interface Waiting {
  readonly scope: string;
  readonly cube: CubeDefinition;
  entries: number;
  commits: number;
  /** Minutes that the rows span, added up, and those of them that the row before did not reach. */
  minutes: number;
  newMinutes: number;
  /** Of the newest row, folded or not, ms. */
  last_ms: number;
}

/** The cubes of each scope that have data. */
class CubeCatalog {
  readonly #byName: ReadonlyMap<string, CubeDefinition>;
  readonly #known = new Map<string, Waiting>();

  constructor(cubeList: readonly CubeDefinition[]) {
    this.#byName = new Map(cubeList.map((cube) => [cube.name, cube]));
  }

  restore(cardinality: KvView, recent: KvView): void {
    for (const { key } of cardinality.scan()) {
      const reader = new ByteReader(key);
      this.#entry(reader.orderedString(), reader.orderedString());
    }
    for (const { key, value } of recent.scan()) {
      const reader = new ByteReader(key);
      const entry = this.#entry(reader.orderedString(), reader.orderedString());
      if (entry === undefined) continue;
      count(entry, readDeltaHeader(value));
      entry.commits++;
    }
  }

  #entry(scope: string, cubeName: string): Waiting | undefined {
    const id = `${scope}\0${cubeName}`;
    const known = this.#known.get(id);
    // A cube that is no longer configured keeps its cells; nobody asks for them.
    const cube = this.#byName.get(cubeName);
    if (known !== undefined || cube === undefined) return known;
    const nothing = { entries: 0, commits: 0, minutes: 0, newMinutes: 0 };
    const entry: Waiting = { scope, cube, ...nothing, last_ms: Number.NEGATIVE_INFINITY };
    this.#known.set(id, entry);
    return entry;
  }

  stored(scope: string, cube: CubeDefinition, header: DeltaHeader): void {
    const entry = this.#entry(scope, cube.name);
    if (entry !== undefined) count(entry, header);
  }

  all() {
    return [...this.#known.values()];
  }

  sorted() {
    const id = (entry: { scope: string; cube: CubeDefinition }): string =>
      `${entry.scope}\0${entry.cube.name}`;
    return this.all().sort((a, b) => (id(a) < id(b) ? -1 : 1));
  }
}

function count(waiting: Waiting, { entries, min_ms, max_ms }: DeltaHeader): void {
  waiting.entries += entries;
  waiting.minutes += (max_ms - min_ms) / MINUTE_MS + 1;
  waiting.newMinutes += Math.max(0, max_ms - Math.max(waiting.last_ms, min_ms - MINUTE_MS)) / MINUTE_MS;
  waiting.last_ms = max_ms;
}

export const cubesDoc: OperatorDoc = {
  kind: 'cubes',
  summary: 'Tumbling rollup into cubes of dimensions',
  does: 'Each row (a scope, a time, a unit, dimension values, sums, observations, perhaps a distinct member) is added to a cell of every cube that takes it: for each granularity one cell a bucket, combination of values and unit, with exact sums, quantile sketches (DDSketch) and a distinct set (exact to 10,000 members, HyperLogLog beyond). `readCube` reads cells and what is not folded into them yet in one snapshot, so an answer is as fresh as the commit. Beyond `cells_per_day` cells of a cube on a day new values go to `__other__`.',
  state:
    'A row a cell, and one row a commit and cube of what waits to be folded, at most `fold_max_entries` entries of a cube. Buckets past the retention of their granularity are removed as the watermark moves: with each fold twice as many cells as it wrote, and 2,000 of one cube in turn with each commit. A granularity without `retain_ms` is kept for ever, and with it a row for each cube and day that counts its cells. In memory what a commit touches (`delta_max_cells`), and up to 100,000 dimension values beside those of the commit.',
  late: 'A late row corrects its bucket for as long as that is kept, and the coarser ones after that.',
  duplicates:
    'Every row is added: put `dedup` in front. What was counted wrongly is taken back by a row with negative sums.',
  failure:
    'Cells, waiting deltas and position are one commit. Sums are exact at any size and sketches are functions of the multiset, so rows in any order, and read again after a crash, come to the same cells.',
};

/**
 * Tumbling rollup into cubes: for each cube, granularity, bucket, dimension values and unit, exact sums,
 * distributions and distinct members. Rows only add (an earlier contribution is taken back by a row with
 * negative counts), so the cells are a function of the set of rows. Late rows correct their buckets for
 * as long as those are kept.
 *
 * A row costs one table probe a cube. A commit appends one delta row a cube; every few commits a cube's
 * deltas are folded into its cells, so that a cell that changes in every commit is not rewritten in every
 * commit. Readers add cells and deltas up in one snapshot (`readCube`), so an answer is as fresh as the
 * commit. State: a row a cell, plus at most `fold_max_entries` and one commit's entries a cube; buckets past
 * their retention are removed as the watermark moves.
 */
export const cubes = defineOperator<CubeRow, never, CubesConfig, ReturnType<typeof tables>>({
  kind: cubesDoc.kind,
  summary: cubesDoc.summary,
  state: tables,
  start: ({ name, config, state, metrics, requestBarrier, initialWatermark_ms }) => {
    const gatherer = new CubeGatherer({
      ...config,
      name,
      bucket_ms: (config.granularities[0] as Granularity).bucket_ms,
    });
    const folder = new CubeFolder(config, state);
    const catalog = new CubeCatalog(config.cubes);
    catalog.restore(state.cardinality, state.recent);
    let watermark_ms = initialWatermark_ms ?? Number.NEGATIVE_INFINITY;
    let turn = 0;
    const written = metrics.counter('millrace.cubes.cells_written', 'Cells written');
    const folds = metrics.counter('millrace.cubes.folds', 'Folds of a cube');
    const swept = metrics.counter('millrace.cubes.cells_expired', 'Cells removed after their retention');
    metrics.gauge(
      'millrace.cubes.dictionary_values',
      'Dimension values in memory',
      () => gatherer.dictionaryValues,
    );
    metrics.gauge('millrace.cubes.delta_entries', 'Delta entries that wait to be folded', () =>
      catalog.all().reduce((sum, { entries }) => sum + entries, 0),
    );

    const foldDue = (): void => {
      let aged = AGED_FOLDS_PER_COMMIT;
      for (const entry of catalog.all()) {
        if (entry.entries === 0) continue;
        entry.commits++;
        if (entry.entries < foldLimit(config, entry)) {
          if (entry.commits < config.fold_max_commits || aged === 0) continue;
          aged--;
        }
        const cells = folder.fold(entry.scope, entry.cube, watermark_ms);
        written.add(cells);
        folds.add();
        swept.add(sweep(config, state, entry, { watermark_ms, max_cells: cells * SWEEP_CELLS_PER_WRITE }));
        Object.assign(entry, { entries: 0, commits: 0, minutes: 0, newMinutes: 0 });
      }
    };

    return {
      onBatch: (rows) => {
        for (const row of rows) gatherer.add(row);
        if (gatherer.touched >= config.delta_max_cells) requestBarrier();
      },
      onWatermark: (time_ms) => {
        watermark_ms = time_ms;
      },
      onBarrier: ({ commit }: Barrier) => {
        gatherer.drain((scope, cube, bytes) => {
          state.recent.put(recentKey(scope, cube.name, commit), bytes);
          catalog.stored(scope, cube, readDeltaHeader(bytes));
        });
        foldDue();
        const targets = catalog.all();
        const target = targets[turn++ % Math.max(1, targets.length)];
        if (target !== undefined) {
          swept.add(sweep(config, state, target, { watermark_ms, max_cells: SWEEP_MIN_CELLS }));
        }
      },
    };
  },
});

/** Removes a bounded number of one cube's cells past their retention; of each granularity the oldest. */
function sweep(
  config: CubesConfig,
  { cells, details, cardinality }: CubeTables,
  { scope, cube: { name } }: Pick<Waiting, 'scope' | 'cube'>,
  { watermark_ms, max_cells }: { readonly watermark_ms: number; readonly max_cells: number },
): number {
  if (!Number.isFinite(watermark_ms) || max_cells === 0) return 0;
  let removed = 0;
  /** Nothing is left of what was before it. */
  let emptyUntil_ms = Number.POSITIVE_INFINITY;
  for (const [index, { bucket_ms, retain_ms = Number.POSITIVE_INFINITY }] of config.granularities.entries()) {
    const cutoff_ms = watermark_ms - retain_ms - bucket_ms;
    if (cutoff_ms <= 0) {
      emptyUntil_ms = 0;
      continue;
    }
    const start = new ByteWriter().orderedString(scope).orderedString(name).u8(index).copy();
    const end = new ByteWriter()
      .bytes(start)
      .u32(Math.floor(cutoff_ms / MINUTE_MS) + 1)
      .copy();
    const keys = [...cells.scan({ start, end, limit: max_cells })].map(({ key }) => Uint8Array.from(key));
    for (const key of keys) removeCell(cells, details, key);
    removed += keys.length;
    emptyUntil_ms = keys.length === max_cells ? 0 : Math.min(emptyUntil_ms, cutoff_ms + bucket_ms);
  }
  if (emptyUntil_ms > DAY_MS) {
    const start = cardinalityKey(scope, name, 0);
    const end = cardinalityKey(scope, name, Math.floor((emptyUntil_ms - DAY_MS) / MINUTE_MS) * MINUTE_MS);
    for (const key of [...cardinality.scan({ start, end })].map((row) => Uint8Array.from(row.key))) {
      cardinality.remove(key);
    }
  }
  return removed;
}

function removeCell(cells: KvTable, details: KvTable, key: Uint8Array): void {
  cells.remove(key);
  details.remove(key);
}
