import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Hono } from 'hono';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  KindRegistry,
  type KvStore,
  openLmdbReader,
  openLmdbStore,
  QueryExecutor,
  type QueryExecutorOptions,
} from '../engine/index.ts';
import { metaOf } from './answer-meta.ts';
import { instantKind, queryKinds, spinKind } from './fixture-kinds.ts';
import { FreshnessTracker } from './freshness.ts';
import { problemOf } from './problem.ts';
import { planQuery, runQuery } from './query-run.ts';
import type { RawCall } from './route.ts';
import { type RunningServer, serve } from './serve.ts';
import { PATIENTLY, startTestApi, type TestApi } from './testing.ts';

const KINDS = new URL(
  import.meta.url.endsWith('.ts') ? './fixture-kinds.ts' : './fixture-kinds.js',
  import.meta.url,
);
const wish = { force_fresh: false };
const few = { running_max: { short: 1, long: 1 }, waiting_max: 0 };
const many = { running_max: { short: 9, long: 9 }, waiting_max: 9 };

let test: TestApi;
let server: RunningServer;
let executor: QueryExecutor;
let path: string;
let store: KvStore;
let counts: Int32Array<SharedArrayBuffer>;
let tracker: FreshnessTracker;

/** A server with a route for each kind, as a section's routes are: the call goes to `runQuery`. */
async function start(options: Partial<QueryExecutorOptions> = {}): Promise<void> {
  const reader = openLmdbReader(path, { sharedWithWriter: true });
  executor = new QueryExecutor({
    reader,
    kinds: new KindRegistry(queryKinds()),
    clock: test.clock,
    pool: {
      path,
      reader: { sharedWithWriter: true },
      modules: [KINDS.href],
      config: null,
      threads: 1,
    },
    ...options,
  });
  const ports = { ...test.ports, reader: () => ({ generation: 1, reader, queries: executor }) };
  tracker = new FreshnessTracker(ports);
  const parts = { ports, tracker };
  const callOf = (request: Request): Pick<RawCall, 'request' | 'tenant' | 'principal'> => ({
    request,
    tenant: 'acme',
    principal: { key_id: 'k1' } as RawCall['principal'],
  });
  const app = new Hono();
  app.post('/spin', async ({ req, json }) => {
    await req.arrayBuffer();
    const answered = await runQuery(parts, callOf(req.raw), spinKind, { counts: counts.buffer }, { wish });
    return json(answered.answer);
  });
  app.get('/instant', async ({ req, json }) => {
    const { answer, state } = await runQuery(parts, callOf(req.raw), instantKind, null, { wish });
    const header = {
      source: 'none',
      resolved_range: { start: '2025-01-01T00:00:00Z', end: '2025-02-01T00:00:00Z' },
      timezone: 'UTC',
      granularity: '1d',
    } as const;
    return json({ answer, meta: metaOf(state, 'acme', header) });
  });
  app.get('/plan', async ({ req, json }) => {
    const { plan, refused } = await planQuery(
      parts,
      callOf(req.raw),
      spinKind,
      { counts: counts.buffer },
      { wish },
    );
    return json({ rows: plan.rows, refused: refused?.code });
  });
  app.onError((error, { json }) => {
    const { problem, headers } = problemOf(error, 'r');
    return json(problem, problem.status as 500, { ...headers });
  });
  server = await serve(app, test.ports.settings);
}

beforeEach(async () => {
  test = await startTestApi({ PORT: '0' });
  path = await mkdtemp(join(tmpdir(), 'millrace-query-run-'));
  store = openLmdbStore(path, { durable: false });
  store.transaction(() => store.table('meta').put(Uint8Array.of(1), Uint8Array.of(1)));
  counts = new Int32Array(new SharedArrayBuffer(8));
});
afterEach(async () => {
  tracker.close();
  await executor.close();
  await server.close();
  await store.close();
  await test.close();
  await rm(path, { recursive: true, force: true });
});

/** Sends a request over a socket of its own, to be hung up. */
async function post(): Promise<ReturnType<typeof connect>> {
  const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
  await once(socket, 'connect');
  socket.on('error', () => undefined);
  socket.write('POST /spin HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}');
  return socket;
}

const metric = (name: string): number =>
  executor.samples().find((sample) => sample.name === `millrace.query.${name}`)?.value ?? 0;

describe('a client that hangs up', () => {
  it('ends its running query, and the thread is free', async () => {
    await start();
    const socket = await post();
    await vi.waitFor(() => expect(Atomics.load(counts, 0)).toBe(1), PATIENTLY);
    socket.destroy();
    await vi.waitFor(() => expect(Atomics.load(counts, 1)).toBe(1), PATIENTLY);
    await vi.waitFor(() => expect(metric('running')).toBe(0), PATIENTLY);
    expect(executor.samples().find(({ labels }) => labels.code === 'query_cancelled')?.value).toBe(1);
  });

  it('takes its waiting query with it', async () => {
    const one = { running_max: { short: 1, long: 1 }, waiting_max: 9 };
    await start({ admission: { all: one, tenant: one, key: one } });
    const first = await post();
    await vi.waitFor(() => expect(metric('running')).toBe(1), PATIENTLY);
    const second = await post();
    await vi.waitFor(() => expect(metric('waiting')).toBe(1), PATIENTLY);
    second.destroy();
    await vi.waitFor(() => expect(metric('waiting')).toBe(0), PATIENTLY);
    expect(metric('running')).toBe(1);
    first.destroy();
    await vi.waitFor(() => expect(metric('running')).toBe(0), PATIENTLY);
    expect(Atomics.load(counts, 0)).toBeLessThanOrEqual(1);
  });
});

describe('answers over HTTP', () => {
  it('a refused plan is a 422 that says what to narrow, and a dry run tells it beforehand', async () => {
    const limits = { rows_max: 999, bytes_max: 1e9, cells_max: 1e9, partial_bytes_max: 1e9 };
    await start({ limits });
    const response = await fetch(`${server.url}/spin`, { method: 'POST', body: '{}' });
    expect(response.status).toBe(422);
    expect(await response.json()).toMatchObject({
      code: 'query_too_large',
      detail: expect.stringContaining('1,000 rows, 999 are allowed'),
      errors: [{ path: '', message: 'ask for a shorter range (start, end)' }],
    });
    const plan = await fetch(`${server.url}/plan`);
    expect(await plan.json()).toEqual({ rows: 1_000, refused: 'query_too_large' });
    expect(Atomics.load(counts, 0)).toBe(0);
  });

  it('one too many of a key is a 429 with Retry-After, beside which others are answered', async () => {
    await start({ admission: { all: many, tenant: many, key: few } });
    const socket = await post();
    await vi.waitFor(() => expect(Atomics.load(counts, 0)).toBe(1), PATIENTLY);
    const response = await fetch(`${server.url}/spin`, { method: 'POST', body: '{}' });
    expect([response.status, response.headers.get('retry-after')]).toEqual([429, '10']);
    expect(await response.json()).toMatchObject({ code: 'too_many_queries' });
    const instant = await fetch(`${server.url}/instant`);
    expect(await instant.json()).toMatchObject({ answer: 'acme', meta: { generation: 1, lag_messages: 0 } });
    socket.destroy();
  });

  it('a query that is running when the service stops is a 503', async () => {
    await start();
    const response = fetch(`${server.url}/spin`, { method: 'POST', body: '{}' });
    await vi.waitFor(() => expect(Atomics.load(counts, 0)).toBe(1), PATIENTLY);
    await executor.close();
    expect((await response).status).toBe(503);
    expect(await (await response).json()).toMatchObject({ code: 'queries_stopped' });
  });
});
