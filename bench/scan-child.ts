import { setTimeout as sleep } from 'node:timers/promises';
import { orderQueries } from '../analytics/index.ts';
import { KindRegistry, openLmdbReader, QueryExecutor, type QueryKind, systemClock } from '../engine/index.ts';
import { cpu_ms, type Memory, memoryOf } from './rig.ts';
import { queryKinds, SCAN_KINDS_MODULE, SETTINGS } from './scan-kinds.ts';
import { SCOPE, START_MS } from './scan-rows.ts';
import { funnelQuery, kpisQuery } from './scan-sql.ts';

export interface ScanAsk {
  readonly kind: 'retention' | 'attribution' | 'kpis' | 'funnel' | 'beside' | 'end';
  readonly query: unknown;
}

export interface ScanTold {
  readonly ms: number;
  /** Of all threads. */
  readonly cpu_ms: number;
  readonly answer: unknown;
  readonly ran: string;
  readonly memory: Memory;
}

/** On a busy machine. */
const DEADLINE_MS = 600_000;
const BESIDE_SCANS = 5;
const LEAVES = 20;
const DAY_MS = 86_400_000;

/** What others feel while scans run one after the other, and how soon a scan ends whose caller leaves, ms. */
async function beside(executor: QueryExecutor) {
  const { kpis, funnel } = orderQueries(SETTINGS);
  const steps = funnel.schema.parse(funnelQuery);
  const scan = (signal?: AbortSignal) =>
    executor.run(funnel, steps, { scope: SCOPE, ...(signal === undefined ? {} : { signal }) });
  // Of a time without events: planned and answered in the API's thread, as one from rollups is.
  const [start, end] = [START_MS - DAY_MS, START_MS].map((time_ms) => new Date(time_ms).toISOString());
  const small = kpis.schema.parse({ ...kpisQuery, start, end });
  const other_ms: number[] = [];
  let isRunning = true;
  const others = (async () => {
    while (isRunning) {
      const began_ms = performance.now();
      await sleep(5);
      await executor.run(kpis, small, { scope: 'other' });
      // A request waits for its turn in the event loop, too.
      other_ms.push(performance.now() - began_ms - 5);
    }
  })();
  for (let at = 0; at < BESIDE_SCANS; at++) {
    await scan();
    await executor.run(kpis, kpis.schema.parse(kpisQuery), { scope: SCOPE });
  }
  isRunning = false;
  await others;
  const leave_ms: number[] = [];
  for (let at = 0; at < LEAVES; at++) {
    const left = new AbortController();
    const running = scan(left.signal).catch(() => undefined);
    await sleep(10 + at * 5);
    const began_ms = performance.now();
    left.abort();
    await running;
    while (executor.samples().some(({ name, value }) => name === 'millrace.query.threads_busy' && value > 0))
      await sleep(0);
    leave_ms.push(performance.now() - began_ms);
  }
  return {
    others: other_ms.length,
    other_max_ms: Math.max(...other_ms),
    leave_max_ms: Math.max(...leave_ms),
  };
}

/** Answers queries of the bench in a process of its own, so that its memory is its own. */
async function scanChild(folder: string): Promise<void> {
  const reader = openLmdbReader(folder);
  const executor = new QueryExecutor({
    reader,
    kinds: new KindRegistry(queryKinds()),
    clock: systemClock,
    pool: { path: folder, reader: {}, modules: [SCAN_KINDS_MODULE], config: SETTINGS, threads: 2 },
  });
  const { retention, attribution, funnel, kpis } = orderQueries(SETTINGS);
  const kinds = { retention, attribution, funnel, kpis } as unknown as Readonly<
    Record<string, QueryKind<never, never, never, unknown>>
  >;
  const ask = async ({ kind: name, query }: ScanAsk): Promise<ScanTold> => {
    if (name === 'beside')
      return { ms: 0, cpu_ms: 0, answer: await beside(executor), ran: '', memory: memoryOf('self') };
    const kind = kinds[name] as QueryKind<never, never, never, unknown>;
    const parsed = kind.schema.parse(query);
    const [began_ms, cpuBegan_ms] = [performance.now(), cpu_ms()];
    const { answer, ran } = await executor.run(kind, parsed, { scope: SCOPE, deadline_ms: DEADLINE_MS });
    const ms = performance.now() - began_ms;
    return { ms, cpu_ms: cpu_ms() - cpuBegan_ms, answer, ran, memory: memoryOf('self') };
  };
  process.once('disconnect', () => process.exit());
  process.on('message', (asked: ScanAsk) => {
    if (asked.kind === 'end') void executor.close().then(() => process.disconnect());
    else void ask(asked).then((told) => process.send?.(told));
  });
}

await scanChild(process.argv[2] as string);
