import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { JetStreamPublisher, run } from '../../index.ts';
import { startTestNats, type TestNats } from '../../test/nats.ts';
import { customers } from './topology.ts';

let nats: TestNats;
let dataDir: string;
beforeAll(async () => {
  nats = await startTestNats();
  dataDir = await mkdtemp(join(tmpdir(), 'millrace-test-customers-'));
});
afterAll(async () => {
  await nats.stop();
  await rm(dataDir, { recursive: true, force: true });
});

it('runs all tasks of both stages in one process, over a restart, and answers from all partitions', async () => {
  const options = { dataDir, natsUrl: nats.url, streams: { SPENT: ['spent.>'] } };
  const cents = new Map<string, number>();
  let count = 0;
  const sell = async (publisher: JetStreamPublisher, sales: number): Promise<void> => {
    for (let left = sales; left > 0; left--) {
      const [order, customer] = [`o${count % 17}`, `c${(count % 17) % 5}`];
      const sale = { id: `s${count}`, order, customer, cents: count, at: Date.now() };
      cents.set(customer, (cents.get(customer) ?? 0) + count++);
      const payload = Buffer.from(JSON.stringify(sale));
      // Twice, under two ids of the server: once in the table.
      for (const twin of [0, 1])
        await publisher.publish({
          id: `${sale.id}-${twin}`,
          subject: `sales.${order}.sold`,
          headers: {},
          payload,
        });
    }
  };
  const lines: string[] = [];
  const first = await run(customers, { ...options, log: (line) => lines.push(line) });
  await sell(new JetStreamPublisher(first.link), 40);
  await first.caughtUp(60_000);
  await first.stop();

  const second = await run(customers, { ...options, log: (line) => lines.push(line) });
  await sell(new JetStreamPublisher(second.link), 40);
  await second.caughtUp(60_000);
  const answer = await second.ask({ table: 'customers', query: { kind: 'range', limit: 100 } });
  if (!answer.ok) throw new Error(answer.message);
  expect(answer.missing).toEqual([]);
  expect(answer.parts.map(({ partition, role }) => `${partition} ${role}`)).toEqual(
    [0, 1, 2, 3].map((partition) => `${partition} owner`),
  );
  expect(new Map(answer.rows.map(({ key, value }) => [key, value]))).toEqual(cents);
  expect(() => second.reader.tableNames()).toThrow(/ask/);
  const any = await second.link.connection.request(
    'millrace.customers.q',
    JSON.stringify({ table: 'customers', query: { kind: 'key', key: 'c1' }, require: 'owner' }),
    { timeout: 10_000 },
  );
  expect(any.json()).toMatchObject({ rows: [{ key: 'c1', value: cents.get('c1') }], missing: [] });
  await second.stop();
}, 60_000);
