import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { MillraceError } from '../../../engine/index.ts';
import type { ArchiveOutcome, ArchiveRequest } from '../../../runtime/index.ts';
import { codeOf, PATIENTLY, startTestApi, type TestApi } from '../../fixture-api.ts';
import type { ApiPorts } from '../../http/index.ts';

const DAY_MS = 86_400_000;
const OUTCOME: ArchiveOutcome = {
  ...{ segments: 2, messages: 30, rows: 33, files: 4, bytes: 9_000, archived_through: 30, missed: null },
  ...{ trimmed_through: 30, held_back: null },
};

let test: TestApi;
let asked: ArchiveRequest[];
/** What runs fail with, one after the other. */
let failing: Error[];
/** Held, until a test lets it go. */
let gate: Promise<void>;

const port: NonNullable<ApiPorts['archive']> = {
  run: async (request) => {
    asked.push(request);
    request.onProgress({ ...OUTCOME, segments: 1, messages: 20 });
    const error = failing.shift();
    if (error !== undefined) throw error;
    await gate;
    return OUTCOME;
  },
  status: () => Promise.resolve({ url: 's3://lake/x', from: 1, to: 20 }),
  samples: () => [],
  erase: () => Promise.resolve({ messages: 0, segments: 0 }),
};

beforeEach(() => {
  asked = [];
  failing = [];
  gate = Promise.resolve();
});
afterEach(() => test.close());

async function jobs(
  key: string,
): Promise<{ type: string; status: string; result: unknown; created_by: string }[]> {
  const response = await test.send('/jobs?type=archive', { key });
  return ((await response.json()) as { jobs: Awaited<ReturnType<typeof jobs>> }).jobs;
}

describe('POST /jobs/archive', () => {
  it('archives what is before a time, one job at a time, and says what is there', async () => {
    test = await startTestApi({}, undefined, port);
    const key = await test.key('admin', { tenants: '*' });
    const before = '2025-06-01T00:00:00Z';
    const plan = await test.send('/jobs/archive', { key, json: { before, dry_run: true } });
    const archive = { url: 's3://lake/x', from: 1, to: 20 };
    expect(await plan.json()).toEqual({ dry_run: true, before: '2025-06-01T00:00:00.000Z', archive });
    let open: () => void = () => undefined;
    gate = new Promise((resolve) => {
      open = resolve;
    });
    const made = await test.send('/jobs/archive', { key, json: { before, trim: false } });
    expect(made.status).toBe(202);
    await vi.waitFor(() => expect(asked.length).toBe(1), PATIENTLY);
    expect(asked).toMatchObject([{ before_ms: Date.parse(before), isTrimmed: false }]);
    const second = await test.send('/jobs/archive', { key, json: { before } });
    expect([second.status, await codeOf(second)]).toEqual([409, 'backfill_running']);
    open();
    await vi.waitFor(async () => expect((await jobs(key))[0]?.status).toBe('succeeded'), PATIENTLY);
    expect((await jobs(key))[0]?.result).toEqual(OUTCOME);
  });

  it('goes on behind what passes, with what was done before, and can be cancelled while it waits', async () => {
    test = await startTestApi({}, undefined, port);
    const key = await test.key('admin', { tenants: '*' });
    const passing = new MillraceError('archive_has_another_writer', 'It passes.', { retriable: true });
    const json = { before: '2025-06-01T00:00:00Z' };
    failing = [passing];
    await test.send('/jobs/archive', { key, json });
    await vi.waitFor(async () => expect((await jobs(key))[0]?.status).toBe('succeeded'), PATIENTLY);
    expect((await jobs(key))[0]?.result).toMatchObject({ segments: 3, messages: 50 });
    failing = Array.from({ length: 1_000 }, () => passing);
    const made = await test.send('/jobs/archive', { key, json });
    const { job_id } = (await made.json()) as { job_id: string };
    await vi.waitFor(() => expect(asked.length).toBe(3), PATIENTLY);
    await test.send(`/jobs/${job_id}/cancel`, { key, json: {} });
    await vi.waitFor(
      async () =>
        expect(await (await test.send(`/jobs/${job_id}`, { key })).json()).toMatchObject({
          status: 'cancelled',
        }),
      PATIENTLY,
    );
  });

  it('asks for a time where no setting says one, and for a key of all tenants', async () => {
    test = await startTestApi({}, undefined, port);
    const key = await test.key('admin', { tenants: '*' });
    const without = await test.send('/jobs/archive', { key, json: {} });
    expect([without.status, await codeOf(without)]).toEqual([422, 'validation_failed']);
    const own = await test.send('/jobs/archive', { key: await test.key('admin'), json: {} });
    expect([own.status, await codeOf(own)]).toEqual([403, 'tenant_forbidden']);
    await test.close();
    test = await startTestApi();
    const none = await test.send('/jobs/archive', {
      key: await test.key('admin', { tenants: '*' }),
      json: {},
    });
    expect(await codeOf(none)).toBe('not_supported');
  });
});

describe('the schedule', () => {
  const env = { ARCHIVE_AFTER: '30d', ARCHIVE_SCHEDULE: '0 11 * * *' };

  it('makes one job for each time, also after a restart', async () => {
    test = await startTestApi(env, undefined, port);
    const key = await test.key('admin', { tenants: '*' });
    await vi.waitFor(async () => expect((await jobs(key))[0]?.status).toBe('succeeded'), PATIENTLY);
    // It is noon: the last time was at eleven.
    expect(asked).toMatchObject([{ before_ms: Date.UTC(2025, 8, 1, 11) - 30 * DAY_MS, isTrimmed: true }]);
    test = await test.restart();
    test.clock.advance(DAY_MS);
    await vi.waitFor(() => expect(asked.length).toBe(2), PATIENTLY);
    expect(asked[1]?.before_ms).toBe(Date.UTC(2025, 8, 2, 11) - 30 * DAY_MS);
    expect((await jobs(key)).map(({ created_by }) => created_by)).toEqual(['schedule', 'schedule']);
  });

  it('that is none stops the start', async () => {
    await expect(
      startTestApi({ ...env, ARCHIVE_SCHEDULE: '99 * * * *' }, undefined, port),
    ).rejects.toMatchObject({
      code: 'bad_setting',
    });
    test = await startTestApi();
  });
});
