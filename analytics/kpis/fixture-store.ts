import {
  ByteWriter,
  Dictionary,
  defineOperator,
  type KvReader,
  type LogLimits,
  type LogView,
  LogWriter,
  MemoryDisk,
  type Plan,
  type Progress,
  type QueryContext,
  type QueryKind,
  RowBatch,
  rawTable,
  TestDriver,
} from '../../engine/index.ts';
import { type CubeDefinition, cubes, cubeViews } from '../../operators/index.ts';
import { addRate } from '../query/index.ts';
import { logSource } from '../query-head/index.ts';
import { RowContribution, rowSchema } from '../rows/index.ts';
import { cubeSource } from './cube-source.ts';
import { appendRow, CUSTOM, TENANT, type TestRow } from './fixture-rows.ts';
import { type KpiAnswer, kpiKind } from './kpi-kind.ts';
import type { KpiSettings } from './prepare.ts';
import type { KpiQueryInput } from './schema.ts';
import type { KpiCube, KpiSources, OpenSources } from './sources.ts';

const SCHEMA = rowSchema(CUSTOM);
const DAY_MS = 86_400_000;

/** Small limits: everything that happens to millions of rows happens to a few. */
const SMALL: Partial<LogLimits> = {
  fanout: 3,
  sealed_min_rows: 400,
  segment_max_rows: 800,
  sort_min_rows: 100,
  merge_max_rows: 300,
};

export interface StoreOptions {
  readonly cubes?: readonly CubeDefinition[];
  readonly cells_per_day?: number;
  /** Texts that the dictionary holds. */
  readonly dictionaryTexts?: number;
  /** Rows of one commit. */
  readonly commit_rows?: number;
  readonly limits?: Partial<LogLimits>;
  /** The UTC day before which the log forgets everything at last. */
  readonly cut?: string;
}

export interface AskOptions {
  /** Which cubes may be used, and from when on. */
  readonly cubes?: (cube: KpiCube) => KpiCube | undefined;
  readonly complete_until_ms?: number | null;
  readonly settings?: Partial<KpiSettings>;
}

/** The log and cubes of a tenant in one store, written as a task does, and asked as the executor does. */
export class KpiStore {
  readonly dictionary: Dictionary;
  readonly #reader: KvReader;
  readonly #rates = new MemoryDisk().open();
  #sequence = 0;

  private constructor(reader: KvReader, dictionaryTexts: number | undefined) {
    this.dictionary = new Dictionary(dictionaryTexts);
    this.#reader = reader;
  }

  static async of(rows: readonly TestRow[], options: StoreOptions = {}): Promise<KpiStore> {
    const { commit_rows = 500, limits = SMALL, cut, ...rest } = options;
    let isLast = false;
    const log = defineOperator<RowBatch, RowBatch, undefined, ReturnType<typeof logTables>>({
      kind: 'log',
      summary: 'The event log',
      state: logTables,
      start: ({ state, emit }) => {
        const writer = new LogWriter(state, SCHEMA, limits);
        return {
          onBatch: (batches) => {
            for (const batch of batches) writer.append(batch);
            emit(batches);
          },
          onBarrier: () => {
            if (isLast && cut !== undefined) writer.dropAllBefore(Date.parse(cut));
            writer.commit(state);
          },
        };
      },
    });
    const view = cubes('cubes', {
      schema: SCHEMA,
      cubes: rest.cubes ?? [],
      reader: () => new RowContribution(),
      dictionaryTable: 'log/segments',
      ...(rest.cells_per_day === undefined ? {} : { cells_per_day: rest.cells_per_day }),
    });
    const driver = await TestDriver.start<RowBatch, RowBatch>((input) =>
      input.pipe(log('log', undefined)).pipe(view),
    );
    const store = new KpiStore(driver.disk.reader(), rest.dictionaryTexts);
    for (let from = 0; from < rows.length; from += commit_rows) {
      const batch = new RowBatch(SCHEMA, store.dictionary);
      for (const row of rows.slice(from, from + commit_rows)) appendRow(batch, row);
      isLast = from + commit_rows >= rows.length;
      await driver.push(batch);
      driver.commit();
    }
    store.#sequence = rows.at(-1)?.sequence ?? 0;
    return store;
  }

  /** Known from `sequence` on. */
  rate(base: string, quote: string, at: string, rate: string, sequence = 0): this {
    const writer = new ByteWriter().orderedString(TENANT).orderedString(base).orderedString(quote);
    const key = writer.u48(Date.parse(at)).copy();
    const table = this.#rates.table('rates');
    const value = addRate(table.get(key), sequence, rate);
    if (value !== undefined) this.#rates.transaction(() => table.put(key, value));
    return this;
  }

  ask(query: KpiQueryInput, options: AskOptions = {}): KpiAnswer {
    return this.run(kpiKind, query, options);
  }

  /** Runs a query as its kind says: the plan, each part, merged, finished. */
  run<Q, S, P, A>(make: MakeKind<Q, S, P, A>, query: unknown, options: AskOptions = {}): A {
    return this.#open(make, query, options, (kind, context, plan) => {
      const parts = plan.parts.map(({ work }) =>
        kind.partial(context, structuredClone(plan), work, NO_CANCEL),
      );
      const [first, ...others] = parts;
      const bytes = first === undefined ? undefined : others.reduce((a, b) => kind.merge(b, a), first);
      return kind.finish(context, structuredClone(plan), bytes);
    });
  }

  plan(query: KpiQueryInput, options: AskOptions = {}) {
    return this.#open(kpiKind, query, options, (_kind, _context, plan) => plan);
  }

  #open<Q, S, P, A, T>(
    make: MakeKind<Q, S, P, A>,
    query: unknown,
    options: AskOptions,
    work: (kind: QueryKind<Q, S, P, A>, context: QueryContext, plan: Plan<S, P>) => T,
  ): T {
    const { custom = [...CUSTOM], ...settings } = options.settings ?? {};
    return this.#reader.snapshot((table) => {
      const view: LogView = { segments: table('log/segments'), chunks: table('log/chunks') };
      const ofCubes = cubeSource(cubeViews(table, 'cubes'), TENANT);
      const sources: KpiSources = {
        dictionary: this.dictionary,
        ...logSource(view, SCHEMA, TENANT),
        ...ofCubes,
        cubes: (start_ms, end_ms, isOfUse) =>
          ofCubes.cubes(start_ms, end_ms, isOfUse).flatMap((cube) => (options.cubes ?? same)(cube) ?? []),
        rates: this.#rates.table('rates'),
        complete_until_ms: options.complete_until_ms ?? null,
      };
      const kind = make({ custom, ...settings }, () => sources);
      const progress = { stream: 'EVENTS', partition: '0', sequence: this.#sequence } as Progress;
      const context = { table, scope: TENANT, progress, now_ms: NOW_MS };
      return work(kind, context, kind.plan(context, kind.schema.parse(query)));
    });
  }
}

type MakeKind<Q, S, P, A> = (settings: KpiSettings, open: OpenSources) => QueryKind<Q, S, P, A>;

export const NOW_MS = Date.UTC(2026, 0, 1);
const NO_CANCEL = { isCancelled: () => false, check: () => undefined };
const same = (cube: KpiCube): KpiCube => cube;

function logTables() {
  return {
    segments: rawTable({ version: 1, logicalRows: () => [] }),
    chunks: rawTable({ version: 1, logicalRows: () => [] }),
  };
}

export function cubeOf(dimensions: readonly string[], bucket_ms = DAY_MS): CubeDefinition {
  return { name: `${dimensions.join('+') || 'total'}@${bucket_ms}`, dimensions, bucket_ms };
}
