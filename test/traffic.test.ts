import { mkdtemp, rm } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { connectNats, embeddedServer, type NatsLink, openManager } from '../connectors/index.ts';
import { ADMIN_KEY, Millrace } from './process.ts';

/** What one key sends, half of it or too much, takes nothing from the others. */

vi.setConfig({ testTimeout: 120_000, hookTimeout: 240_000 });

const PATIENTLY = { timeout: 60_000, interval: 20 };
const BASE = '/v1/order-analytics';
const MIB = 1_048_576;

let dataDir = '';
let service: Millrace;
const sockets: Client[] = [];

interface Client {
  readonly socket: Socket;
  /** What the server has said. */
  heard: string;
  isClosed: boolean;
}

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'millrace-traffic-'));
  service = new Millrace({ dataDir, env: { BODY_RATE_WINDOW: '3s', DEADLETTER_MAX_PER_MIN: '100' } });
  await service.untilOk();
});

afterAll(async () => {
  for (const { socket } of sockets) socket.destroy();
  if (service?.isRunning) await service.terminate();
  await rm(dataDir, { recursive: true, force: true });
});

async function keyOf(role: string, tenant: string): Promise<string> {
  const { status, json } = await service.request('POST', '/keys', { body: { name: role, role, tenant } });
  expect(status).toBe(201);
  return String(json.key);
}

async function client(): Promise<Client> {
  const { url } = await service.listening;
  const { port, hostname } = new URL(url);
  const socket = connect(Number(port), hostname);
  const made: Client = { socket, heard: '', isClosed: false };
  socket.on('data', (bytes) => {
    made.heard += String(bytes);
  });
  socket.on('error', () => undefined);
  socket.once('close', () => {
    made.isClosed = true;
  });
  await new Promise<void>((resolve) => socket.once('connect', () => resolve()));
  sockets.push(made);
  return made;
}

const headOf = (path: string, key: string, length: number): string =>
  `POST ${BASE}${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${key}\r\n` +
  `Content-Type: application/json\r\nContent-Length: ${length}\r\n\r\n`;

const statusesOf = (clients: readonly Client[]): string[] =>
  clients.map(({ heard }) => heard.slice('HTTP/1.1 '.length, 'HTTP/1.1 200'.length));

/** The lines of `GET /metrics` that begin so, added up. */
async function metric(...names: readonly string[]): Promise<number> {
  const { url } = await service.listening;
  const answer = await fetch(`${url}${BASE}/metrics`, { headers: { authorization: `Bearer ${ADMIN_KEY}` } });
  const lines = (await answer.text()).split('\n');
  return lines
    .filter((line) => names.some((name) => line.startsWith(name)))
    .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}

const event = (id: string): object => ({
  event_id: id,
  type: 'order.created',
  time: '2025-03-10T10:00:00Z',
  order_id: id,
  amount: 100,
  currency: 'EUR',
});

describe('bodies that are half sent', () => {
  it('of one key stop nobody else, and are ended as too slow', async () => {
    const [slow, other] = [await keyOf('ingest', 'slow'), await keyOf('ingest', 'other')];
    // Together they declare all that bodies of all callers may take.
    const lengths = [...Array.from({ length: 25 }, () => 10 * MIB), 6 * MIB];
    const half: Client[] = [];
    for (const length of lengths) {
      const one = await client();
      one.socket.write(`${headOf('/ingest', slow, length)}[`);
      half.push(one);
    }
    await vi.waitFor(async () => expect(await metric('millrace_http_bodies_receiving')).toBe(26), PATIENTLY);
    const headers = { Authorization: `Bearer ${other}`, 'X-Tenant-ID': 'other' };
    const sent = await service.request('POST', '/ingest', { headers, body: [event('e1')] });
    expect([sent.status, sent.json.accepted]).toEqual([202, 1]);
    await vi.waitFor(() => expect(half.every(({ isClosed }) => isClosed)).toBe(true), PATIENTLY);
    expect(new Set(statusesOf(half))).toEqual(new Set(['408']));
    expect(half[0]?.heard).toContain('body_too_slow');
    expect(await metric('millrace_http_bodies_slow_total')).toBe(26);
  });

  it('that did come count for their key, which is refused alone', async () => {
    const [greedy, other] = [await keyOf('ingest', 'greedy'), await keyOf('ingest', 'other')];
    const part = ' '.repeat(9 * MIB);
    const clients: Client[] = [];
    for (let count = 0; count < 9; count++) {
      const one = await client();
      one.socket.write(headOf('/ingest', greedy, 10 * MIB));
      one.socket.write(part);
      clients.push(one);
    }
    // On a busy machine all of it takes longer than a body may be without a byte: a little comes all the time.
    const trickle = setInterval(() => {
      for (const { socket } of clients) if (!socket.destroyed) socket.write(' '.repeat(2_048));
    }, 500);
    try {
      await vi.waitFor(() => expect(statusesOf(clients)).toContain('429'), PATIENTLY);
    } finally {
      clearInterval(trickle);
    }
    const headers = { Authorization: `Bearer ${other}`, 'X-Tenant-ID': 'other' };
    const sent = await service.request('POST', '/ingest', { headers, body: [event('e2')] });
    expect(sent.status).toBe(202);
    expect(await metric('millrace_http_bodies_refused_total{of="key"}')).toBeGreaterThan(0);
    for (const { socket } of clients) socket.destroy();
    await vi.waitFor(async () => expect(await metric('millrace_http_bodies_held ')).toBe(0), PATIENTLY);
  });
});

describe('queries', () => {
  const query = JSON.stringify({
    ...{ metrics: ['revenue', 'orders_count', 'customers_active'], granularity: 'day' },
    ...{ start: '2025-01-01T00:00:00Z', end: '2025-12-31T00:00:00Z', group_by: ['country'] },
  });
  const answered = (): Promise<number> =>
    metric('millrace_query_answered_total{', 'millrace_query_failed_total{');

  it('that are sent without waiting by one who hangs up are not run', async () => {
    const viewer = await keyOf('viewer', 'default');
    const before = await answered();
    const one = await client();
    const request = headOf('/kpis/query', viewer, Buffer.byteLength(query)) + query;
    one.socket.write(request.repeat(2_000));
    await vi.waitFor(
      async () => expect(await metric('millrace_http_pipelined_refused_total')).toBeGreaterThan(0),
      PATIENTLY,
    );
    one.socket.destroy();
    await vi.waitFor(
      async () => expect(await metric('millrace_http_pipelined_dropped_total')).toBeGreaterThan(0),
      PATIENTLY,
    );
    expect((await service.health()).status).toBe('ok');
    // What waited for others on the connection was given up or refused, and never begun.
    expect((await answered()) - before).toBeLessThan(1_000);
  });

  it('of one key beyond its own are 429 with Retry-After, those of others are answered', async () => {
    const viewer = await keyOf('viewer', 'default');
    const request = headOf('/kpis/query', viewer, Buffer.byteLength(query)) + query;
    const clients = await Promise.all(Array.from({ length: 300 }, () => client()));
    for (const { socket } of clients) socket.write(request);
    const other = await service.kpis('other', JSON.parse(query));
    expect(other.groups.length).toBeGreaterThan(0);
    await vi.waitFor(() => expect(statusesOf(clients)).not.toContain(''), PATIENTLY);
    expect(new Set(statusesOf(clients))).toEqual(new Set(['200', '429']));
    const refused = clients.find(({ heard }) => heard.startsWith('HTTP/1.1 429'));
    expect(refused?.heard.toLowerCase()).toContain('retry-after: 1');
    expect(refused?.heard).toContain('too_many_queries');
  });
});

describe('events that are no events', () => {
  it('of one tenant are a bounded number of dead letters, and others read fresh', async () => {
    const linkAs = async (user: 'publisher' | 'service'): Promise<NatsLink> => {
      const server = await embeddedServer(dataDir, user);
      if (server === undefined) throw new Error('no server');
      return await connectNats({ ...server, name: 'traffic' });
    };
    const [publisher, reader] = [await linkAs('publisher'), await linkAs('service')];
    try {
      const bad = Buffer.from(
        JSON.stringify(Array.from({ length: 1_000 }, (_, at) => ({ event_id: `${at}` }))),
      );
      for (let count = 0; count < 100; count++) publisher.connection.publish('events.spoiled.k', bad);
      publisher.connection.publish('events.other.k', Buffer.from('{"event_id":"one"}'));
      publisher.connection.publish('events.other.k', Buffer.from(JSON.stringify(event('e3'))));
      await publisher.connection.flush();
      const query = { metrics: ['orders_count'], start: '2025-03-01T00:00:00Z', end: '2025-04-01T00:00:00Z' };
      const { orders_count = 0 } = await service.totals('other', { ...query, force_fresh: true });
      expect(orders_count).toBeGreaterThan(0);
      // What one tenant has sent away is bounded; that of the other is there.
      const manager = await openManager(reader);
      const { state } = await manager.streams.info('DEADLETTER', { subjects_filter: '>' });
      await vi.waitFor(async () => {
        const now = await manager.streams.info('DEADLETTER', { subjects_filter: '>' });
        expect(now.state.subjects).toMatchObject({ 'deadletter.other': 1 });
        expect(now.state.subjects?.['deadletter.spoiled']).toBeGreaterThan(100);
      }, PATIENTLY);
      expect(state.bytes).toBeLessThan(16 * MIB);
      // 20 of each message and one with the whole of it; the others are in summaries.
      expect(await metric('millrace_deadletters_summed_total')).toBeGreaterThan(1_000);
      const last = await manager.streams.getMessage('DEADLETTER', { last_by_subj: 'deadletter.spoiled' });
      expect(last?.header.get('Reason')).toMatch(/^too_many_/);
    } finally {
      await publisher.close();
      await reader.close();
    }
  });
});
