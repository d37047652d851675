import {
  FUNNEL_DEFINITION,
  type FunnelQuery,
  funnelDefinitionSchemaOf,
  OPERATORS,
  orderQueries,
  rowSchema,
  storedFunnels,
} from '../analytics/index.ts';
import {
  type AnyQueryKind,
  Dictionary,
  defineOperator,
  KindRegistry,
  type KvStore,
  ManualClock,
  ManualControl,
  openLmdbReader,
  openLmdbStore,
  QueryExecutor,
  type RowBatch,
  rawTable,
  type SourceRecord,
  type Task,
  topology,
} from '../engine/index.ts';
import { eventLog } from '../operators/index.ts';
import { cpu_ms, machine, median, withScratch } from './rig.ts';
import { END_MS, SCOPE, ShopBatch, shopRows } from './scan-rows.ts';
import { STEP_SOURCE, stepTask } from './step-task.ts';

const EVENTS = Number(process.env.BENCH_EVENTS ?? 1_000_000);
const CUSTOMERS = Number(process.env.BENCH_CUSTOMERS ?? 50_000);
/** As 5,000 events a second are taken in, a commit every 250 ms. */
const COMMIT_EVENTS = Number(process.env.BENCH_COMMIT_EVENTS ?? 1_250);
const REPETITIONS = 15;
/** Stored funnels that are there from the beginning. */
const CASES = (process.env.BENCH_FUNNELS ?? '0,1,10,100').split(',').map(Number);
/** Events of the cases with many. */
const MANY_EVENTS = Math.min(EVENTS, 100_000);

const TYPES = ['visit', 'product.viewed', 'add_to_cart', 'checkout_initiated', 'order.created'];
const bodyOf = (at: number): object => ({
  // Each of its own, and all with the same events to keep.
  steps: TYPES.map((event, step) => ({
    event,
    ...(step === 4 ? { filters: { reason: { not: `r${at}` } } } : {}),
  })),
});

/** What stored funnels cost an event, how long one is built, and how fast it answers beside a scan. */
export async function funnelsBench(): Promise<object> {
  process.stdout.write(`${machine()}\n`);
  const figures: Record<string, object> = {};
  for (const funnels of CASES) {
    const events = funnels > 1 ? MANY_EVENTS : EVENTS;
    figures[`${funnels}_funnels`] = await withScratch((folder) => measure(folder, events, funnels));
    process.stdout.write(`${funnels} ${JSON.stringify(figures[`${funnels}_funnels`])}\n`);
  }
  return { events: EVENTS, customers: CUSTOMERS, ...figures };
}

async function measure(folder: string, events: number, funnels: number): Promise<object> {
  const store = openLmdbStore(folder, { durable: false });
  const control = new ManualControl('bench');
  for (let at = 0; at < funnels; at++) control.define(FUNNEL_DEFINITION, SCOPE, `f${at}`, bodyOf(at));
  const run = await fill(store, control, events);
  const kept = sizeOf(store, `${OPERATORS.funnels}/entities`);
  const parts = { store, control, task: run.task };
  const built =
    funnels > 0
      ? {}
      : { most: await build(folder, parts, TYPES), few: await build(folder, parts, TYPES.slice(3)) };
  run.task.close();
  await store.close();
  return { ...run.figures, kept_bytes_an_event: round(kept / events), ...built };
}

/** The log and what is kept, as the default topology has them behind the ledger. */
async function fill(store: KvStore, control: ManualControl, events: number) {
  const dictionary = new Dictionary();
  const shop = new ShopBatch(dictionary);
  let batch: RowBatch | undefined;
  const feed = defineOperator<SourceRecord, RowBatch, undefined, { dictionary: ReturnType<typeof rawTable> }>(
    {
      kind: 'feed',
      summary: 'Rows of the bench',
      state: () => ({ dictionary: rawTable({ version: 1 }) }),
      start: ({ emit, state }) => ({
        onBatch: () => emit(batch === undefined ? [] : [batch]),
        onBarrier: () => dictionary.flush(state.dictionary),
      }),
    },
  );
  const { task } = stepTask({
    topology: topology('bench', (t) => {
      const rows = t.source(STEP_SOURCE).pipe(feed(OPERATORS.decode, undefined));
      rows.pipe(eventLog(OPERATORS.log, { schema: rowSchema() }));
      rows.pipe(storedFunnels([]));
    }),
    ...{ store, control, start_ms: END_MS, last: Math.ceil(events / COMMIT_EVENTS) },
  });
  await task.open();
  task.commit();
  const next = shopRows(events, CUSTOMERS);
  let [push_ms, commit_ms] = [0, 0];
  for (let taken = next(COMMIT_EVENTS); taken !== undefined; taken = next(COMMIT_EVENTS)) {
    batch = shop.fill(taken);
    const started_ms = cpu_ms();
    await task.step(0);
    push_ms += cpu_ms() - started_ms;
    commit_ms += cpuOf(() => task.commit());
  }
  batch = undefined;
  const us = (spent_ms: number): number => round((spent_ms * 1_000) / events);
  return { task, figures: { add_us_an_event: us(push_ms), commit_us_an_event: us(commit_ms) } };
}

/** A funnel that comes when the events are there: how long it is built, and its answers by both ways, CPU. */
async function build(
  folder: string,
  { store, control, task }: { store: KvStore; control: ManualControl; task: Task },
  steps: readonly string[],
): Promise<object> {
  const id = steps.join('-');
  const kinds = orderQueries({ custom: [] });
  const body = { steps: steps.map((event) => ({ event })) };
  const criteria = funnelDefinitionSchemaOf().parse(body);
  const executor = new QueryExecutor({
    reader: openLmdbReader(folder),
    kinds: new KindRegistry(Object.values(kinds) as unknown as readonly AnyQueryKind[]),
    clock: new ManualClock(END_MS),
  });
  const ask = async (days: number, stored: boolean) => {
    const range = { start: iso(END_MS - days * 86_400_000), end: iso(END_MS) };
    const query = kinds.funnel.schema.parse({ ...body, ...range }) as FunnelQuery;
    const funnel = { id, name: id, revision: 1 };
    const times: number[] = [];
    let source = '';
    let entered: unknown;
    for (let time = 0; time < REPETITIONS; time++) {
      const began_ms = cpu_ms();
      const asked = stored ? { ...query, ...criteria, funnel } : query;
      const { answer } = await executor.run(kinds.funnel, asked, { scope: SCOPE });
      times.push(cpu_ms() - began_ms);
      ({ source } = answer);
      ({ entered } = answer.body);
    }
    return { source, entered, cpu_ms: round(median(times)) };
  };
  const before_bytes = sizeOf(store, `${OPERATORS.funnels}/entities`);
  control.define(FUNNEL_DEFINITION, SCOPE, id, body);
  let [commits, longest_ms] = [0, 0];
  const built_ms = cpuOf(() => {
    // `GET /funnels/{id}` says that it is complete; here the scan's answer says so.
    do
      longest_ms = Math.max(
        longest_ms,
        cpuOf(() => task.commit()),
      );
    while (++commits < EVENTS / 10_000 + 2);
  });
  const answers: Record<string, object> = {};
  for (const days of [30, 365]) {
    answers[`scan_${days}_days`] = await ask(days, false);
    answers[`kept_${days}_days`] = await ask(days, true);
  }
  await executor.close();
  const kept_bytes = sizeOf(store, `${OPERATORS.funnels}/entities`) - before_bytes;
  return { built_ms: round(built_ms), longest_commit_ms: round(longest_ms), kept_bytes, ...answers };
}

const iso = (time_ms: number): string => new Date(time_ms).toISOString();

function sizeOf(store: KvStore, table: string): number {
  let bytes = 0;
  for (const { value } of store.table(table).scan()) bytes += value.length;
  return bytes;
}

function cpuOf(work: () => unknown): number {
  const started_ms = cpu_ms();
  work();
  return cpu_ms() - started_ms;
}

const round = (value: number): number => Math.round(value * 100) / 100;
