import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { AckPolicy, DeliverPolicy, jetstreamManager } from '@nats-io/jetstream';
import { connectNats, EVENTS_STREAM, startEmbeddedNats } from '../connectors/index.ts';
import { TASK_THREAD_LIMITS } from '../engine/index.ts';
import type { PipelineOrder, PipelineRun } from './pipeline-thread.ts';
import { fill, machine, median, withScratch } from './rig.ts';

const EVENTS = Number(process.env.BENCH_EVENTS ?? 2_000_000);
const REPETITIONS = Number(process.env.BENCH_REPETITIONS ?? 3);
/** Event time between two events, ms: a shop with 20,000 events a second. */
const STEP_MS = Number(process.env.BENCH_STEP_MS ?? 0.05);
const PULL_MESSAGES = 4_096;

/** Events a second of a consumer that does nothing but JSON.parse, with the same pulls as the source. */
async function baseline(url: string): Promise<number> {
  const link = await connectNats({ url, name: 'bench-baseline' });
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
        if (received === EVENTS) resolve();
      },
    });
    pull();
    pull();
  });
  const rate = (EVENTS / (performance.now() - started_ms)) * 1_000;
  if (checksum === 0) throw new Error('the baseline parsed nothing');
  await manager.consumers.delete(stream, name);
  await link.close();
  return rate;
}

/** The default topology over the whole stream, in a thread like the product's. */
async function pipeline(url: string, folder: string): Promise<PipelineRun & { readonly rate: number }> {
  const order: PipelineOrder = { url, folder, events: EVENTS };
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

/** Throughput of the default topology against a bare consumer, on one stream, in one run. */
export async function pipelineBench(): Promise<object> {
  return withScratch(async (folder) => {
    const nats = await startEmbeddedNats({ dataDir: folder, progress: () => {} });
    try {
      const start_ms = Date.now() - EVENTS * STEP_MS;
      process.stdout.write(`${machine()}\npublishing ${EVENTS} events\n`);
      const { average_bytes } = await fill(nats.url, EVENTS, {
        seed: 1,
        start_ms,
        step_ms: STEP_MS,
        disorder_ms: 5_000,
      });
      const runs: { events: number; baseline: number; ratio: number }[] = [];
      for (let repetition = 0; repetition < REPETITIONS; repetition++) {
        const bare = await baseline(nats.url);
        const run = await pipeline(nats.url, join(folder, `state-${repetition}`));
        runs.push({ events: run.rate, baseline: bare, ratio: run.rate / bare });
        process.stdout.write(
          `baseline ${Math.round(bare)}/s, pipeline ${Math.round(run.rate)}/s, ratio ${(run.rate / bare).toFixed(3)}, ${run.commits} commits, ${Math.round(run.commit_share * 100)} % of the time in them\n`,
        );
      }
      return {
        events_per_s: Math.round(median(runs.map(({ events }) => events))),
        baseline_events_per_s: Math.round(median(runs.map(({ baseline: bare }) => bare))),
        ratio: Number(median(runs.map(({ ratio }) => ratio)).toFixed(3)),
        events: EVENTS,
        average_bytes: Math.round(average_bytes),
        step_ms: STEP_MS,
        repetitions: REPETITIONS,
      };
    } finally {
      await nats.stop();
    }
  });
}
