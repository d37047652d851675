import { existsSync, readdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { headers as newHeaders } from 'nats';
import { afterAll, expect, it } from 'vitest';
import { connectNats, EventPublisher, type NatsLink, openManager } from '../connectors/index.ts';
import { itLong } from './it-long.ts';
import { startTestNats } from './nats.ts';
import { type Millrace, stateDigestOf, until } from './process.ts';
import { TestS3 } from './s3-server.ts';
import { Scratch } from './scratch.ts';

/** Events that leave the stream for files: with real processes, a real server and another reader of the files. */

const PATIENTLY_MS = 180_000;
const DAY_MS = 86_400_000;
const DAY0 = Date.UTC(2025, 2, 10);
const RANGE = { start: '2025-03-01T00:00:00Z', end: '2025-04-01T00:00:00Z' };
/** More than two segments have. */
const MANY = 45_000;

const scratch = new Scratch();
afterAll(() => scratch.clean());

const order = (at: number, more: object = {}) => ({
  ...{
    event_id: `e${at}`,
    type: 'order.created',
    time: new Date(DAY0 + (at % 5) * DAY_MS + at).toISOString(),
  },
  ...{ order_id: `o${at}`, customer_id: `c${at % 50}`, amount: 100 + (at % 97), currency: 'EUR' },
  ...{ country: ['DE', 'FR', 'GB'][at % 3], channel: at % 2 === 0 ? 'web' : 'shop', ...more },
});

interface Sent {
  readonly subject: string;
  readonly payload: Uint8Array;
}

const sent = (tenant: string, body: unknown): Sent => ({
  subject: `events.${tenant}.x`,
  payload: Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)),
});

/** A bit of everything that a stream may hold: repeats, conflicts, rubbish, lists, lines, CloudEvents. */
function traffic(count: number): Sent[] {
  return Array.from({ length: count }, (_, at): Sent[] => {
    const tenant = at % 4 === 0 ? 'acme' : 'shop';
    const one = sent(tenant, order(at));
    if (at % 10 === 1) return [one, sent(tenant, order(at)), sent(tenant, { ...order(at), amount: 7 })];
    if (at % 10 === 2) return [one, sent(tenant, '{"no":'), sent(tenant, { event_id: `bad${at}` })];
    if (at % 10 === 3) {
      const paid = { ...order(at), event_id: `p${at}`, type: 'payment_succeeded', country: undefined };
      const back = { ...order(at), event_id: `r${at}`, type: 'refund.issued', amount: 50 };
      return [sent(tenant, [paid, order(at), back])];
    }
    if (at % 10 === 4) {
      const edited = { ...order(at), event_id: `u${at}`, type: 'order.updated', amount: 500 };
      return [sent(tenant, edited), one];
    }
    return [one];
  }).flat();
}

async function publishOthers(link: NatsLink): Promise<void> {
  const lines = newHeaders();
  lines.set('Content-Type', 'application/x-ndjson');
  link.connection.publish(
    'events.shop.x',
    [order(900_001), order(900_002)].map((one) => JSON.stringify(one)).join('\n'),
    {
      headers: lines,
    },
  );
  const cloud = newHeaders();
  const attributes = {
    specversion: '1.0',
    id: 'cloud-1',
    type: 'visit',
    source: 'web',
    time: '2025-03-12T00:00:00Z',
  };
  for (const [name, value] of Object.entries(attributes)) cloud.set(`ce-${name}`, value);
  link.connection.publish('events.shop.x', JSON.stringify({ session_id: 's1' }), { headers: cloud });
  await link.connection.flush();
}

async function finished(service: Millrace, job_id: unknown): Promise<Record<string, unknown>> {
  return until(
    async () => {
      const { json } = await service.request('GET', `/jobs/${String(job_id)}`);
      return ['succeeded', 'failed'].includes(String(json.status)) ? json : undefined;
    },
    () => `the job ends: ${service.output}`,
    PATIENTLY_MS,
  );
}

const soon = (): string => new Date(Date.now() + 3_600_000).toISOString();

async function query(sql: string): Promise<Record<string, unknown>[]> {
  const connection = await (await DuckDBInstance.create()).connect();
  try {
    return (await connection.runAndReadAll(sql)).getRowObjects() as Record<string, unknown>[];
  } finally {
    connection.closeSync();
  }
}

it('events that left the stream are in every answer, every rebuild and every reader of the files', async () => {
  const server = await startTestNats({ storeDir: await scratch.dir('archive-nats') });
  const link = await connectNats({ url: server.url, name: 'archive-test' });
  const dataDir = await scratch.dir('archive');
  const archive = join(await scratch.dir('archive-files'), 'lake');
  const env = { NATS_URL: server.url, ARCHIVE_URL: archive, KEY_SIGNING_SECRET: 's'.repeat(32) };
  const streamState = async () => (await (await openManager(link)).streams.info('EVENTS')).state;
  try {
    let service = await scratch.start({ dataDir, env });
    await new EventPublisher(link).publishAll(traffic(400));
    await publishOthers(link);
    await service.untilApplied();
    const sums = {
      ...RANGE,
      metrics: ['revenue_gross', 'orders_count', 'refund_amount'],
      group_by: ['country'],
    };
    const before = await service.kpis('shop', sums);
    await service.terminate();
    const { digest: whole } = await stateDigestOf(dataDir);
    const { last_seq } = await streamState();

    // Everything goes to the files, and from the stream.
    service = await scratch.start({ dataDir, env });
    await service.untilApplied();
    const made = await service.request('POST', '/jobs/archive', { body: { before: soon() } });
    expect(made.status).toBe(202);
    const job = await finished(service, made.json.job_id);
    expect(job).toMatchObject({
      status: 'succeeded',
      result: {
        messages: last_seq,
        archived_through: last_seq,
        trimmed_through: last_seq,
        held_back: null,
        missed: null,
      },
    });
    expect(await streamState()).toMatchObject({ messages: 0, last_seq });

    // Nothing is missing: not of the sums, not of the payloads, not by health.
    expect((await service.kpis('shop', sums)).groups).toEqual(before.groups);
    const found = await service.request('GET', '/events?order_id=o3&limit=10', { tenant: 'shop' });
    const payloads = (found.json.events as { payload: { event_id: string } | null }[]).map(
      ({ payload }) => payload,
    );
    expect(payloads.map((payload) => payload?.event_id).sort()).toEqual(['e3', 'p3', 'r3']);
    await service.untilOk();
    expect((await service.request('GET', '/gaps')).json).toMatchObject({ messages_missing: 0, gaps: [] });

    // It goes on, over a kill, and is built anew from files and stream while it runs.
    await new EventPublisher(link).publishAll([sent('shop', order(3)), sent('shop', order(5_000))]);
    await service.untilApplied();
    await service.kill();
    service = await scratch.start({ dataDir, env });
    await service.untilOk();
    const backfill = await service.request('POST', '/jobs/backfill', { body: {} });
    expect(await finished(service, backfill.json.job_id)).toMatchObject({
      status: 'succeeded',
      result: { generation: 2, tables_different: [], cells: { changed: 0, added: 0, gone: 0 } },
    });
    expect((await service.request('GET', '/gaps')).json).toMatchObject({ messages_missing: 0 });
    await service.terminate();
    const { digest: live } = await stateDigestOf(dataDir);
    expect(live).not.toBe(whole);

    // A state from nothing, of files and stream, is the state that never lost anything.
    const anew = await scratch.dir('archive-anew');
    const second = await scratch.start({ dataDir: anew, env });
    await second.untilApplied();
    await second.untilOk();
    await second.terminate();
    expect((await stateDigestOf(anew)).digest).toBe(live);

    // Somebody else reads the files, and finds the sums that the API gives. The newest version of an order counts.
    const rows = await query(`
      with events as (
        select * from read_parquet('${archive}/events/**/*.parquet', hive_partitioning = true)
        where rejected is null and tenant = 'shop'
        qualify row_number() over (partition by event_id order by sequence, part) = 1
      ), orders as (
        select order_id, arg_max(country, (time, event_id)) as country, arg_max(amount, (time, event_id)) as amount
        from events where type in ('order.created', 'order.updated') group by order_id
      )
      select country, sum(amount)::bigint as gross, count(*)::bigint as orders from orders group by country order by 1`);
    const api = before.groups.map(({ key, totals }) => [
      (key as { country?: string }).country,
      Number(totals.revenue_gross),
      Number(totals.orders_count),
    ]);
    expect(rows.map(({ country, gross, orders }) => [country, Number(gross), Number(orders)])).toEqual(
      api.sort(([a], [b]) => (String(a) < String(b) ? -1 : 1)),
    );
  } finally {
    await link.close();
    await server.stop();
  }
});

itLong('a job that is killed with kill -9 goes on, and every message is in the files once', async () => {
  const server = await startTestNats({ storeDir: await scratch.dir('archive-kill-nats') });
  const link = await connectNats({ url: server.url, name: 'archive-test' });
  const dataDir = await scratch.dir('archive-kill');
  const env = { NATS_URL: server.url };
  const manifests = join(dataDir, 'archive', 'manifests');
  try {
    let service = await scratch.start({ dataDir, env });
    await new EventPublisher(link).publishAll(
      Array.from({ length: MANY }, (_, at) => sent('acme', order(at))),
    );
    await service.untilApplied();
    const { json } = await service.request('POST', '/jobs/archive', { body: { before: soon() } });
    const segments = (): number =>
      existsSync(manifests) ? readdirSync(manifests).filter((name) => /^\d/.test(name)).length : 0;
    await until(
      () => (segments() > 0 ? true : undefined),
      () => `a segment is there: ${service.output}`,
      PATIENTLY_MS,
      1,
    );
    await service.kill();
    expect(segments()).toBeLessThan(3);
    service = await scratch.start({ dataDir, env });
    expect(await finished(service, json.job_id)).toMatchObject({
      status: 'succeeded',
      result: { archived_through: MANY, trimmed_through: MANY },
    });
    const [counted] = await query(
      `select count(*)::int as rows, count(distinct sequence)::int as messages, sum(amount)::bigint as amount
       from read_parquet('${join(dataDir, 'archive')}/events/**/*.parquet')`,
    );
    const totals = await service.totals('acme', { ...RANGE, metrics: ['revenue_gross'] });
    expect(counted).toMatchObject({ rows: MANY, messages: MANY });
    expect(Number(counted?.amount)).toBe(Number(totals.revenue_gross));
    await service.untilOk();
    await service.terminate();
  } finally {
    await link.close();
    await server.stop();
  }
});

itLong('an archive in a bucket gives back the state', async () => {
  const s3 = new TestS3(await scratch.dir('archive-s3'), ['lake']);
  await s3.start();
  const server = await startTestNats({ storeDir: await scratch.dir('archive-s3-nats') });
  const link = await connectNats({ url: server.url, name: 'archive-test' });
  const dataDir = await scratch.dir('archive-s3-data');
  const env = {
    ...{ NATS_URL: server.url, ARCHIVE_URL: 's3://lake/millrace', ...s3.env },
  };
  try {
    const service = await scratch.start({ dataDir, env });
    await new EventPublisher(link).publishAll(traffic(200));
    await service.untilApplied();
    const { json } = await service.request('POST', '/jobs/archive', { body: { before: soon() } });
    expect(await finished(service, json.job_id)).toMatchObject({
      status: 'succeeded',
      result: { held_back: null },
    });
    const { status, json: event } = await service.request('GET', '/events/e3', { tenant: 'shop' });
    expect([status, JSON.stringify(event)]).toEqual([200, expect.stringContaining('"order_id":"o3"')]);
    await service.terminate();
    const { digest: live } = await stateDigestOf(dataDir);
    await rm(join(dataDir, 'state'), { recursive: true });
    const anew = await scratch.start({ dataDir, env });
    await anew.untilApplied();
    await anew.terminate();
    expect((await stateDigestOf(dataDir)).digest).toBe(live);
  } finally {
    await link.close();
    await server.stop();
    await s3.stop();
  }
});

itLong(
  'two processes on one bucket: what one leaves when it stands still the other archives, and nothing is lost',
  {
    timeout: 600_000,
  },
  async () => {
    const folder = await scratch.dir('archive-two-s3');
    const s3 = new TestS3(folder, ['lake']);
    await s3.start();
    const server = await startTestNats({ storeDir: await scratch.dir('archive-two-nats') });
    const link = await connectNats({ url: server.url, name: 'archive-test' });
    const env = {
      ...{ NATS_URL: server.url, ARCHIVE_URL: 's3://lake/millrace', KEY_SIGNING_SECRET: 's'.repeat(32) },
      ...s3.env,
    };
    const manifests = join(folder, 'lake', 'millrace', 'manifests');
    const named = (pattern: RegExp): readonly string[] =>
      existsSync(manifests) ? readdirSync(manifests).filter((name) => pattern.test(name)) : [];
    try {
      const first = await scratch.start({ dataDir: await scratch.dir('archive-two-a'), env });
      await new EventPublisher(link).publishAll(
        Array.from({ length: MANY }, (_, at) => sent('acme', order(at))),
      );
      await first.untilApplied();
      const { json } = await first.request('POST', '/jobs/archive', { body: { before: soon() } });
      // It stands still while it writes a segment, and the other one takes its place.
      await until(
        () => (named(/^pending-/).length > 0 ? true : undefined),
        () => `a segment is being written: ${first.output}`,
        PATIENTLY_MS,
        1,
      );
      process.kill(first.pid, 'SIGSTOP');
      const second = await scratch.start({ dataDir: await scratch.dir('archive-two-b'), env });
      expect(await finished(second, json.job_id)).toMatchObject({
        status: 'succeeded',
        result: { archived_through: MANY },
      });
      process.kill(first.pid, 'SIGCONT');
      await first.untilOk();
      // More than either has read is archived by whichever takes the job; what was late is gone then.
      await new EventPublisher(link).publishAll(
        Array.from({ length: 500 }, (_, at) => sent('acme', order(MANY + at))),
      );
      for (const service of [first, second]) await service.untilApplied();
      const more = await first.request('POST', '/jobs/archive', { body: { before: soon() } });
      expect(await finished(first, more.json.job_id)).toMatchObject({
        status: 'succeeded',
        result: { archived_through: MANY + 500, trimmed_through: MANY + 500, missed: null },
      });
      const [counted] = await query(
        `select count(*)::int as rows, count(distinct sequence)::int as messages
       from read_parquet('${join(folder, 'lake', 'millrace')}/events/**/*.parquet._S3rver_object')`,
      );
      expect(counted).toMatchObject({ rows: MANY + 500, messages: MANY + 500 });
      expect(named(/^fence-.*_object$/)).toHaveLength(1);
      expect(named(/^pending-/)).toEqual([]);
      await first.terminate();
      await second.terminate();
      // A state of the files alone has them all.
      const third = await scratch.start({ dataDir: await scratch.dir('archive-two-c'), env });
      await third.untilApplied();
      expect(await third.totals('acme', { ...RANGE, metrics: ['orders_count'] })).toMatchObject({
        orders_count: MANY + 500,
      });
      await third.terminate();
    } finally {
      await link.close();
      await server.stop();
      await s3.stop();
    }
  },
);
