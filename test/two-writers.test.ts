import { afterAll, expect, it } from 'vitest';
import { startTestNats, type TestNats } from './nats.ts';
import { stateDigestOf, until } from './process.ts';
import { publishRetrying } from './retrying-publisher.ts';
import { Scratch } from './scratch.ts';

const QUERY = { metrics: ['orders_count'], start: '2025-08-01T00:00:00Z', end: '2025-08-02T00:00:00Z' };

const scratch = new Scratch();
let nats: TestNats | undefined;

afterAll(async () => {
  await scratch.clean();
  await nats?.stop();
});

const ordersOf = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, index) => {
    const id = from + index;
    const event = {
      event_id: `w-${id}`,
      type: 'order.created',
      time: '2025-08-01T10:00:00Z',
      order_id: `o-${id}`,
    };
    return { subject: 'events.default.x', payload: Buffer.from(JSON.stringify(event)) };
  });

it('two processes on one data folder: one stops with a named error, each event counts once', async () => {
  nats = await startTestNats();
  const { url } = nats;
  const env = { NATS_URL: url };
  const dataDir = await scratch.dir('shared');
  const publish = (from: number, to: number): Promise<void> =>
    publishRetrying(ordersOf(from, to), { target: () => Promise.resolve({ url }), chunk: 20, pause_ms: 20 });
  const first = await scratch.start({ dataDir, env });
  await publish(0, 100);
  await first.untilApplied();
  const second = await scratch.start({ dataDir, env });
  const both = [first, second];
  const publishing = publish(100, 1_500);
  // Whichever commits second of the two finds a commit that is not its own.
  const failed = await until(
    async () => {
      for (const one of both) {
        const { subsystems } = await one.health();
        if (subsystems.ingest_pipeline?.code === 'state_has_another_writer') return one;
      }
      return undefined;
    },
    () => 'one of the two stops',
    90_000,
  );
  await publishing;
  const going = failed === first ? second : first;
  await going.untilApplied();
  expect((await going.health()).status).toBe('ok');
  expect(await failed.health()).toMatchObject({ http: 503, status: 'failed' });
  for (const one of both) {
    expect(await one.totals('default', QUERY)).toEqual({ orders_count: 1_500 });
  }
  const alone = await scratch.dir('alone');
  const reference = await scratch.start({ dataDir: alone, env });
  await reference.untilApplied();
  expect(await stateDigestOf(dataDir)).toEqual(await stateDigestOf(alone));
});
