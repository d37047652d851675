import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectNats, openManager } from '../connectors/index.ts';
import { startTestNats, type TestNats } from './nats.ts';
import { type Millrace, until } from './process.ts';
import { Scratch } from './scratch.ts';

const DAY_MS = 86_400_000;
const day = (ms: number): string => `${new Date(ms).toISOString().slice(0, 10)}T00:00:00Z`;
const QUERY = {
  metrics: ['orders_count'],
  start: day(Date.now() - 2 * DAY_MS),
  end: day(Date.now() + 3 * DAY_MS),
  granularity: '1d',
};

const scratch = new Scratch();
let nats: TestNats;
let service: Millrace;

beforeAll(async () => {
  nats = await startTestNats();
  service = await scratch.start({ dataDir: await scratch.dir('truth'), env: { NATS_URL: nats.url } });
  await service.untilOk();
});
afterAll(async () => {
  await scratch.clean();
  await nats.stop();
});

const order = (id: string, time_ms: number): object => ({
  ...{ event_id: id, type: 'order.created', time: new Date(time_ms).toISOString() },
  ...{ order_id: id, currency: 'EUR', amount: 100 },
});

async function ingest(tenant: string, ...events: object[]): Promise<Record<string, Record<string, number>>> {
  const { status, json } = await service.request('POST', '/ingest', { tenant, body: events });
  expect(status).toBe(202);
  return json.position as Record<string, Record<string, number>>;
}

const ask = (tenant: string, wish: object) =>
  service.request('POST', '/kpis/query', { tenant, body: { ...QUERY, ...wish } });

// In this order: the last ones leave a service that has failed.
describe('an answer claims no more than is known', () => {
  it('one tenant completes nothing of another, and a clock that is ahead moves nobody', async () => {
    const now_ms = Date.now();
    await ingest('a', order('a1', now_ms), order('a2', now_ms + 23 * 3_600_000));
    await ingest('b', order('b1', now_ms - 3 * 3_600_000));
    const metas = await Promise.all(
      ['a', 'b'].map(async (tenant) => (await ask(tenant, { force_fresh: true })).json.meta),
    );
    const [a, b] = metas as { complete_until: string; late_events: number }[];
    expect(Date.parse(a?.complete_until ?? '')).toBeLessThan(Date.now());
    expect(Date.parse(b?.complete_until ?? '')).toBe(now_ms - 3 * 3_600_000 - 30_000);
    expect(b?.late_events).toBe(0);
    const { json } = await service.request('GET', '/diagnostics', { tenant: 'a' });
    expect(json.ahead_of_storing).toEqual([{ source: null, events: 1 }]);
  });

  it('is not fresh while the server says nothing', async () => {
    process.kill(nats.pid, 'SIGSTOP');
    try {
      await until(
        async () => ((await ask('a', { max_staleness: '1s' })).status === 503 ? true : undefined),
        () => 'max_staleness is refused',
        15_000,
      );
      const { subsystems } = await service.untilHealth(
        ({ subsystems }) => subsystems.nats?.code === 'nats_disconnected',
        'the silence is told',
        15_000,
      );
      expect(subsystems.query_engine?.status).toBe('ok');
      const forced = await ask('a', { force_fresh: true });
      expect([forced.status, forced.json.code]).toEqual([503, 'nats_disconnected']);
      expect((await ask('a', {})).json.meta).toMatchObject({ lag_messages: null });
    } finally {
      process.kill(nats.pid, 'SIGCONT');
    }
    await service.untilOk();
  }, 60_000);

  it('is refused freshness by name when the stream is another one', async () => {
    const before = await ingest('a', order('a3', Date.now()));
    expect((await ask('a', { min_position: before })).status).toBe(200);
    const link = await connectNats({ url: nats.url, name: 'test' });
    const manager = await openManager(link);
    const { config } = await manager.streams.info('EVENTS');
    await manager.streams.delete('EVENTS');
    await manager.streams.add(config);
    await link.close();
    const position = await ingest('a', order('a4', Date.now()));
    expect(position.EVENTS?.incarnation).not.toBe(before.EVENTS?.incarnation);
    const first = await ask('a', { min_position: position });
    expect(first.status).toBe(503);
    await service.untilPipeline('stream_recreated');
    for (const wish of [{ min_position: position }, { force_fresh: true }, { max_staleness: '1h' }]) {
      const { status, json } = await ask('a', wish);
      expect([status, json.code]).toEqual([503, 'stream_recreated']);
    }
    expect((await ask('a', {})).json.meta).toMatchObject({ staleness_ms: null, lag_messages: null });
  }, 60_000);
});
