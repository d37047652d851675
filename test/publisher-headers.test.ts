import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  connectNats,
  EVENTS_STREAM,
  openManager,
  publishersIds,
  resolveNatsServer,
} from '../connectors/index.ts';
import { type HttpAnswer, type Millrace, until } from './process.ts';
import { Scratch } from './scratch.ts';

const PATIENTLY_MS = 60_000;
const QUERY = { metrics: ['orders_count'], start: '2025-08-01T00:00:00Z', end: '2025-08-02T00:00:00Z' };
/** Publishers of two tenants, one that may publish for all, and the service. */
const USERS = `authorization { users: [
  { user: service, password: service }
  { user: a, password: a, permissions: { publish: "events.a.>", subscribe: "_INBOX.a.>" } }
  { user: b, password: b, permissions: { publish: "events.b.>", subscribe: "_INBOX.b.>" } }
  { user: all, password: all, permissions: { publish: "events.>", subscribe: "_INBOX.all.>" } }
] }`;

const scratch = new Scratch();
let server: ChildProcess;
let port = 0;
let dataDir = '';

const start = (): Promise<Millrace> =>
  scratch.start({
    dataDir,
    env: { NATS_URL: `nats://127.0.0.1:${port}`, NATS_USER: 'service', NATS_PASSWORD: 'service' },
  });

beforeAll(async () => {
  const { path } = await resolveNatsServer();
  const dir = await scratch.dir('headers');
  dataDir = await scratch.dir('headers-data');
  const common = `host: 127.0.0.1\nport: -1\nports_file_dir: "${dir}"\nlog_file: "${dir}/log"\n`;
  await writeFile(join(dir, 'conf'), `${common}jetstream { store_dir: "${dir}/js" }\n${USERS}\n`);
  server = spawn(path, ['-c', join(dir, 'conf')], { stdio: 'ignore' });
  port = await until(
    async () => {
      const name = (await readdir(dir)).find((entry) => entry.endsWith('.ports'));
      const text = name === undefined ? '' : await readFile(join(dir, name), 'utf8');
      const found = /nats:\/\/[^"]*:(\d+)"/.exec(text);
      return found === null ? undefined : Number(found[1]);
    },
    () => 'the server listens',
    PATIENTLY_MS,
  );
}, 120_000);

afterAll(async () => {
  await scratch.clean();
  server.kill('SIGKILL');
  await once(server, 'exit');
});

interface Sent {
  readonly subject: string;
  /** The header block as it is on the wire. */
  readonly block: string;
  readonly payload: string;
}

const blockOf = (lines: Readonly<Record<string, string>> = {}): string =>
  `NATS/1.0\r\n${Object.entries(lines)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('')}\r\n`;

/** Publishes past any client's checks; one answer of the stream a message. */
async function publish(user: string, messages: readonly Sent[]): Promise<Record<string, unknown>[]> {
  const socket = connect(port, '127.0.0.1');
  let heard = '';
  socket.on('data', (chunk) => {
    heard += chunk.toString('latin1');
  });
  const login = { verbose: false, pedantic: false, headers: true, user, pass: user };
  socket.write(`CONNECT ${JSON.stringify(login)}\r\nSUB _INBOX.${user}.* 1\r\n`);
  for (const [index, { subject, block, payload }] of messages.entries()) {
    const size = block.length;
    const line = `HPUB ${subject} _INBOX.${user}.${index} ${size} ${size + payload.length}`;
    socket.write(`${line}\r\n${block}${payload}\r\n`, 'latin1');
  }
  const answers = (): string[] => heard.match(/\{"(?:stream|error)":[^\r]*/g) ?? [];
  await until(
    () => (answers().length >= messages.length ? true : undefined),
    () => `${messages.length} answers: ${heard}`,
    PATIENTLY_MS,
  );
  socket.destroy();
  return answers().map((text) => JSON.parse(text) as Record<string, unknown>);
}

const order = (id: string): string =>
  JSON.stringify({
    ...{ event_id: id, type: 'order.created', time: '2025-08-01T12:00:00Z' },
    ...{ order_id: id, currency: 'EUR', amount: 100 },
  });

const sent = (tenant: string, id: string, block = blockOf()): Sent => ({
  ...{ subject: `events.${tenant}.x`, block, payload: order(id) },
});

const ordersOf = async (service: Millrace, tenant: string): Promise<unknown> =>
  (await service.totals(tenant, QUERY)).orders_count;

const HOSTILE = {
  'no-name': 'NATS/1.0\r\nBad\x01Name: x\r\n\r\n',
  'no-block': 'garbage\r\n\r\n',
  'status-404': 'NATS/1.0 404 No Messages\r\n\r\n',
  'status-503': 'NATS/1.0 503\r\n\r\n',
  'status-500': 'NATS/1.0 500 Failed\r\n\r\n',
  'status-409': 'NATS/1.0 409 Consumer Deleted\r\n\r\n',
  'status-100': 'NATS/1.0 100 Idle Heartbeat\r\nNats-Last-Consumer: 1\r\nNats-Last-Stream: 999999\r\n\r\n',
  place: blockOf({ 'Nats-Sequence': '1', 'Nats-Subject': 'events.b.x', 'Nats-Time-Stamp': 'x' }),
  age: blockOf({ 'Nats-TTL': '1s', 'Nats-Marker-Reason': 'MaxAge', 'KV-Operation': 'PURGE' }),
} as const;

it('what a publisher writes into its headers changes nothing of another tenant, and is read as it is', async () => {
  const service = await start();
  await publish('b', [sent('b', 'before')]);
  await publish(
    'a',
    Object.entries(HOSTILE).map(([name, block]) => sent('a', name, block)),
  );
  const [rollup] = await publish('a', [sent('a', 'rollup', blockOf({ 'Nats-Rollup': 'all' }))]);
  expect(rollup?.error).toMatchObject({ description: 'rollup not permitted' });
  await publish('b', [sent('b', 'after')]);
  await service.untilApplied();
  expect(await ordersOf(service, 'a')).toBe(Object.keys(HOSTILE).length);
  expect(await ordersOf(service, 'b')).toBe(2);
  const pageOf = async (tenant: string): Promise<readonly Record<string, unknown>[]> => {
    const { status, json } = await service.request('GET', '/events?limit=50', { tenant });
    expect(status, JSON.stringify(json)).toBe(200);
    return json.events as Record<string, unknown>[];
  };
  const ids = async (tenant: string): Promise<unknown[]> =>
    (await pageOf(tenant)).map(({ event_id, payload }) => {
      expect(payload).toMatchObject({ event_id });
      return event_id;
    });
  expect((await ids('a')).sort()).toEqual(Object.keys(HOSTILE).sort());
  expect((await ids('b')).sort()).toEqual(['after', 'before']);
  for (const id of Object.keys(HOSTILE)) {
    const { status } = await service.request('GET', `/events/${id}`, { tenant: 'a' });
    expect([id, status]).toEqual([id, 200]);
  }
  // The id that a repeat is known by is the stream's: one that can be guessed could be taken first.
  const payload = order('over-http');
  const guess = createHash('sha256').update(`b\0over-http\0${payload}`).digest('hex');
  await publish('a', [sent('a', 'guess', blockOf({ 'Nats-Msg-Id': guess }))]);
  const posted = await service.request('POST', '/ingest', {
    tenant: 'b',
    body: JSON.parse(payload) as object,
  });
  expect(posted.json.accepted).toBe(1);
  await service.untilApplied();
  expect(await ordersOf(service, 'b')).toBe(3);
  // Ids of publishers are the stream's: the second tenant's message is not stored, and `doctor` says that this may be.
  const number = blockOf({ 'Nats-Msg-Id': 'order-1' });
  expect(await publish('a', [sent('a', 'numbered-a', number)])).not.toMatchObject([{ duplicate: true }]);
  expect(await publish('b', [sent('b', 'numbered-b', number)])).toMatchObject([{ duplicate: true }]);
  const visit = JSON.stringify({ event_id: 'v1', type: 'visit', time: '2025-08-01T12:00:00Z' });
  const visited = { subject: 'events.b.x', block: blockOf({ 'Nats-Msg-Id': 'visit-1' }), payload: visit };
  expect(await publish('b', [visited])).not.toMatchObject([{ duplicate: true }]);
  const link = await connectNats({
    ...{ url: `nats://127.0.0.1:${port}`, name: 'test' },
    credentials: { kind: 'user', user: 'service', password: 'service' },
  });
  const known = { window_ms: 120_000, messages: 2, tenants: ['a', 'b'] };
  expect(await publishersIds(link, EVENTS_STREAM.name, 100)).toEqual(known);
  await link.close();
  await service.terminate();
}, 240_000);

it('only who may publish for all tenants says which removed messages were sent again', async () => {
  const unread = await publish(
    'b',
    ['u1', 'u2', 'u3'].map((id) => sent('b', id)),
  );
  const lost = Number(unread[1]?.seq);
  const link = await connectNats({
    ...{ url: `nats://127.0.0.1:${port}`, name: 'test' },
    credentials: { kind: 'user', user: 'service', password: 'service' },
  });
  await (await openManager(link)).streams.deleteMessage(EVENTS_STREAM.name, lost);
  await link.close();
  const service = await start();
  const gaps = async (): Promise<HttpAnswer['json']> => (await service.request('GET', '/gaps')).json;
  const missing = { messages_missing: 1, gaps: [expect.objectContaining({ first: lost, last: lost })] };
  const claim = (subject: string, payload = ''): Sent => ({
    ...{ subject, payload, block: blockOf({ 'Millrace-Resends': '1-999999' }) },
  });
  await publish('a', [claim('events.a.x', order('claim')), claim('events.a.x')]);
  await service.untilApplied();
  expect(await gaps()).toMatchObject(missing);
  expect((await service.request('GET', '/health')).json.subsystems).toMatchObject({
    completeness: { code: 'messages_lost' },
  });
  await publish('all', [sent('b', 'u2'), claim('events._resends.x'), claim('events._resends')]);
  await service.untilApplied();
  await service.untilOk();
  expect(await gaps()).toMatchObject({ messages_missing: 0, gaps: [] });
  expect(await ordersOf(service, 'b')).toBe(6);
  await service.terminate();
}, 240_000);
