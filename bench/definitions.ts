import { CUBE_KIND, cubeOfBody, RowContribution, rowSchema } from '../analytics/index.ts';
import {
  Dictionary,
  defineOperator,
  ManualControl,
  openLmdbStore,
  type RowBatch,
  type SourceRecord,
  topology,
} from '../engine/index.ts';
import {
  ALL_TIME_MS,
  type CubeInfo,
  cubes,
  cubeViews,
  type RowHistory,
  SlotReader,
} from '../operators/index.ts';
import { rowBatches } from './cubes-rows.ts';
import { cpu_ms, machine, withScratch } from './rig.ts';
import { STEP_SOURCE, stepTask } from './step-task.ts';

const EVENTS = Number(process.env.BENCH_EVENTS ?? 50_000);
const PUSH_EVENTS = 1_250;
/** As 5,000 events a second are taken in. */
const COMMIT_EVENTS = PUSH_EVENTS;
const START_MS = Date.UTC(2026, 0, 5);
/** Definitions, and among how many tenants; events are of one of them. */
const CASES = [
  { name: 'none', definitions: 0, tenants: 1 },
  { name: '10_of_one_tenant', definitions: 10, tenants: 1 },
  { name: '100_of_one_tenant', definitions: 100, tenants: 1 },
  { name: '1000_of_100_tenants', definitions: 1_000, tenants: 100 },
  { name: '1000_of_one_tenant', definitions: 1_000, tenants: 1 },
] as const;
const DIMENSIONS = ['channel', 'country', 'payment_method', 'customer_segment'];

/** What defined cubes cost: to be applied, to be there after a start, for each event, and to be found by a query. */
export async function definitionsBench(): Promise<object> {
  process.stdout.write(`${machine()}\n`);
  const figures: Record<string, object> = {};
  for (const { name, definitions, tenants } of CASES) {
    figures[name] = await withScratch((folder) => measure(folder, definitions, tenants));
    process.stdout.write(`${name} ${JSON.stringify(figures[name])}\n`);
  }
  return { events: EVENTS, ...figures };
}

/** A log without rows: what is defined is complete at once. */
const nothing = (): RowHistory => ({
  refresh: () => undefined,
  start_ms: () => ALL_TIME_MS,
  newestBefore: () => undefined,
  rows: () => 0,
  read: () => undefined,
  chunks: () => undefined,
  release: () => undefined,
});

async function measure(folder: string, definitions: number, tenants: number): Promise<object> {
  const dictionary = new Dictionary();
  const next = rowBatches({ seed: 1, start_ms: START_MS, step_ms: 1_000, disorder_ms: 30_000 }, dictionary);
  let batch: RowBatch | undefined;
  const feed = defineOperator<SourceRecord, RowBatch>({
    kind: 'feed',
    summary: 'Rows of the bench',
    start: ({ emit }) => ({ onBatch: () => emit(batch === undefined ? [] : [batch]) }),
  });
  const control = new ManualControl('bench');
  const store = openLmdbStore(folder, { durable: false });
  const taskAt = (after: number) =>
    stepTask({
      topology: topology('bench', (t) => {
        const config = { schema: rowSchema(), cubes: [], dictionaryTable: 'none/none', history: nothing };
        const defined = { kind: CUBE_KIND, read: (body: unknown) => cubeOfBody(body, []) };
        const rows = t.source(STEP_SOURCE).pipe(feed('feed', undefined));
        rows.pipe(cubes('cubes', { ...config, defined, reader: () => new RowContribution() }));
      }),
      ...{ store, control, start_ms: START_MS, after, last: EVENTS },
    });
  const first = taskAt(0);
  const { task } = first;
  await task.open();
  for (let at = 0; at < definitions; at++) {
    const scope = at % tenants === 0 ? 'default' : `tenant-${at % tenants}`;
    const dimensions = DIMENSIONS.filter((_, bit) => ((at >> bit) & 1) === 1).slice(0, 3);
    control.define(CUBE_KIND, scope, `cube_${at}`, { dimensions, granularity: at % 2 === 0 ? '1d' : '1h' });
  }
  const applied_ms = cpuOf(() => task.commit());
  let [push_ms, commit_ms] = [0, 0];
  for (let done = 0; done < EVENTS; done += PUSH_EVENTS) {
    batch = next(PUSH_EVENTS);
    const started_ms = cpu_ms();
    await task.step(0);
    push_ms += cpu_ms() - started_ms;
    if ((done + PUSH_EVENTS) % COMMIT_EVENTS === 0) commit_ms += cpuOf(() => task.commit());
  }
  await first.close();
  const began_ms = cpu_ms();
  const again = taskAt(EVENTS / PUSH_EVENTS);
  await again.task.open();
  again.task.commit();
  const start_ms = cpu_ms() - began_ms;
  const views = cubeViews((name) => store.table(name), 'cubes');
  const infos = new SlotReader<CubeInfo>();
  infos.read(views.definitions);
  const found_ms = cpuOf(() => infos.read(views.definitions));
  await again.close();
  await store.close();
  return {
    applied_ms: round(applied_ms),
    start_ms: round(start_ms),
    add_us_an_event: round((push_ms * 1_000) / EVENTS),
    commit_us_an_event: round((commit_ms * 1_000) / EVENTS),
    read_by_a_query_ms: round(found_ms),
  };
}

function cpuOf(work: () => unknown): number {
  const started_ms = cpu_ms();
  work();
  return cpu_ms() - started_ms;
}

const round = (value: number): number => Math.round(value * 100) / 100;
