import {
  type ControlDefinition,
  type Counter,
  controlKey,
  invariant,
  type KvTable,
  type KvView,
  type Metrics,
  type Notice,
} from '../../../engine/index.ts';
import {
  ALL_TIME_MS,
  Backfill,
  type HistoryRange,
  NEVER_MS,
  newFrom,
  type RowHistory,
  Slots,
} from '../backfill/index.ts';
import { Cube, CubeIndex } from './cube.ts';
import { CubeSet } from './cube-set.ts';
import {
  type CubesConfig,
  DEFAULT_CELLS_PER_DAY,
  DEFAULT_TOUCHED_CELLS,
  type DefinedCubes,
  type WantedCube,
} from './cubes-config.ts';
import { type CubeInfo, checkCube, isSameCube } from './definition.ts';
import type { RowReader } from './row-reader.ts';

const DEFAULT_BUILD_ROWS = 50_000;
const DEFAULT_DROP_ROWS = 1_000;

interface Context {
  readonly name: string;
  readonly config: CubesConfig;
  readonly state: Readonly<Record<'cells' | 'days' | 'definitions', KvTable>>;
  readonly view: (table: string) => KvView;
  readonly metrics: Metrics;
  notice(notice: Notice): void;
  /** Further tables whose keys begin with the id of a cube: their rows go with it. */
  readonly beside?: readonly KvTable[];
  /** Hears of the cells that were added to since the last call, before they are in the table. Inside a commit. */
  readonly drained?: (cube: Cube) => void;
}

/** The cubes of the configuration and those that users defined: which there are, and how far each is built. */
export class CountedCubes {
  readonly set: CubeSet;
  readonly #config: CubesConfig;
  readonly #reader: RowReader;
  readonly #slots: Slots<CubeInfo, Cube>;
  readonly #history: RowHistory | undefined;
  readonly #backfill: Backfill<CubeInfo, Cube> | undefined;
  readonly #built: Counter;
  readonly #defined = new Map<string, WantedCube>();
  /** What is wanted has changed since the last `settle`. */
  #isStale = true;
  #hasBegun = false;

  constructor({ name, config, state, view, metrics, notice, beside = [], drained }: Context) {
    const { cells_per_day = DEFAULT_CELLS_PER_DAY } = config;
    const { build_max_rows = DEFAULT_BUILD_ROWS, drop_max_rows = DEFAULT_DROP_ROWS } = config;
    const { cells, days, definitions } = state;
    const labels = { operator: name };
    this.#config = config;
    this.#reader = config.reader();
    this.#history = config.history?.(view);
    this.#built = metrics.counter('millrace.cubes.rows_built', 'Rows of the log read to build cubes', labels);
    const fullDays = metrics.counter(
      'millrace.cubes.full_days',
      'Days of a cube on which its cells were used up',
      labels,
    );
    this.set = new CubeSet(this.#reader, state, {
      cells_per_day,
      filled: ({ scope, cube, day_ms }) => {
        fullDays.add();
        const detail = { cube, day_ms, cells_per_day };
        notice({ kind: 'cube_full', scope, sequence: this.set.sequence, detail });
      },
      drained,
    });
    this.#slots = new Slots<CubeInfo, Cube>({
      slots: definitions,
      rows: [cells, days, ...beside],
      drop_max_rows,
      open: (info) => new Cube(info, this.#defined.get(info.name)?.reader),
    });
    if (this.#history === undefined) return;
    const history = this.#history;
    this.#backfill = new Backfill(history, build_max_rows, (building, range) =>
      this.#read(history, building, range),
    );
  }

  get incomplete(): number {
    return this.#backfill?.incomplete ?? 0;
  }

  define(definition: ControlDefinition, read: DefinedCubes['read']): void {
    const { scope } = definition;
    const cube = { ...read(definition.body), name: controlKey(definition), scope };
    this.want(cube);
  }

  /** Counts a cube from the next `settle` on, in place of one of its name. Throws `bad_config`. */
  want(cube: WantedCube): void {
    checkCube(cube, this.#config.schema);
    this.#defined.set(cube.name, cube);
    this.#isStale = true;
  }

  /** Counts the cube of a name no longer. */
  unwant(name: string): void {
    if (this.#defined.delete(name)) this.#isStale = true;
  }

  /** Those that are counted, built or being built. */
  get live(): readonly Cube[] {
    return this.#slots.live;
  }

  forget(definition: ControlDefinition): void {
    this.unwant(controlKey(definition));
  }

  /**
   * Before the first rows: those cubes that are there. Later ones count from a barrier on: rows that come through
   * while a commit goes on, before the log has written its own, are in the log when they are built.
   */
  begin(): void {
    if (!this.#hasBegun) this.settle();
  }

  /** Inside a commit, when the log has its rows: makes the cubes those that are wanted. */
  settle(): void {
    if (!this.#isStale) return;
    this.#isStale = false;
    this.#hasBegun = true;
    const history = this.#history;
    history?.refresh();
    const { version, measures } = this.#reader;
    const wanted = [...this.#config.cubes, ...this.#defined.values()].map(
      ({ reader, ...cube }: WantedCube) => ({
        ...cube,
        ...{ version: reader?.version ?? version, measures: reader?.measures ?? measures },
      }),
    );
    // Without a log, cubes that are there from the beginning have all rows, and others never do.
    const unknown_ms = this.#slots.isEmpty ? ALL_TIME_MS : NEVER_MS;
    this.#slots.want(wanted, isSameCube, ({ scope }) =>
      history === undefined ? unknown_ms : newFrom(history, scope),
    );
    // What was stored has no reader yet.
    for (const cube of this.#slots.live) cube.reader = this.#defined.get(cube.slot.name)?.reader;
    this.set.follow(this.#slots.live);
    this.#backfill?.follow(this.#slots.live);
  }

  /** Inside a commit, when the log has its rows. */
  build(): void {
    this.#backfill?.step();
  }

  /** Inside a commit: stores which cubes there are. */
  flush(): void {
    this.#slots.flush();
  }

  #read(history: RowHistory, building: readonly Cube[], range: HistoryRange): number {
    const { touched_max_cells = DEFAULT_TOUCHED_CELLS } = this.#config;
    const left = this.set.leftIn(range.scope, range.start_ms, range.end_ms);
    const index = new CubeIndex(building);
    const texts = [...new Set(building.flatMap(({ texts: named }) => named))];
    let rows = 0;
    let isThere = left === undefined;
    history.read(range, texts, (batch) => {
      rows += batch.length;
      isThere ||= batch.sequence.subarray(0, batch.length).includes(left?.sequence ?? 0);
      this.set.addHistory(index, batch);
      if (this.set.touchedCells >= touched_max_cells) this.set.drain();
    });
    invariant(isThere, 'the log has the rows of the commit under way: it stands before the cubes');
    this.#built.add(rows);
    return rows;
  }
}
