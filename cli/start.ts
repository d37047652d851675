import { setTimeout as sleep } from 'node:timers/promises';
import { type Logger, pino } from 'pino';
import { TOPOLOGY_NAME } from '../analytics/index.ts';
import {
  type ApiPorts,
  FORMER_KEYS_BUCKET,
  IDEMPOTENCY_TTL_MS,
  loadService,
  type PipelineStatus,
} from '../api/index.ts';
import {
  ANOMALIES_STREAM,
  AUDIT_STREAM,
  checkPermissions,
  connectNats,
  DEADLETTER_STREAM,
  type EmbeddedCredentials,
  EVENTS_STREAM,
  EventPublisher,
  ensureStream,
  ensureStreams,
  KnownStreamPublisher,
  lookAtStream,
  type NatsLink,
  type NatsServer,
  openKeyValueStore,
  openManager,
  openMessageQueue,
  openObjectStore,
  placed,
  publisherInbox,
  StreamPayloads,
  SubjectFeed,
  servicePermissions,
  streamEnd,
} from '../connectors/index.ts';
import { type KeyValueStore, openDataFolder, systemClock } from '../engine/index.ts';
import {
  type Archive,
  ArchivedPayloads,
  ArchiveMetrics,
  DEFINITIONS_BUCKET,
  derived,
  diagnose,
  Generations,
  gatherFacts,
  hasState,
  hostFacts,
  type KeyTrust,
  MODELS_BUCKET,
  ORDER_INPUT,
  OrderStates,
  openArchive,
  openArchiveKeeper,
  openKeyTrust,
  orderTopology,
  readSettings,
  type Settings,
  sayLoudly,
  WhyWatch,
  WriterLock,
} from '../runtime/index.ts';
import { backfillPort } from './backfill-port.ts';
import { openBroker } from './broker.ts';
import { type CommandArguments, type CommandContext, type Running, UsageError } from './command.ts';
import { keepStatus } from './keep-status.ts';
import { connectorPorts, eraserPort, outboundPorts, sinkPorts } from './outbound-ports.ts';
import { serviceNeeds } from './service-needs.ts';

const DAY_MS = 86_400_000;
/** From the signal to the end, ms; 10 s are promised. */
const SHUTDOWN_MS = 9_000;
/** Of it, for jobs, deliveries and buckets to be left in order, ms. */
const API_CLOSE_MS = 3_000;

/** Why nothing comes out of the task, for the health. */
function whyWatch(generations: Generations, nats: NatsLink): WhyWatch {
  return new WhyWatch(async () => {
    const { host, settings } = generations;
    const [topology, progress] = [orderTopology(settings), host.progress()];
    const facts = { topology, inputs: [ORDER_INPUT], host: hostFacts(host, []), progress, nats };
    return diagnose(await gatherFacts(facts));
  });
}

/** How a publisher gets in. */
function publisherHelp(url: string, { publisher }: EmbeddedCredentials): string {
  return (
    `  publish nats pub -s ${url} --nkey ${publisher} events.default.e1 '<JSON of an event>'\n` +
    `          (that file lets publish events and nothing else; answers come with the inbox prefix ${publisherInbox()})\n`
  );
}

/** What could not be processed. */
async function deadLetters(link: NatsLink): Promise<NonNullable<ApiPorts['deadLetters']>> {
  const manager = await openManager(link);
  const { name: stream } = DEADLETTER_STREAM;
  return {
    letters: new StreamPayloads({ link, stream, subjectOf: (tenant) => `deadletter.${tenant}` }),
    end: async () => await streamEnd(manager, stream),
    originals: eventPayloads(link),
    marks: await openKeyValueStore(link, 'millrace-deadletter-marks'),
  };
}

function eventPayloads(link: NatsLink): StreamPayloads {
  const subjectOf = (tenant: string): string => `events.${tenant}.>`;
  return new StreamPayloads({ link, stream: EVENTS_STREAM.name, subjectOf });
}

/** What is told of anomalies. */
function anomalyFeed(link: NatsLink): NonNullable<ApiPorts['anomalies']> {
  const { name: stream } = ANOMALIES_STREAM;
  const feed = new SubjectFeed({ link, stream, subjectOf: (tenant) => `anomalies.${tenant}.>` });
  const publisher = new EventPublisher(link);
  return {
    last: () => feed.last(),
    next: (tenant, after, signal) => feed.next(tenant, after, signal),
    latest: (subject) => feed.latest(subject),
    publish: async (message) => void (await publisher.publishAll([message])),
  };
}

async function ports(
  log: Logger,
  link: NatsLink,
  generations: Generations,
  states: OrderStates,
  keyTrust: KeyTrust,
  { archive, metrics }: { readonly archive: Archive; readonly metrics: ArchiveMetrics },
): Promise<ApiPorts> {
  const manager = await openManager(link);
  const topology = described(() => generations.settings);
  const watch = whyWatch(generations, link);
  const warn = (sentence: string): void => log.warn(sentence);
  return {
    get settings() {
      return generations.settings;
    },
    generations,
    backfill: backfillPort(generations, link, generations.settings.backfill.share),
    eraser: await eraserPort(link),
    archive: openArchiveKeeper(link, archive, {
      metrics,
      lock: new WriterLock(await openKeyValueStore(link, 'millrace-locks')),
      applied: () => generations.host.progress()?.sequence,
      isBuilding: () => generations.list().some(({ state }) => state === 'building'),
    }),
    why: () => watch.causes(),
    clock: systemClock,
    log,
    reader: () => states.current(),
    finder: () => states.current()?.finder,
    events: new KnownStreamPublisher(link, EVENTS_STREAM.name, derived(keyTrust.secret, 'message-ids')),
    anomalies: anomalyFeed(link),
    deadLetters: await deadLetters(link),
    sinks: await sinkPorts(link, generations.settings, warn),
    stream: {
      head: async () => await streamEnd(manager, EVENTS_STREAM.name),
      headHint: () => generations.host.head(ORDER_INPUT.node),
    },
    formerKeys: await formerKeys(link),
    keyTrust,
    definitions: await openKeyValueStore(link, DEFINITIONS_BUCKET),
    models: await openObjectStore(link, MODELS_BUCKET),
    idempotency: await openKeyValueStore(link, 'millrace-idempotency', { ttl_ms: IDEMPOTENCY_TTL_MS }),
    jobs: {
      records: await openKeyValueStore(link, 'millrace-jobs'),
      errors: await openKeyValueStore(link, 'millrace-job-errors'),
    },
    connectors: await connectorPorts(link, generations.settings),
    audit: await openMessageQueue(link, { ...AUDIT_STREAM, ...generations.settings.audit }, warn),
    // After the bucket of jobs, whose stream it reads.
    outbound: await outboundPorts(link, generations.settings, warn),
    pipeline: () => {
      const { state, error, since_ms } = generations.status;
      return {
        state,
        since_ms,
        ...(error === undefined ? {} : { error: { code: error.code, message: error.message } }),
        metrics: generations.host.metrics,
        nats: { connected: link.connected && generations.host.connected, url: link.url },
        ...topology(),
      };
    },
  };
}

/** The bucket of a version that kept API keys in one of their own, where there is one. */
async function formerKeys(link: NatsLink): Promise<KeyValueStore | undefined> {
  const { kind } = await lookAtStream(link, `KV_${FORMER_KEYS_BUCKET}`, []);
  return kind === 'missing' ? undefined : await openKeyValueStore(link, FORMER_KEYS_BUCKET);
}

/** The current generation of the order analytics, and what builds the next. */
function generationsOf(
  settings: Settings,
  nats: NatsServer,
  link: NatsLink,
  states: OrderStates,
  log: Logger,
): Generations {
  const generations = new Generations({
    settings,
    nats,
    link,
    released: (host) => states.released(host),
    onLeftOver: ({ message }) => log.warn(`a folder that is not needed any more stays: ${message}`),
    onTopologyChange: (changes) => {
      for (const { text } of changes) log.warn(`the topology changed: ${text}`);
    },
    onDefinitionsUnread: (message) => log.warn(`definitions cannot be read: ${message}`),
    onChange: (state, error) => {
      if (error === undefined) log.info({ state }, 'pipeline');
      else log.error({ state, code: error.code, cause: error.cause }, error.message);
    },
  });
  // It looks until the process ends, and keeps none from ending.
  sayLoudly(
    () => generations.host.metrics,
    (line) => log.warn(line),
    'they are counted, and what was called complete of their times has changed',
  );
  for (const { generation, reason } of generations.interrupted()) {
    log.warn(`the build of generation ${generation} (${reason}) was interrupted; started again it goes on`);
  }
  // Dimensions that are declared and that the generation lacks are built.
  const overridden = generations.overridden.filter(
    (name) => !['customDimensions', 'dimensionPaths'].includes(name),
  );
  if (overridden.length > 0) {
    const names = overridden.join(', ');
    log.warn(
      `generation ${generations.host.generation} of the state has its own ${names}; the settings' are not used`,
    );
  }
  return generations;
}

/** The topology, as the settings of the current generation ask for it. */
function described(settings: () => Settings): () => Pick<PipelineStatus, 'topology' | 'mermaid'> {
  let last:
    | { readonly of: Settings; readonly topology: Pick<PipelineStatus, 'topology' | 'mermaid'> }
    | undefined;
  return () => {
    const of = settings();
    if (last?.of !== of) {
      const topology = orderTopology(of);
      last = { of, topology: { topology: topology.describe(), mermaid: topology.draw() } };
    }
    return last.topology;
  };
}

/** Does some work, for so long at most; says whether it was done. Rejects as the work does. */
async function within(limit_ms: number, work: () => Promise<void>): Promise<boolean> {
  const late = sleep(limit_ms, false, { ref: false });
  return await Promise.race([work().then(() => true), late]);
}

/** Runs the order analytics until SIGTERM or SIGINT; the signals end the process. */
export async function start(args: CommandArguments, { env }: CommandContext): Promise<Running> {
  if (args.texts('stream').length > 0) throw new UsageError('--stream goes with --topology.');
  const { bootstrapAdminKey, createApp, DASHBOARD_PATH, hasDashboard, serve } = await loadService();
  const settings = readSettings(env);
  const log = pino({ level: settings.logLevel }, pino.destination({ fd: 2, sync: true }));
  for (const line of openDataFolder(settings.dataDir)) log.warn(line);
  const nats = await openBroker(settings, env, log);
  const link = await connectNats({ ...nats.server, name: 'millrace-api' });
  if (settings.nats !== undefined) {
    await checkPermissions(settings.nats, servicePermissions(settings.nats, serviceNeeds(settings)));
  }
  const { warnings } = await ensureStreams(link, {
    events: { max_age_ms: (settings.retentionDays ?? 0) * DAY_MS },
  });
  const anomalies = await ensureStream(await openManager(link), placed(link, ANOMALIES_STREAM));
  for (const warning of [...warnings, ...anomalies.warnings]) log.warn(warning);
  const archiveMetrics = new ArchiveMetrics(() => systemClock.now());
  const archive = openArchive(settings.archive.place, archiveMetrics);
  const payloads = new ArchivedPayloads(eventPayloads(link), archive);
  const states: OrderStates = new OrderStates({ current: () => generations, payloads });
  const generations = generationsOf(settings, nats.server, link, states, log);
  // Before the task makes a state where there was none.
  const hadState = hasState(generations.host.statePath);
  const keyTrust = openKeyTrust(settings.dataDir, settings.keySigningSecret, hadState);
  // Before the API is built: restoring the state takes longest.
  generations.start();
  const apiPorts = await ports(log, link, generations, states, keyTrust, {
    archive,
    metrics: archiveMetrics,
  });
  const { created, key } = await bootstrapAdminKey(apiPorts);
  const api = await createApp(apiPorts);
  const server = await serve({ fetch: (...request) => api.app.fetch(...request) }, settings, api.connections);
  const status = keepStatus({
    dataDir: settings.dataDir,
    topology: TOPOLOGY_NAME,
    facts: () => hostFacts(generations.host, []),
    natsUrl: link.url,
    httpUrl: server.url,
    log: (line) => log.warn(line),
  });
  const dashboard = hasDashboard() ? `  look    ${server.url}${DASHBOARD_PATH}\n` : '';
  process.stdout.write(
    `millrace listens on ${server.url}\n${dashboard}  docs    ${server.url}/docs\n  health  ${server.url}/v1/order-analytics/health\n` +
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
    // A server that does not answer holds up whoever says farewell to it. What is accepted is in the stream by now.
    const isDone = await within(SHUTDOWN_MS, async () => {
      await server.close();
      await within(API_CLOSE_MS, () => api.close());
      await states.close();
      await generations.close();
      await link.close();
      await nats.stop();
    });
    if (isDone) log.info('stopped');
    else
      log.warn(
        'stopped while NATS did not answer; what the last commit does not hold is read again at the start',
      );
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
