import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { eventFinder, orderAnalytics, orderQueries, queryKinds } from '../analytics/index.ts';
import {
  GapBoard,
  KindRegistry,
  ManualClock,
  META_TABLE,
  MemoryDisk,
  MemoryMessageQueue,
  MemoryObjectStore,
  type OutMessage,
  QueryExecutor,
  readGaps,
  Task,
} from '../engine/index.ts';
import { analyticsSettings, ControlFeed, openKeyTrust, readSettings } from '../runtime/index.ts';
import { requestsMade } from '../test/requests-made.ts';
import { type NewKey, openKeyRing } from './access/index.ts';
import { MemoryLetters } from './fixture-letters.ts';
import { MemoryFeed, MemoryHttp, MemoryKeyValueStore, MemoryStream } from './fixture-memory.ts';
import { MemorySinks } from './fixture-sinks.ts';
import type { ApiPorts, BackfillPort, PipelineStatus } from './http/index.ts';
import { type Api, createApp } from './service.ts';

/** The whole system around the API in memory: buckets, stream and pipeline, moved by hand. For tests. */

export interface TestApi {
  readonly api: Api;
  readonly ports: ApiPorts;
  readonly clock: ManualClock;
  readonly stream: MemoryStream;
  readonly idempotency: MemoryKeyValueStore;
  readonly definitions: MemoryKeyValueStore;
  /** Where detectors publish. */
  readonly anomalies: MemoryMessageQueue;
  /** What was posted to webhooks. */
  readonly http: MemoryHttp;
  /** What sinks were told. */
  readonly sinks: MemorySinks;
  /** Dead letters of connectors. */
  readonly connectorLetters: readonly OutMessage[];
  /** What `pipeline()` says; to be changed by a test. */
  pipeline: PipelineStatus;
  /** False: the state cannot be read yet. */
  stateReady: boolean;
  /** Applies and commits what is in the stream. */
  apply(): Promise<void>;
  /** The state says that the stream has lost these sequences before they were read. */
  lose(first: number, last: number): void;
  /** Makes a key of a tenant; returns its secret. */
  key(role: string, options?: Partial<NewKey>): Promise<string>;
  /** Sends a request; a path that begins with `/v1` or other roots is taken as it is, else below the base. */
  send(path: string, init?: RequestInit & { key?: string; json?: unknown }): Promise<Response>;
  /** Builds the API again on what is stored, as after a restart. */
  restart(): Promise<TestApi>;
  close(): Promise<void>;
}

/** For `vi.waitFor`: until something is so on a machine that may be busy or stand still for seconds. */
export const PATIENTLY = { timeout: 60_000, interval: 10 };

export const TEST_NOW_MS = Date.UTC(2025, 8, 1, 12);

interface Parts {
  readonly clock: ManualClock;
  readonly stream: MemoryStream;
  readonly idempotency: MemoryKeyValueStore;
  readonly models: MemoryObjectStore;
  readonly jobs: { readonly records: MemoryKeyValueStore; readonly errors: MemoryKeyValueStore };
  readonly definitions: MemoryKeyValueStore;
  readonly connectors: MemoryKeyValueStore;
  readonly connectorLetters: OutMessage[];
  readonly queues: Readonly<
    Record<'notices' | 'deliveries' | 'anomalies' | 'audit' | 'events', MemoryMessageQueue>
  >;
  readonly http: MemoryHttp;
  readonly disk: MemoryDisk;
  readonly told: MemoryFeed;
  readonly letters: MemoryLetters;
  readonly sinks: MemorySinks;
  readonly dataDir: string;
  readonly env: Readonly<Record<string, string>>;
  readonly backfill: BackfillPort | undefined;
  readonly archive: ApiPorts['archive'];
}

/** Starts the API on a memory of everything. `env` are settings. Close it after the test. */
export async function startTestApi(
  env: Readonly<Record<string, string>> = {},
  backfill?: BackfillPort,
  archive?: ApiPorts['archive'],
): Promise<TestApi> {
  const clock = new ManualClock(TEST_NOW_MS);
  const events = new MemoryMessageQueue(clock);
  const stream = new MemoryStream(clock, events);
  return build({
    clock,
    stream,
    sinks: new MemorySinks(),
    letters: new MemoryLetters(clock, new MemoryKeyValueStore(), stream),
    idempotency: new MemoryKeyValueStore(),
    models: new MemoryObjectStore(),
    jobs: { records: new MemoryKeyValueStore(), errors: new MemoryKeyValueStore() },
    definitions: new MemoryKeyValueStore(),
    connectors: new MemoryKeyValueStore(),
    connectorLetters: [],
    queues: {
      notices: new MemoryMessageQueue(clock),
      deliveries: new MemoryMessageQueue(clock),
      anomalies: new MemoryMessageQueue(clock),
      audit: new MemoryMessageQueue(clock),
      events,
    },
    http: new MemoryHttp(),
    disk: new MemoryDisk(),
    told: new MemoryFeed(),
    dataDir: await mkdtemp(join(tmpdir(), 'millrace-api-')),
    env,
    backfill,
    archive,
  });
}

async function build(parts: Parts): Promise<TestApi> {
  const { clock, stream, idempotency, definitions, queues, http, disk, dataDir } = parts;
  const settings = readSettings({ DATA_DIR: dataDir, LOG_LEVEL: 'silent', ...parts.env });
  const topology = orderAnalytics({
    cubes: settings.cubes,
    custom: settings.customDimensions,
    dimension_paths: settings.dimensionPaths,
    retention_days: settings.retentionDays,
    dedup_memory_ids: 10_000,
  });
  const store = disk.open();
  const { told, letters } = parts;
  const publisher = {
    publish: (message: OutMessage): Promise<void> => {
      letters.take(message);
      return told.take(message);
    },
  };
  const source = stream.source();
  const feed = new ControlFeed((error) => {
    throw error;
  });
  feed.start(() => Promise.resolve(definitions));
  const task = new Task({ topology, source, store, publisher, clock, control: feed.control });
  await task.open();
  const reader = disk.reader();
  const kinds = new KindRegistry(queryKinds(analyticsSettings(settings)));
  const queries = new QueryExecutor({ reader, kinds, clock });
  const eventKinds = orderQueries(analyticsSettings(settings));
  const ports: ApiPorts = {
    settings,
    clock,
    monotonic: () => clock.now(),
    log: pino({ level: 'silent' }),
    reader: () => (test.stateReady ? { generation: 1, reader, queries } : undefined),
    finder: () => (test.stateReady ? eventFinder(queries, eventKinds, stream.payloads()) : undefined),
    events: stream,
    anomalies: told,
    deadLetters: letters,
    sinks: parts.sinks,
    stream,
    formerKeys: undefined,
    keyTrust: openKeyTrust(dataDir, undefined, false),
    idempotency,
    models: parts.models,
    jobs: parts.jobs,
    ...(parts.backfill === undefined ? {} : { backfill: parts.backfill }),
    ...(parts.archive === undefined ? {} : { archive: parts.archive }),
    definitions,
    connectors: {
      records: parts.connectors,
      letters: {
        publish: async (letter) => {
          parts.connectorLetters.push(letter);
          letters.take(letter);
        },
      },
      surroundings: { allowPrivate: true, http, dropFolder: undefined },
    },
    audit: queues.audit,
    outbound: {
      ...{ notices: queues.notices, deliveries: queues.deliveries, http },
      sources: { anomalies: queues.anomalies, events: queues.events },
      ...{ ...settings.outbound, s3: undefined },
    },
    pipeline: () => test.pipeline,
  };
  const api = await createApp(ports);
  const test: TestApi = {
    api,
    ports,
    clock,
    stream,
    idempotency,
    definitions,
    anomalies: queues.anomalies,
    http,
    sinks: parts.sinks,
    connectorLetters: parts.connectorLetters,
    stateReady: true,
    pipeline: {
      state: 'running',
      since_ms: TEST_NOW_MS,
      metrics: task.metrics.samples(),
      nats: { connected: true },
      topology: topology.describe(),
      mermaid: topology.draw(),
    },
    apply: async () => {
      while ((await task.step(0)) > 0);
      do task.commit();
      while (task.wantsBarrier);
      test.pipeline = { ...test.pipeline, metrics: task.metrics.samples() };
    },
    lose: (first, last) => {
      const board = new GapBoard(readGaps(store.table(META_TABLE)));
      const facts = { stream: 'EVENTS', incarnation: 'memory' };
      board.removed({ node: 'events', facts }, { first, last }, clock.now());
      store.transaction(() => board.flush(store.table(META_TABLE)));
    },
    key: async (role, options = {}) => {
      const { keys, definitions } = await openKeyRing(ports);
      const made = await keys.create({
        ...{ name: role, role, tenant: 'default', tenants: 'own', expires_at_ms: null, created_by: 'test' },
        ...options,
      });
      await definitions.close();
      return made.token;
    },
    send: async (path, { key, json, ...init } = {}) => {
      const headers = new Headers(init.headers);
      if (key !== undefined) headers.set('authorization', `Bearer ${key}`);
      const body = json === undefined ? init.body : JSON.stringify(json);
      if (body !== undefined && !headers.has('content-type')) headers.set('content-type', 'application/json');
      const url = /^\/(v1\/|analytics(\/|\?|$)|api\/|openapi|docs|redoc|$)/.test(path)
        ? path
        : `/v1/order-analytics${path}`;
      const method = init.method ?? (body === undefined || body === null ? 'GET' : 'POST');
      const request = { ...init, method, headers, ...(body === undefined ? {} : { body }) };
      const response = await api.app.request(url, request);
      requestsMade.add(method, url, response.status);
      return response;
    },
    restart: async () => {
      await api.close();
      await feed.close();
      task.close();
      return build(parts);
    },
    close: async () => {
      await api.close();
      await feed.close();
      task.close();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
  return test;
}

/** An event that is good at TEST_NOW_MS. */
export function orderEvent(
  event_id: string,
  members: Readonly<Record<string, unknown>> = {},
): Record<string, unknown> {
  return {
    event_id,
    type: 'order.created',
    time: '2025-09-01T10:00:00Z',
    order_id: `o-${event_id}`,
    customer_id: 'c-1',
    channel: 'web',
    country: 'GB',
    currency: 'GBP',
    amount: 1_000,
    ...members,
  };
}

/** The code of a problem answer. */
export async function codeOf(response: Response): Promise<string> {
  const { code } = (await response.json()) as { code: string };
  return code;
}
