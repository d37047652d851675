import { startEmbeddedNats } from '../connectors/index.ts';
import { call, fill, machine, quantileOf, startApp, until, withScratch } from './rig.ts';

const EVENTS = Number(process.env.BENCH_EVENTS ?? 2_000_000);
/** Event time between two events, ms: the stream covers a month. */
const STEP_MS = (30 * 86_400_000) / EVENTS;
/** Pause between an answer and the next request, ms: one busy dashboard. */
const PAUSE_MS = 20;
const WARM_UP_REQUESTS = 20;

interface KpiAnswer {
  readonly groups: readonly unknown[];
  readonly meta: { readonly position: { readonly EVENTS: { readonly 0: number } }; readonly source: string };
}

/** Latency of a month by day, grouped by country, while the pipeline works off a backlog at full speed. */
export async function queryBench(): Promise<object> {
  return withScratch(async (folder) => {
    const nats = await startEmbeddedNats({ dataDir: folder, progress: () => {} });
    try {
      const start_ms = Date.now() - EVENTS * STEP_MS;
      process.stdout.write(`${machine()}\npublishing ${EVENTS} events over a month\n`);
      await fill(nats.server, EVENTS, { seed: 1, start_ms, step_ms: STEP_MS, disorder_ms: 5_000 });
      const app = await startApp({
        NATS_URL: nats.url,
        NATS_NKEY: nats.credentials.service,
        DATA_DIR: `${folder}/app`,
        RATE_LIMIT_RPS: '100000',
      });
      try {
        const body = {
          metrics: ['orders_count', 'revenue', 'aov', 'refund_amount', 'conversion_rate'],
          start: new Date(start_ms - (start_ms % 86_400_000)).toISOString(),
          end: new Date(start_ms - (start_ms % 86_400_000) + 31 * 86_400_000).toISOString(),
          granularity: '1d',
          group_by: ['country'],
          limit: 1_000,
        };
        const ask = (): Promise<KpiAnswer> => call<KpiAnswer>(app, '/kpis/query', body);
        await until(async () => (await ask().catch(() => undefined)) !== undefined, 50, 20_000);
        for (let request = 0; request < WARM_UP_REQUESTS; request++) await ask();
        const times_ms: number[] = [];
        const began_ms = performance.now();
        const first = await ask();
        let last = first;
        while (last.meta.position.EVENTS[0] < EVENTS) {
          const sent_ms = performance.now();
          last = await ask();
          times_ms.push(performance.now() - sent_ms);
          await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
        }
        const applied = last.meta.position.EVENTS[0] - first.meta.position.EVENTS[0];
        return {
          p50_ms: round(quantileOf(times_ms, 0.5)),
          p99_ms: round(quantileOf(times_ms, 0.99)),
          max_ms: round(Math.max(...times_ms)),
          requests: times_ms.length,
          groups: last.groups.length,
          source: last.meta.source,
          ingest_events_per_s: Math.round((applied / (performance.now() - began_ms)) * 1_000),
        };
      } finally {
        await app.stop();
      }
    } finally {
      await nats.stop();
    }
  });
}

function round(ms: number): number {
  return Math.round(ms * 10) / 10;
}
