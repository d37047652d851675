import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { AckPolicy, DeliverPolicy, jetstreamManager } from '@nats-io/jetstream';
import { connectNats, EVENTS_STREAM, type NatsServer, startEmbeddedNats } from '../connectors/index.ts';
import { TASK_THREAD_LIMITS } from '../engine/index.ts';
import type { PipelineOrder, PipelineRun } from './pipeline-thread.ts';
import { fill, machine, median, withScratch } from './rig.ts';

const EVENTS = Number(process.env.BENCH_EVENTS ?? 1_000_000);
const REPETITIONS = Number(process.env.BENCH_REPETITIONS ?? 3);

/** Event time between two events, ms, by load: a rush, an ordinary shop, a small one. */
const LOADS = { dense: 0.05, shop: 1_000, quiet: 20_000 } as const;
type Load = keyof typeof LOADS;

/** Of each stream, read before what is measured, by both: code is compiled by then. */
const WARM_UP_EVENTS = Math.min(EVENTS, 300_000);
const PULL_MESSAGES = 4_096;

/** Events a second of a consumer that does nothing but JSON.parse, with the same pulls as the source. */
async function baseline(server: NatsServer, events: number): Promise<number> {
  const link = await connectNats({ ...server, name: 'bench-baseline' });
  const { connection } = link;
  const manager = await jetstreamManager(connection);
  const name = `bench-${randomBytes(6).toString('hex')}`;
  const stream = EVENTS_STREAM.name;
  await manager.consumers.add(stream, {
    name,
    ack_policy: AckPolicy.None,
    deliver_policy: DeliverPolicy.All,
    mem_storage: true,
    inactive_threshold: 60 * 1e9,
  });
  const inbox = `_INBOX.${name}`;
  const started_ms = performance.now();
  let received = 0;
  let asked = 0;
  let checksum = 0;
  await new Promise<void>((resolve) => {
    const pull = (): void => {
      asked += PULL_MESSAGES;
      const request = JSON.stringify({ batch: PULL_MESSAGES, expires: 30e9 });
      connection.publish(`$JS.API.CONSUMER.MSG.NEXT.${stream}.${name}`, request, { reply: inbox });
    };
    connection.subscribe(inbox, {
      callback: (error, message) => {
        if (error !== null || message.data.length === 0) return;
        checksum += message.json<{ type: string }>().type.length;
        received++;
        if (asked - received < PULL_MESSAGES) pull();
        if (received === events) resolve();
      },
    });
    pull();
    pull();
  });
  const rate = (events / (performance.now() - started_ms)) * 1_000;
  if (checksum === 0) throw new Error('the baseline parsed nothing');
  await manager.consumers.delete(stream, name);
  await link.close();
  return rate;
}

/** The default topology over the whole stream, in a thread like the product's. */
async function pipeline(nats: NatsServer, folder: string): Promise<PipelineRun & { readonly rate: number }> {
  const order: PipelineOrder = { nats, folder, events: EVENTS, warmUp_events: WARM_UP_EVENTS };
  const worker = new Worker(new URL('./pipeline-thread.js', import.meta.url), {
    workerData: order,
    resourceLimits: TASK_THREAD_LIMITS,
  });
  const run = await new Promise<PipelineRun>((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
  await new Promise((resolve) => worker.once('exit', resolve));
  return { ...run, rate: (EVENTS / run.elapsed_ms) * 1_000 };
}

interface LoadFigures {
  /** Events a second, divided by those of the bare consumer of the same stream. */
  readonly ratio: number;
  readonly events_per_s: number;
  readonly baseline_events_per_s: number;
  /** All of the state but the stream, as a compacted copy. */
  readonly state_bytes_an_event: number;
  readonly rss_mib: number;
}

async function measure(load: Load): Promise<LoadFigures> {
  return withScratch(async (folder) => {
    const nats = await startEmbeddedNats({ dataDir: folder, progress: () => {} });
    try {
      const step_ms = LOADS[load];
      const start_ms = Date.now() - EVENTS * step_ms;
      process.stdout.write(`${load}: publishing ${EVENTS} events\n`);
      await fill(nats.server, EVENTS, { seed: 1, start_ms, step_ms, disorder_ms: 5_000 });
      await baseline(nats.server, WARM_UP_EVENTS);
      const runs: LoadFigures[] = [];
      for (let repetition = 0; repetition < REPETITIONS; repetition++) {
        const bare = await baseline(nats.server, EVENTS);
        const run = await pipeline(nats.server, join(folder, `state-${repetition}`));
        runs.push({
          ratio: run.rate / bare,
          events_per_s: run.rate,
          baseline_events_per_s: bare,
          state_bytes_an_event: run.state_bytes / EVENTS,
          rss_mib: run.rss_bytes / 2 ** 20,
        });
        const found = [
          `${load}: baseline ${Math.round(bare)}/s, pipeline ${Math.round(run.rate)}/s`,
          `ratio ${(run.rate / bare).toFixed(3)}, ${run.commits} commits`,
          `${Math.round(run.commit_share * 100)} % of the time in them`,
          `${(run.state_bytes / EVENTS).toFixed(1)} bytes of state an event`,
        ];
        process.stdout.write(`${found.join(', ')}\n`);
      }
      const of = (figure: keyof LoadFigures, digits: number): number =>
        Number(median(runs.map((run) => run[figure])).toFixed(digits));
      return {
        ratio: of('ratio', 3),
        events_per_s: of('events_per_s', 0),
        baseline_events_per_s: of('baseline_events_per_s', 0),
        state_bytes_an_event: of('state_bytes_an_event', 1),
        rss_mib: of('rss_mib', 0),
      };
    } finally {
      await nats.stop();
    }
  });
}

/**
 * Throughput of the default topology against a bare consumer, on one stream, in one run, for three loads that differ
 * in how far apart in event time events lie. `BENCH_LOADS=dense,shop` measures some of them.
 */
export async function pipelineBench(): Promise<object> {
  process.stdout.write(`${machine()}\n`);
  const asked = (process.env.BENCH_LOADS ?? Object.keys(LOADS).join()).split(',');
  const figures: Record<string, LoadFigures> = {};
  for (const load of Object.keys(LOADS) as Load[]) {
    if (asked.includes(load)) figures[load] = await measure(load);
  }
  return { ...figures, events: EVENTS, repetitions: REPETITIONS };
}
