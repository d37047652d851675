import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { orderAnalytics } from '../analytics/index.ts';
import {
  type KeyValueChange,
  type KeyValueDelete,
  type KeyValueEntry,
  type KeyValueStore,
  type KeyValueWrite,
  ManualClock,
  MemoryDisk,
  MillraceError,
  type Source,
  type SourceRecord,
  Task,
} from '../engine/index.ts';
import { type Api, createApp } from './index.ts';
import { KeyRing } from './key-ring.ts';
import type { Role } from './permissions.ts';
import type { ApiPorts, EventMessage, EventPublisher, PipelineStatus, StreamHead } from './ports.ts';
import { readSettings } from './settings.ts';

/** The whole system around the API in memory: buckets, stream and pipeline, moved by hand. For tests. */

/** A bucket with the semantics of NATS KV. */
export class MemoryKeyValueStore implements KeyValueStore {
  readonly #entries = new Map<string, KeyValueEntry>();
  readonly #watchers = new Set<(change: KeyValueChange) => void>();
  #revision = 0;
  /** Set: every call fails as when the server is away. */
  away = false;

  async get(key: string): Promise<KeyValueEntry | undefined> {
    this.#reach();
    return this.#entries.get(key);
  }

  async create(key: string, value: unknown): Promise<KeyValueWrite> {
    this.#reach();
    const current = this.#entries.get(key);
    return current === undefined ? this.#put(key, value) : { ok: false, current };
  }

  async update(key: string, value: unknown, revision: number): Promise<KeyValueWrite> {
    this.#reach();
    const current = this.#entries.get(key);
    return current?.revision === revision ? this.#put(key, value) : { ok: false, current };
  }

  async delete(key: string, revision?: number): Promise<KeyValueDelete> {
    this.#reach();
    const current = this.#entries.get(key);
    if (revision !== undefined && current?.revision !== revision) return { ok: false, current };
    if (this.#entries.delete(key)) this.#tell({ kind: 'delete', key });
    return { ok: true };
  }

  async list(): Promise<readonly KeyValueEntry[]> {
    this.#reach();
    return [...this.#entries.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  async watch(onChange: (change: KeyValueChange) => void): Promise<() => Promise<void>> {
    this.#reach();
    for (const entry of this.#entries.values()) onChange({ kind: 'put', ...entry });
    this.#watchers.add(onChange);
    return async () => {
      this.#watchers.delete(onChange);
    };
  }

  #reach(): void {
    if (this.away) throw new MillraceError('kv_unavailable', 'The bucket is away.', { retriable: true });
  }

  #put(key: string, value: unknown): KeyValueWrite {
    // Through JSON, as on the wire.
    const entry = { key, value: JSON.parse(JSON.stringify(value)) as unknown, revision: ++this.#revision };
    this.#entries.set(key, entry);
    this.#tell({ kind: 'put', ...entry });
    return { ok: true, revision: entry.revision };
  }

  #tell(change: KeyValueChange): void {
    for (const watcher of this.#watchers) watcher(change);
  }
}

/** The stream EVENTS: what is published gets a sequence, repeated message ids are stored once. */
export class MemoryStream implements EventPublisher, StreamHead {
  readonly messages: EventMessage[] = [];
  readonly #ids = new Map<string, number>();
  readonly #clock: ManualClock;
  away = false;
  /** Awaited by each publish: a test can hold it. */
  gate: Promise<void> = Promise.resolve();

  constructor(clock: ManualClock) {
    this.#clock = clock;
  }

  async publishAll(messages: readonly EventMessage[]): Promise<{ sequences: number[] }> {
    await this.gate;
    if (this.away) throw new MillraceError('stream_unavailable', 'The stream is away.', { retriable: true });
    return { sequences: messages.map((message) => this.#store(message)) };
  }

  #store(message: EventMessage): number {
    const known = message.msgId === undefined ? undefined : this.#ids.get(message.msgId);
    if (known !== undefined) return known;
    this.messages.push(message);
    const sequence = this.messages.length;
    if (message.msgId !== undefined) this.#ids.set(message.msgId, sequence);
    return sequence;
  }

  async head(): Promise<number> {
    if (this.away) throw new MillraceError('stream_unavailable', 'The stream is away.', { retriable: true });
    return this.messages.length;
  }

  headHint(): { sequence: number; observed_at_ms: number } | undefined {
    return this.away ? undefined : { sequence: this.messages.length, observed_at_ms: this.#clock.now() };
  }

  /** Reads the stream as partition 0. */
  source(): Source {
    let next = 1;
    const record = (message: EventMessage, sequence: number): SourceRecord => ({
      sequence,
      subject: message.subject,
      data: message.payload,
      hasHeaders: false,
      header: () => undefined,
    });
    return {
      partition: '0',
      facts: async () => ({
        stream: 'EVENTS',
        incarnation: 'memory',
        firstSequence: 1,
        lastSequence: this.messages.length,
      }),
      start: async (after) => {
        next = after + 1;
      },
      take: async ({ max }) => {
        const taken = this.messages.slice(next - 1, next - 1 + max);
        const records = taken.map((message, index) => record(message, next + index));
        next += records.length;
        return records;
      },
      state: () => ({
        headSequence: this.messages.length,
        caughtUp: next > this.messages.length,
        connected: true,
        skipped: 0,
      }),
      stop: async () => {},
    };
  }
}

export interface TestApi {
  readonly api: Api;
  readonly ports: ApiPorts;
  readonly clock: ManualClock;
  readonly stream: MemoryStream;
  readonly keys: MemoryKeyValueStore;
  readonly idempotency: MemoryKeyValueStore;
  /** What `pipeline()` says; to be changed by a test. */
  pipeline: PipelineStatus;
  /** False: the state cannot be read yet. */
  stateReady: boolean;
  /** Applies and commits what is in the stream. */
  apply(): Promise<void>;
  /** Makes a key of a tenant; returns its secret. */
  key(
    role: Role,
    options?: { tenant?: string; tenants?: 'own' | '*'; expires_at_ms?: number },
  ): Promise<string>;
  /** Sends a request; a path that begins with `/v1` or other roots is taken as it is, else below the base. */
  send(path: string, init?: RequestInit & { key?: string; json?: unknown }): Promise<Response>;
  /** Builds the API again on what is stored, as after a restart. */
  restart(): Promise<TestApi>;
  close(): Promise<void>;
}

export const TEST_NOW_MS = Date.UTC(2025, 8, 1, 12);

interface Parts {
  readonly clock: ManualClock;
  readonly stream: MemoryStream;
  readonly keys: MemoryKeyValueStore;
  readonly idempotency: MemoryKeyValueStore;
  readonly disk: MemoryDisk;
  readonly dataDir: string;
  readonly env: Readonly<Record<string, string>>;
}

/** Starts the API on a memory of everything. `env` are settings. Close it after the test. */
export async function startTestApi(env: Readonly<Record<string, string>> = {}): Promise<TestApi> {
  const clock = new ManualClock(TEST_NOW_MS);
  return build({
    clock,
    stream: new MemoryStream(clock),
    keys: new MemoryKeyValueStore(),
    idempotency: new MemoryKeyValueStore(),
    disk: new MemoryDisk(),
    dataDir: await mkdtemp(join(tmpdir(), 'millrace-api-')),
    env,
  });
}

async function build(parts: Parts): Promise<TestApi> {
  const { clock, stream, keys, idempotency, disk, dataDir } = parts;
  const settings = readSettings({ DATA_DIR: dataDir, LOG_LEVEL: 'silent', ...parts.env });
  const topology = orderAnalytics({
    cubes: settings.cubes,
    facts_cache_rows: 1_000,
    dedup_memory_ids: 10_000,
  });
  const store = disk.open();
  const publisher = { publish: async (): Promise<void> => {} };
  const source = stream.source();
  const task = new Task({ topology, source, store, publisher, clock });
  await task.open();
  const ports: ApiPorts = {
    settings,
    clock,
    log: pino({ level: 'silent' }),
    reader: () => (test.stateReady ? { generation: 1, reader: disk.reader() } : undefined),
    events: stream,
    stream,
    keys,
    idempotency,
    pipeline: () => test.pipeline,
  };
  const api = await createApp(ports);
  const test: TestApi = {
    api,
    ports,
    clock,
    stream,
    keys,
    idempotency,
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
      task.commit();
    },
    key: async (role, options = {}) => {
      const ring = new KeyRing(ports);
      await ring.open();
      const { tenant = 'default', tenants = 'own', expires_at_ms = null } = options;
      const made = await ring.create({
        name: role,
        tenant,
        role,
        tenants,
        expires_at_ms,
        created_by: 'test',
      });
      await ring.close();
      return made.token;
    },
    send: async (path, { key, json, ...init } = {}) => {
      const headers = new Headers(init.headers);
      if (key !== undefined) headers.set('authorization', `Bearer ${key}`);
      const body = json === undefined ? init.body : JSON.stringify(json);
      if (body !== undefined && !headers.has('content-type')) headers.set('content-type', 'application/json');
      const url = /^\/(v1\/|openapi|docs|redoc|$)/.test(path) ? path : `/v1/order-analytics${path}`;
      const method = init.method ?? (body === undefined || body === null ? 'GET' : 'POST');
      return api.app.request(url, { ...init, method, headers, ...(body === undefined ? {} : { body }) });
    },
    restart: async () => {
      await api.close();
      task.close();
      return build(parts);
    },
    close: async () => {
      await api.close();
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
