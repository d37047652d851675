import { embeddedServer } from '../connectors/index.ts';
import {
  call,
  fill,
  type Memory,
  machine,
  median,
  memoryOf,
  type RunningApp,
  startApp,
  until,
  withScratch,
} from './rig.ts';
import { orders } from './traffic.ts';

const ORDERS = Number(process.env.BENCH_ORDERS ?? 1_000_000);
const EVENTS_PER_ORDER = 2;
/** Event time between two events, ms: the orders of two months. */
const STEP_MS = 2_500;
const REPETITIONS = Number(process.env.BENCH_REPETITIONS ?? 3);

interface Totals {
  readonly groups: readonly { readonly totals?: { readonly orders_count: number } }[];
  readonly meta: { readonly position: { readonly EVENTS: { readonly 0: number } } };
}

/** Looks four times a second until the returned function is called, which gives the largest that it saw. */
function watchMemory(app: RunningApp): () => Memory {
  let peak: Memory = { rss_mib: 0, file_mib: 0, anon_mib: 0 };
  const timer = setInterval(() => {
    const now = memoryOf(app.process.pid ?? 0);
    if (now.rss_mib > peak.rss_mib) peak = now;
  }, 250);
  return () => {
    clearInterval(timer);
    return peak;
  };
}

/** Seconds from `kill -9` of everything to the first right answer of the new process. */
export async function restartBench(): Promise<object> {
  return withScratch(async (folder) => {
    const env = { DATA_DIR: folder, RATE_LIMIT_RPS: '100000' };
    let app = await startApp(env);
    const health = await call<{ readonly status: string }>(app, '/health').catch(() => undefined);
    process.stdout.write(`${machine()}\nstarted: ${health?.status ?? 'starting'}\n`);
    const events = ORDERS * EVENTS_PER_ORDER;
    const start_ms = Date.now() - events * STEP_MS;
    const server = await embeddedServer(folder);
    if (server === undefined) throw new Error('the embedded NATS server left no ports file');
    const loading = watchMemory(app);
    await fill(server, events, { seed: 1, start_ms, step_ms: STEP_MS, disorder_ms: 0 }, orders);
    const body = {
      metrics: ['orders_count'],
      start: new Date(start_ms - 86_400_000).toISOString().replace(/T.*/, 'T00:00:00Z'),
      end: new Date(Date.now() + 86_400_000).toISOString().replace(/T.*/, 'T00:00:00Z'),
    };
    const ask = (): Promise<Totals> => call<Totals>(app, '/kpis/query', body);
    await until(async () => (await ask()).meta.position.EVENTS[0] >= events, 500, 900_000);
    const peak = loading();
    const before = await ask();
    const seconds: number[] = [];
    for (let repetition = 0; repetition < REPETITIONS; repetition++) {
      const killed_ms = performance.now();
      await app.kill();
      app = await startApp(env);
      await until(
        async () => {
          const state = await call<{ readonly status: string }>(app, '/health').catch(() => undefined);
          return state?.status === 'ok';
        },
        10,
        60_000,
      );
      const after = await ask();
      seconds.push((performance.now() - killed_ms) / 1_000);
      if (JSON.stringify(after.groups) !== JSON.stringify(before.groups))
        throw new Error('another answer after the restart');
      process.stdout.write(`restart ${seconds.at(-1)?.toFixed(2)} s\n`);
    }
    const restarted = memoryOf(app.process.pid ?? 0);
    await app.stop();
    return {
      seconds: Number(median(seconds).toFixed(2)),
      max_seconds: Number(Math.max(...seconds).toFixed(2)),
      orders: before.groups[0]?.totals?.orders_count ?? 0,
      events,
      loading_rss_mib: peak.rss_mib,
      loading_file_mib: peak.file_mib,
      restarted_rss_mib: restarted.rss_mib,
      restarted_file_mib: restarted.file_mib,
    };
  });
}
