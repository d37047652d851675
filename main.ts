#!/usr/bin/env node
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { type Logger, pino } from 'pino';
import { orderAnalytics, TOPOLOGY_NAME } from './analytics/index.ts';
import type { ApiPorts, Settings, StateReader } from './api/index.ts';
import {
  connectNats,
  EVENTS_STREAM,
  EventPublisher,
  ensureStreams,
  JetStreamPublisher,
  type NatsLink,
  openKeyValueStore,
  openManager,
  startEmbeddedNats,
  streamFacts,
  ThreadedSource,
} from './connectors/index.ts';
import {
  asMillraceError,
  currentGeneration,
  type MetricSample,
  MillraceError,
  openLmdbReader,
  openLmdbStore,
  Supervisor,
  stateDigest,
  systemClock,
  TASK_THREAD_LIMITS,
  Task,
  type TaskRun,
} from './engine/index.ts';

const PARTITION = '0';
const DAY_MS = 86_400_000;
const REPORT_INTERVAL_MS = 250;

/** What the task's thread is told. */
interface TaskOrder {
  readonly natsUrl: string;
  readonly statePath: string;
  readonly settings: Settings;
}

type TaskReport =
  | { readonly kind: 'running' }
  | {
      readonly kind: 'status';
      readonly head: number;
      readonly connected: boolean;
      readonly at_ms: number;
      readonly metrics: readonly MetricSample[];
    }
  | {
      readonly kind: 'failed';
      readonly code: string;
      readonly message: string;
      readonly retriable: boolean;
      readonly stack: string | undefined;
    };

function topologyOf(settings: Settings) {
  return orderAnalytics({
    cubes: settings.cubes,
    cells_per_day: settings.cubeCellsPerDay,
    dedup_memory_ids: settings.dedupMemoryIds,
    retain_ms: settings.retentionDays * DAY_MS,
    outOfOrderness_ms: settings.allowedOutOfOrderness_ms,
  });
}

/** The pipeline, in a thread of its own: a query's CPU is not the pipeline's. */
async function runTask(
  order: TaskOrder,
  report: (message: TaskReport) => void,
  stop: AbortSignal,
): Promise<void> {
  const link = await connectNats({ url: order.natsUrl, name: 'millrace-task' });
  const store = openLmdbStore(order.statePath);
  const source = new ThreadedSource({ url: order.natsUrl, stream: EVENTS_STREAM.name, partition: PARTITION });
  let reporter: NodeJS.Timeout | undefined;
  try {
    const task = new Task({
      topology: topologyOf(order.settings),
      source,
      store,
      publisher: new JetStreamPublisher(link),
      clock: systemClock,
    });
    await task.open();
    report({ kind: 'running' });
    reporter = setInterval(() => {
      const { headSequence: head, connected } = source.state();
      report({ kind: 'status', head, connected, at_ms: systemClock.now(), metrics: task.metrics.samples() });
    }, REPORT_INTERVAL_MS);
    await task.run(stop);
  } finally {
    clearInterval(reporter);
    await source.stop();
    await store.close();
    await link.close();
  }
}

/** The stack of the error at the bottom of a chain of causes. */
function rootStack(thrown: unknown): string | undefined {
  let error = thrown;
  while (error instanceof Error && error.cause !== undefined) error = error.cause;
  return error instanceof Error ? error.stack : undefined;
}

async function taskThread(order: TaskOrder): Promise<void> {
  const port = parentPort;
  if (port === null) throw new MillraceError('not_a_thread', 'The task runs in a worker thread.');
  const stop = new AbortController();
  port.on('message', () => stop.abort());
  const report = (message: TaskReport): void => port.postMessage(message);
  try {
    await runTask(order, report, stop.signal);
  } catch (thrown) {
    const { code, message, retriable } = asMillraceError(thrown);
    // An unforeseen error is worth its stack; a named one says itself what to do.
    const stack = code === 'internal' ? rootStack(thrown) : undefined;
    report({ kind: 'failed', code, message, retriable, stack });
  } finally {
    port.close();
  }
}

/** What is known of the pipeline's thread, for the API. */
class Pipeline {
  metrics: readonly MetricSample[] = [];
  /** Whether the source reads from the stream. */
  connected = true;
  head: { sequence: number; observed_at_ms: number } | undefined;

  spawn(order: TaskOrder, running: () => void): TaskRun {
    const worker = new Worker(new URL(import.meta.url), {
      workerData: order,
      name: 'task',
      resourceLimits: TASK_THREAD_LIMITS,
    });
    const ended = new Promise<void>((resolve, reject) => {
      let failure: unknown;
      worker.on('message', (message: TaskReport) => {
        if (message.kind === 'running') running();
        else if (message.kind === 'failed') {
          const { code, retriable, stack: cause } = message;
          failure = new MillraceError(code, message.message, { retriable, cause });
        } else {
          this.metrics = message.metrics;
          this.connected = message.connected;
          // Without a connection nothing is known of the stream's end: the last word stands.
          if (message.connected) this.head = { sequence: message.head, observed_at_ms: message.at_ms };
        }
      });
      worker.on('error', (error) => {
        failure ??= error;
      });
      worker.on('exit', () => (failure === undefined ? resolve() : reject(failure)));
    });
    return { ended, stop: () => worker.postMessage('stop') };
  }
}

/** Opens the committed state for reading as soon as there is one. */
function stateReader(statePath: string, generation: number): () => StateReader | undefined {
  let opened: StateReader | undefined;
  return () => {
    if (opened === undefined && existsSync(join(statePath, 'data.mdb'))) {
      opened = { generation, reader: openLmdbReader(statePath, { sharedWithWriter: true }) };
    }
    return opened;
  };
}

interface Broker {
  readonly url: string;
  stop(): Promise<void>;
}

async function broker(settings: Settings, log: Logger): Promise<Broker> {
  if (settings.natsUrl !== undefined) return { url: settings.natsUrl, stop: () => Promise.resolve() };
  const server = await startEmbeddedNats({
    dataDir: settings.dataDir,
    env: process.env,
    progress: (line) => process.stderr.write(`${line}\n`),
    onExit: (exit) => {
      log.fatal({ exit, log: server.logFile }, 'the embedded NATS server ended; restart millrace');
      process.kill(process.pid, 'SIGTERM');
      process.exitCode = 1;
    },
  });
  return { url: server.url, stop: () => server.stop() };
}

async function ports(
  settings: Settings,
  log: Logger,
  link: NatsLink,
  pipeline: Pipeline,
  supervisor: Supervisor,
  reader: ApiPorts['reader'],
): Promise<ApiPorts> {
  const { IDEMPOTENCY_TTL_MS } = await loadApi();
  const manager = await openManager(link);
  const topology = topologyOf(settings);
  const described = topology.describe();
  const mermaid = topology.draw();
  return {
    settings,
    clock: systemClock,
    log,
    reader,
    events: new EventPublisher(link),
    stream: {
      head: async () => (await streamFacts(manager, EVENTS_STREAM.name)).lastSequence,
      headHint: () => pipeline.head,
    },
    keys: await openKeyValueStore(link, 'millrace-keys'),
    idempotency: await openKeyValueStore(link, 'millrace-idempotency', { ttl_ms: IDEMPOTENCY_TTL_MS }),
    pipeline: () => {
      const { state, error, since_ms } = supervisor.status;
      return {
        state,
        since_ms,
        ...(error === undefined ? {} : { error: { code: error.code, message: error.message } }),
        metrics: pipeline.metrics,
        nats: { connected: link.connected && pipeline.connected, url: link.url },
        topology: described,
        mermaid,
      };
    },
  };
}

/** The API's code; loaded when it is needed, for the pipeline's thread never needs it. */
const loadApi = () => import('./api/index.ts');

/** Runs everything until SIGTERM or SIGINT. */
async function start(): Promise<void> {
  const { bootstrapAdminKey, createApp, readSettings, serve } = await loadApi();
  const settings = readSettings(process.env);
  const log = pino({ level: settings.logLevel }, pino.destination({ fd: 2, sync: true }));
  await mkdir(settings.dataDir, { recursive: true });
  const nats = await broker(settings, log);
  const link = await connectNats({ url: nats.url, name: 'millrace-api' });
  const { warnings } = await ensureStreams(link, { events: { max_age_ms: settings.retentionDays * DAY_MS } });
  for (const warning of warnings) log.warn(warning);
  const layout = currentGeneration(join(settings.dataDir, 'state'), TOPOLOGY_NAME);
  const statePath = layout.partitionPath(PARTITION);
  const pipeline = new Pipeline();
  const supervisor = new Supervisor({
    spawn: (running) => pipeline.spawn({ natsUrl: nats.url, statePath, settings }, running),
    clock: systemClock,
    onChange: (state, error) => {
      if (error === undefined) log.info({ state }, 'pipeline');
      else log.error({ state, code: error.code, cause: error.cause }, error.message);
    },
  });
  // Before the API is built: restoring the state takes longest.
  supervisor.start();
  const apiPorts = await ports(
    settings,
    log,
    link,
    pipeline,
    supervisor,
    stateReader(statePath, layout.generation),
  );
  const { created, key } = await bootstrapAdminKey(apiPorts);
  const api = await createApp(apiPorts);
  const server = await serve(api.app, settings);
  process.stdout.write(
    `millrace listens on ${server.url}\n  docs    ${server.url}/docs\n  health  ${server.url}/v1/order-analytics/health\n  nats    ${link.url}  (publish to events.<tenant>.<key>)\n  data    ${settings.dataDir}\n`,
  );
  if (created && key !== undefined) {
    process.stdout.write(`  admin API key of tenant "default" (shown once): ${key}\n`);
  }
  let stopping = false;
  const shutdown = async (): Promise<void> => {
    if (stopping) return;
    stopping = true;
    log.info('stopping: requests are answered, what was taken is committed');
    await server.close();
    await api.close();
    await supervisor.stop();
    await link.close();
    await nats.stop();
    log.info('stopped');
    process.exit();
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      shutdown().catch((error: unknown) => {
        log.fatal({ error }, 'the shutdown failed');
        process.exit(1);
      });
    });
  }
}

/** Prints a hash of the logical content of the state: equal for equal sets of events. */
async function digest(): Promise<void> {
  const { readSettings } = await loadApi();
  const settings = readSettings(process.env);
  const path = currentGeneration(join(settings.dataDir, 'state'), TOPOLOGY_NAME).partitionPath(PARTITION);
  if (!existsSync(join(path, 'data.mdb'))) {
    throw new MillraceError(
      'no_state',
      `There is no state in ${path}. Set DATA_DIR to the folder that millrace ran with.`,
    );
  }
  const reader = openLmdbReader(path);
  process.stdout.write(`${JSON.stringify(stateDigest(topologyOf(settings), reader), null, 2)}\n`);
  await reader.close();
}

const COMMANDS: Readonly<Record<string, () => Promise<void>>> = { start, 'state digest': digest };

async function command(): Promise<void> {
  const name = process.argv.slice(2).join(' ') || 'start';
  const run = COMMANDS[name];
  if (run === undefined) {
    throw new MillraceError(
      'unknown_command',
      `Unknown command "${name}". Commands: ${Object.keys(COMMANDS).join(', ')}.`,
    );
  }
  await run();
}

if (isMainThread) {
  command().catch((thrown: unknown) => {
    const error = asMillraceError(thrown);
    process.stderr.write(`millrace: ${error.message} [${error.code}]\n`);
    if (error.code === 'internal' && thrown instanceof Error) process.stderr.write(`${thrown.stack}\n`);
    process.exit(1);
  });
} else {
  await taskThread(workerData as TaskOrder);
}
