import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { codeOf, orderEvent, PATIENTLY, startTestApi, type TestApi } from '../../fixture-api.ts';
import { fakeBackfill } from '../../fixture-backfill.ts';
import type { BackfillPort } from '../../http/index.ts';

const RANGE = { start: '2025-09-01T00:00:00Z', end: '2025-09-02T00:00:00Z' };

let test: TestApi;
let key: string;
const asked: Parameters<BackfillPort['recount']>[0][] = [];

beforeEach(async () => {
  asked.length = 0;
  const usual = fakeBackfill();
  const recount: BackfillPort['recount'] = async (request) => {
    asked.push(request);
    return { ...(await usual.recount(request)), fixed: 2, days: 3 };
  };
  test = await startTestApi({}, fakeBackfill({ recount }));
  key = await test.key('admin', { tenants: '*' });
  await test.send('/ingest', { key, json: [orderEvent('e1')] });
  await test.apply();
});
afterEach(() => test.close());

it('says which rollups have sums of a range, and from when each is complete', async () => {
  const plan = await test.send('/jobs/rollup', {
    key,
    json: { ...RANGE, dimensions: ['country'], dry_run: true },
  });
  expect(plan.status).toBe(200);
  const all = { complete_from: null, covers: true };
  expect(await plan.json()).toEqual({
    dry_run: true,
    rollups: expect.arrayContaining([
      { name: 'total@1h', dimensions: [], granularity: '1h', ...all },
      { name: 'country@1d', dimensions: ['country'], granularity: '1d', ...all },
    ]),
  });
  expect(asked).toEqual([]);
});

it('counts them again as a job, of the tenant of the call, and reports', async () => {
  const headers = { 'x-tenant-id': 'acme' };
  const made = await test.send('/jobs/rollup', { key, headers, json: { ...RANGE, dimensions: ['country'] } });
  expect(made.status).toBe(202);
  const { job_id } = (await made.json()) as { job_id: string };
  const job = await vi.waitFor(async () => {
    const found = (await (await test.send(`/jobs/${job_id}`, { key, headers })).json()) as { status: string };
    expect(found.status).toBe('succeeded');
    return found;
  }, PATIENTLY);
  expect(job).toMatchObject({
    ...{ type: 'rollup', lane: 'backfill' },
    result: { fixed: 2, days: 3, cells: { changed: 0 }, rollups: expect.anything() },
  });
  const [start_ms, end_ms] = [Date.parse(RANGE.start), Date.parse(RANGE.end)];
  expect(asked).toMatchObject([
    { isDry: false, of: { tenant: 'acme', start_ms, end_ms, dimensions: ['country'] } },
  ]);
});

it('is refused for what there is not, and to whoever has one tenant only', async () => {
  const unknown = await test.send('/jobs/rollup', { key, json: { ...RANGE, dimensions: ['shoe_size'] } });
  expect([unknown.status, await codeOf(unknown)]).toEqual([422, 'unknown_dimension']);
  const half = await test.send('/jobs/rollup', { key, json: { start: RANGE.start } });
  expect(await codeOf(half)).toBe('validation_failed');
  const turned = await test.send('/jobs/rollup', { key, json: { start: RANGE.end, end: RANGE.start } });
  expect(await codeOf(turned)).toBe('invalid_range');
  const own = await test.send('/jobs/rollup', { key: await test.key('admin'), json: RANGE });
  expect([own.status, await codeOf(own)]).toEqual([403, 'tenant_forbidden']);
});
