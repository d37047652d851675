import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { codeOf, orderEvent, PATIENTLY, startTestApi, type TestApi } from '../../fixture-api.ts';
import { fakeBackfill } from '../../fixture-backfill.ts';

const DAY_MS = 86_400_000;
const T = Date.UTC(2025, 7, 1);

let test: TestApi;
let key: string;

beforeEach(async () => {
  test = await startTestApi({}, fakeBackfill());
  key = await test.key('admin', { tenants: '*' });
});
afterEach(() => test.close());

/** Ten orders of ten days: with eight kept, one is behind the cut, in the store still. */
async function tenDays(tenant: string): Promise<void> {
  const headers = { 'x-tenant-id': tenant };
  const json = Array.from({ length: 10 }, (_, day) =>
    orderEvent(`${tenant}-${day}`, {
      time: new Date(T + (day + 0.5) * DAY_MS).toISOString(),
      customer_id: `c-${day}`,
    }),
  );
  await test.send('/ingest', { key, headers, json });
  await test.apply();
}

async function keep(tenant: string, retention_days: number): Promise<void> {
  const headers = { 'x-tenant-id': tenant };
  const set = await test.send('/settings', { key, headers, method: 'PATCH', json: { retention_days } });
  expect(set.status).toBe(200);
  await vi.waitFor(async () => {
    await test.apply();
    expect(await planOf('/jobs/retention', { tenants: [tenant] })).toMatchObject({
      tenants: [{ cut_before: expect.any(String) }],
    });
  }, PATIENTLY);
}

interface Shown {
  readonly job_id: string;
  readonly status: string;
  readonly result: unknown;
  readonly created_by: string;
}

async function ended(job_id: string): Promise<Shown> {
  return await vi.waitFor(async () => {
    // The pipeline goes on meanwhile.
    await test.apply();
    const job = (await (await test.send(`/jobs/${job_id}`, { key })).json()) as Shown;
    expect(job.status).toMatch(/succeeded|failed|cancelled/);
    return job;
  }, PATIENTLY);
}

async function started(path: string, json: object = {}): Promise<string> {
  const made = await test.send(path, { key, json });
  expect(made.status).toBe(202);
  return ((await made.json()) as Shown).job_id;
}

const planOf = async (path: string, json: object = {}): Promise<unknown> => {
  const dry = await test.send(path, { key, json: { ...json, dry_run: true } });
  expect(dry.status).toBe(200);
  return ((await dry.json()) as { readonly plan: unknown }).plan;
};

it('removes what is behind the cut, by the pipeline, and reports by tenant what went and what stays', async () => {
  for (const tenant of ['acme', 'other']) await tenDays(tenant);
  await keep('acme', 8);
  const due = { segments: 1, into: 1, rows: 10, removed_rows: 1 };
  const acme = { tenant: 'acme', keeps_days: 8, cut_before: '2025-08-02', newest_day: '2025-08-10' };
  expect(await planOf('/jobs/retention')).toMatchObject({
    tenants: [
      { ...acme, before: { segments: 1, rows: 10 }, due, why_kept: 'within_days' },
      { tenant: 'other', keeps_days: null, cut_before: null, due: { segments: 0 }, why_kept: 'no_limit' },
    ],
    ...{ tenants_left_out: 0, totals: { ...due, tenants: 1 } },
  });
  expect(await planOf('/jobs/retention', { tenants: ['other'] })).toMatchObject({
    ...{ tenants: [{ tenant: 'other' }], totals: { rows: 0 } },
  });
  const job = await ended(await started('/jobs/retention'));
  expect(job).toMatchObject({
    ...{
      type: 'retention',
      lane: 'backfill',
      status: 'succeeded',
      progress: { done: 10, total: 10, unit: 'rows' },
    },
    result: {
      tenants: [
        { ...acme, before: { rows: 10 }, after: { segments: 1, rows: 9 }, done: due },
        { tenant: 'other', after: { rows: 10 }, done: { removed_rows: 0 } },
      ],
      ...{
        totals: { removed_rows: 1, tenants: 1 },
        stays: expect.arrayContaining([expect.stringContaining('rollups')]),
      },
    },
  });
  expect(await planOf('/jobs/retention')).toMatchObject({ totals: { rows: 0, tenants: 0 } });
  // Nothing of it is left: the request to the pipeline is gone.
  const asked = (await test.definitions.list()).filter(({ key }) => key.includes('log_upkeep'));
  expect(asked).toEqual([]);
});

it('merges small segments, and gives back pages where enough of the file is free', async () => {
  for (let day = 0; day < 5; day++) {
    await test.send('/ingest', { key, json: [orderEvent(`o${day}`, { customer_id: `c-${day}` })] });
    await test.apply();
  }
  const due = { segments: 5, into: 1, rows: 5, removed_rows: 0 };
  expect(await planOf('/jobs/compaction')).toMatchObject({
    tenants: [{ due }],
    totals: { ...due, tenants: 1 },
  });
  const first = await ended(await started('/jobs/compaction'));
  expect(first.result).toMatchObject({
    tenants: [{ before: { segments: 5 }, after: { segments: 1 }, done: due }],
  });
  const nothing = await ended(await started('/jobs/compaction', { min_free_share: 0.5 }));
  expect(nothing).toMatchObject({ status: 'succeeded', result: { totals: { rows: 0 } } });
});

it('goes on after a restart, can be cancelled while the pipeline stands, and takes its request back', async () => {
  await tenDays('default');
  await keep('default', 8);
  const waiting = await started('/jobs/retention');
  const asked = async (): Promise<number> =>
    (await test.definitions.list()).filter(({ key }) => key.startsWith('def.log_upkeep')).length;
  await vi.waitFor(async () => expect(await asked()).toBe(1), PATIENTLY);
  const second = await test.send('/jobs/retention', { key, json: {} });
  expect([second.status, await codeOf(second)]).toEqual([409, 'backfill_running']);
  test = await test.restart();
  await vi.waitFor(async () => expect(await asked()).toBe(1), PATIENTLY);
  await test.send(`/jobs/${waiting}/cancel`, { key, json: {} });
  await vi.waitFor(async () => expect(await asked()).toBe(0), PATIENTLY);
  expect(await ended(waiting)).toMatchObject({ status: 'cancelled' });
  expect(await planOf('/jobs/retention')).toMatchObject({ totals: { removed_rows: 1 } });
});

it('is made by schedule, once for each time', async () => {
  await test.close();
  test = await startTestApi(
    { RETENTION_SCHEDULE: '0 3 * * *', COMPACTION_SCHEDULE: '0 4 * * *' },
    fakeBackfill(),
  );
  key = await test.key('admin', { tenants: '*' });
  const made = async (): Promise<string[]> => {
    const { jobs } = (await (await test.send('/jobs', { key })).json()) as {
      readonly jobs: readonly (Shown & { readonly type: string })[];
    };
    return jobs.map(({ type, status, created_by }) => `${type} ${status} ${created_by}`).sort();
  };
  const both = ['compaction succeeded schedule', 'retention succeeded schedule'];
  await vi.waitFor(async () => expect(await made()).toEqual(both), PATIENTLY);
  test = await test.restart();
  expect(await made()).toEqual(both);
  const bad = startTestApi({ RETENTION_SCHEDULE: '99 * * * *' });
  await expect(bad).rejects.toMatchObject({ code: 'bad_setting' });
});

it('is for keys of all tenants, and asks a process that has the state', async () => {
  const own = await test.send('/jobs/retention', { key: await test.key('admin'), json: {} });
  expect([own.status, await codeOf(own)]).toEqual([403, 'tenant_forbidden']);
  const share = await test.send('/jobs/compaction', { key, json: { min_free_share: 2 } });
  expect(await codeOf(share)).toBe('validation_failed');
  await test.close();
  test = await startTestApi();
  const all = await test.key('admin', { tenants: '*' });
  const none = await test.send('/jobs/compaction', { key: all, json: { min_free_share: 0 } });
  expect(await codeOf(none)).toBe('not_supported');
});
