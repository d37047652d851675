import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { KindRegistry, openLmdbReader, openLmdbStore, QueryExecutor, systemClock } from '../engine/index.ts';
import { CHUNK_ROWS, CHUNKS_TABLE, CODES, chunkKey, groupKind, queryKinds } from './query-latency-kinds.ts';
import { machine, median, quantileOf, withScratch } from './rig.ts';

const ROWS = Number(process.env.BENCH_ROWS ?? 10_000_000);
const CHUNKS = Math.ceil(ROWS / CHUNK_ROWS);
const SCANS = 10;
const CANCELS = 20;
const ROUND_TRIPS = 200;
const KINDS = new URL('./query-latency-kinds.js', import.meta.url).href;
const scope = 'default';

function fill(folder: string): void {
  const store = openLmdbStore(folder, { durable: false });
  const bytes = new Uint8Array(CHUNK_ROWS * 12);
  const amounts = new Float64Array(bytes.buffer, 0, CHUNK_ROWS);
  const codes = new Int32Array(bytes.buffer, CHUNK_ROWS * 8, CHUNK_ROWS);
  for (let chunk = 0; chunk < CHUNKS; chunk++) {
    for (let row = 0; row < CHUNK_ROWS; row++) {
      amounts[row] = row % 1_000;
      codes[row] = (row * 7 + chunk) % CODES;
    }
    store.transaction(() => store.table(CHUNKS_TABLE).put(chunkKey(chunk), bytes));
  }
}

/** How long `work` takes, ms. */
async function timed(work: () => Promise<unknown>): Promise<number> {
  const started_ms = performance.now();
  await work();
  return performance.now() - started_ms;
}

/** Requests of other callers while `scans` run: cheap ones in this thread, and short ones that need a thread. */
async function others(executor: QueryExecutor, scans: Promise<unknown>) {
  let isRunning = true;
  const ended = scans.finally(() => {
    isRunning = false;
  });
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const [inline_ms, short_ms]: [number[], number[]] = [[], []];
  const ask = async (chunks: number, times_ms: number[]): Promise<void> => {
    while (isRunning) {
      times_ms.push(await timed(() => executor.run(groupKind, { chunks }, { scope: 'other' })));
      await sleep(2);
    }
  };
  await Promise.all([ended, ask(1, inline_ms), ask(40, short_ms)]);
  delay.disable();
  return { inline_ms, short_ms, loop_max_ms: delay.max / 1e6, loop_p99_ms: delay.percentile(99) / 1e6 };
}

/** From the caller's leaving to the moment at which no thread works for it. */
async function cancelTimes(executor: QueryExecutor): Promise<number[]> {
  const busy = (): number =>
    executor.samples().find(({ name }) => name === 'millrace.query.threads_busy')?.value ?? 0;
  const times_ms: number[] = [];
  for (let at = 0; at < CANCELS; at++) {
    const left = new AbortController();
    const run = executor
      .run(groupKind, { chunks: CHUNKS }, { scope, signal: left.signal })
      .catch(() => undefined);
    await sleep(10 + at);
    const started_ms = performance.now();
    left.abort();
    await run;
    while (busy() > 0) await sleep(0);
    times_ms.push(performance.now() - started_ms);
  }
  return times_ms;
}

/** The same small query in this thread and through the pool: what the way there and back costs. */
async function roundTrips(executor: QueryExecutor): Promise<object> {
  const [inline_ms, thread_ms]: [number[], number[]] = [[], []];
  for (let at = 0; at < ROUND_TRIPS; at++) {
    inline_ms.push(await timed(() => executor.run(groupKind, { chunks: 1 }, { scope })));
    thread_ms.push(await timed(() => executor.run(groupKind, { chunks: 1, inThread: true }, { scope })));
  }
  return { small_inline: spread(inline_ms), small_in_thread: spread(thread_ms) };
}

/** What other requests feel while 10 M rows are scanned, and how soon a scan is cancelled. */
export async function queryLatencyBench(): Promise<object> {
  return withScratch(async (folder) => {
    process.stdout.write(`${machine()}\nwriting ${CHUNKS * CHUNK_ROWS} rows\n`);
    fill(folder);
    const options = { sharedWithWriter: true };
    const reader = openLmdbReader(folder, options);
    const kinds = new KindRegistry(queryKinds());
    const inline = new QueryExecutor({ reader, kinds, clock: systemClock });
    const pool = { path: folder, reader: options, modules: [KINDS], config: null };
    const executor = new QueryExecutor({ reader, kinds, clock: systemClock, pool });
    try {
      const all = { chunks: CHUNKS };
      const scan = (): Promise<unknown> => executor.run(groupKind, all, { scope });
      const first_ms = await timed(scan);
      const inline_ms = await timed(() => inline.run(groupKind, all, { scope }));
      const scan_ms: number[] = [];
      const during = await others(
        executor,
        (async () => {
          for (let at = 0; at < SCANS; at++) scan_ms.push(await timed(scan));
        })(),
      );
      const trips = await roundTrips(executor);
      const cancel_ms = await cancelTimes(executor);
      return {
        rows: CHUNKS * CHUNK_ROWS,
        scan_in_api_thread_ms: round(inline_ms),
        row_ns: round((inline_ms * 1e6) / (CHUNKS * CHUNK_ROWS)),
        first_scan_ms: round(first_ms),
        scan_ms: round(median(scan_ms)),
        other_inline: spread(during.inline_ms),
        other_short: spread(during.short_ms),
        event_loop_delay_p99_ms: round(during.loop_p99_ms),
        event_loop_delay_max_ms: round(during.loop_max_ms),
        cancel: spread(cancel_ms),
        ...trips,
      };
    } finally {
      await executor.close();
      await reader.close();
    }
  });
}

function spread(times_ms: readonly number[]): object {
  return {
    count: times_ms.length,
    p50_ms: round(median(times_ms)),
    p99_ms: round(quantileOf(times_ms, 0.99)),
    max_ms: round(Math.max(...times_ms)),
  };
}

function round(value: number): number {
  return Number(value.toFixed(2));
}
