import { filter, jetstream, json, run, TopologyTestDriver, toJetStream, topology } from '../../index.ts';

interface Order {
  readonly id: string;
  readonly cents: number;
}

export const bigOrders = topology('big-orders', (t) => {
  t.source(jetstream('ORDERS', { subjects: ['orders.>'] })).pipe(
    json('parse', { parse: (value) => value as Order }),
    filter('big', ({ cents }) => cents >= 100_000),
    toJetStream('alert', { subject: 'alerts.big-order', idOf: ({ id }) => id }),
  );
});

/** On a server: makes the streams that are missing, and reads on where the last run committed. */
export async function start(): Promise<void> {
  const running = await run(bigOrders, { dataDir: 'data/big-orders', streams: { ALERTS: ['alerts.>'] } });
  process.once('SIGTERM', () => void running.stop());
}

/** In a test: the same topology, without a server. */
export default async function example(): Promise<unknown[]> {
  const driver = await TopologyTestDriver.start(bigOrders);
  await driver.push(
    { subject: 'orders.oslo', json: { id: 'o1', cents: 900 } },
    { subject: 'orders.rome', json: { id: 'o2', cents: 250_000 } },
    { subject: 'orders.rome', data: 'malformed' },
  );
  driver.commit();
  return [...bigOrders.sources.map(({ name }) => name), ...driver.sent.map(({ subject }) => subject)];
}

export const expected: unknown[] = ['orders', 'deadletter.default', 'alerts.big-order'];
