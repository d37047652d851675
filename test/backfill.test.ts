import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { afterAll, expect, it } from 'vitest';
import { CUBE_TABLES, MEASURES, stateCells } from '../analytics/index.ts';
import { connectNats, EventPublisher } from '../connectors/index.ts';
import { openLmdbStore } from '../engine/index.ts';
import { packageRoot } from '../examples/online-retail/app.ts';
import { prepare, publish as publishAll } from '../examples/online-retail/publish.ts';
import { addToCells } from '../operators/index.ts';
import { itLong } from './it-long.ts';
import { isLong, sizes } from './long.ts';
import { startTestNats } from './nats.ts';
import { type HttpAnswer, type KpiAnswer, type Millrace, stateDigestOf, until } from './process.ts';
import { Scratch } from './scratch.ts';

const TIMEOUT_MS = 600_000;
const ORDERS = 300;
const MANY = sizes.backfill_events;
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

it('a job goes on with its build after kill -9, and after a stop', { timeout: TIMEOUT_MS }, async () => {
  const dataDir = await scratch.dir('backfill-kill');
  const server = await startTestNats({ storeDir: await scratch.dir('backfill-kill-nats') });
  const states = join(dataDir, 'state', 'order-analytics');
  const env = { NATS_URL: server.url };
  const recordOf = async (generation: number): Promise<{ state?: string; started_at_ms?: number }> =>
    readFile(join(states, `g${generation}`, 'GENERATION.json'), 'utf8').then(JSON.parse, () => ({}));
  /** Makes a job, ends the process when its build is under way, and starts it again. */
  const interrupt = async (
    service: Millrace,
    generation: number,
    end: 'kill' | 'terminate',
  ): Promise<{ readonly service: Millrace; readonly generation: number }> => {
    const { json } = await service.request('POST', '/jobs/backfill', { body: {} });
    const began = await until(
      async () => {
        const record = await recordOf(generation);
        return record.state === undefined ? undefined : record;
      },
      () => `generation ${generation} is being built: ${service.output}`,
      120_000,
      1,
    );
    // The build has begun to write.
    await until(
      () => (existsSync(join(states, `g${generation}`, 'p0', 'data.mdb')) ? true : undefined),
      () => `generation ${generation} has a state: ${service.output}`,
      120_000,
      1,
    );
    await service[end]();
    const left = await recordOf(generation);
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
    // It was over before its end came: another one.
    if (left.state !== 'building') return await interrupt(next, generation + 1, end);
    // In the middle: what was built is there still.
    expect(left).toMatchObject(began);
    expect((await recordOf(generation)).started_at_ms).toBe(began.started_at_ms);
    const answer = await next.kpis('acme', { ...RANGE, metrics: ['orders_count'] });
    expect([answer.meta.generation, answer.groups[0]?.totals.orders_count]).toEqual([generation, MANY]);
    return { service: next, generation };
  };
  try {
    let now = { service: await scratch.start({ dataDir, env }), generation: 1 };
    await publish(server.url, MANY);
    await now.service.untilApplied();
    for (const end of sizes.backfill_ends) now = await interrupt(now.service, now.generation + 1, end);
    await now.service.terminate();
  } finally {
    await server.stop();
  }
});

const STATES = join('state', 'order-analytics');

async function finished(
  service: Millrace,
  job: HttpAnswer,
  tenant = 'default',
): Promise<Readonly<Record<string, unknown>>> {
  if (job.status !== 202) throw new Error(`${job.status}: ${JSON.stringify(job.json)}`);
  return await until(
    async () => {
      const { json } = await service.request('GET', `/jobs/${String(job.json.job_id)}`, { tenant });
      return ['queued', 'running'].includes(String(json.status)) ? undefined : json;
    },
    () => `the job ends: ${service.output}`,
    240_000,
  );
}

const generationsOf = async (service: Millrace): Promise<readonly [number, string][]> => {
  const { json } = await service.request('GET', '/generations');
  return (json.generations as { generation: number; state: string }[]).map((one) => [
    one.generation,
    one.state,
  ]);
};

it('leaves a generation ready, goes there, goes back, and counts wrong cells of a range again', {
  timeout: TIMEOUT_MS,
}, async () => {
  const dataDir = await scratch.dir('backfill-manual');
  const server = await startTestNats({ storeDir: await scratch.dir('backfill-manual-nats') });
  try {
    const service = await scratch.start({ dataDir, env: { NATS_URL: server.url } });
    await publish(server.url, ORDERS);
    await service.untilApplied();
    const backfill = (body: object, tenant = 'acme') =>
      service.request('POST', '/jobs/backfill', { body, tenant });
    const ask = async () => {
      await service.untilApplied();
      const { groups, meta } = await service.kpis('acme', { ...RANGE, metrics: ['orders_count', 'revenue'] });
      return [meta.generation, groups[0]?.totals.orders_count, groups[0]?.totals.revenue];
    };
    const { json: dry } = await backfill({ dry_run: true });
    expect(dry).toMatchObject({ dry_run: true, plan: { mode: 'shadow', rows: ORDERS } });

    const made = await backfill({ activate: 'manual' });
    // One at a time, of all tenants.
    expect([(await backfill({}, 'other')).json.code]).toEqual(['backfill_running']);
    expect(await finished(service, made, 'acme')).toMatchObject({
      status: 'succeeded',
      result: {
        generation: 2,
        active: false,
        tables_different: [],
        cells: { changed: 0, added: 0, gone: 0 },
      },
    });
    expect(await generationsOf(service)).toEqual([
      [1, 'current'],
      [2, 'ready'],
    ]);
    await publish(server.url, ORDERS + 50);
    expect(await ask()).toEqual([1, ORDERS + 50, 100 * (ORDERS + 50)]);

    const activate = (generation: number) => service.request('POST', `/generations/${generation}/activate`);
    expect(await finished(service, await activate(2))).toMatchObject({ status: 'succeeded' });
    expect(await ask()).toEqual([2, ORDERS + 50, 100 * (ORDERS + 50)]);
    await publish(server.url, ORDERS + 90);
    expect(await ask()).toEqual([2, ORDERS + 90, 100 * (ORDERS + 90)]);
    expect(await finished(service, await activate(1))).toMatchObject({ status: 'succeeded' });
    expect(await ask()).toEqual([1, ORDERS + 90, 100 * (ORDERS + 90)]);
    expect(await generationsOf(service)).toEqual([
      [1, 'current'],
      [2, 'former'],
    ]);
    const codes = await Promise.all(
      [1, 9].map(async (n) => (await service.request('DELETE', `/generations/${n}`)).json.code),
    );
    expect(codes).toEqual(['wrong_state', 'not_found']);
    expect((await service.request('DELETE', '/generations/2')).status).toBe(204);
    expect(await generationsOf(service)).toEqual([[1, 'current']]);

    // A cell that says what no event said.
    const statePath = join(dataDir, STATES, 'g1', 'p0');
    breakCells(statePath);
    expect((await ask())[2]).toBe(100 * (ORDERS + 90) + 12_345);
    const range = { ...RANGE, mode: 'range' };
    const wrong = { changed: 1, added: 0, gone: 0 };
    const { json: plan } = await backfill({ ...range, dry_run: true });
    expect(plan).toMatchObject({ plan: { mode: 'range', cells: wrong } });
    const traffic = publish(server.url, ORDERS + 2_000);
    const fixed = await finished(service, await backfill(range), 'acme');
    await traffic;
    expect(fixed).toMatchObject({ status: 'succeeded', result: { mode: 'range', fixed: 1, cells: wrong } });
    const [example] = (fixed.result as { cells: { examples: Readonly<Record<string, unknown>>[] } }).cells
      .examples;
    expect(example).toMatchObject({ tenant: 'acme', key: {}, currency: 'EUR', time: '2025-03-10T00:00:00Z' });
    expect(example?.messages).toMatchObject([{ event_ids: ['e0'] }, {}, {}, {}, {}]);
    expect(await ask()).toEqual([1, ORDERS + 2_000, 100 * (ORDERS + 2_000)]);
    expect(await finished(service, await backfill(range), 'acme')).toMatchObject({
      result: { fixed: 0, cells: { changed: 0, added: 0, gone: 0 } },
    });

    if (isLong) {
      // While clients ask: whatever generation answers, the numbers are the same.
      const before = await service.kpis('acme', { ...RANGE, metrics: ['orders_count'] });
      const job = await backfill({ reason: 'a test' });
      // Whether a bucket is complete changes with the clock, where nothing comes any more; all else stays.
      const numbersOf = ({ groups }: KpiAnswer): unknown =>
        JSON.parse(
          JSON.stringify(groups, (name, value: unknown) => (name === 'incomplete' ? undefined : value)),
        );
      const different: unknown[] = [];
      await until(
        async () => {
          const answer = await service.kpis('acme', { ...RANGE, metrics: ['orders_count'] });
          const { meta } = answer;
          if (!isDeepStrictEqual(numbersOf(answer), numbersOf(before))) different.push(answer.groups);
          return meta.generation === 1 ? undefined : true;
        },
        () => `the new generation answers: ${service.output}`,
        240_000,
      );
      expect(different).toEqual([]);
      const built = await finished(service, job, 'acme');
      const current = Number(await readFile(join(dataDir, STATES, 'CURRENT'), 'utf8'));
      expect(built).toMatchObject({ status: 'succeeded', result: { generation: current } });
    }
    await service.untilOk();
    await service.terminate();
    // Exactly what the stream says, in every table.
    const fresh = await scratch.dir('backfill-fresh');
    const other = await scratch.start({ dataDir: fresh, env: { NATS_URL: server.url } });
    await other.untilApplied();
    await other.terminate();
    expect(await stateDigestOf(dataDir)).toEqual(await stateDigestOf(fresh));
  } finally {
    await server.stop();
  }
});

/** Adds to the sums of one cell what no event has said. */
function breakCells(statePath: string): void {
  const store = openLmdbStore(statePath);
  store.transaction(() => {
    const state = stateCells((name) => store.table(name), []);
    const cube = state.cubes.find(({ dimensions, bucket_ms }) => dimensions.length === 0 && bucket_ms > 4e6);
    if (cube === undefined) throw new Error('there is a cube of totals by day');
    const sums = MEASURES.map((name) => (name === 'revenue_gross' ? 12_345n : 0n));
    const currency = state.dictionary.codeOf('EUR');
    const tables = { cells: store.table(CUBE_TABLES.cells), days: store.table(CUBE_TABLES.days) };
    addToCells(tables, state.dictionary, { scope: 'acme', cube }, [
      { bucket_ms: Date.UTC(2025, 2, 10), codes: [], currency, sums },
    ]);
  });
  void store.close();
}

const UCI_SAMPLE = join(packageRoot(), 'examples', 'online-retail', 'sample.csv.gz');
const UCI_WHOLE = join(packageRoot(), '..', 'shared', 'data', 'online-retail', 'online_retail.csv.gz');

itLong(
  'a client that asks in a loop for a changed metric sees old answers until the change, and new ones after',
  {
    timeout: TIMEOUT_MS,
  },
  async () => {
    const dataDir = await scratch.dir('backfill-metric');
    const server = await startTestNats({ storeDir: await scratch.dir('backfill-metric-nats') });
    const isWhole = process.env.TEST_LONG === '1' && existsSync(UCI_WHOLE);
    const file = await prepare(isWhole ? UCI_WHOLE : UCI_SAMPLE);
    const wanted = { first: 0, second: 0 };
    const events = file.messages.map(({ subject, payload }) => ({
      subject,
      event: JSON.parse(Buffer.from(payload).toString()) as {
        type: string;
        order_id?: string;
        amount?: number;
      },
    }));
    // What an order says is what its newest version says: those with one version are easy to add up.
    const edited = new Set(
      events.flatMap(({ event }) => (event.type === 'order.created' ? [] : [event.order_id])),
    );
    const messages = events.map(({ subject, event }, at) => {
      const isGold = (every: number): boolean => at % every === 0 && !edited.has(event.order_id);
      const tier = { first: isGold(3) ? 'gold' : 'tin', second: isGold(5) ? 'gold' : 'tin' };
      if (event.type === 'order.created')
        for (const path of ['first', 'second'] as const)
          if (tier[path] === 'gold') wanted[path] += event.amount ?? 0;
      return { subject, payload: Buffer.from(JSON.stringify({ ...event, said: { tier } })) };
    });
    try {
      const service = await scratch.start({ dataDir, env: { NATS_URL: server.url } });
      await publishAll(server, messages);
      await service.untilApplied();
      const define = async (path: string, body: object): Promise<string> => {
        const { status, json } = await service.request('POST', path, { body });
        if (status !== 201) throw new Error(`${path}: ${status} ${JSON.stringify(json)}`);
        return String(json.id);
      };
      const dimension = await define('/dimensions', { name: 'tier', path: 'data.said.tier.first' });
      const ready = async (): Promise<true | undefined> => {
        const { json } = await service.request('GET', `/dimensions/${dimension}`);
        return (json.state as { status: string }).status === 'ready' ? true : undefined;
      };
      await until(ready, () => `the dimension is ready: ${service.output}`, 240_000);
      await define('/metrics-catalog', {
        ...{ name: 'gold_revenue', type: 'sum', event: 'order.created', field: 'amount' },
        filters: { tier: ['gold'] },
      });
      const query = { metrics: ['gold_revenue'], start: '2010-01-01T00:00:00Z', end: '2012-01-01T00:00:00Z' };
      const answers: { status: number; generation: unknown; value: unknown; warnings: unknown }[] = [];
      let isAsking = true;
      const loop = (async () => {
        while (isAsking) {
          const { status, json } = await service.request('POST', '/kpis/query', { body: query });
          const { groups, meta } = json as unknown as KpiAnswer;
          const value = groups?.[0]?.totals.gold_revenue;
          answers.push({ status, generation: meta?.generation, value, warnings: meta?.warnings });
        }
      })();
      const changed = await service.request('PATCH', `/dimensions/${dimension}`, {
        body: { path: 'data.said.tier.second' },
      });
      expect(changed.status).toBe(200);
      await until(ready, () => `the dimension is built anew: ${service.output}`, 240_000);
      const after = answers.length + 3;
      await until(
        () => (answers.length >= after ? true : undefined),
        () => 'it asks on',
        60_000,
      );
      isAsking = false;
      await loop;
      expect([...new Set(answers.map(({ status }) => status))]).toEqual([200]);
      const seen = answers.map(({ generation, value }) => JSON.stringify([generation, value]));
      // One after the other: never a mixture, and never back.
      expect(seen.filter((one, at) => one !== seen[at - 1])).toEqual([
        JSON.stringify([2, wanted.first]),
        JSON.stringify([3, wanted.second]),
      ]);
      const warned = answers.filter(({ warnings }) =>
        String(warnings).includes('is being built with its new path'),
      );
      expect(new Set(warned.map(({ generation }) => generation))).toEqual(new Set([2]));
      expect(answers.at(-1)?.warnings).toEqual([]);
      // Built once more from the first message: the same in every table.
      const again = await service.request('POST', '/jobs/backfill', { body: {} });
      expect(await finished(service, again)).toMatchObject({
        status: 'succeeded',
        result: { tables_different: [], cells: { changed: 0, added: 0, gone: 0 } },
      });
      await service.terminate();
    } finally {
      await server.stop();
    }
  },
);
