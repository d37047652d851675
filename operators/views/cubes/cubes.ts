import {
  defineOperator,
  type KvTable,
  type KvView,
  type LogSchema,
  type MetricLabels,
  type Metrics,
  type OperatorDoc,
  type RowBatch,
  rawTable,
} from '../../../engine/index.ts';
import { CubeBuilder } from './cube-builder.ts';
import { CubeSet } from './cube-set.ts';
import {
  ALL_TIME_MS,
  type CubeDefinition,
  type CubeInfo,
  checkCube,
  NEVER_MS,
  readCubeInfo,
  reconcile,
  removeCubeInfo,
  writeCubeInfo,
} from './definition.ts';
import { describeBlock, describeDay } from './describe.ts';
import { logicalCells } from './digest.ts';
import type { CubeHistory } from './history.ts';
import type { RowReader } from './row-reader.ts';

export interface CubesConfig {
  readonly schema: LogSchema;
  readonly cubes: readonly CubeDefinition[];
  /** What a row adds; an operator has one of its own. */
  readonly reader: () => RowReader;
  /** Id of the table that holds the dictionary of the rows' codes: for the digest. */
  readonly dictionaryTable: string;
  /**
   * The rows of the past, from the tables of the log, which stands before this operator in the graph, or in a branch
   * that is made before its own. Without it a cube that is added to a state with others stays incomplete.
   */
  readonly history?: (table: (id: string) => KvView) => CubeHistory;
  /** Cells of one cube, UTC day and scope before additions to new ones go to `__other__`. Default: 100,000. */
  readonly cells_per_day?: number;
  /** Cells in memory before a commit is asked for. Default: 100,000. */
  readonly touched_max_cells?: number;
  /** Rows of the log that are read in a commit to build cubes, about. Default: 50,000. */
  readonly build_max_rows?: number;
  /** Rows of a dropped cube that are removed in a commit. Default: 1,000. */
  readonly drop_max_rows?: number;
}

export const DEFAULT_CELLS_PER_DAY = 100_000;
const DEFAULT_TOUCHED_CELLS = 100_000;
const DEFAULT_BUILD_ROWS = 50_000;
const DEFAULT_DROP_ROWS = 1_000;

function tables({ dictionaryTable }: CubesConfig) {
  const none = (): Iterable<Uint8Array> => [];
  return {
    cells: rawTable({
      version: 3,
      describeRow: describeBlock,
      logicalRows: (cells, _, table) =>
        logicalCells(
          { cells, definitions: table('definitions'), days: table('days') },
          table(dictionaryTable),
        ),
    }),
    definitions: rawTable({ version: 1, logicalRows: none }),
    days: rawTable({ version: 1, logicalRows: none, describeRow: describeDay }),
  };
}

export const cubesDoc: OperatorDoc = {
  kind: 'cubes',
  summary: 'Sums by time and dimensions, kept to be read',
};

/** See `cubesDoc`. Throws `bad_config` for a cube that the schema's rows cannot have. */
export const cubes = defineOperator<RowBatch, RowBatch, CubesConfig, ReturnType<typeof tables>>({
  kind: cubesDoc.kind,
  summary: cubesDoc.summary,
  config: {
    parse: (input) => {
      const config = input as CubesConfig;
      for (const cube of config.cubes) checkCube(cube, config.schema);
      return config;
    },
  },
  state: tables,
  start: ({ name, config, state, view, metrics, emit, notice, requestBarrier }) => {
    const { cells_per_day = DEFAULT_CELLS_PER_DAY, touched_max_cells = DEFAULT_TOUCHED_CELLS } = config;
    const { build_max_rows = DEFAULT_BUILD_ROWS, drop_max_rows = DEFAULT_DROP_ROWS } = config;
    const reader = config.reader();
    const history = config.history?.(view);
    const stored = readCubeInfo(state.definitions);
    const infos = reconcile(stored, config.cubes, reader, newCubesFrom(history, stored));
    const labels = { operator: name };
    const fullDays = metrics.counter(
      'millrace.cubes.full_days',
      'Days of a cube on which its cells were used up',
      labels,
    );
    const set = new CubeSet(
      infos.filter(({ isDropped }) => !isDropped),
      reader,
      state,
      {
        cells_per_day,
        filled: ({ scope, cube, day_ms }) => {
          fullDays.add();
          notice({
            kind: 'cube_full',
            scope,
            sequence: set.sequence,
            detail: { cube, day_ms, cells_per_day },
          });
        },
      },
    );
    const built = metrics.counter('millrace.cubes.rows_built', 'Rows of the log read to build cubes', labels);
    const builder =
      history === undefined
        ? undefined
        : new CubeBuilder(set.cubes, history, build_max_rows, (building, rows) => {
            set.addHistory(building, rows);
            built.add(rows.length);
            if (set.touchedCells >= touched_max_cells) set.drain();
          });
    describeMetrics(metrics, labels, set, builder);

    let dropped = infos.filter(({ isDropped }) => isDropped);
    let written: readonly CubeInfo[] = stored;
    return {
      onBatch: (batches) => {
        for (const rows of batches) set.add(rows);
        if (set.touchedCells >= touched_max_cells) requestBarrier();
        emit(batches);
      },
      onBarrier: () => {
        builder?.step(set.left);
        // The rest follows at once, also while no rows come.
        if (builder !== undefined && builder.incomplete > 0) requestBarrier();
        set.drain();
        set.next();
        dropped = dropped.filter(({ id }) => !removeRows(state, id, drop_max_rows));
        const now = [...dropped, ...set.cubes.map(({ info }) => info)];
        for (const info of now) if (!written.includes(info)) writeCubeInfo(state.definitions, info);
        written = now;
      },
    };
  },
});

function describeMetrics(
  metrics: Metrics,
  labels: MetricLabels,
  set: CubeSet,
  builder: CubeBuilder | undefined,
): void {
  metrics.gauge(
    'millrace.cubes.touched_cells',
    'Cells added to since the last commit',
    () => set.touchedCells,
    labels,
  );
  metrics.observedCounter(
    'millrace.cubes.blocks_written',
    'Blocks of cells written',
    () => set.blocksWritten,
    labels,
  );
  metrics.gauge(
    'millrace.cubes.incomplete',
    'Cubes that are being built from the log',
    () => builder?.incomplete ?? 0,
    labels,
  );
}

/** In a state without rows a new cube has them all; else it begins with none. */
function newCubesFrom(history: CubeHistory | undefined, stored: readonly CubeInfo[]): number {
  if (history === undefined) return stored.length === 0 ? ALL_TIME_MS : NEVER_MS;
  return history.newestBefore(NEVER_MS) === undefined ? history.start_ms() : NEVER_MS;
}

/** Removes up to `max_rows` rows of a cube; true when none is left, nor its definition. */
function removeRows(
  { cells, days, definitions }: Readonly<Record<'cells' | 'days' | 'definitions', KvTable>>,
  id: number,
  max_rows: number,
): boolean {
  let left = max_rows;
  for (const table of [cells, days]) {
    const range = { start: idPrefix(id), end: idPrefix(id + 1), limit: left };
    const keys = Array.from(table.scan(range), ({ key }) => Uint8Array.from(key));
    for (const key of keys) table.remove(key);
    left -= keys.length;
    if (left === 0) return false;
  }
  removeCubeInfo(definitions, id);
  return true;
}

function idPrefix(id: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, id);
  return bytes;
}
