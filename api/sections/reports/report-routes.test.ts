import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { codeOf, orderEvent, PATIENTLY, startTestApi, TEST_NOW_MS, type TestApi } from '../../fixture-api.ts';
import { reportSchema } from './report-kind.ts';
import { dueAt } from './report-watch.ts';

type Json = Record<string, unknown>;

let test: TestApi;
let analyst: string;

beforeEach(async () => {
  test = await startTestApi();
  analyst = await test.key('analyst');
  const json = [
    orderEvent('e1', { amount: 1_000 }),
    orderEvent('e2', { country: 'DE', amount: 250, customer_id: 'c-2' }),
  ];
  await test.send('/ingest', { key: await test.key('ingest'), json });
  await test.apply();
});
afterEach(() => test.close());

const send = async (path: string, json?: unknown, status = 201): Promise<Json> => {
  const response = await test.send(path, { key: analyst, ...(json === undefined ? {} : { json }) });
  const body = (await response.json()) as Json;
  expect([response.status, body]).toEqual([status, body]);
  return body;
};

const QUERY = { metrics: ['orders_count', 'revenue_gross'], group_by: ['country'] };
const HOURLY = { name: 'hourly', query: QUERY, range: 'today', schedule: '0 * * * *' };

const runsOf = async (id: unknown): Promise<Json[]> =>
  (await send(`/reports/${id}/runs`, undefined, 200)).runs as Json[];

const runs = (id: unknown, count: number): Promise<Json[]> =>
  vi.waitFor(
    async () => {
      const found = await runsOf(id);
      expect(found.map(({ status, error }) => error ?? status)).toEqual(
        Array.from({ length: count }, () => 'succeeded'),
      );
      return found;
    },
    { ...PATIENTLY, interval: 200 },
  );

async function fileOf({ job_id }: Json): Promise<string> {
  const { download_url } = await send(`/exports/${job_id}`, undefined, 200);
  return (await test.send(String(download_url))).text();
}

describe('a schedule', () => {
  const due = (schedule: string, now: string, timezone = 'Europe/Berlin'): string | undefined => {
    const report = reportSchema.parse({ query: {}, schedule, timezone });
    const due_ms = dueAt(report, Date.parse(now));
    return due_ms === undefined ? undefined : new Date(due_ms).toISOString();
  };

  it('is due by the clock of its zone, once where that is changed', () => {
    expect(due('30 6 * * 1', '2025-09-01T04:29:59.999Z')).toBe('2025-08-25T04:30:00.000Z');
    expect(due('30 6 * * 1', '2025-09-01T04:30:00Z')).toBe('2025-09-01T04:30:00.000Z');
    // 02:30 is left out on 2025-03-30, and comes twice on 2025-10-26.
    expect(due('30 2 * * *', '2025-03-30T00:59:59Z')).toBe('2025-03-29T01:30:00.000Z');
    expect(due('30 2 * * *', '2025-03-30T12:00:00Z')).toBe('2025-03-30T01:00:00.000Z');
    expect(due('30 2 * * *', '2025-10-26T00:30:00Z')).toBe('2025-10-26T00:30:00.000Z');
    expect(due('30 2 * * *', '2025-10-26T23:00:00Z')).toBe('2025-10-26T00:30:00.000Z');
  });

  it('is of five fields and comes to pass', () => {
    for (const schedule of ['* * * * * *', '61 * * * *', '0 0 31 2 *', 'daily', '']) {
      expect(reportSchema.safeParse({ query: {}, schedule }).success, schedule).toBe(false);
    }
  });
});

describe('a report', () => {
  it('runs when it is due, once, and its file has the rows of the query', async () => {
    const made = await send('/reports/schedule', HOURLY);
    expect(made).toMatchObject({ next_run_at: '2025-09-01T13:00:00.000Z', format: 'csv' });
    expect(await runsOf(made.id)).toEqual([]);
    test.clock.advance(3_600_000);
    const [run] = await runs(made.id, 1);
    expect(run).toMatchObject({ type: 'export', due_at: '2025-09-01T13:00:00.000Z', result: { rows: 2 } });
    expect((await fileOf(run as Json)).split('\r\n')).toEqual([
      'country,time,currency,orders_count,revenue_gross,incomplete',
      'DE,2025-09-01T00:00:00Z,GBP,1,2.50,true',
      'GB,2025-09-01T00:00:00Z,GBP,1,10.00,true',
      '',
    ]);
    test.clock.advance(3_600_000);
    await runs(made.id, 2);
  });

  it('that was missed runs once after the start, or not, as it says', async () => {
    const once = await send('/reports', HOURLY);
    const skipped = await send('/reports', { ...HOURLY, name: 'skipped', missed: 'skip' });
    test.clock.advance(7.5 * 3_600_000);
    test = await test.restart();
    const [run] = await runs(once.id, 1);
    expect(run).toMatchObject({ due_at: '2025-09-01T19:00:00.000Z' });
    expect(await runsOf(skipped.id)).toEqual([]);
    // Another start finds that it was made.
    test = await test.restart();
    test.clock.advance(1_800_000);
    expect((await runs(once.id, 2)).map(({ due_at }) => due_at)).toEqual([
      '2025-09-01T20:00:00.000Z',
      '2025-09-01T19:00:00.000Z',
    ]);
    await runs(skipped.id, 1);
  });

  it('runs once at a time that comes twice, over a restart between the two, and at one that is left out', async () => {
    const BERLIN = { timezone: 'Europe/Berlin', schedule: '30 2 * * *' };
    const { id } = await send('/reports', { ...HOURLY, ...BERLIN, name: 'nightly' });
    const to = (time: string): void => test.clock.advance(Date.parse(time) - test.clock.now());
    const dueOf = async (count: number): Promise<unknown> => (await runs(id, count))[0]?.due_at;
    to('2025-10-26T00:31:00Z');
    expect(await dueOf(1)).toBe('2025-10-26T00:30:00.000Z');
    test = await test.restart();
    // 02:30 comes again an hour later.
    to('2025-10-26T12:00:00Z');
    test = await test.restart();
    to('2025-10-27T01:31:00Z');
    expect(await dueOf(2)).toBe('2025-10-27T01:30:00.000Z');
    to('2026-03-29T01:01:00Z');
    expect(await dueOf(3)).toBe('2026-03-29T01:00:00.000Z');
  });

  it('is of a saved query, runs now, and sees no more than an analyst', async () => {
    const saved = await send('/queries', {
      ...{ name: 'scores', type: 'rfm', query: { limit: 1 } },
      range: 'last_30d',
    });
    const report = await send('/reports', {
      ...{ name: 'scores', query_id: saved.id, schedule: '0 6 1 1 *', format: 'ndjson' },
      enabled: false,
    });
    expect(report.next_run_at).toBeNull();
    await send(`/reports/${report.id}/run`, {}, 202);
    const [run] = await runs(report.id, 1);
    const rows = (await fileOf(run as Json)).trim().split('\n');
    // All pages of it.
    expect(rows.map((row) => (JSON.parse(row) as Json).currency)).toEqual(['GBP', 'GBP']);
    expect(new Date(TEST_NOW_MS).toISOString()).toBe(run?.due_at);
  });

  it('is shown, and deleted', async () => {
    const { id } = await send('/reports/schedule', { ...HOURLY, format: 'csv' });
    expect(await send(`/reports/${id}`, undefined, 200)).toMatchObject({
      ...{ id, name: 'hourly', schedule: '0 * * * *', format: 'csv', query: QUERY },
      next_run_at: new Date(TEST_NOW_MS + 3_600_000).toISOString(),
    });
    expect((await test.send(`/reports/${id}`, { key: analyst, method: 'DELETE' })).status).toBe(204);
    expect((await test.send(`/reports/${id}`, { key: analyst })).status).toBe(404);
  });

  it.each([
    [{ ...HOURLY, schedule: 'x' }, 'validation_failed'],
    [{ ...HOURLY, timezone: 'Moon/Base' }, 'validation_failed'],
    [{ ...HOURLY, query: { metrics: [] } }, 'validation_failed'],
    [{ ...HOURLY, query: undefined, query_id: 'query_none' }, 'validation_failed'],
    [{ ...HOURLY, query_id: 'query_none' }, 'validation_failed'],
    [{ ...HOURLY, destination: 'ftp://x' }, 'validation_failed'],
    [{ ...HOURLY, destination: 's3://bucket/reports' }, 'channel_not_configured'],
    [{ ...HOURLY, destination: { email: 'ops@example.com' } }, 'channel_not_configured'],
  ])('is refused as %j', async (json, code) => {
    expect(await codeOf(await test.send('/reports', { key: analyst, json }))).toBe(code);
  });
});
