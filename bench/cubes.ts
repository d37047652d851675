import { cubeOf, DEFAULT_ROW_CUBES, RowContribution, rowSchema } from '../analytics/index.ts';
import {
  Dictionary,
  defineOperator,
  type KvStore,
  openLmdbStore,
  type RowBatch,
  type SourceRecord,
  topology,
} from '../engine/index.ts';
import { type CubeDefinition, cubes, cubeViews, readCubeInfo, scanCells } from '../operators/index.ts';
import { rowBatches } from './cubes-rows.ts';
import { machine, withScratch } from './rig.ts';
import { STEP_SOURCE, stepTask } from './step-task.ts';

const EVENTS = Number(process.env.BENCH_EVENTS ?? 600_000);
const PUSH_EVENTS = 5_000;
/** As a backlog is taken in. */
const COMMIT_EVENTS = 150_000;
const SCAN_US = 300_000;
const START_MS = Date.UTC(2026, 0, 5);
/** Mean distance in event time between two events, ms. */
const LOADS = { dense: 0.05, shop: 1_000, quiet: 20_000 } as const;

const day = DEFAULT_ROW_CUBES.filter(({ bucket_ms }) => bucket_ms === 86_400_000);
const SETS: Readonly<Record<string, readonly CubeDefinition[]>> = {
  total: [cubeOf([], '1d')],
  six_by_day: day,
  default: DEFAULT_ROW_CUBES,
  more_by_hour: [...DEFAULT_ROW_CUBES, cubeOf(['channel'], '1h'), cubeOf(['country'], '1h')],
};

/** What cubes cost for an event, CPU and state, by load and set of cubes; and how fast they are read. */
export async function cubesBench(): Promise<object> {
  process.stdout.write(`${machine()}\n`);
  const figures: Record<string, object> = {};
  for (const [load, step_ms] of Object.entries(LOADS)) {
    const bySet: Record<string, object> = {};
    for (const [name, set] of Object.entries(SETS)) {
      bySet[name] = await withScratch((folder) => measure(folder, set, step_ms));
      process.stdout.write(`${load} ${name} ${JSON.stringify(bySet[name])}\n`);
    }
    figures[load] = bySet;
  }
  return { events: EVENTS, ...figures };
}

async function measure(folder: string, set: readonly CubeDefinition[], step_ms: number): Promise<object> {
  const dictionary = new Dictionary();
  const next = rowBatches({ seed: 1, start_ms: START_MS, step_ms, disorder_ms: 30_000 }, dictionary);
  let batch: RowBatch | undefined;
  const feed = defineOperator<SourceRecord, RowBatch>({
    kind: 'feed',
    summary: 'Rows of the bench',
    start: ({ emit }) => ({ onBatch: () => emit(batch === undefined ? [] : [batch]) }),
  });
  const store = openLmdbStore(folder, { durable: false });
  const config = { schema: rowSchema(), cubes: set, dictionaryTable: 'none/none' };
  const running = stepTask({
    topology: topology('bench', (t) => {
      const rows = t.source(STEP_SOURCE).pipe(feed('feed', undefined));
      rows.pipe(cubes('cubes', { ...config, reader: () => new RowContribution() }));
    }),
    ...{ store, start_ms: START_MS, last: EVENTS },
  });
  const { task } = running;
  await task.open();
  task.commit();
  let [push_us, commit_us] = [0, 0];
  for (let done = 0; done < EVENTS; done += PUSH_EVENTS) {
    batch = next(PUSH_EVENTS);
    const started_us = cpu_us();
    await task.step(0);
    push_us += cpu_us() - started_us;
    if ((done + PUSH_EVENTS) % COMMIT_EVENTS !== 0) continue;
    const committing_us = cpu_us();
    task.commit();
    commit_us += cpu_us() - committing_us;
  }
  task.commit();
  const result = {
    add_us: round(push_us / EVENTS),
    commit_us: round(commit_us / EVENTS),
    state_bytes_an_event: round((await compacted(folder, store)) / EVENTS),
    ...scanRate(store),
  };
  await running.close();
  await store.close();
  return result;
}

/** CPU time, not the clock's: the machine may have other work. */
function cpu_us(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

const round = (value: number): number => Math.round(value * 1_000) / 1_000;

/** Bytes of the cubes' tables in an environment of their own, less those of an empty one. */
async function compacted(folder: string, store: KvStore): Promise<number> {
  const copy = openLmdbStore(`${folder}/copy`, { durable: false });
  const names = ['cells', 'definitions', 'days'].map((name) => `cubes/${name}`);
  const tables = names.map((name) => copy.table(name));
  const empty = copy.sizeBytes();
  copy.transaction(() => {
    for (const [at, name] of names.entries())
      for (const { key, value } of store.table(name).scan()) tables[at]?.put(key, value);
  });
  const size = copy.sizeBytes() - empty;
  await copy.close();
  return size;
}

function scanRate(store: KvStore): { cells: number; cells_a_second: number } {
  const views = cubeViews((name) => store.table(name), 'cubes');
  let [cells, sum] = [0, 0];
  const started_us = cpu_us();
  do {
    for (const cube of readCubeInfo(views.definitions)) {
      const range = { start_ms: START_MS - 86_400_000, end_ms: START_MS + 4_000 * 86_400_000 };
      scanCells(views.cells, { scope: 'default', cube, ...range }, (_bucket, _codes, _currency, { sums }) => {
        cells++;
        sum += sums[0] as number;
      });
    }
  } while (cpu_us() - started_us < SCAN_US);
  const took_us = cpu_us() - started_us;
  return { cells: sum > 0 ? cells : 0, cells_a_second: Math.round((cells * 1e6) / took_us) };
}
