import { existsSync, readdirSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { afterAll, expect, it } from 'vitest';
import { connectNats, EventPublisher, openManager } from '../connectors/index.ts';
import { SeededRandom } from '../engine/index.ts';
import { sizes } from './long.ts';
import { startTestNats } from './nats.ts';
import { ADMIN_KEY, type Millrace, until } from './process.ts';
import { TestS3 } from './s3-server.ts';
import { Scratch } from './scratch.ts';

/** A person is erased from stream, dead letters and archive by a process that is killed meanwhile. */

const PATIENTLY_MS = 180_000;
const TENANT = 'acme';
const PERSON = 'person-7f3a91';
const MAIL = 'jane.roe.7f3a91@example.com';
const CUSTOMERS = [PERSON, 'c-2', 'c-3'];
/** Of each customer: more messages than are erased between two steps that are kept. */
const ORDERS = 24;
const RANGE = { start: '2025-08-01T00:00:00Z', end: '2025-09-01T00:00:00Z' };

const scratch = new Scratch();
afterAll(() => scratch.clean());

const at = (minute: number): string => new Date(Date.UTC(2025, 7, 2, 0, minute)).toISOString();

/** What a customer does, each list one message. With repeats, conflicts, corrections, rubbish, other forms. */
function messagesOf(customer: string, of: number, isLate: boolean): readonly string[] {
  const data = { email: customer === PERSON ? MAIL : `${customer}@example.com` };
  const told = customer === PERSON ? { data } : {};
  return Array.from({ length: ORDERS }, (_, index): unknown[] => {
    const key = `${of}-${index}-${isLate ? 'b' : 'a'}`;
    const ids = { order_id: `o-${key}`, session_id: `s-${key}` };
    const money = { amount: 1_000 + index, currency: 'EUR', country: ['DE', 'FR'][index % 2] };
    const order = {
      ...{
        event_id: `o-${key}`,
        type: 'order.created',
        occurred_at: at(index),
        customer_id: customer,
        ...ids,
      },
      ...{
        ...money,
        channel: 'web',
        ...told,
        items: [{ sku: 'A', name: data.email, quantity: 2, unit_price: 5 }],
      },
    };
    const paid = { event_id: `p-${key}`, type: 'payment.succeeded', time: at(index + 5), ...told };
    const payment = { ...paid, order_id: ids.order_id, amount: 900 };
    const visit = {
      event_id: `v-${key}`,
      type: 'visit',
      time: at(index),
      session_id: ids.session_id,
      ...told,
    };
    const one: unknown[] = [order, visit, payment];
    if (index % 6 === 1) return [...one, order, { ...order, amount: 7 }];
    if (index % 6 === 2) return [...one, { ...order, amount: 5, supersedes: true, version: 2 }];
    if (index % 6 === 3) {
      const type = { type: 'event.retracted', time: at(index) };
      return [...one, { event_id: `t-${key}`, ...type, retracts: [`p-${key}`] }];
    }
    if (index % 6 === 4)
      return [
        ...one,
        { ...payment, event_id: `bad-${key}`, amount: 'much' },
        `{"broken ${customer}" "${customer}`,
      ];
    return one;
  }).flatMap((list) => list.map((each) => (typeof each === 'string' ? each : JSON.stringify(each))));
}

/** Messages of all customers among each other; now and then a message has events of several. */
function traffic(seed: number, isLate: boolean): { subject: string; payload: Buffer }[] {
  const random = new SeededRandom(seed);
  const all = random.shuffled(CUSTOMERS.flatMap((customer, of) => messagesOf(customer, of, isLate)));
  const messages: string[] = [];
  for (let next = 0; next < all.length; ) {
    const some = all.slice(next, next + (random.chance(0.2) ? random.int(2, 5) : 1));
    next += some.length;
    if (some.length === 1 || some.some((text) => text.startsWith('{"broken'))) messages.push(...some);
    else messages.push(`[${some.join()}]`);
  }
  return messages.map((text) => ({ subject: `events.${TENANT}.x`, payload: Buffer.from(text) }));
}

const METRICS = [
  'orders_count',
  'revenue_gross',
  'revenue_paid',
  'customers_new',
  'customers_active',
  'sessions',
];
const QUERIES: readonly (readonly [string, object])[] = [
  ['/kpis/query', { ...RANGE, metrics: METRICS, group_by: ['country', 'channel'], granularity: '1d' }],
  [
    '/kpis/query',
    { ...RANGE, metrics: ['orders_count', 'units_sold'], group_by: ['sku'], granularity: '1h' },
  ],
  ['/cohorts/adhoc-retention', { ...RANGE, periods: 2 }],
  [
    '/funnels/adhoc',
    { ...RANGE, steps: [{ event: 'order.created' }, { event: 'payment.succeeded' }], window: '1d' },
  ],
];

async function numbers(service: Millrace): Promise<readonly unknown[]> {
  await service.untilApplied();
  return await Promise.all(
    QUERIES.map(async ([path, body]) => {
      const { status, json } = await service.request('POST', path, { tenant: TENANT, body });
      const { meta: _, query_id: __, calculated_at: ___, ...rest } = json;
      return { path, status, rest };
    }),
  );
}

async function ended(service: Millrace, job_id: unknown): Promise<Readonly<Record<string, unknown>>> {
  return await until(
    async () => {
      const { json } = await service.request('GET', `/jobs/${String(job_id)}`, { tenant: TENANT });
      return ['succeeded', 'failed'].includes(String(json.status)) ? json : undefined;
    },
    () => `the job ends: ${service.output}`,
    PATIENTLY_MS,
  );
}

const TEXTS = [PERSON, MAIL];

/** Files below folders with one of the texts in their bytes. */
async function filesWith(folders: readonly string[], texts: readonly string[]): Promise<readonly string[]> {
  const found: string[] = [];
  for (const folder of folders) {
    for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name);
      if (!entry.isFile() || /streams.AUDIT/.test(path)) continue;
      const bytes = await readFile(path);
      if (texts.some((text) => bytes.includes(text))) found.push(path);
    }
  }
  return found;
}

/** Rows of Parquet files with one of the texts: files are compressed. */
async function archivedWith(files: string): Promise<unknown> {
  const connection = await (await DuckDBInstance.create()).connect();
  const where = TEXTS.map((text) => `contains(to_json(t)::text, '${text}')`).join(' or ');
  const sql = `select count(*)::int as n from read_parquet('${files}') t where ${where}`;
  const rows = await connection.runAndReadAll(sql);
  connection.closeSync();
  return (rows.getRowObjects()[0] as { n: unknown }).n;
}

/** An order of now, which rules tell of. */
function ofToday(): Buffer {
  const ids = { event_id: 'today', order_id: 'o-today', customer_id: PERSON };
  const order = { ...ids, type: 'order.created', time: new Date().toISOString(), amount: 5, currency: 'EUR' };
  return Buffer.from(JSON.stringify({ ...order, data: { customer_name: MAIL } }));
}

const notifications = async (service: Millrace): Promise<string> =>
  await (await orders(service, '/order-notifications')).text();

const soon = (): string => new Date(Date.now() + 3_600_000).toISOString();

async function archived(service: Millrace): Promise<void> {
  const { status, json } = await service.request('POST', '/jobs/archive', { body: { before: soon() } });
  expect(status).toBe(202);
  await until(
    async () => {
      const job = await service.request('GET', `/jobs/${String(json.job_id)}`);
      return job.json.status === 'succeeded' ? true : undefined;
    },
    () => `what is old is archived: ${service.output}`,
    PATIENTLY_MS,
  );
}

/** Where the archive lies, as the service is told, and as its files are found. */
interface Place {
  readonly env: Readonly<Record<string, string>>;
  readonly folder: string;
  /** Parquet files, as DuckDB finds them. */
  readonly files: string;
  /** Where a `pending-…` is while something of it is written again. */
  readonly pending: string;
}

async function inFolder(): Promise<Place> {
  const folder = await scratch.dir('erasure-archive');
  const files = `${folder}/events/**/*.parquet`;
  return { env: { ARCHIVE_URL: folder }, folder, files, pending: join(folder, 'manifests') };
}

/** Of a server that keeps each object as a file, and its bytes as they are. */
function inBucket(folder: string, { env }: TestS3): Place {
  const root = join(folder, 'lake', 'millrace');
  return {
    env: { ARCHIVE_URL: 's3://lake/millrace', ...env },
    folder,
    files: `${root}/events/**/*.parquet._S3rver_object`,
    pending: join(root, 'manifests'),
  };
}

/** Asks the orders API. */
async function orders(service: Millrace, path: string, body?: unknown): Promise<Response> {
  const { url } = await service.listening;
  const headers = { Authorization: `Bearer ${ADMIN_KEY}`, 'X-Tenant-ID': TENANT };
  return await fetch(`${url}/api/v1${path}`, {
    ...{ method: body === undefined ? 'GET' : 'POST' },
    headers: { ...headers, 'Content-Type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
}

/** What is told of the person: a webhook that nobody answers, and notifications in the application. */
async function toldTo(service: Millrace): Promise<string> {
  const body = { url: 'http://127.0.0.1:9/hook', events: ['order.created'] };
  const { status, json } = await service.request('POST', '/webhooks', { tenant: TENANT, body });
  expect(status).toBe(201);
  const rule = { name: 'told', event: 'order.created', channel: 'in_app' };
  const template = 'For {{customer_name}}';
  const made = await orders(service, '/order-notification-rules', { ...rule, template });
  expect([made.status, await made.text()]).toEqual([201, expect.any(String)]);
  return `/webhooks/${String(json.id)}/deliveries`;
}

/** Where a process is killed: while messages go from the stream, or notices, or while the archive is written again. */
const MOMENTS = ['stream', 'notices', 'archive'] as const;
type Moment = (typeof MOMENTS)[number];

async function erasedAcrossKills({ env: place, folder: archive, files, pending }: Place): Promise<void> {
  const storeDir = await scratch.dir('erasure-nats');
  const server = await startTestNats({ storeDir });
  const link = await connectNats({ url: server.url, name: 'erasure-test' });
  const dataDir = await scratch.dir('erasure');
  const env = {
    ...{ NATS_URL: server.url, KEY_SIGNING_SECRET: 's'.repeat(32), WEBHOOK_ALLOW_PRIVATE: '1' },
    // Nothing is given up before it is erased.
    WEBHOOK_RETRY_DELAY: '1h',
    ...place,
  };
  const random = new SeededRandom(11);
  const manager = await openManager(link);
  const streamOf = async (name: string) => (await manager.streams.info(name)).state;
  const goneOf = async (name: string): Promise<number> => (await streamOf(name)).num_deleted ?? 0;
  const isAt = async (moment: Moment, before: number, random: number): Promise<boolean> => {
    if (moment === 'archive')
      return existsSync(pending) && readdirSync(pending).some((name) => name.startsWith('pending-'));
    return (await goneOf(moment === 'stream' ? 'EVENTS' : 'NOTICES')) >= before + random;
  };
  try {
    let service = await scratch.start({ dataDir, env });
    const deliveries = await toldTo(service);
    await new EventPublisher(link).publishAll(traffic(1, false));
    await service.untilApplied();
    await archived(service);
    await new EventPublisher(link).publishAll(traffic(2, true));
    await new EventPublisher(link).publishAll([{ subject: `events.${TENANT}.x`, payload: ofToday() }]);
    const before = await numbers(service);
    expect(JSON.stringify(before)).toContain('"customers_new":3');
    expect(await archivedWith(files)).toBeGreaterThan(ORDERS);
    await until(
      async () => ((await notifications(service)).includes(MAIL) ? true : undefined),
      () => `the notification is there: ${service.output}`,
      PATIENTLY_MS,
    );
    const toldFiles = async (): Promise<number> =>
      (await filesWith([storeDir], TEXTS)).filter((path) => /streams.(NOTICES|DELIVERIES)/.test(path)).length;
    expect(await toldFiles()).toBeGreaterThan(1);

    const made = await service.request('POST', `/customers/${PERSON}/erase`, { tenant: TENANT });
    expect(made.status).toBe(202);
    for (let kill = 0; kill < sizes.erasure_kills; kill++) {
      const moment = MOMENTS[kill % MOMENTS.length] as Moment;
      const gone = await goneOf(moment === 'notices' ? 'NOTICES' : 'EVENTS');
      const more = random.int(1, moment === 'notices' ? 5 : 120);
      await until(
        async () => {
          const { json } = await service.request('GET', `/jobs/${made.json.job_id}`, { tenant: TENANT });
          return ['succeeded', 'failed'].includes(String(json.status)) || (await isAt(moment, gone, more))
            ? true
            : undefined;
        },
        () => `the erasure is at the ${moment}: ${service.output}`,
        PATIENTLY_MS,
        1,
      );
      await service.kill();
      service = await scratch.start({ dataDir, env });
    }
    expect(await ended(service, made.json.job_id)).toMatchObject({
      ...{ status: 'succeeded', error: null, result: { counts_are: 'at_least' } },
    });
    expect(await numbers(service)).toEqual(before);
    await service.untilOk();
    expect((await service.request('GET', '/gaps')).json).toMatchObject({ messages_missing: 0 });
    expect(await archivedWith(files)).toBe(0);
    const folders = [archive, join(dataDir, 'state'), storeDir];
    expect(await filesWith(folders, TEXTS)).toEqual([]);
    expect(await notifications(service)).not.toContain(MAIL);
    const told = (await service.request('GET', deliveries, { tenant: TENANT })).json;
    expect(JSON.stringify(told)).toContain('"code":"erased"');

    // A second one finds nothing, and changes nothing.
    const again = await service.request('POST', `/customers/${PERSON}/erase`, { tenant: TENANT });
    expect(await ended(service, again.json.job_id)).toMatchObject({
      result: {
        ...{ stream: { messages_deleted: 0, events_replaced: 0 }, archive: { messages_changed: 0 } },
        ...{ told: { notices_deleted: 0, in_app_deleted: 0, sink_messages_deleted: 0 } },
        counts_are: 'exact',
      },
    });

    // What others do later still finds their orders, and a state from nothing is the live one.
    await new EventPublisher(link).publishAll(traffic(1, false).slice(0, 50));
    await service.untilApplied();
    const backfill = await service.request('POST', '/jobs/backfill', { tenant: TENANT, body: {} });
    expect(await ended(service, backfill.json.job_id)).toMatchObject({ status: 'succeeded', error: null });
    expect(await numbers(service)).toEqual(before);
    await service.terminate();
  } finally {
    await link.close();
    await server.stop();
  }
}

it.each(sizes.erasure_archives)(
  'an erasure that is killed at any step goes on: every number stays, and nothing of the person (archive in a %s)',
  { timeout: 900_000 },
  async (archive) => {
    if (archive === 'folder') return await erasedAcrossKills(await inFolder());
    const folder = await scratch.dir('erasure-bucket');
    const s3 = new TestS3(folder, ['lake']);
    await s3.start();
    try {
      await erasedAcrossKills(inBucket(folder, s3));
    } finally {
      await s3.stop();
    }
  },
);
