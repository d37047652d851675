import { gunzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { codeOf, orderEvent, PATIENTLY, startTestApi, type TestApi } from '../../fixture-api.ts';

interface Job {
  readonly job_id: string;
  readonly status: string;
  readonly [member: string]: unknown;
}

let test: TestApi;
let admin: string;
beforeEach(async () => {
  test = await startTestApi();
  admin = await test.key('admin');
});
afterEach(() => test.close());

const jsonOf = async (response: Response | Promise<Response>): Promise<Job> =>
  (await (await response).json()) as Job;

async function ended(job_id: string): Promise<Job> {
  return vi.waitFor(async () => {
    const job = await jsonOf(test.send(`/jobs/${job_id}`, { key: admin }));
    expect(['succeeded', 'failed', 'cancelled']).toContain(job.status);
    return job;
  }, PATIENTLY);
}

/** Events of two currencies and countries, one with a formula for a name and one payload of several lines. */
async function fill(): Promise<void> {
  const events = [
    orderEvent('e1', { amount: 1_234, time: '2025-09-01T09:00:00Z' }),
    orderEvent('e2', { amount: 500, currency: 'JPY', country: 'JP', time: '2025-09-01T10:00:00Z' }),
    orderEvent('e3', { amount: 5, campaign: '=cmd()', note: 'a,"b"\nc', time: '2025-09-01T11:00:00Z' }),
    { event_id: 'e4', type: 'visit', time: '2025-09-01T11:30:00Z', session_id: 's' },
  ];
  const sent = await test.send('/ingest', { key: admin, body: JSON.stringify(events, null, 1) });
  expect(sent.status).toBe(202);
  await test.apply();
}

describe('POST /exports', () => {
  const create = (json: object, key = admin, headers = {}) => test.send('/exports', { key, json, headers });
  async function file(json: object): Promise<string> {
    const created = await create(json);
    expect(created.status).toBe(202);
    const { job_id } = await jsonOf(created);
    expect(created.headers.get('location')).toBe(`/v1/order-analytics/jobs/${job_id}`);
    expect(await ended(job_id)).toMatchObject({ status: 'succeeded', lane: 'export' });
    const { download_url } = await jsonOf(test.send(`/exports/${job_id}`, { key: admin }));
    const response = await test.send(String(download_url));
    expect(response.status).toBe(200);
    const bytes = Buffer.from(await response.arrayBuffer());
    expect(bytes.length).toBe(Number(response.headers.get('content-length')));
    return (
      response.headers.get('content-type') === 'application/gzip' ? gunzipSync(bytes) : bytes
    ).toString();
  }

  it('writes events as CSV and as NDJSON, by a link that needs no key', async () => {
    await fill();
    const query = { query: { field: 'type', eq: 'order.created' } };
    const csv = await file({ query, format: 'csv' });
    const lines = csv.split('\r\n');
    const [head = ''] = lines;
    expect(head).toMatch(/^event_id,type,time,order_id,customer_id,session_id,currency,amount,discount/);
    expect(lines.slice(1, 4).map((line) => line.split(',').slice(0, 8).join())).toEqual([
      'e1,order.created,2025-09-01T09:00:00.000Z,o-e1,c-1,,GBP,12.34',
      'e2,order.created,2025-09-01T10:00:00.000Z,o-e2,c-1,,JPY,500',
      'e3,order.created,2025-09-01T11:00:00.000Z,o-e3,c-1,,GBP,0.05',
    ]);
    expect(lines[3]).toContain(",'=cmd(),");
    const ndjson = await file({ query: { order: 'desc' }, compression: true });
    const rows = ndjson
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(rows.map(({ event_id }) => event_id)).toEqual(['e4', 'e3', 'e2', 'e1']);
    expect(rows[1]).toMatchObject({
      amount: 0.05,
      campaign: '=cmd()',
      payload: { note: 'a,"b"\nc', amount: 5 },
      sequence: 3,
    });
    expect(await file({ query: { from: '2025-09-02T00:00:00Z' }, format: 'csv' })).toBe(`${head}\r\n`);
  });

  it('writes a KPI answer by group and bucket, money in major units', async () => {
    await fill();
    const query = {
      metrics: ['orders_count', 'revenue', 'aov'],
      start: '2025-09-01T00:00:00Z',
      end: '2025-09-03T00:00:00Z',
      granularity: '1d',
      group_by: ['country'],
      filters: { country: ['GB', 'JP'] },
    };
    expect((await file({ query, format: 'csv' })).split('\r\n')).toEqual([
      'country,time,currency,orders_count,revenue,aov,incomplete',
      'GB,2025-09-01T00:00:00Z,GBP,2,12.39,6.195,true',
      'GB,2025-09-02T00:00:00Z,GBP,0,0.00,,true',
      'JP,2025-09-01T00:00:00Z,JPY,1,500,500,true',
      'JP,2025-09-02T00:00:00Z,JPY,0,0,,true',
      '',
    ]);
    const compared = {
      ...query,
      metrics: ['revenue'],
      filters: { country: 'GB' },
      compare: 'previous_period',
    };
    const day = { ...compared, start: '2025-09-02T00:00:00Z', end: query.end };
    expect((await file({ query: day, format: 'csv' })).split('\r\n').slice(0, 2)).toEqual([
      'country,time,currency,revenue,incomplete,revenue_previous',
      'GB,2025-09-02T00:00:00Z,GBP,0.00,true,12.39',
    ]);
  });

  it.each([
    [{ query: { metrics: ['nothing'] } }, 422, 'validation_failed'],
    [{ query: { form: 'x' } }, 422, 'validation_failed'],
    [{ query: { query: { field: 'a' } } }, 422, 'validation_failed'],
    [{ query: {}, format: 'pdf' }, 422, 'validation_failed'],
    [{ query: {}, destination: 's3://bucket' }, 422, 'channel_not_configured'],
    [{ query: { from: '2025-09-02T00:00:00Z', to: '2025-09-01T00:00:00Z' } }, 422, 'invalid_range'],
  ])('refuses %j at once, and makes no job', async (json, status, code) => {
    await fill();
    const response = await create(json);
    expect([response.status, await codeOf(response)]).toEqual([status, code]);
    expect(await jsonOf(test.send('/jobs', { key: admin }))).toMatchObject({ jobs: [] });
  });

  it('says counts once where a group has money of several currencies', async () => {
    await fill();
    const more = [
      orderEvent('e5', { amount: 70, currency: undefined, time: '2025-09-01T09:10:00Z' }),
      orderEvent('e6', { amount: 300, country: 'JP', currency: 'EUR', time: '2025-09-01T09:20:00Z' }),
    ];
    const sent = await test.send('/ingest', { key: admin, json: JSON.parse(JSON.stringify(more)) });
    expect(sent.status).toBe(202);
    await test.apply();
    const query = {
      ...{ metrics: ['orders_count', 'revenue', 'aov', 'visits'], group_by: ['country'] },
      ...{ start: '2025-09-01T00:00:00Z', end: '2025-09-02T00:00:00Z' },
    };
    const rows = (await file({ query, format: 'csv' })).split('\r\n').slice(1, -1);
    expect(rows.toSorted()).toEqual([
      ',2025-09-01T00:00:00Z,,0,0.00,,1,true',
      // Without a currency: all orders of the country, and the money of none.
      'GB,2025-09-01T00:00:00Z,,3,0.70,0.70,0,true',
      'GB,2025-09-01T00:00:00Z,GBP,,12.39,6.195,,true',
      'JP,2025-09-01T00:00:00Z,,2,,,0,true',
      'JP,2025-09-01T00:00:00Z,EUR,,3.00,3.00,,true',
      'JP,2025-09-01T00:00:00Z,JPY,,500,500,,true',
    ]);
  });

  it('plans, repeats by key, and is for analysts', async () => {
    await fill();
    expect(await jsonOf(create({ query: {}, dry_run: true }))).toMatchObject({ dry_run: true, plan: {} });
    const headers = { 'idempotency-key': 'x1' };
    const first = await jsonOf(create({ query: {} }, admin, headers));
    expect((await jsonOf(create({ query: {} }, admin, headers))).job_id).toBe(first.job_id);
    const other = await create({ query: {}, format: 'csv' }, admin, headers);
    expect([other.status, await codeOf(other)]).toEqual([422, 'idempotency_key_reused']);
    const viewer = await test.key('viewer');
    expect((await create({ query: {} }, viewer)).status).toBe(403);
    const analyst = await test.key('analyst');
    const { job_id } = await jsonOf(create({ query: {} }, analyst));
    await ended(job_id);
    for (const path of [`/exports/${job_id}`, `/jobs/${job_id}/result`]) {
      expect((await test.send(path, { key: viewer })).status, path).toBe(403);
      const given = await test.send(path, { key: analyst });
      expect([given.status, (await given.text()).length > 0], path).toEqual([200, true]);
    }
  });

  it('links are bound to their file and time, and the file goes after a day', async () => {
    await fill();
    const [one, two] = [await jsonOf(create({ query: {} })), await jsonOf(create({ query: {} }))];
    await ended(one.job_id);
    await ended(two.job_id);
    const { download_url } = await jsonOf(test.send(`/exports/${one.job_id}`, { key: admin }));
    const link = String(download_url);
    const outcome = async (path: string) => {
      const response = await test.send(path, path === link ? {} : { key: admin });
      return response.ok
        ? [200, (await response.text()).split('\n').length]
        : [response.status, await codeOf(response)];
    };
    expect(await outcome(link.replace(one.job_id, two.job_id))).toEqual([403, 'link_invalid']);
    const otherToken = link.replace(/token=(.)/, (_, first) => `token=${first === 'A' ? 'B' : 'A'}`);
    expect(await outcome(otherToken)).toEqual([403, 'link_invalid']);
    test.clock.advance(3_600_000);
    expect(await outcome(link)).toEqual([410, 'expired']);
    expect(await outcome(`/jobs/${one.job_id}/result`)).toEqual([200, 5]);
    test.clock.advance(23 * 3_600_000);
    expect(await outcome(`/jobs/${one.job_id}/result`)).toEqual([410, 'expired']);
    expect(await jsonOf(test.send(`/exports/${one.job_id}`, { key: admin }))).toMatchObject({
      download_url: null,
    });
  });
});
