import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestNats, type TestNats } from './nats.ts';
import { PagedApi } from './paged-api.ts';
import { type Millrace, until } from './process.ts';
import { S3_KEY, TestS3 } from './s3-server.ts';
import { Scratch } from './scratch.ts';

const PATIENTLY_MS = 120_000;
const BUCKET = 'orders';
const DAY = { start: '2025-03-10T00:00:00Z', end: '2025-03-11T00:00:00Z' };

type Json = Readonly<Record<string, unknown>>;

const scratch = new Scratch();
let nats: TestNats;
let s3: TestS3;
let drop: string;
let env: Readonly<Record<string, string>>;
let dataDir: string;
let service: Millrace;

beforeAll(async () => {
  nats = await startTestNats();
  s3 = new TestS3(await scratch.dir('connector-s3'), [BUCKET]);
  drop = await scratch.dir('connector-drop');
  await s3.start();
  env = { NATS_URL: nats.url, CONNECTOR_ALLOW_PRIVATE: '1', CONNECTOR_DROP_FOLDER: drop };
  dataDir = await scratch.dir('connectors');
  service = await scratch.start({ dataDir, env });
});
afterAll(async () => {
  await scratch.clean();
  await s3?.stop();
  await nats?.stop();
});

/** An order of somebody's own form: money as decimal text. */
const line = (shop: string, at: number, total = '12.50'): string =>
  JSON.stringify({ receipt: `${shop}-${at}`, sold: '2025-03-10T10:00:00Z', total, currency: 'EUR' });

const RULES = {
  rules: [
    {
      event: {
        event_id: 'receipt',
        ...{ type: { const: 'order.created' }, time: 'sold', order_id: 'receipt' },
        ...{ currency: 'currency', amount: 'total' },
      },
    },
  ],
};

async function connect(
  tenant: string,
  type: string,
  config: object,
  mapping: object = RULES,
): Promise<string> {
  const body = { name: `${tenant} ${type}`, type, config, mapping };
  const made = await service.request('POST', '/connectors', { tenant, body });
  expect([made.status, made.json]).toEqual([201, made.json]);
  return String(made.json.id);
}

const s3Config = (prefix: string, more: object = {}): object => ({
  ...{ bucket: BUCKET, prefix, endpoint: s3.endpoint, interval_s: 1 },
  ...{ access_key_id: S3_KEY, secret_access_key: S3_KEY, ...more },
});

const statusOf = async (tenant: string, id: string): Promise<Json> =>
  (await service.request('GET', `/connectors/${id}/status`, { tenant })).json;

const untilStatus = (tenant: string, id: string, wanted: (status: Json) => boolean): Promise<Json> => {
  let last: Json = {};
  return until(
    async () => {
      last = await statusOf(tenant, id);
      return wanted(last) ? last : undefined;
    },
    () => `the status is as wanted: ${JSON.stringify(last)} ${service.output}`,
    PATIENTLY_MS,
  );
};

const codeIn = ({ error }: Json): unknown => (error as Json | null)?.code;
const countsIn = ({ counts }: Json): Json => counts as Json;

async function untilCounted(tenant: string, orders: number, revenue: number): Promise<void> {
  const query = { metrics: ['orders_count', 'revenue'], ...DAY };
  let last: unknown;
  await until(
    async () => {
      last = await service.totals(tenant, query);
      return (last as Json).orders_count === orders ? true : undefined;
    },
    () => `${orders} orders are counted: ${JSON.stringify(last)} ${service.output}`,
    PATIENTLY_MS,
  );
  expect(last).toMatchObject({ orders_count: orders, revenue });
}

describe('a bucket', () => {
  it('is read to the last line through kill -9, each order once, and one in a thousand is a dead letter', async () => {
    const tenant = 'bucket';
    const of = (from: number, to: number): string =>
      Array.from({ length: to - from }, (_, at) =>
        line('b', from + at, (from + at) % 1_000 === 500 ? 'much' : '12.50'),
      ).join('\n');
    await s3.put(BUCKET, 'in/a.ndjson', of(0, 1_500));
    const id = await connect(tenant, 's3', s3Config('in/'));
    await untilStatus(tenant, id, (status) => Number(countsIn(status).in) >= 500);
    await service.kill();
    await s3.put(BUCKET, 'in/b.jsonl.gz', gzipSync(of(1_400, 2_000)));
    service = await scratch.start({ dataDir, env });
    await untilStatus(tenant, id, ({ position }) => seenOf(position) === 2);
    await untilCounted(tenant, 1_998, 1_998 * 1_250);
    const status = await statusOf(tenant, id);
    expect(status).toMatchObject({ health: 'ok', lag: expect.toSatisfy((lag) => lag === 0 || lag === null) });
    // Read again from the beginning, nothing counts twice.
    await service.request('POST', `/connectors/${id}/run`, { tenant, body: { resync: true } });
    const again = Number(countsIn(status).in) + 2_100;
    await untilStatus(tenant, id, (now) => Number(countsIn(now).in) >= again);
    await service.untilApplied();
    await untilCounted(tenant, 1_998, 1_998 * 1_250);
  });

  it('that is missing, refused or away is named, waited for, and read when it is there', async () => {
    const tenant = 'faults';
    await s3.put(BUCKET, 'faults/a.ndjson', line('f', 1));
    const missing = await connect(tenant, 's3', s3Config('faults/', { bucket: 'nowhere' }));
    const gone = await untilStatus(tenant, missing, (status) => codeIn(status) !== undefined);
    expect([gone.health, codeIn(gone)]).toEqual(['waiting', 's3_bucket_missing']);
    await service.request('PATCH', `/connectors/${missing}`, {
      tenant,
      body: { config: { bucket: BUCKET, access_key_id: 'SOMEBODY' } },
    });
    const refused = await untilStatus(tenant, missing, (status) => codeIn(status) === 's3_refused');
    expect(refused.health).toBe('waiting');
    await s3.stop();
    await service.request('PATCH', `/connectors/${missing}`, {
      tenant,
      body: { config: { access_key_id: S3_KEY } },
    });
    await untilStatus(tenant, missing, (status) => codeIn(status) === 's3_unavailable');
    await s3.start();
    const well = await untilStatus(tenant, missing, ({ health }) => health === 'ok');
    expect(JSON.stringify(well)).not.toContain('"secret_access_key"');
    await untilCounted(tenant, 1, 1_250);
  });
});

/** How many files a position says are read. */
function seenOf(position: unknown): number {
  const { seen } = (position ?? {}) as { readonly seen?: { readonly versions: readonly unknown[] } };
  return seen?.versions.length ?? 0;
}

describe('a folder', () => {
  it('is read with its CSV files, and goes on at the row; a row that is malformed is a dead letter', async () => {
    const tenant = 'folder';
    await mkdir(join(drop, tenant, 'till'), { recursive: true });
    const row = (at: number): string => `r-${at},2025-03-10T10:00:00Z,"1.50",EUR`;
    const rows = [
      'receipt,sold,total,currency',
      ...Array.from({ length: 1_200 }, (_, at) => row(at)),
      'r-x,2025',
    ];
    await writeFile(join(drop, tenant, 'till', 'a.csv'), rows.join('\n'));
    const id = await connect(tenant, 'file_drop', { folder: 'till', interval_s: 1, stable_ms: 200 });
    await untilCounted(tenant, 1_200, 1_200 * 150);
    await writeFile(join(drop, tenant, 'till', 'b.ndjson'), line('d', 1));
    await untilCounted(tenant, 1_201, 1_200 * 150 + 1_250);
    const status = await untilStatus(tenant, id, ({ position }) => seenOf(position) === 2);
    expect(status).toMatchObject({ health: 'ok', counts: { in: 1_202, accepted: 1_201, dead: 1 } });
    const outside = { folder: '../bucket', interval_s: 1 };
    const body = { name: 'outside', type: 'file_drop', config: outside };
    expect((await service.request('POST', '/connectors', { tenant, body })).status).toBe(422);
  });
});

describe('a folder and an API', () => {
  it('are read through kill -9, each order once, and an API that is away is waited for', async () => {
    const [files, polled] = ['killed-folder', 'killed-api'];
    const of = (from: number, to: number): readonly string[] =>
      Array.from({ length: to - from }, (_, at) => line('k', from + at));
    const till = join(drop, files, 'till');
    await mkdir(till, { recursive: true });
    await writeFile(join(till, 'a.ndjson'), of(0, 3_000).join('\n'));
    const api = new PagedApi(of(0, 1_000));
    await api.start();
    try {
      // Half of the pages are answered before the kill.
      api.heldFrom = 500;
      const folder = await connect(files, 'file_drop', { folder: 'till', interval_s: 1, stable_ms: 200 });
      const config = { url: api.url, records: 'orders', cursor: { path: 'next', param: 'page' } };
      const poll = await connect(polled, 'http_poll', { ...config, interval_s: 1 });
      await untilStatus(files, folder, (status) => Number(countsIn(status).in) >= 500);
      await until(
        () => (api.isHeld ? true : undefined),
        () => `the page is asked for: ${service.output}`,
        PATIENTLY_MS,
      );
      await service.kill();
      api.heldFrom = Number.POSITIVE_INFINITY;
      await writeFile(join(till, 'b.ndjson'), of(2_900, 3_100).join('\n'));
      service = await scratch.start({ dataDir, env });
      await untilCounted(files, 3_100, 3_100 * 1_250);
      await untilCounted(polled, 1_000, 1_000 * 1_250);
      await api.stop();
      const away = await untilStatus(polled, poll, (status) => codeIn(status) === 'target_unreachable');
      expect(away.health).toBe('waiting');
      api.rows = of(0, 1_100);
      await api.start();
      await untilCounted(polled, 1_100, 1_100 * 1_250);
      await untilStatus(polled, poll, ({ health }) => health === 'ok');
      await service.request('DELETE', `/connectors/${poll}`, { tenant: polled });
    } finally {
      await api.stop();
    }
  });
});
