import { cp, rm } from 'node:fs/promises';
import type { JetStreamManager } from '@nats-io/jetstream';
import { afterAll, describe, expect, it } from 'vitest';
import { connectNats, EVENTS_STREAM, type EventMessage, openManager } from '../connectors/index.ts';
import { millrace } from './command.ts';
import { itLong } from './it-long.ts';
import { isLong } from './long.ts';
import { startTestNats, type TestNats } from './nats.ts';
import { type HttpAnswer, type Millrace, until } from './process.ts';
import { publishRetrying } from './retrying-publisher.ts';
import { Scratch } from './scratch.ts';

const QUERY = { metrics: ['orders_count'], start: '2025-08-01T00:00:00Z', end: '2025-08-02T00:00:00Z' };
/** Within which health has to tell of lost messages; how soon is measured where nothing else has the machine. */
const TOLD_MS = isLong ? 10_000 : 90_000;

const scratch = new Scratch();
const servers = new Set<TestNats>();

afterAll(async () => {
  await scratch.clean();
  await Promise.all([...servers].map((server) => server.stop()));
});

async function serverOn(old?: TestNats): Promise<TestNats> {
  const server = await startTestNats(old === undefined ? {} : { port: old.port, storeDir: old.storeDir });
  if (old !== undefined) servers.delete(old);
  servers.add(server);
  return server;
}

const orderOf = (id: string): object => ({
  ...{ event_id: id, type: 'order.created', time: '2025-08-01T12:00:00Z' },
  ...{ order_id: id, currency: 'EUR', amount: 100 },
});

async function publish(url: string, name: string, count: number): Promise<void> {
  const messages = Array.from(
    { length: count },
    (_, index): EventMessage => ({
      subject: 'events.default.x',
      payload: Buffer.from(JSON.stringify(orderOf(`${name}-${index}`))),
    }),
  );
  await publishRetrying(messages, { target: () => Promise.resolve({ url }), chunk: count, pause_ms: 0 });
}

async function withManager<T>(url: string, work: (manager: JetStreamManager) => Promise<T>): Promise<T> {
  const link = await connectNats({ url, name: 'test' });
  try {
    return await work(await openManager(link));
  } finally {
    await link.close();
  }
}

const gapsOf = async (service: Millrace): Promise<HttpAnswer['json']> =>
  (await service.request('GET', '/gaps')).json;

const untilTold = (service: Millrace, messages: number) =>
  service.untilHealth(
    ({ subsystems: { completeness } }) =>
      completeness?.code === 'messages_lost' && completeness.message?.includes(` ${messages} `) === true,
    `${messages} messages are told of`,
    TOLD_MS,
  );

const ordersOf = async (service: Millrace): Promise<unknown> =>
  (await service.totals('default', QUERY)).orders_count;

describe('an older stream that is restored under a state', () => {
  it('is named with what it lacks, at the reconnect and at the start', async () => {
    let nats = await serverOn();
    const backup = await scratch.dir('gaps-backup');
    const dataDir = await scratch.dir('gaps-restored');
    const service = await scratch.start({ dataDir, env: { NATS_URL: nats.url } });
    await publish(nats.url, 'before', 30);
    await service.untilApplied();
    await nats.kill();
    await cp(nats.storeDir, backup, { recursive: true });
    nats = await serverOn(nats);
    await publish(nats.url, 'lost', 20);
    await until(
      async () => ((await ordersOf(service)) === 50 ? true : undefined),
      () => 'all 50 are counted',
      30_000,
    );
    // The service comes back only when the publishers are ahead of it again: sequences alone would tell nothing.
    process.kill(service.pid, 'SIGSTOP');
    try {
      await nats.kill();
      await rm(nats.storeDir, { recursive: true });
      await cp(backup, nats.storeDir, { recursive: true });
      nats = await serverOn(nats);
      await publish(nats.url, 'other', 40);
    } finally {
      process.kill(service.pid, 'SIGCONT');
    }
    await service.untilPipeline('stream_replaced', TOLD_MS);
    const { gaps: found } = await gapsOf(service);
    expect(found).toEqual([
      expect.objectContaining({ stream: 'EVENTS', kind: 'replaced', first: expect.any(Number), last: 50 }),
    ]);
    const [{ first, messages }] = found as [{ first: number; messages: number }];
    // From behind the newest message that it is known to have still: up to 30 it is the same.
    expect([first <= 31, messages]).toEqual([true, 51 - first]);
    await untilTold(service, messages);
    // What was counted is served, and nothing of it is called fresh.
    expect(await ordersOf(service)).toBe(50);
    const forced = await service.request('POST', '/kpis/query', { body: { ...QUERY, force_fresh: true } });
    expect([forced.status, forced.json.code]).toEqual([503, 'stream_replaced']);
    const refused = await service.request('POST', '/gaps/resolve', {
      body: { gaps: [{ stream: 'EVENTS', first, last: 50 }], note: 'not so' },
    });
    expect([refused.status, refused.json.code]).toEqual([409, 'wrong_state']);
    await service.kill();

    const again = await scratch.start({ dataDir, env: { NATS_URL: nats.url } });
    await again.untilPipeline('stream_replaced', 30_000);
    const { gaps, messages_missing } = await gapsOf(again);
    expect(gaps).toEqual([
      {
        ...{ stream: 'EVENTS', kind: 'replaced', first: 31, last: 50 },
        messages: 20,
        noticed_at: expect.any(String),
      },
    ]);
    expect(messages_missing).toBe(20);
    await untilTold(again, 20);
    await again.kill();

    // A state that is built from what the stream has still lacks them, and waits for them.
    const rebuild = () => millrace(['state', 'rebuild', '--data-dir', dataDir, '--nats-url', nats.url]);
    const rebuilt = await rebuild();
    expect([rebuilt.code, rebuilt.err]).toEqual([
      0,
      expect.stringContaining('20 events that the stream has lost'),
    ]);
    const after = await scratch.start({ dataDir, env: { NATS_URL: nats.url } });
    await after.untilApplied();
    expect(await ordersOf(after)).toBe(70);
    const awaited = { stream: 'EVENTS', kind: 'not_rebuilt', first: 31, last: 50 };
    await untilTold(after, 20);
    expect((await gapsOf(after)).gaps).toEqual([
      { ...awaited, messages: 20, noticed_at: expect.any(String) },
    ]);
    // Some are sent again, after others; what is left is told of also by the next state.
    await publish(nats.url, 'lost', 5);
    await untilTold(after, 15);
    await after.terminate();
    expect((await rebuild()).code).toBe(0);
    const last = await scratch.start({ dataDir, env: { NATS_URL: nats.url } });
    await untilTold(last, 15);
    await publish(nats.url, 'lost', 20);
    await last.untilOk();
    await until(
      async () => ((await gapsOf(last)).messages_missing === 0 ? true : undefined),
      () => 'no event is missing',
      60_000,
    );
    expect(await gapsOf(last)).toEqual({ messages_missing: 0, messages_resolved: 0, gaps: [] });
    await last.untilApplied();
    expect(await ordersOf(last)).toBe(90);
    await last.terminate();
  }, 240_000);
});

describe('a stream that loses what was not read', () => {
  let nats: TestNats;
  let service: Millrace;

  it('by single deletions: each is named, until somebody says that it was sent again', async () => {
    nats = await serverOn();
    const dataDir = await scratch.dir('gaps-deleted');
    const first = await scratch.start({ dataDir, env: { NATS_URL: nats.url } });
    await publish(nats.url, 'read', 10);
    await first.untilApplied();
    await first.terminate();
    await publish(nats.url, 'unread', 10);
    const deleted = [12, 14, 18];
    await withManager(nats.url, async (manager) => {
      for (const seq of deleted) await manager.streams.deleteMessage(EVENTS_STREAM.name, seq);
    });
    service = await scratch.start({ dataDir, env: { NATS_URL: nats.url } });
    const { http } = await untilTold(service, 3);
    // Nothing is wrong with the service: it stays in front of its callers.
    expect(http).toBe(200);
    const gapAt = (seq: number): object => ({
      ...{ stream: 'EVENTS', kind: 'removed', first: seq, last: seq },
      ...{ messages: 1, noticed_at: expect.any(String) },
    });
    const missing = { messages_missing: 3, messages_resolved: 0, gaps: deleted.map(gapAt) };
    expect(await gapsOf(service)).toEqual(missing);
    expect(await ordersOf(service)).toBe(17);

    const resolve = (sequences: readonly number[], tenant = 'default', headers = {}): Promise<HttpAnswer> =>
      service.request('POST', '/gaps/resolve', {
        ...{ tenant, headers },
        body: {
          gaps: sequences.map((seq) => ({ stream: 'EVENTS', first: seq, last: seq })),
          note: 'sent again by hand',
        },
      });
    expect((await resolve([12, 13])).json.code).toBe('wrong_state');
    const made = await service.request('POST', '/keys', { body: { name: 'tenant', role: 'admin' } });
    const own = { Authorization: `Bearer ${String(made.json.key)}` };
    expect((await resolve([12], 'default', own)).json.code).toBe('tenant_forbidden');
    expect(await gapsOf(service)).toEqual(missing);

    await publish(nats.url, 'again', 3);
    expect((await resolve([12])).json).toMatchObject({ messages_missing: 2, messages_resolved: 1 });
    expect((await resolve([14, 18])).status).toBe(200);
    expect(await gapsOf(service)).toEqual({ messages_missing: 0, messages_resolved: 3, gaps: [] });
    expect(service.output).toContain('sent again by hand');
    await service.untilOk(TOLD_MS);
    await service.untilApplied();
    expect(await ordersOf(service)).toBe(20);
  }, 120_000);

  itLong(
    'and is told by the publisher which of them it sends again: the list goes empty by itself',
    async () => {
      const dataDir = await scratch.dir('gaps-resent');
      const own = await serverOn();
      const first = await scratch.start({ dataDir, env: { NATS_URL: own.url } });
      await publish(own.url, 'read', 5);
      await first.untilApplied();
      await first.terminate();
      await publish(own.url, 'unread', 10);
      await withManager(own.url, async (manager) => {
        for (const seq of [7, 8, 9, 12]) await manager.streams.deleteMessage(EVENTS_STREAM.name, seq);
      });
      const reader = await scratch.start({ dataDir, env: { NATS_URL: own.url } });
      await untilTold(reader, 4);
      const resend = (sequences: string, ids: readonly string[]): Promise<void> =>
        publishRetrying(
          [
            { subject: 'events.default.x', payload: Buffer.from(JSON.stringify(ids.map(orderOf))) },
            {
              subject: 'events._resends',
              payload: new Uint8Array(),
              headers: { 'Millrace-Resends': sequences },
            },
          ],
          { target: () => Promise.resolve({ url: own.url }), chunk: 1, pause_ms: 0 },
        );
      await resend('7-8', ['unread-1', 'unread-2']);
      await untilTold(reader, 2);
      await reader.terminate();
      // A state that is built anew finds the gaps again, and what was sent for them.
      const { code } = await millrace(['state', 'rebuild', '--data-dir', dataDir, '--nats-url', own.url]);
      expect(code).toBe(0);
      const again = await scratch.start({ dataDir, env: { NATS_URL: own.url } });
      await untilTold(again, 2);
      const gaps = [9, 12].map((seq) => expect.objectContaining({ kind: 'removed', first: seq, last: seq }));
      expect((await gapsOf(again)).gaps).toEqual(gaps);
      await resend('9, 12', ['unread-3', 'unread-6']);
      await again.untilApplied();
      await again.untilOk();
      expect(await gapsOf(again)).toEqual({ messages_missing: 0, messages_resolved: 0, gaps: [] });
      expect(await ordersOf(again)).toBe(15);
      await again.terminate();
    },
    240_000,
  );

  it('and a server that stands still: a forced read is refused by name', async () => {
    const codes = new Set<unknown>();
    process.kill(nats.pid, 'SIGSTOP');
    try {
      // A system that is busy may let the server answer once more. Whatever is said after that is no fault of its own.
      await until(
        async () => {
          const body = { ...QUERY, force_fresh: true };
          const { status, json } = await service.request('POST', '/kpis/query', { body });
          if (status !== 200) codes.add(`${status} ${String(json.code)}`);
          return json.code === 'nats_disconnected' ? true : undefined;
        },
        () => 'a forced read is refused',
        30_000,
      );
    } finally {
      process.kill(nats.pid, 'SIGCONT');
    }
    const allowed = ['503 nats_disconnected', '503 stream_unavailable', '503 freshness_unmet'];
    expect([...codes].filter((code) => !allowed.includes(String(code)))).toEqual([]);
    await service.untilOk();
  }, 60_000);

  it('and that is deleted: stream_missing, in health and to who asks for fresh data', async () => {
    await withManager(nats.url, (manager) => manager.streams.delete(EVENTS_STREAM.name));
    const { subsystems } = await service.untilPipeline('stream_missing', 30_000);
    expect(subsystems.nats).toEqual({ status: 'ok' });
    const forced = await service.request('POST', '/kpis/query', { body: { ...QUERY, force_fresh: true } });
    expect([forced.status, forced.json.code]).toEqual([503, 'stream_missing']);
    expect(await ordersOf(service)).toBe(20);
  }, 60_000);
});

describe('the embedded server', () => {
  it('is started again when it ends alone, and nothing that it had acknowledged is gone', async () => {
    const service = await scratch.start({ dataDir: await scratch.dir('gaps-embedded') });
    await service.untilOk();
    const ingest = (id: string): Promise<HttpAnswer> =>
      service.request('POST', '/ingest', { body: orderOf(id) });
    expect((await ingest('one')).status).toBe(202);
    const { natsPid = 0 } = service;
    expect(natsPid).toBeGreaterThan(0);
    process.kill(natsPid, 'SIGKILL');
    await until(
      async () => ((await ingest('two')).status === 202 ? true : undefined),
      () => 'the service takes events again',
      60_000,
    );
    await service.untilOk();
    await service.untilApplied();
    expect(await ordersOf(service)).toBe(2);
    expect(service.output).toContain('it is started again');
    expect((await service.terminate()).code).toBe(0);
  }, 120_000);
});
