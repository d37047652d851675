import {
  ByteWriter,
  Dictionary,
  defineOperator,
  type KvView,
  type RowBatch,
  rawTable,
  TestDriver,
} from '../../../engine/index.ts';
import { ALL_TIME_MS, DAY_MS, type RowHistory } from '../backfill/index.ts';
import { cubes } from './cubes.ts';
import type { CubesConfig } from './cubes-config.ts';
import { readCardinality } from './day-cells.ts';
import { type CubeDefinition, readCubeInfo } from './definition.ts';
import { batchOf, SCHEMA, TestReader, type TestRow } from './fixture-rows.ts';
import { cubeViews, scanCells } from './scan-cells.ts';

interface StoredRow {
  readonly row: TestRow;
  readonly sequence: number;
}

/** The log of a test: a JSON row each, written at the barrier; from `start_ms` on. */
function historyOf(rows: KvView, dictionary: Dictionary, start_ms: number): RowHistory {
  const between = (from_ms: number, to_ms: number, scope: string | undefined): readonly StoredRow[] =>
    Array.from(rows.scan(), ({ value }) => JSON.parse(Buffer.from(value).toString()) as StoredRow).filter(
      ({ row }) =>
        row.time_ms >= Math.max(start_ms, from_ms) &&
        row.time_ms < to_ms &&
        (scope === undefined || row.scope === scope),
    );
  return {
    refresh: () => {},
    start_ms: () => start_ms,
    newestBefore: (time_ms, scope) => {
      const times = between(ALL_TIME_MS, time_ms, scope).map(({ row }) => row.time_ms);
      return times.length === 0 ? undefined : Math.max(...times);
    },
    rows: (range) => between(range.start_ms, range.end_ms, range.scope).length,
    read: (range, _texts, take) => {
      for (const { row, sequence } of between(range.start_ms, range.end_ms, range.scope))
        take(batchOf([row], dictionary, sequence));
    },
    chunks: () => {
      throw new Error('cubes read rows');
    },
    release: () => {},
  };
}

export interface RigOptions extends Partial<Omit<CubesConfig, 'history'>> {
  readonly version?: string;
  /** What the log still has; null: there is no log. */
  readonly logStart_ms?: number | null;
  /** A graph that is put together wrongly. */
  readonly cubesFirst?: boolean;
}

/** Cubes behind a log in a task on memory, fed with rows. */
export class Rig {
  dictionary = new Dictionary();
  /** What is committed, and what came since. */
  readonly committed: TestRow[] = [];
  #since: TestRow[] = [];
  #sequence = 0;
  #driver: TestDriver<RowBatch, RowBatch> | undefined;
  #options: RigOptions = {};

  static async start(options: RigOptions): Promise<Rig> {
    const rig = new Rig();
    rig.#options = options;
    rig.#driver = await TestDriver.start((input) => rig.#build(input));
    return rig;
  }

  get driver(): TestDriver<RowBatch, RowBatch> {
    if (this.#driver === undefined) throw new Error('start() comes first');
    return this.#driver;
  }

  #build(input: Parameters<Parameters<typeof TestDriver.start<RowBatch, RowBatch>>[0]>[0]) {
    const { version, logStart_ms = ALL_TIME_MS, cubesFirst = false, ...given } = this.#options;
    const texts = defineOperator<RowBatch, RowBatch, undefined, { codes: ReturnType<typeof rawTable> }>({
      kind: 'texts',
      summary: 'The dictionary',
      state: () => ({ codes: rawTable({ version: 1, logicalRows: () => [] }) }),
      start: ({ state, emit }) => ({ onBatch: emit, onBarrier: () => this.dictionary.flush(state.codes) }),
    });
    const log = defineOperator<RowBatch, RowBatch, undefined, { rows: ReturnType<typeof rawTable> }>({
      kind: 'log',
      summary: 'All rows',
      state: () => ({ rows: rawTable({ version: 1, logicalRows: () => [] }) }),
      start: ({ state, emit }) => {
        let count = [...state.rows.scan()].length;
        return {
          onBatch: emit,
          onBarrier: () => {
            for (const [at, row] of this.#since.entries()) {
              const sequence = this.#sequences[at];
              const value = Buffer.from(JSON.stringify({ row, sequence }));
              state.rows.put(new ByteWriter().u48(count++).copy(), value);
            }
          },
        };
      },
    });
    const view = cubes('cubes', {
      schema: SCHEMA,
      cubes: [],
      reader: () => new TestReader(version),
      dictionaryTable: 'texts/codes',
      ...(logStart_ms === null
        ? {}
        : { defined: { kind: 'cube', read: (body) => body as Omit<CubeDefinition, 'name'> } }),
      ...given,
      ...(logStart_ms === null
        ? {}
        : { history: (table) => historyOf(table('log/rows'), this.dictionary, logStart_ms) }),
    });
    const out = input.pipe(texts('texts', undefined));
    return cubesFirst
      ? out.pipe(view).pipe(log('log', undefined))
      : out.pipe(log('log', undefined)).pipe(view);
  }

  #sequences: number[] = [];

  async push(...rows: readonly TestRow[]): Promise<void> {
    this.#since.push(...rows);
    this.#sequence++;
    this.#sequences.push(...rows.map(() => this.#sequence));
    const before = this.driver.progress?.commit;
    await this.driver.push(batchOf(rows, this.dictionary, this.#sequence));
    // A cube that is being built asks for commits.
    if (this.driver.progress?.commit !== before) this.#noteCommit();
  }

  commit(): void {
    this.driver.commit();
    this.#noteCommit();
  }

  /** The next commit knows of it. */
  define(scope: string, id: string, { dimensions, bucket_ms }: Omit<CubeDefinition, 'name'>): void {
    this.driver.control.define('cube', scope, id, { dimensions, bucket_ms });
  }

  undefine(scope: string, id: string): void {
    this.driver.control.remove('cube', scope, id);
  }

  /** Commits until nothing is left to build: a day in 1,024 slices is read in as many commits. */
  buildAll(): void {
    for (let commits = 0; commits < 10_000; commits++) {
      this.commit();
      if (!this.driver.wantsBarrier && this.info().every(({ isDropped }) => !isDropped)) return;
    }
    throw new Error('the cubes are not complete');
  }

  #noteCommit(): void {
    this.committed.push(...this.#since);
    this.#forget();
  }

  #forget(): void {
    this.#since = [];
    this.#sequences = [];
  }

  /** A new process, with other options; what was not committed comes again. */
  async restart(options: RigOptions = this.#options): Promise<void> {
    const again = this.#since;
    this.#forget();
    this.#options = options;
    this.dictionary = new Dictionary();
    this.driver.disk.reader().snapshot((table) => this.dictionary.follow(table('texts/codes')));
    this.#driver = await this.driver.restart();
    if (again.length > 0) await this.push(...again);
  }

  info() {
    return this.driver.disk.reader().snapshot((table) => readCubeInfo(cubeViews(table, 'cubes').definitions));
  }

  /** Non-zero cells of a cube from `start_ms` on, as text by key. */
  cells(name: string, start_ms = -1_000 * DAY_MS): Readonly<Record<string, string>> {
    const cube = this.info().find((each) => each.name === name && !each.isDropped);
    if (cube === undefined) throw new Error(`there is no cube ${name}`);
    return this.driver.disk.reader().snapshot((table) => {
      const { cells } = cubeViews(table, 'cubes');
      const found: Record<string, string> = {};
      for (const scope of ['s', 't', 's2'])
        scanCells(
          cells,
          { scope, cube, start_ms, end_ms: 100_000 * DAY_MS },
          (bucket_ms, codes, currency, { sums, wide }) => {
            const texts = [currency, ...codes].map((code) => this.dictionary.textOf(code));
            const key = [scope, bucket_ms, ...texts].join('|');
            if (found[key] !== undefined) throw new Error(`cell ${key} comes twice`);
            found[key] = [0, 10]
              .map((measure) => wide.get(measure) ?? BigInt(sums[measure] as number))
              .join();
          },
        );
      return found;
    });
  }

  cardinality(name: string) {
    const cube = this.info().find((each) => each.name === name)?.id ?? 0;
    const range = { scope: 's', cube, start_ms: 0, end_ms: 100_000 * DAY_MS };
    return this.driver.disk
      .reader()
      .snapshot((table) => [...readCardinality(cubeViews(table, 'cubes').days, range)]);
  }

  rowsIn(table: string): number {
    return this.driver.disk.reader().snapshot((open) => [...open(`cubes/${table}`).scan()].length);
  }
}

/** The same by a plain map over rows. */
export function expectedCells(
  rows: readonly TestRow[],
  { dimensions, bucket_ms, scope }: CubeDefinition,
  start_ms = ALL_TIME_MS,
): Readonly<Record<string, string>> {
  const cells = new Map<string, [bigint, bigint]>();
  for (const row of rows) {
    if (row.time_ms < start_ms || (scope !== undefined && row.scope !== scope)) continue;
    const groups = new Map<string, bigint>();
    if (!dimensions.includes('sku') || row.items.length === 0) groups.set(row.sku, BigInt(row.amount));
    else for (const [sku, amount] of row.items) groups.set(sku, (groups.get(sku) ?? 0n) + BigInt(amount));
    for (const [sku, amount] of groups) {
      const values = dimensions.map((name) => (name === 'sku' ? sku : row[name as 'country']));
      const bucket = Math.floor(row.time_ms / bucket_ms) * bucket_ms;
      const key = [row.scope, bucket, row.currency, ...values].join('|');
      const cell = cells.get(key) ?? [0n, 0n];
      cells.set(key, cell);
      cell[0] += row.retraction ? -1n : 1n;
      cell[1] += row.retraction ? -amount : amount;
    }
  }
  const full = [...cells].filter(([, sums]) => sums.some((sum) => sum !== 0n));
  return Object.fromEntries(full.map(([key, sums]) => [key, sums.join()]));
}
