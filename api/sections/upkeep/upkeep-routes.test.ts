import { pino } from 'pino';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { JobRecord } from '../../../runtime/index.ts';
import { codeOf, orderEvent, PATIENTLY, startTestApi, type TestApi } from '../../fixture-api.ts';
import { fakeBackfill } from '../../fixture-backfill.ts';
import { JobSchedule } from '../jobs/index.ts';

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
  // It names all tenants: whoever has one, be it that which it lies with, does not see it.
  const seenBy = async (reader: string): Promise<readonly unknown[]> => {
    const { jobs } = (await (await test.send('/jobs', { key: reader })).json()) as { readonly jobs: Shown[] };
    const one = await test.send(`/jobs/${job.job_id}`, { key: reader });
    const events = await test.send(`/jobs/${job.job_id}/events`, { key: reader });
    await events.body?.cancel();
    return [jobs.map(({ job_id }) => job_id), one.status, events.status];
  };
  expect(await seenBy(await test.key('viewer', { tenants: '*' }))).toEqual([[job.job_id], 200, 200]);
  for (const role of ['viewer', 'admin']) expect(await seenBy(await test.key(role))).toEqual([[], 404, 404]);
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

it('asks again where another generation has taken the place of the one that was asked, or the request is gone', async () => {
  await tenDays('default');
  await keep('default', 8);
  const waiting = await started('/jobs/retention');
  const asked = async (): Promise<string[]> =>
    (await test.definitions.list())
      .map((entry) => entry.key)
      .filter((name) => name.startsWith('def.log_upkeep'));
  const askedAnew = async (before: readonly string[]): Promise<string[]> =>
    await vi.waitFor(async () => {
      const now = await asked();
      expect(now).toEqual([expect.any(String)]);
      expect(now).not.toEqual(before);
      return now;
    }, PATIENTLY);
  const first = await askedAnew([]);
  const { reader } = test.ports;
  Object.assign(test.ports, {
    reader: () => {
      const state = reader();
      return state && { ...state, generation: 2 };
    },
  });
  const [second = ''] = await askedAnew(first);
  // As another process takes back what it asked, with its name.
  for (const entry of await test.definitions.list())
    if (entry.key.startsWith('name.log_upkeep')) await test.definitions.delete(entry.key);
  await test.definitions.delete(second);
  await askedAnew([second]);
  const due = { rows: 10, removed_rows: 1 };
  expect(await ended(waiting)).toMatchObject({ status: 'succeeded', result: { totals: due } });
});

it('reports after a stop while free pages were given back what was done before it', async () => {
  await test.close();
  let isShrinking = false;
  test = await startTestApi(
    {},
    fakeBackfill({
      shrink: ({ signal }) => {
        isShrinking = true;
        return new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason)));
      },
    }),
  );
  key = await test.key('admin', { tenants: '*' });
  const small = async (id: string): Promise<void> => {
    await test.send('/ingest', { key, json: [orderEvent(id, { customer_id: id })] });
    await test.apply();
  };
  for (let at = 0; at < 5; at++) await small(`before-${at}`);
  Object.assign(test.ports.reader()?.reader ?? {}, { tableSizes: () => new Map() });
  const job_id = await started('/jobs/compaction', { min_free_share: 0 });
  await vi.waitFor(async () => {
    await test.apply();
    expect(isShrinking).toBe(true);
  }, PATIENTLY);
  for (let at = 0; at < 3; at++) await small(`after-${at}`);
  test = await test.restart();
  const done = { segments: 5, into: 1, rows: 5 };
  expect(await ended(job_id)).toMatchObject({
    status: 'succeeded',
    result: { tenants: [{ done }], totals: done },
  });
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

it('says once that a paused job keeps its schedule from making the next', async () => {
  const said: string[] = [];
  const log = pino({ base: null }, { write: (line) => said.push(line) });
  const paused = { job_id: 'job_1', type: 'retention', status: 'paused' } as JobRecord;
  const none = (): Promise<never> => Promise.reject(new Error('no job is made'));
  const schedule = new JobSchedule(
    { ports: { clock: test.clock, log }, jobs: { openOf: () => [paused], create: none, get: none } },
    { type: 'retention', setting: 'RETENTION_SCHEDULE', schedule: '0 3 * * *', inputOf: () => ({}) },
  );
  for (let look = 0; look < 2; look++) {
    schedule.start();
    await schedule.close();
  }
  expect(said.map((line) => JSON.parse(line))).toMatchObject([
    { level: 40, job_id: 'job_1', setting: 'RETENTION_SCHEDULE' },
  ]);
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
