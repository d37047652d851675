import {
  type Barrier,
  ByteReader,
  ByteWriter,
  defineOperator,
  type KvTable,
  type KvView,
  rawTable,
} from '../engine/index.ts';
import { readCellKey } from './cube-cell.ts';
import { CubeWriter } from './cube-writer.ts';
import type { CubeDefinition, CubeRow, Granularity } from './cube-types.ts';

export interface CubesConfig {
  /** Names of the dimensions of a row, in its order. */
  readonly dimensions: readonly string[];
  readonly cubes: readonly CubeDefinition[];
  /** Finest first. */
  readonly granularities: readonly Granularity[];
  readonly measures: number;
  readonly distributions: number;
  /** Cells of one cube, day and scope before new values go to OTHER. */
  readonly cells_per_day: number;
  /** Touched cells of the finest granularity before a barrier is asked for: bounds memory. */
  readonly delta_max_cells: number;
}

function tables(config: CubesConfig) {
  const retained = function* (view: KvView, watermark_ms: number): Iterable<Uint8Array> {
    const dimensions = new Map(config.cubes.map((cube) => [cube.name, cube.dimensions.length]));
    for (const { key, value } of view.scan()) {
      const place = new ByteReader(key);
      place.orderedString();
      const count = dimensions.get(place.orderedString()) ?? 0;
      const { granularity, bucket_ms } = readCellKey(key, count);
      const { bucket_ms: width_ms, retain_ms } = config.granularities[granularity] as Granularity;
      if (retain_ms !== undefined && bucket_ms + width_ms + retain_ms <= watermark_ms) continue;
      yield Buffer.concat([key, Uint8Array.of(0), value]);
    }
  };
  return {
    cells: rawTable({ version: 1, logicalRows: retained }),
    details: rawTable({ version: 1, logicalRows: retained }),
    cardinality: rawTable({ version: 1 }),
  };
}

/**
 * Tumbling rollup into cubes: for each cube, granularity, bucket, dimension values and unit, exact sums,
 * distributions and distinct members. Rows only add (an earlier contribution is taken back by a row with
 * negative counts), so the cells are a function of the set of rows. Late rows correct their buckets for
 * as long as those are kept. Between commits a row costs one table probe a cube; the coarser
 * granularities are summed from the finest when the barrier passes, and every touched cell is read,
 * merged and written once.
 * State: a row a cell; buckets past their retention are removed as the watermark moves.
 */
export const cubes = defineOperator<CubeRow, never, CubesConfig, ReturnType<typeof tables>>({
  kind: 'cubes',
  summary: 'Tumbling rollup into cubes of dimensions',
  state: tables,
  start: ({ config, state, metrics, requestBarrier, initialWatermark_ms }) => {
    const writer = new CubeWriter(config, state);
    const sweeper = new RetentionSweeper(config, state, () => writer.knownCubes());
    let watermark_ms = initialWatermark_ms ?? Number.NEGATIVE_INFINITY;
    const written = metrics.counter('millrace.cubes.cells_written', 'Cells written');
    const swept = metrics.counter('millrace.cubes.cells_expired', 'Cells removed after their retention');
    metrics.gauge('millrace.cubes.dictionary_values', 'Dimension values in memory', () => writer.dictionaryValues);
    return {
      onBatch: (rows) => {
        for (const row of rows) writer.add(row);
        if (writer.touched >= config.delta_max_cells) requestBarrier();
      },
      onWatermark: (time_ms) => {
        watermark_ms = time_ms;
      },
      onBarrier: (_: Barrier) => {
        written.add(writer.flush(watermark_ms));
        swept.add(sweeper.sweep(watermark_ms));
      },
    };
  },
});

const SWEEP_CELLS_PER_COMMIT = 2_000;

/** Removes buckets past their retention, a bounded number a commit, one cube after the other. */
class RetentionSweeper {
  readonly #config: CubesConfig;
  readonly #state: { readonly cells: KvTable; readonly details: KvTable };
  readonly #cubes: () => readonly { readonly scope: string; readonly cube: string }[];
  #turn = 0;

  constructor(
    config: CubesConfig,
    state: { readonly cells: KvTable; readonly details: KvTable },
    cubesOf: () => readonly { readonly scope: string; readonly cube: string }[],
  ) {
    this.#config = config;
    this.#state = state;
    this.#cubes = cubesOf;
  }

  sweep(watermark_ms: number): number {
    const targets = this.#cubes();
    if (targets.length === 0 || !Number.isFinite(watermark_ms)) return 0;
    const { scope, cube } = targets[this.#turn++ % targets.length] as { scope: string; cube: string };
    let removed = 0;
    for (const [index, { bucket_ms, retain_ms }] of this.#config.granularities.entries()) {
      if (retain_ms === undefined) continue;
      const cutoff_ms = watermark_ms - retain_ms - bucket_ms;
      if (cutoff_ms <= 0) continue;
      const prefix = new ByteWriter().orderedString(scope).orderedString(cube).u8(index).copy();
      const end = new ByteWriter()
        .bytes(prefix)
        .u32(Math.floor(cutoff_ms / 60_000) + 1)
        .copy();
      const keys = [...this.#state.cells.scan({ start: prefix, end, limit: SWEEP_CELLS_PER_COMMIT })].map(({ key }) =>
        Uint8Array.from(key),
      );
      for (const key of keys) {
        this.#state.cells.remove(key);
        this.#state.details.remove(key);
      }
      removed += keys.length;
    }
    return removed;
  }
}
