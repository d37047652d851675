import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { JetStreamManager } from '@nats-io/jetstream';
import {
  currentGeneration,
  type KvReader,
  type KvStore,
  META_TABLE,
  MillraceError,
  openLmdbReader,
  openLmdbStore,
  positionOf,
  readProgress,
  type SourceSpec,
  Supervisor,
  systemClock,
  Task,
  type TaskLimits,
  type TaskRun,
  type Topology,
} from '../../engine/index.ts';
import { connectNats, type NatsLink } from './connection.ts';
import { startEmbeddedNats } from './embedded/index.ts';
import { JetStreamPublisher } from './publisher.ts';
import { DEADLETTER_STREAM, EVENTS_STREAM, ensureStream, openManager, streamFacts } from './streams.ts';
import { ThreadedSource } from './threaded-source.ts';

const PARTITION = '0';
const POLL_MS = 20;

export interface JetStreamInputOptions {
  /** Of the node in the topology; default: the stream's name in lower case. */
  readonly name?: string;
  /** What the stream takes when it has to be made. */
  readonly subjects: readonly string[];
}

/** A JetStream stream as a source of a topology: `t.source(jetstream('ORDERS', { subjects: ['orders.>'] }))`. */
export function jetstream(stream: string, { name, subjects }: JetStreamInputOptions): SourceSpec {
  return { name: name ?? stream.toLowerCase(), kind: 'jetstream', options: { stream, subjects } };
}

export interface RunOptions {
  /** Where state and, without `natsUrl`, the embedded server's streams lie. */
  readonly dataDir: string;
  /** A server that is there; default: one is started. */
  readonly natsUrl?: string;
  /** Streams that the topology's sinks write to, by name, with their subjects; made if they are not there. */
  readonly streams?: Readonly<Record<string, readonly string[]>>;
  readonly limits?: Partial<TaskLimits>;
  /** Hears what happens, a line each; default: nowhere. */
  readonly log?: (line: string) => void;
}

/** A topology that runs. */
export interface RunningTopology {
  readonly url: string;
  /** Publishes and subscribes on the same server. */
  readonly link: NatsLink;
  /** The committed state, for `queryTable` and other readers. */
  readonly reader: KvReader;
  /** Resolves when everything that is in the stream now is committed; rejects after `timeout_ms`. */
  caughtUp(timeout_ms: number): Promise<void>;
  /** Commits what was taken, and ends. */
  stop(): Promise<void>;
}

/**
 * Runs a topology on JetStream until stopped: makes the streams that are missing, keeps the state under
 * `dataDir`, goes on from the last commit, and after a failure that may pass starts again from there.
 * Throws `no_source` for a topology without a `jetstream(…)` source, and what keeps the streams from being made.
 */
export async function run(topology: Topology, options: RunOptions): Promise<RunningTopology> {
  const log = options.log ?? (() => undefined);
  const inputs = inputsOf(topology);
  await mkdir(options.dataDir, { recursive: true });
  const server = await serverOf(options, log);
  const link = await connectNats({ url: server.url, name: `millrace-${topology.name}` });
  const manager = await openManager(link);
  await makeStreams(manager, inputs, options, log);
  const path = currentGeneration(join(options.dataDir, 'state'), topology.name).partitionPath(PARTITION);
  const store = openLmdbStore(path);
  const supervisor = new Supervisor({
    spawn: (running) => runTask({ topology, store, link, url: server.url, inputs, options }, running),
    clock: systemClock,
    onChange: (state, error) =>
      log(error === undefined ? state : `${state}: ${error.code}: ${error.message}`),
  });
  supervisor.start();
  const reader = openLmdbReader(path, { sharedWithWriter: true });
  return {
    url: server.url,
    link,
    reader,
    caughtUp: (timeout_ms) => caughtUp(manager, inputs, reader, supervisor, timeout_ms),
    stop: async () => {
      await supervisor.stop();
      await reader.close();
      await store.close();
      await link.close();
      await server.stop();
    },
  };
}

interface Input {
  readonly node: string;
  readonly stream: string;
  readonly subjects: readonly string[];
}

function inputsOf({ name, sources }: Topology): readonly Input[] {
  const inputs = sources.flatMap(({ name: node, kind, options: { stream, subjects } }) =>
    kind === 'jetstream' && typeof stream === 'string' && Array.isArray(subjects)
      ? [{ node, stream, subjects: subjects.map(String) }]
      : [],
  );
  if (inputs.length === 0) {
    throw new MillraceError(
      'no_source',
      `The topology "${name}" does not say which stream it reads: give its source as t.source(jetstream('STREAM', { subjects: [...] })).`,
    );
  }
  return inputs;
}

async function serverOf({ natsUrl, dataDir }: RunOptions, log: (line: string) => void) {
  if (natsUrl !== undefined) return { url: natsUrl, stop: () => Promise.resolve() };
  return await startEmbeddedNats({ dataDir, env: process.env, progress: log });
}

async function makeStreams(
  manager: JetStreamManager,
  inputs: readonly Input[],
  { streams = {} }: RunOptions,
  log: (line: string) => void,
): Promise<void> {
  const read = inputs.map(({ stream, subjects }) => [stream, subjects] as const);
  const wanted = [...read, ...Object.entries(streams)].map(([name, subjects]) => ({
    ...EVENTS_STREAM,
    name,
    subjects,
  }));
  for (const spec of [...wanted, DEADLETTER_STREAM]) {
    const { warnings } = await ensureStream(manager, spec);
    for (const warning of warnings) log(warning);
  }
}

interface TaskParts {
  readonly topology: Topology;
  readonly store: KvStore;
  readonly link: NatsLink;
  readonly url: string;
  readonly inputs: readonly Input[];
  readonly options: RunOptions;
}

function runTask({ topology, store, link, url, inputs, options }: TaskParts, running: () => void): TaskRun {
  const stop = new AbortController();
  const work = async (): Promise<void> => {
    const sources = Object.fromEntries(
      inputs.map(({ node, stream }) => [node, new ThreadedSource({ url, stream, partition: PARTITION })]),
    );
    try {
      const task = new Task({
        topology,
        source: sources,
        store,
        publisher: new JetStreamPublisher(link),
        clock: systemClock,
        ...(options.limits === undefined ? {} : { limits: options.limits }),
      });
      await task.open();
      running();
      await task.run(stop.signal);
    } finally {
      await Promise.all(Object.values(sources).map((source) => source.stop()));
    }
  };
  return { ended: work(), stop: () => stop.abort() };
}

async function caughtUp(
  manager: JetStreamManager,
  inputs: readonly Input[],
  reader: KvReader,
  supervisor: Supervisor,
  timeout_ms: number,
): Promise<void> {
  const wanted = await Promise.all(inputs.map(({ stream }) => streamFacts(manager, stream)));
  const until_ms = systemClock.now() + timeout_ms;
  for (;;) {
    const progress = reader.snapshot((table) => readProgress(table(META_TABLE)));
    const position = progress === undefined ? {} : positionOf(progress);
    const behind = wanted.find(
      ({ stream, firstSequence, lastSequence }) =>
        // An empty stream has nothing to catch up with.
        firstSequence <= lastSequence && (position[stream]?.[PARTITION] ?? 0) < lastSequence,
    );
    if (behind === undefined) return;
    const { state, error } = supervisor.status;
    if (state === 'failed' && error !== undefined) throw error;
    if (systemClock.now() >= until_ms) {
      const { stream, lastSequence } = behind;
      throw new MillraceError(
        'not_caught_up',
        `After ${timeout_ms} ms ${position[stream]?.[PARTITION] ?? 0} of ${lastSequence} messages of "${stream}" are committed. Wait longer, or see the log for what holds the task up.`,
        { retriable: true },
      );
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}
