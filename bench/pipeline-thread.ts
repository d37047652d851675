import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import { open } from 'lmdb';
import { orderAnalytics } from '../analytics/index.ts';
import {
  connectNats,
  EVENTS_STREAM,
  JetStreamPublisher,
  type NatsServer,
  ThreadedSource,
} from '../connectors/index.ts';
import { openLmdbStore } from '../engine/index.ts';
import { ORDER_INPUT, PartitionTask } from '../runtime/index.ts';

export interface PipelineOrder {
  readonly nats: NatsServer;
  readonly folder: string;
  readonly events: number;
  /** Of the stream, read into another state first: what is measured is a process that runs, not one that starts. */
  readonly warmUp_events: number;
}

export interface PipelineRun {
  /** From opening the task to the last commit, ms. */
  readonly elapsed_ms: number;
  /** Part of it spent in commits, 0..1. */
  readonly commit_share: number;
  readonly commits: number;
  /** Of a compacted copy of the state. */
  readonly state_bytes: number;
  /** Resident memory of the process at the end. */
  readonly rss_bytes: number;
}

/** Size of a copy of the state without free pages. */
async function compactedBytes(folder: string): Promise<number> {
  const copy = `${folder}-copy`;
  const root = open({ path: folder, readOnly: true, noSubdir: false });
  await mkdir(copy, { recursive: true });
  await root.backup(copy, true);
  await root.close();
  const files = await readdir(copy);
  const sizes = await Promise.all(files.map(async (file) => (await stat(join(copy, file))).size));
  await rm(copy, { recursive: true });
  return sizes.reduce((sum, size) => sum + size, 0);
}

interface Reading {
  readonly elapsed_ms: number;
  readonly commit_ms: number;
  readonly commits: number;
  readonly rss_bytes: number;
}

/** Reads the first `events` of the stream through the default topology into a new state. */
async function read(nats: NatsServer, folder: string, events: number): Promise<Reading> {
  const link = await connectNats({ ...nats, name: 'bench-pipeline' });
  const store = openLmdbStore(folder);
  const source = new ThreadedSource({ ...nats, stream: EVENTS_STREAM.name });
  const stop = new AbortController();
  let commits = 0;
  const running = new PartitionTask({
    topology: orderAnalytics(),
    inputs: [ORDER_INPUT],
    sourceOf: () => source,
    store,
    publisher: new JetStreamPublisher(link),
    onCommit: ({ sequence }) => {
      commits++;
      if (sequence >= events) stop.abort();
    },
  });
  const { task } = running;
  await source.facts();
  const started_ms = performance.now();
  await task.open();
  await task.run(stop.signal);
  const elapsed_ms = performance.now() - started_ms;
  const commit_s =
    task.metrics.samples().find(({ name }) => name === 'millrace.task.commit.time')?.value ?? 0;
  const commit_ms = commit_s * 1_000;
  const rss_bytes = process.memoryUsage.rss();
  await running.close();
  await store.close();
  await link.close();
  return { elapsed_ms, commit_ms, commits, rss_bytes };
}

async function run({ nats, folder, events, warmUp_events }: PipelineOrder): Promise<PipelineRun> {
  if (warmUp_events > 0) {
    await read(nats, `${folder}-warm-up`, warmUp_events);
    await rm(`${folder}-warm-up`, { recursive: true });
  }
  const { elapsed_ms, commit_ms, commits, rss_bytes } = await read(nats, folder, events);
  const state_bytes = await compactedBytes(folder);
  return { elapsed_ms, commit_share: commit_ms / elapsed_ms, commits, state_bytes, rss_bytes };
}

parentPort?.postMessage(await run(workerData as PipelineOrder));
