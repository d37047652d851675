import { Worker } from 'node:worker_threads';
import { type NatsServer, startEmbeddedNats } from '../connectors/index.ts';
import { TASK_THREAD_LIMITS } from '../engine/index.ts';
import { NexmarkGenerator } from '../examples/nexmark/generator.ts';
import { type MessageBlock, messagesIn, packMessages } from '../examples/nexmark/memory-source.ts';
import { QUERIES } from '../examples/nexmark/queries/index.ts';
import type { NexmarkOrder, NexmarkRun } from './nexmark-thread.ts';
import { fill, machine, withScratch } from './rig.ts';

const EVENTS = Number(process.env.BENCH_EVENTS ?? 1_000_000);
/** Names with commas between them. */
const NAMES = process.env.BENCH_QUERIES?.split(',') ?? Object.keys(QUERIES);
/** From where, with a comma between them. */
const FROM = process.env.BENCH_FROM?.split(',') ?? ['memory', 'stream'];
/** Events in a second of event time, as in Beam. */
const RATE_PER_S = Number(process.env.BENCH_RATE ?? 10_000);
const LIMIT_MS = Number(process.env.BENCH_LIMIT_S ?? 20) * 1_000;
const WARM_UP_EVENTS = 100_000;

interface Figures {
  stream_events_per_s?: number;
  memory_events_per_s?: number;
  /** CPU seconds a second, of all threads: the source's, the garbage collector's, LMDB's. */
  stream_cores?: number;
  memory_cores?: number;
  rows: number;
}

/** In shared memory, so that a thread needs no copy. */
function shared({ buffer, ends }: MessageBlock): MessageBlock {
  const bytes = new Uint8Array(new SharedArrayBuffer(buffer.length));
  bytes.set(buffer);
  const sharedEnds = new Uint32Array(new SharedArrayBuffer(ends.byteLength));
  sharedEnds.set(ends);
  return { buffer: bytes, ends: sharedEnds };
}

/** A thread like the product's, for one run: each query has its own optimised code. */
async function inThread(order: NexmarkOrder): Promise<NexmarkRun> {
  const worker = new Worker(new URL('./nexmark-thread.js', import.meta.url), {
    workerData: order,
    resourceLimits: TASK_THREAD_LIMITS,
  });
  const run = await new Promise<NexmarkRun>((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
  await new Promise((resolve) => worker.once('exit', resolve));
  return run;
}

const rateOf = ({ events, elapsed_ms }: NexmarkRun): number => Math.round((events * 1_000) / elapsed_ms);
const coresOf = ({ cpu_ms, elapsed_ms }: NexmarkRun): number => Number((cpu_ms / elapsed_ms).toFixed(2));

function report(name: string, from: string, run: NexmarkRun): void {
  const share = Math.round((run.commit_ms / run.elapsed_ms) * 100);
  process.stdout.write(
    `${name} from ${from}: ${rateOf(run)} events/s on ${coresOf(run)} cores, ${run.events} events, ` +
      `${run.rows} rows, ${run.commits} commits (${share} % of the time), ` +
      `state ${Math.round(run.state_bytes / 1e6)} MB\n`,
  );
}

async function figuresOf(order: Omit<NexmarkOrder, 'nats'>, nats: NatsServer | undefined): Promise<Figures> {
  const figures: Figures = { rows: 0 };
  const { query } = order;
  if (FROM.includes('memory')) {
    const run = await inThread(order);
    report(query, 'memory', run);
    figures.memory_events_per_s = rateOf(run);
    figures.memory_cores = coresOf(run);
    figures.rows = run.rows;
  }
  if (nats !== undefined) {
    const run = await inThread({ ...order, nats });
    report(query, 'JetStream', run);
    figures.stream_events_per_s = rateOf(run);
    figures.stream_cores = coresOf(run);
    figures.rows = run.rows;
  }
  return figures;
}

/** The messages of the blocks to the stream, in order. */
async function publish(server: NatsServer, blocks: readonly MessageBlock[]): Promise<void> {
  const texts = textsIn(blocks);
  const next = (): string => texts.next().value as string;
  await fill(server, messagesIn(blocks), { seed: 0, start_ms: 0, step_ms: 0, disorder_ms: 0 }, () => next);
}

function* textsIn(blocks: readonly MessageBlock[]): Generator<string> {
  for (const { buffer, ends } of blocks) {
    const bytes = Buffer.from(buffer.buffer, buffer.byteOffset, buffer.length);
    let start = 0;
    for (const end of ends) {
      yield bytes.toString('latin1', start, end);
      start = end;
    }
  }
}

/**
 * Nexmark: events a second of each query, all kinds of events counted, as Flink's benchmark counts them. From
 * the first message (JSON, in memory or in JetStream) to the last commit: decoding, the query, its rows
 * counted, and state, position and watermark in LMDB, synced to disk.
 */
export async function nexmarkBench(): Promise<object> {
  return withScratch(async (folder) => {
    process.stdout.write(`${machine()}\ngenerating ${EVENTS} events\n`);
    const generator = new NexmarkGenerator({ events_per_s: RATE_PER_S });
    const blocks = packMessages(generator.events(EVENTS)).map(shared);
    const bytes = blocks.reduce((sum, { buffer }) => sum + buffer.length, 0);
    process.stdout.write(`${Math.round(bytes / EVENTS)} bytes a message\n`);
    const nats = FROM.includes('stream')
      ? await startEmbeddedNats({ dataDir: folder, progress: () => {} })
      : undefined;
    try {
      if (nats !== undefined) await publish(nats.server, blocks);
      const figures: Record<string, Figures> = {};
      for (const query of NAMES) {
        const order = { query, blocks, warmUp_events: WARM_UP_EVENTS, limit_ms: LIMIT_MS };
        // One after the other, each on new state.
        figures[query] = await withScratch((state) => figuresOf({ ...order, folder: state }, nats?.server));
      }
      return figures;
    } finally {
      await nats?.stop();
    }
  });
}
