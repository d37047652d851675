import {
  type Barrier,
  defineOperator,
  type KvTable,
  type KvView,
  type OperatorDoc,
  rawTable,
} from '../../../engine/index.ts';
import type { Dictionary, LogSchema, RowBatch } from '../../../engine/log/index.ts';
import { addRows, Cube, type LeftRow } from './cube.ts';
import { CubeBuilder } from './cube-builder.ts';
import { CubeWriter } from './cube-writer.ts';
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
   * The rows of the past, from the tables of the log, which stands before this operator in the graph. Without it a
   * cube that is added to a state with others stays incomplete.
   */
  readonly history?: (table: (id: string) => KvView) => CubeHistory;
  /** Cells of one cube, UTC day and scope before additions to new ones go to `__other__`. Default: 100,000. */
  readonly cells_per_day?: number;
  /** Cells in memory before a commit is asked for. Default: 100,000. */
  readonly touched_max_cells?: number;
  /** Rows of the log that are read in a commit to build cubes, about. Default: 100,000. */
  readonly build_max_rows?: number;
  /** Rows of a dropped cube that are removed in a commit. Default: 1,000. */
  readonly drop_max_rows?: number;
}

export const DEFAULT_CELLS_PER_DAY = 100_000;
const DEFAULT_TOUCHED_CELLS = 100_000;
const DEFAULT_BUILD_ROWS = 100_000;
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
  does: 'Adds each row to one cell of every cube: for a bucket of time (an hour, a UTC day), the row’s dimension values and its currency, a cell holds exact sums of what a `RowReader` says that the row counts. A retraction takes away what its row added, so a cell is a function of the set of rows, and a cell whose sums are all 0 is gone. Rows pass on unchanged. `scanCells` reads cells, `readCubeInfo` says which cubes there are and from when each is complete: a cube that is new in a state with rows is built from the event log, newest day first, and answers for no time before that. Put the log before it in the graph: at a barrier the cubes read what the log has just written, so each row of the commit counts once.',
  state:
    'Cells of one cube lie sorted in blocks of up to 4 KB, some 30 bytes each; a commit rewrites the blocks that it touches. They are never expired: they stay when the days of the log go. Beyond `cells_per_day` cells of a cube with dimensions on a UTC day (by scope), what is new goes to `__other__`, and `readCardinality` says so: on such a day only sums over all values are right. In memory what the commit touches: `touched_max_cells` cells ask for a commit. A cube that is no longer configured is removed, `drop_max_rows` blocks a commit.',
  late: 'A late row is added to its bucket, however old.',
  duplicates: 'Every row is added: put `dedup` in front.',
  failure:
    'Cells, definitions and position are one commit, so rows that come again after a crash count once. What a commit built of a cube is part of it.',
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
  start: ({ config, state, view, metrics, emit, notice, requestBarrier }) => {
    const { cells_per_day = DEFAULT_CELLS_PER_DAY, touched_max_cells = DEFAULT_TOUCHED_CELLS } = config;
    const { build_max_rows = DEFAULT_BUILD_ROWS, drop_max_rows = DEFAULT_DROP_ROWS } = config;
    const reader = config.reader();
    const history = config.history?.(view);
    const stored = readCubeInfo(state.definitions);
    const infos = reconcile(stored, config.cubes, reader, newCubesFrom(history, stored));
    let dropped = infos.filter(({ isDropped }) => isDropped);
    const live = infos.filter(({ isDropped }) => !isDropped).map((info) => new Cube(info));
    let dictionary: Dictionary | undefined;
    let sequence = 0;

    const full = metrics.counter(
      'millrace.cubes.full_days',
      'Days of a cube on which its cells were used up',
    );
    const writers = live.map(
      (cube) =>
        new CubeWriter(cube, state, cells_per_day, ({ scope, cube: name, day_ms }) => {
          full.add();
          notice({ kind: 'cube_full', scope, sequence, detail: { cube: name, day_ms, cells_per_day } });
        }),
    );
    const touched = (): number => live.reduce((sum, cube) => sum + cube.touched.count, 0);
    const drain = (): void => {
      // Nothing was added before the first batch.
      if (dictionary === undefined) return;
      for (const writer of writers) writer.drain(dictionary);
    };
    const left: LeftRow = { time_ms: Number.NEGATIVE_INFINITY, sequence: 0 };
    const built = metrics.counter('millrace.cubes.rows_built', 'Rows of the log read to build cubes');
    const builder =
      history === undefined
        ? undefined
        : new CubeBuilder(live, history, build_max_rows, (building, rows) => {
            addRows(building, reader, rows, undefined);
            dictionary = rows.dictionary;
            built.add(rows.length);
            if (touched() >= touched_max_cells) drain();
          });
    metrics.gauge('millrace.cubes.touched_cells', 'Cells added to since the last commit', touched);
    metrics.gauge('millrace.cubes.blocks_written', 'Blocks of cells written', () =>
      writers.reduce((sum, writer) => sum + writer.blocksWritten, 0),
    );
    metrics.gauge('millrace.cubes.incomplete', 'Cubes that are being built from the log', () =>
      builder === undefined ? 0 : builder.incomplete,
    );

    let written: readonly CubeInfo[] = stored;
    const writeDefinitions = (): void => {
      const now = [...dropped, ...live.map(({ info }) => info)];
      for (const info of now) if (!written.includes(info)) writeCubeInfo(state.definitions, info);
      written = now;
    };

    return {
      onBatch: (batches) => {
        for (const rows of batches) {
          addRows(live, reader, rows, left);
          dictionary = rows.dictionary;
          if (rows.length > 0) sequence = rows.sequence[rows.length - 1] as number;
        }
        if (touched() >= touched_max_cells) requestBarrier();
        emit(batches);
      },
      onBarrier: (_: Barrier) => {
        builder?.step(left);
        left.time_ms = Number.NEGATIVE_INFINITY;
        drain();
        dropped = dropped.filter(({ id }) => !removeRows(state, id, drop_max_rows));
        writeDefinitions();
      },
    };
  },
});

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
