import { cp, rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, describe, expect, it } from 'vitest';
import {
  connectNats,
  EVENTS_STREAM,
  type EventMessage,
  ensureStreams,
  openManager,
} from '../connectors/index.ts';
import { itLong } from './it-long.ts';
import { startTestNats, type TestNats } from './nats.ts';
import { type Millrace, stateDigestOf, until } from './process.ts';
import { publishRetrying } from './retrying-publisher.ts';
import { Scratch } from './scratch.ts';

const QUERY = {
  metrics: ['orders_count', 'revenue_gross'],
  start: '2025-08-01T00:00:00Z',
  end: '2025-08-02T00:00:00Z',
};

const scratch = new Scratch();
const servers = new Map<string, TestNats>();

/** A server on a store of its own; again on the same port and store once it was killed. */
async function serverOf(name: string): Promise<TestNats> {
  const old = servers.get(name);
  const server = await startTestNats(old === undefined ? {} : { port: old.port, storeDir: old.storeDir });
  servers.set(name, server);
  return server;
}

afterAll(async () => {
  await scratch.clean();
  await Promise.all([...servers.values()].map((server) => server.stop()));
});

const orderOf = (number: number): object => ({
  event_id: `away-${number}`,
  type: 'order.created',
  time: new Date(Date.UTC(2025, 7, 1) + number * 1_000).toISOString(),
  order_id: `o-${number}`,
  customer_id: `c-${number % 100}`,
  country: ['DE', 'FR', 'GB'][number % 3],
  currency: 'EUR',
  amount: 100,
});

const ordersOf = (from: number, to: number): EventMessage[] =>
  Array.from({ length: to - from }, (_, index) => ({
    subject: 'events.default.x',
    payload: Buffer.from(JSON.stringify(orderOf(from + index))),
  }));

async function publishTo(url: string, messages: readonly EventMessage[]): Promise<void> {
  await publishRetrying(messages, { target: () => Promise.resolve({ url }), chunk: 500, pause_ms: 0 });
}

const totals = (orders: number): object => ({ orders_count: orders, revenue_gross: orders * 100 });

/** An instance that has applied this many orders of its server's stream. */
async function instanceWith(
  name: string,
  orders: number,
): Promise<{ instance: Millrace; dataDir: string; nats: TestNats }> {
  const nats = await serverOf(name);
  const dataDir = await scratch.dir(name);
  const instance = await scratch.start({ dataDir, env: { NATS_URL: nats.url } });
  await publishTo(nats.url, ordersOf(0, orders));
  await instance.untilApplied();
  expect(await instance.totals('default', QUERY)).toEqual(totals(orders));
  return { instance, dataDir, nats };
}

/** The pipeline failed with this code, for good, and queries are answered from what was committed. */
async function expectStopped(instance: Millrace, code: string, orders: number): Promise<void> {
  const health = await instance.untilPipeline(code);
  expect(health).toMatchObject({ http: 503, status: 'failed' });
  expect(health.subsystems.ingest_pipeline).toMatchObject({ status: 'failed', code });
  expect(health.subsystems.query_engine).toMatchObject({ status: 'ok' });
  expect(await instance.totals('default', QUERY)).toEqual(totals(orders));
}

describe('a NATS server that goes away', () => {
  it('killed twice while events are published: none is lost or doubled', async () => {
    const ORDERS = 3_000;
    let nats = await serverOf('away');
    const dataDir = await scratch.dir('away');
    const env = { NATS_URL: nats.url };
    const instance = await scratch.start({ dataDir, env });
    await instance.untilOk();
    let published = 0;
    const publishing = publishRetrying(ordersOf(0, ORDERS), {
      target: async () => {
        await sleep(50);
        return nats;
      },
      chunk: 25,
      pause_ms: 25,
      onProgress: (count) => {
        published = count;
      },
    });
    for (const part of [1, 2]) {
      const moment = (ORDERS * part) / 3;
      await until(
        () => (published >= moment ? true : undefined),
        () => `${moment} are published`,
        120_000,
      );
      await nats.kill();
      const health = await instance.untilHealth(
        ({ status }) => status === 'degraded',
        'the health is degraded',
      );
      expect(health.http).toBe(503);
      expect(health.subsystems.nats).toMatchObject({ status: 'degraded', code: 'nats_disconnected' });
      expect(health.subsystems.query_engine).toMatchObject({ status: 'ok' });
      await instance.totals('default', QUERY);
      if (part === 1) {
        // After 15 s: a server that may come back is waited for. The event is a known one, for nobody
        // can say of an unanswered publish whether it was stored.
        const { status, contentType, json } = await instance.request('POST', '/ingest', {
          body: orderOf(0),
        });
        expect({ status, contentType }).toEqual({ status: 503, contentType: 'application/problem+json' });
        expect(json.code).toBe('stream_unavailable');
      }
      nats = await serverOf('away');
      await instance.untilOk();
    }
    await publishing;
    await instance.untilApplied();
    expect(await instance.totals('default', QUERY)).toEqual(totals(ORDERS));
    // The same stream, read without an interruption.
    const calmDir = await scratch.dir('calm');
    const calm = await scratch.start({ dataDir: calmDir, env });
    await calm.untilApplied();
    expect(await stateDigestOf(dataDir)).toEqual(await stateDigestOf(calmDir));
    expect((await instance.terminate()).code).toBe(0);
  }, 300_000);

  it('ends within 10 s of SIGTERM while it is away', async () => {
    const { instance, nats } = await instanceWith('term', 10);
    await nats.kill();
    await instance.untilHealth(({ status }) => status === 'degraded', 'the health is degraded');
    const exit = await instance.terminate();
    expect(exit.code).toBe(0);
    expect(exit.took_ms).toBeLessThan(10_000);
  });
});

describe('a stream that does not fit the state', () => {
  itLong('deleted and created again under a running instance: stream_recreated', async () => {
    const { instance, dataDir, nats } = await instanceWith('recreated', 200);
    const link = await connectNats({ url: nats.url, name: 'test' });
    const manager = await openManager(link);
    await manager.streams.delete(EVENTS_STREAM.name);
    await ensureStreams(link);
    await publishTo(nats.url, ordersOf(1_000, 1_010));
    await link.close();
    await expectStopped(instance, 'stream_recreated', 200);
    await instance.terminate();
    const again = await scratch.start({ dataDir, env: { NATS_URL: nats.url } });
    await expectStopped(again, 'stream_recreated', 200);
    expect((await again.terminate()).code).toBe(0);
  });

  itLong('restored from an older backup: position_ahead_of_stream', async () => {
    const { instance, dataDir, nats } = await instanceWith('ahead', 100);
    const backup = await scratch.dir('backup');
    await instance.terminate();
    await nats.kill();
    await cp(nats.storeDir, backup, { recursive: true });
    const { url } = await serverOf('ahead');
    const second = await scratch.start({ dataDir, env: { NATS_URL: url } });
    await publishTo(url, ordersOf(100, 150));
    await second.untilApplied();
    await second.terminate();
    await servers.get('ahead')?.kill();
    await rm(nats.storeDir, { recursive: true });
    await cp(backup, nats.storeDir, { recursive: true });
    await serverOf('ahead');
    const third = await scratch.start({ dataDir, env: { NATS_URL: url } });
    await expectStopped(third, 'position_ahead_of_stream', 150);
    await third.terminate();
  });

  it('purged past the position while stopped: position_before_stream', async () => {
    const { instance, dataDir, nats } = await instanceWith('before', 100);
    await instance.terminate();
    await publishTo(nats.url, ordersOf(100, 150));
    const link = await connectNats({ url: nats.url, name: 'test' });
    await (await openManager(link)).streams.purge(EVENTS_STREAM.name, { keep: 10 });
    await link.close();
    const second = await scratch.start({ dataDir, env: { NATS_URL: nats.url } });
    await expectStopped(second, 'position_before_stream', 100);
    await second.terminate();
  });
});
