import { type Logger, pino } from 'pino';
import {
  eventFinder,
  type FinderParts,
  orderQueries,
  QUERY_KINDS_MODULE,
  queryKinds,
  TOPOLOGY_NAME,
} from '../analytics/index.ts';
import {
  type ApiPorts,
  analyticsSettings,
  IDEMPOTENCY_TTL_MS,
  loadService,
  type StateReader,
} from '../api/index.ts';
import {
  connectNats,
  type EmbeddedCredentials,
  EVENTS_STREAM,
  EventPublisher,
  ensureStreams,
  type NatsLink,
  type NatsServer,
  openKeyValueStore,
  openManager,
  publisherInbox,
  StreamPayloads,
  startEmbeddedNats,
  streamFacts,
} from '../connectors/index.ts';
import { KindRegistry, openDataFolder, QueryExecutor, systemClock } from '../engine/index.ts';
import {
  currentState,
  DEFINITIONS_BUCKET,
  diagnose,
  gatherFacts,
  hasState,
  hostFacts,
  inThread,
  type KeyTrust,
  ORDER_ANALYTICS_MODULE,
  ORDER_INPUT,
  openKeyTrust,
  orderTopology,
  PartitionHost,
  readSettings,
  type Settings,
  WHOLE_STREAM,
  WhyWatch,
} from '../runtime/index.ts';
import { type CommandArguments, type CommandContext, type Running, UsageError } from './command.ts';
import { keepStatus } from './keep-status.ts';

const DAY_MS = 86_400_000;

/** The committed state, and what finds events in it. */
interface OpenedState {
  readonly state: StateReader;
  readonly finder: FinderParts;
}

/** Opens the committed state for queries as soon as there is one. */
function openedState(
  host: PartitionHost,
  settings: Settings,
  payloads: StreamPayloads,
): () => OpenedState | undefined {
  let opened: OpenedState | undefined;
  return () => {
    const reader = opened === undefined ? host.reader() : undefined;
    if (reader !== undefined) {
      const config = analyticsSettings(settings);
      const queries = new QueryExecutor({
        reader,
        kinds: new KindRegistry(queryKinds(config)),
        clock: systemClock,
        pool: {
          path: host.statePath,
          reader: { sharedWithWriter: true },
          modules: [QUERY_KINDS_MODULE],
          config,
          threads: settings.scanThreads,
        },
      });
      const finder = eventFinder(queries, orderQueries(config).events, payloads);
      opened = { state: { generation: host.generation, reader, queries }, finder };
    }
    return opened;
  };
}

/** The task of the order analytics, in a thread of its own. */
function hostOf(settings: Settings, nats: NatsServer, log: Logger): PartitionHost {
  const { generation, partitionPath } = currentState(settings.dataDir, TOPOLOGY_NAME);
  const statePath = partitionPath(WHOLE_STREAM);
  return new PartitionHost({
    partition: WHOLE_STREAM,
    generation,
    statePath,
    place: inThread({
      module: ORDER_ANALYTICS_MODULE,
      config: settings,
      nats,
      partition: WHOLE_STREAM,
      statePath,
      inputs: [ORDER_INPUT],
      allowTopologyChange: settings.allowTopologyChange,
      takesDefinitions: true,
    }),
    onTopologyChange: (changes) => {
      for (const { text } of changes) log.warn(`the topology changed: ${text}`);
    },
    onDefinitionsUnread: (message) => log.warn(`definitions cannot be read: ${message}`),
    onChange: (state, error) => {
      if (error === undefined) log.info({ state }, 'pipeline');
      else log.error({ state, code: error.code, cause: error.cause }, error.message);
    },
  });
}

/** Why nothing comes out of the task, for the health. */
function whyWatch(settings: Settings, host: PartitionHost, nats: NatsLink): WhyWatch {
  const topology = orderTopology(settings);
  return new WhyWatch(async () => {
    const progress = host.progress();
    const facts = { topology, inputs: [ORDER_INPUT], host: hostFacts(host, []), progress, nats };
    return diagnose(await gatherFacts(facts));
  });
}

interface Broker {
  readonly server: NatsServer;
  /** Of the embedded server. */
  readonly credentials?: EmbeddedCredentials;
  stop(): Promise<void>;
}

async function broker(settings: Settings, env: CommandContext['env'], log: Logger): Promise<Broker> {
  if (settings.nats !== undefined) return { server: settings.nats, stop: () => Promise.resolve() };
  return await startEmbeddedNats({
    dataDir: settings.dataDir,
    env,
    port: settings.natsPort,
    progress: (line) => process.stderr.write(`${line}\n`),
    onExit: (exit) => {
      log.fatal({ exit }, 'the embedded NATS server ended (see nats.log in DATA_DIR); restart millrace');
      process.kill(process.pid, 'SIGTERM');
      process.exitCode = 1;
    },
  });
}

/** How a publisher gets in. */
function publisherHelp(url: string, { publisher }: EmbeddedCredentials): string {
  return (
    `  publish nats pub -s ${url} --nkey ${publisher} events.default.e1 '<JSON of an event>'\n` +
    `          (that file lets publish events and nothing else; answers come with the inbox prefix ${publisherInbox()})\n`
  );
}

async function ports(
  settings: Settings,
  log: Logger,
  link: NatsLink,
  host: PartitionHost,
  opened: () => OpenedState | undefined,
  keyTrust: KeyTrust,
): Promise<ApiPorts> {
  const manager = await openManager(link);
  const topology = orderTopology(settings);
  const described = topology.describe();
  const mermaid = topology.draw();
  return {
    settings,
    clock: systemClock,
    log,
    reader: () => opened()?.state,
    finder: () => opened()?.finder,
    events: new EventPublisher(link),
    stream: {
      head: async () => (await streamFacts(manager, EVENTS_STREAM.name)).lastSequence,
      headHint: () => host.head(ORDER_INPUT.node),
    },
    keys: await openKeyValueStore(link, 'millrace-keys'),
    keyTrust,
    definitions: await openKeyValueStore(link, DEFINITIONS_BUCKET),
    idempotency: await openKeyValueStore(link, 'millrace-idempotency', { ttl_ms: IDEMPOTENCY_TTL_MS }),
    jobs: {
      records: await openKeyValueStore(link, 'millrace-jobs'),
      errors: await openKeyValueStore(link, 'millrace-job-errors'),
    },
    pipeline: () => {
      const { state, error, since_ms } = host.status;
      return {
        state,
        since_ms,
        ...(error === undefined ? {} : { error: { code: error.code, message: error.message } }),
        metrics: host.metrics,
        nats: { connected: link.connected && host.connected, url: link.url },
        topology: described,
        mermaid,
      };
    },
  };
}

/** Runs the order analytics until SIGTERM or SIGINT; the signals end the process. */
export async function start(args: CommandArguments, { env }: CommandContext): Promise<Running> {
  if (args.texts('stream').length > 0) throw new UsageError('--stream goes with --topology.');
  const { bootstrapAdminKey, createApp, serve } = await loadService();
  const settings = readSettings(env);
  const log = pino({ level: settings.logLevel }, pino.destination({ fd: 2, sync: true }));
  for (const line of openDataFolder(settings.dataDir)) log.warn(line);
  const nats = await broker(settings, env, log);
  const link = await connectNats({ ...nats.server, name: 'millrace-api' });
  const { warnings } = await ensureStreams(link, {
    events: { max_age_ms: (settings.retentionDays ?? 0) * DAY_MS },
  });
  for (const warning of warnings) log.warn(warning);
  const host = hostOf(settings, nats.server, log);
  // Before the task makes a state where there was none.
  const keyTrust = openKeyTrust(settings.dataDir, settings.keySigningSecret, hasState(host.statePath));
  // Before the API is built: restoring the state takes longest.
  host.start();
  const payloads = new StreamPayloads({
    link,
    stream: EVENTS_STREAM.name,
    subjectOf: (tenant) => `events.${tenant}.>`,
  });
  const opened = openedState(host, settings, payloads);
  const apiPorts = await ports(settings, log, link, host, opened, keyTrust);
  const { created, key } = await bootstrapAdminKey(apiPorts);
  const watch = whyWatch(settings, host, link);
  const api = await createApp({ ...apiPorts, why: () => watch.causes() });
  const server = await serve(api.app, settings);
  const status = keepStatus({
    dataDir: settings.dataDir,
    topology: TOPOLOGY_NAME,
    facts: () => hostFacts(host, []),
    natsUrl: link.url,
    httpUrl: server.url,
    log: (line) => log.warn(line),
  });
  process.stdout.write(
    `millrace listens on ${server.url}\n  docs    ${server.url}/docs\n  health  ${server.url}/v1/order-analytics/health\n` +
      `  nats    ${link.url}  (publish to events.<tenant>.<key>)\n  data    ${settings.dataDir}\n`,
  );
  if (nats.credentials !== undefined) process.stdout.write(publisherHelp(link.url, nats.credentials));
  if (created && key !== undefined) {
    process.stdout.write(`  admin API key of tenant "default" (shown once): ${key}\n`);
  }
  let stopping = false;
  const shutdown = async (): Promise<void> => {
    if (stopping) return;
    stopping = true;
    log.info('stopping: requests are answered, what was taken is committed');
    status.stop();
    api.drain();
    await server.close();
    await api.close();
    await opened()?.state.queries?.close();
    await host.close();
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
  return 'running';
}
