import { join } from 'node:path';
import type { JetStreamManager } from '@nats-io/jetstream';
import {
  currentGeneration,
  deadLetterQuarantine,
  type KvReader,
  type KvStore,
  META_TABLE,
  type MetricSample,
  MillraceError,
  openDataFolder,
  openLmdbReader,
  openLmdbStore,
  type Publisher,
  positionOf,
  type Quarantine,
  readProgress,
  type Source,
  type SourceSpec,
  Supervisor,
  systemClock,
  Task,
  type TaskLimits,
  type TaskRun,
  type Topology,
  type TopologyChange,
} from '../../../engine/index.ts';
import {
  connectNats,
  DEADLETTER_STREAM,
  EVENTS_STREAM,
  ensureStream,
  type NatsAccess,
  type NatsLink,
  type NatsServer,
  openManager,
  placed,
  streamFacts,
} from '../client/index.ts';
import { startEmbeddedNats } from '../embedded/index.ts';
import { JetStreamPublisher, toldPublisher } from '../publish/index.ts';
import { ThreadedSource } from '../source/index.ts';

const PARTITION = '0';
const POLL_MS = 20;

export interface JetStreamInputOptions {
  /** Of the node in the topology; default: the stream's name in lower case. */
  readonly name?: string;
  /** What the stream takes when it has to be made. */
  readonly subjects: readonly string[];
  /**
   * Reads only messages of these subjects (`*` and `>` as in NATS), which the server picks; of several it sends what
   * the narrowest pattern over them matches, and the rest is left out here. Default: all of the stream.
   */
  readonly filter?: readonly string[];
  /** What stands between the stream and the graph: `(source) => enrichingSource(source, { … })`. */
  readonly through?: (source: Source) => Source;
}

/** A JetStream stream as a source of a topology: `t.source(jetstream('ORDERS', { subjects: ['orders.>'] }))`. */
export function jetstream(stream: string, options: JetStreamInputOptions): SourceSpec {
  const { name, subjects, filter = [], through } = options;
  return {
    name: name ?? stream.toLowerCase(),
    kind: 'jetstream',
    options: { stream, subjects, filter },
    ...(filter.length === 0 ? {} : { definition: { filter: [...filter].sort().join(', ') } }),
    ...(through === undefined ? {} : { through }),
  };
}

export interface RunOptions {
  /** Where state and, without `natsUrl`, the embedded server's streams lie. */
  readonly dataDir: string;
  /** A server that is there; default: one is started. */
  readonly natsUrl?: string;
  /** Credentials, TLS, domain and more of that server. */
  readonly nats?: NatsAccess;
  /** Port of the server that is started; default: a free one. */
  readonly natsPort?: number;
  /** Streams that the topology's sinks write to, by name, with their subjects; made if they are not there. */
  readonly streams?: Readonly<Record<string, readonly string[]>>;
  readonly limits?: Partial<TaskLimits>;
  /**
   * What sends the messages that the topology owes, around the one to JetStream:
   * `(next) => new CallbackPublisher(next).register('mail', sendMail)` for `toCallback`.
   */
  readonly publisher?: (next: Publisher) => Publisher;
  /** Starts also where the topology changed so that state is given up, and deletes that state; default: false. */
  readonly allowTopologyChange?: boolean;
  /** Hears what is different from the topology that wrote the state; also in the log. */
  readonly onTopologyChange?: (changes: readonly TopologyChange[]) => void;
  /**
   * What becomes of a record whose processing throws. `stop` (default): nothing of its batch is committed, and the
   * task ends. `deadLetter`: the task finds it, sends it to the dead letters with the reason
   * `processing_failed`, and goes on without it.
   */
  readonly failingRecords?: 'stop' | 'deadLetter';
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
  /**
   * Resolves once `stop` was called. Rejects with what ended the task for good: an error that does not pass by
   * itself, or the end of the embedded server. What was committed can be read on until `stop`.
   */
  readonly ended: Promise<void>;
  /** The counters and gauges of the task that runs now; a restart begins new ones. */
  metrics(): readonly MetricSample[];
  /** Resolves when everything that is in the stream now is committed; rejects after `timeout_ms`. */
  caughtUp(timeout_ms: number): Promise<void>;
  /**
   * Resolves when the stream (of the topology's) is committed up to the sequence that a publish was acknowledged
   * with: then `queryTable` answers what that message has changed. Rejects after `timeout_ms` (`not_caught_up`).
   */
  applied(stream: string, sequence: number, timeout_ms: number): Promise<void>;
  /** Commits what was taken, and ends. */
  stop(): Promise<void>;
}

/**
 * Runs a topology on JetStream until stopped: makes the streams that are missing, keeps the state under
 * `dataDir`, goes on from the last commit, and after a failure that may pass starts again from there.
 * Throws `no_source` for a topology without a `jetstream(…)` source, `data_dir_unusable`, and what keeps the
 * streams from being made. A task that fails later fails `ended`.
 */
export async function run(topology: Topology, options: RunOptions): Promise<RunningTopology> {
  const log = options.log ?? (() => undefined);
  const inputs = jetstreamInputs(topology);
  for (const line of openDataFolder(options.dataDir)) log(line);
  const end = ending();
  const server = await serverOf(options, inputs, log, end.fail);
  const opened: (() => Promise<void>)[] = [() => server.stop()];
  const close = async (): Promise<void> => {
    for (const work of opened.toReversed()) await work();
  };
  try {
    const link = await connectNats({ ...server.server, name: `millrace-${topology.name}` });
    opened.push(() => link.close());
    const manager = await openManager(link);
    await makeStreams(link, manager, inputs, options, log);
    const path = currentGeneration(join(options.dataDir, 'state'), topology.name).partitionPath(PARTITION);
    const store = openLmdbStore(path);
    opened.push(() => store.close());
    const reader = openLmdbReader(path, { sharedWithWriter: true });
    opened.push(() => reader.close());
    let task: Task | undefined;
    const quarantine = options.failingRecords === 'deadLetter' ? deadLetterQuarantine() : undefined;
    const jetStream = new JetStreamPublisher(link);
    const publisher = toldPublisher(options.publisher?.(jetStream) ?? jetStream, systemClock, log);
    const parts = { topology, store, server: server.server, inputs, options, log, quarantine, publisher };
    const supervisor = new Supervisor({
      spawn: (running) =>
        runTask(parts, (state, made) => {
          task = made;
          if (state === 'running') running();
        }),
      clock: systemClock,
      onChange: (state, error) => {
        log(error === undefined ? state : `${state}: ${error.code}: ${error.message}`);
        if (state === 'failed' && error !== undefined) end.fail(error);
      },
    });
    supervisor.start();
    opened.push(() => supervisor.stop());
    const unwatch = link.onStatus((status) => {
      if (status === 'disconnected') log(`NATS at ${link.url} is away; the task goes on when it is back`);
      if (status === 'connected') log(`NATS at ${link.url} is back`);
    });
    opened.push(() => Promise.resolve(unwatch()));
    return {
      url: link.url,
      link,
      reader,
      ended: end.promise,
      metrics: () => task?.metrics.samples() ?? [],
      caughtUp: async (timeout_ms) => {
        const facts = await Promise.all(inputs.map(({ stream }) => streamFacts(manager, stream)));
        // An empty stream has nothing to catch up with.
        const wanted = facts.filter(({ firstSequence, lastSequence }) => firstSequence <= lastSequence);
        await committed(
          wanted.map(({ stream, lastSequence }) => [stream, lastSequence]),
          reader,
          supervisor,
          timeout_ms,
        );
      },
      applied: async (stream, sequence, timeout_ms) => {
        const streams = inputs.map((input) => input.stream);
        if (!streams.includes(stream)) throw notRead(stream, streams);
        await committed([[stream, sequence]], reader, supervisor, timeout_ms);
      },
      stop: async () => {
        await close();
        end.done();
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** A promise with its ends outside; nobody has to listen. */
function ending() {
  let [done, fail] = [() => {}, (_: MillraceError) => {}];
  const promise = new Promise<void>((resolve, reject) => {
    [done, fail] = [resolve, reject];
  });
  promise.catch(() => undefined);
  return { promise, done: () => done(), fail: (error: MillraceError) => fail(error) };
}

/** A stream that a topology reads. */
export interface JetStreamInput {
  /** Its source in the topology. */
  readonly node: string;
  readonly stream: string;
  /** What the stream takes when it has to be made. */
  readonly subjects: readonly string[];
  /** What is read of it; none: all. */
  readonly filter: readonly string[];
  /** What stands between the stream and the graph. */
  readonly through: (source: Source) => Source;
}

/** The streams that a topology reads. Throws `no_source` where it says of none. */
export function jetstreamInputs({ name, sources }: Topology): readonly JetStreamInput[] {
  const inputs = sources.flatMap(
    // A topology of an older copy of the package says nothing of a filter.
    ({ name: node, kind, options: { stream, subjects, filter = [] }, through = (source) => source }) =>
      kind === 'jetstream' && typeof stream === 'string' && Array.isArray(subjects) && Array.isArray(filter)
        ? [{ node, stream, subjects: subjects.map(String), filter: filter.map(String), through }]
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

async function serverOf(
  { natsUrl, nats, natsPort, dataDir, streams = {} }: RunOptions,
  inputs: readonly JetStreamInput[],
  log: (line: string) => void,
  fail: (error: MillraceError) => void,
) {
  if (natsUrl !== undefined) {
    return { server: { url: natsUrl, ...nats }, stop: () => Promise.resolve() };
  }
  return await startEmbeddedNats({
    dataDir,
    ...(natsPort === undefined ? {} : { port: natsPort }),
    subjects: {
      publish: inputs.flatMap(({ subjects }) => subjects),
      read: Object.values(streams).flat(),
    },
    env: process.env,
    progress: log,
    onExit: ({ code, signal }) => {
      const message =
        `The embedded NATS server ended (${signal ?? `exit code ${code}`}); its log is ` +
        `${join(dataDir, 'nats.log')}. What was committed is safe: start again.`;
      fail(new MillraceError('nats_server_ended', message));
    },
  });
}

async function makeStreams(
  link: NatsLink,
  manager: JetStreamManager,
  inputs: readonly JetStreamInput[],
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
    const { warnings } = await ensureStream(manager, placed(link, spec));
    for (const warning of warnings) log(warning);
  }
}

interface TaskParts {
  readonly topology: Topology;
  readonly store: KvStore;
  readonly server: NatsServer;
  readonly inputs: readonly JetStreamInput[];
  readonly options: RunOptions;
  readonly log: (line: string) => void;
  readonly quarantine: Quarantine | undefined;
  readonly publisher: Publisher;
}

function runTask(parts: TaskParts, tell: (state: 'made' | 'running', task: Task) => void): TaskRun {
  const { topology, store, server, inputs, options, log, quarantine, publisher } = parts;
  const stop = new AbortController();
  const work = async (): Promise<void> => {
    const sources = Object.fromEntries(
      inputs.map(({ node, stream, filter, through }) => [
        node,
        through(new ThreadedSource({ ...server, stream, partition: PARTITION, filter_subjects: filter })),
      ]),
    );
    try {
      const task = new Task({
        topology,
        source: sources,
        store,
        publisher,
        clock: systemClock,
        allowTopologyChange: options.allowTopologyChange ?? false,
        onTopologyChange: (changes) => {
          for (const { text } of changes) log(`the topology changed: ${text}`);
          options.onTopologyChange?.(changes);
        },
        ...(options.limits === undefined ? {} : { limits: options.limits }),
        ...(quarantine === undefined ? {} : { quarantine }),
      });
      tell('made', task);
      await task.open();
      tell('running', task);
      await task.run(stop.signal);
    } finally {
      await Promise.all(Object.values(sources).map((source) => source.stop()));
    }
  };
  return { ended: work(), stop: () => stop.abort() };
}

/** Until each of these streams is committed up to its sequence. */
async function committed(
  wanted: readonly (readonly [stream: string, sequence: number])[],
  reader: KvReader,
  supervisor: Supervisor,
  timeout_ms: number,
): Promise<void> {
  const until_ms = systemClock.now() + timeout_ms;
  for (;;) {
    const progress = reader.snapshot((table) => readProgress(table(META_TABLE)));
    const position = progress === undefined ? {} : positionOf(progress);
    const behind = wanted.find(([stream, sequence]) => (position[stream]?.[PARTITION] ?? 0) < sequence);
    if (behind === undefined) return;
    const { state, error } = supervisor.status;
    if (state === 'failed' && error !== undefined) throw error;
    if (systemClock.now() >= until_ms) {
      const [stream, sequence] = behind;
      throw new MillraceError(
        'not_caught_up',
        `After ${timeout_ms} ms ${position[stream]?.[PARTITION] ?? 0} of ${sequence} messages of ` +
          `"${stream}" are committed. Wait longer, or see the log for what holds the task up.`,
        { retriable: true },
      );
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

function notRead(stream: string, streams: readonly string[]): MillraceError {
  return new MillraceError(
    'unknown_stream',
    `The topology does not read the stream "${stream}"; it reads ${[...new Set(streams)].join(', ')}.`,
  );
}
