import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { afterAll, expect, it } from 'vitest';
import { connectNats, EventPublisher } from '../connectors/index.ts';
import { startTestNats } from './nats.ts';
import { until } from './process.ts';
import { Scratch } from './scratch.ts';

const ORDERS = 300;
const RANGE = { start: '2025-03-01T00:00:00Z', end: '2025-04-01T00:00:00Z' };

const scratch = new Scratch();
afterAll(() => scratch.clean());

it('builds the state of a running service again, which answers from the new generation then', async () => {
  const dataDir = await scratch.dir('backfill');
  const nats = await scratch.dir('backfill-nats');
  const server = await startTestNats({ storeDir: nats });
  try {
    const service = await scratch.start({ dataDir, env: { NATS_URL: server.url } });
    const link = await connectNats({ url: server.url, name: 'backfill-test' });
    const messages = Array.from({ length: ORDERS }, (_, index) => ({
      subject: 'events.acme.x',
      payload: Buffer.from(
        JSON.stringify({
          event_id: `e${index}`,
          type: 'order.created',
          time: '2025-03-10T10:00:00Z',
          order_id: `o${index}`,
          amount: 100,
          currency: 'EUR',
        }),
      ),
    }));
    await new EventPublisher(link).publishAll(messages);
    await link.close();
    await service.untilApplied();
    const ask = () => service.kpis('acme', { ...RANGE, metrics: ['orders_count'] });
    const before = await ask();
    expect([before.meta.generation, before.groups[0]?.totals.orders_count]).toEqual([1, ORDERS]);
    const { status } = await service.request('POST', '/jobs/backfill', { body: { reason: 'a test' } });
    expect(status).toBe(202);
    const other: unknown[] = [];
    const after = await until(
      async () => {
        const answer = await ask();
        // Whatever generation answers, the numbers are the same.
        if (!isDeepStrictEqual(answer.groups, before.groups)) other.push(answer.groups);
        return answer.meta.generation === 2 ? answer : undefined;
      },
      () => `generation 2 answers: ${service.output}`,
      120_000,
    );
    expect([after.groups, other]).toEqual([before.groups, []]);
    expect(await readFile(join(dataDir, 'state', 'order-analytics', 'CURRENT'), 'utf8')).toBe('2');
    await service.untilOk();
    await service.terminate();
  } finally {
    await server.stop();
  }
});
