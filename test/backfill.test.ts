import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { afterAll, expect, it } from 'vitest';
import { connectNats, EventPublisher } from '../connectors/index.ts';
import { startTestNats } from './nats.ts';
import { type Millrace, until } from './process.ts';
import { Scratch } from './scratch.ts';

const ORDERS = 300;
/** Enough for a build to take a while. */
const MANY = 40_000;
const RANGE = { start: '2025-03-01T00:00:00Z', end: '2025-04-01T00:00:00Z' };

const scratch = new Scratch();
afterAll(() => scratch.clean());

async function publish(url: string, count: number): Promise<void> {
  const link = await connectNats({ url, name: 'backfill-test' });
  const messages = Array.from({ length: count }, (_, index) => ({
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
}

it('builds the state of a running service again, which answers from the new generation then', async () => {
  const dataDir = await scratch.dir('backfill');
  const nats = await scratch.dir('backfill-nats');
  const server = await startTestNats({ storeDir: nats });
  try {
    const service = await scratch.start({ dataDir, env: { NATS_URL: server.url } });
    await publish(server.url, ORDERS);
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

it('a job goes on with its build after kill -9, and after a stop', async () => {
  const dataDir = await scratch.dir('backfill-kill');
  const server = await startTestNats({ storeDir: await scratch.dir('backfill-kill-nats') });
  const states = join(dataDir, 'state', 'order-analytics');
  const env = { NATS_URL: server.url };
  const recordOf = async (generation: number): Promise<{ state?: string; started_at_ms?: number }> =>
    readFile(join(states, `g${generation}`, 'GENERATION.json'), 'utf8').then(JSON.parse, () => ({}));
  /** Makes a job, ends the process when its build is under way, and starts it again. */
  const interrupt = async (service: Millrace, generation: number, end: 'kill' | 'terminate') => {
    const { json } = await service.request('POST', '/jobs/backfill', { body: {} });
    const began = await until(
      async () => ((await recordOf(generation)).state === 'building' ? recordOf(generation) : undefined),
      () => `generation ${generation} is being built: ${service.output}`,
      120_000,
      1,
    );
    await service[end]();
    // In the middle: what was built is there still.
    expect(await recordOf(generation)).toMatchObject({ ...began, state: 'building' });
    const next = await scratch.start({ dataDir, env });
    const job = await until(
      async () => {
        const { json: now } = await next.request('GET', `/jobs/${String(json.job_id)}`);
        return ['queued', 'running'].includes(String(now.status)) ? undefined : now;
      },
      () => `the job ends: ${next.output}`,
      120_000,
    );
    expect(job).toMatchObject({ status: 'succeeded', error: null, result: { generation } });
    expect((await recordOf(generation)).started_at_ms).toBe(began.started_at_ms);
    const answer = await next.kpis('acme', { ...RANGE, metrics: ['orders_count'] });
    expect([answer.meta.generation, answer.groups[0]?.totals.orders_count]).toEqual([generation, MANY]);
    return next;
  };
  try {
    const first = await scratch.start({ dataDir, env });
    await publish(server.url, MANY);
    await first.untilApplied();
    const second = await interrupt(first, 2, 'kill');
    const third = await interrupt(second, 3, 'terminate');
    await third.terminate();
  } finally {
    await server.stop();
  }
});
