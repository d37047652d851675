import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type RunningServer, serve } from '../../app/index.ts';
import { codeOf, orderEvent, PATIENTLY, startTestApi, type TestApi } from '../../fixture-api.ts';
import { fakeBackfill } from '../../fixture-backfill.ts';
import type { BackfillPort } from '../../http/index.ts';

interface Job {
  readonly job_id: string;
  readonly status: string;
  readonly progress: Readonly<Record<string, number | null>>;
  readonly [member: string]: unknown;
}

let test: TestApi;
let server: RunningServer | undefined;
let admin: string;

async function start(env: Readonly<Record<string, string>> = {}, backfill?: BackfillPort): Promise<void> {
  test = await startTestApi({ PORT: '0', ...env }, backfill);
  admin = await test.key('admin', { tenants: '*' });
}
beforeEach(() => start());
afterEach(async () => {
  test.api.drain();
  await server?.close();
  server = undefined;
  await test.close();
});

const jsonOf = async (response: Response | Promise<Response>): Promise<Job> =>
  (await (await response).json()) as Job;

async function ended(job_id: string): Promise<Job> {
  return vi.waitFor(async () => {
    const job = await jsonOf(test.send(`/jobs/${job_id}`, { key: admin }));
    expect(['succeeded', 'failed', 'cancelled']).toContain(job.status);
    return job;
  }, PATIENTLY);
}

async function fill(): Promise<void> {
  await test.send('/ingest', { key: admin, json: [orderEvent('e1'), orderEvent('e2')] });
  await test.apply();
}

/** A reader of server-sent events over real HTTP. */
async function* sse(
  path: string,
  headers: Record<string, string> = {},
): AsyncGenerator<Record<string, string>> {
  const response = await fetch(`${server?.url}/v1/order-analytics${path}`, {
    headers: { Authorization: `Bearer ${admin}`, ...headers },
  });
  expect([response.status, response.headers.get('content-type')]).toEqual([
    200,
    'text/event-stream; charset=utf-8',
  ]);
  let text = '';
  for await (const chunk of response.body ?? []) {
    text += Buffer.from(chunk).toString();
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const lines = text.slice(0, end).split('\n');
      text = text.slice(end + 2);
      const fields = Object.fromEntries(lines.map((line) => line.split(/: ?(.*)/s).slice(0, 2)));
      if (fields.event !== undefined) yield fields as Record<string, string>;
    }
  }
}

/** Holds publishing until the returned function is called. */
function hold(): () => void {
  let open = (): void => {};
  test.stream.gate = new Promise((resolve) => {
    open = resolve;
  });
  return open;
}

async function upload(count: number): Promise<Job> {
  const lines = Array.from({ length: count }, (_, at) => JSON.stringify(orderEvent(`u${at}`))).join('\n');
  const headers = { 'content-type': 'application/x-ndjson' };
  return jsonOf(test.send('/ingest/bulk', { key: admin, body: lines, headers }));
}

describe('GET /jobs/{id}/events', () => {
  it('tells progress, ends with the final status, and goes on from Last-Event-ID', async () => {
    server = await serve(test.api.app, test.ports.settings);
    const release = hold();
    const { job_id } = await upload(3);
    const seen: Record<string, string>[] = [];
    for await (const event of sse(`/jobs/${job_id}/events`)) {
      seen.push(event);
      if (JSON.parse(event.data ?? '').status === 'running') release();
    }
    const last = seen.at(-1);
    expect(last).toMatchObject({ event: 'succeeded' });
    expect(JSON.parse(last?.data ?? '')).toMatchObject({
      status: 'succeeded',
      progress: { accepted: 3, unit: 'bytes' },
    });
    expect(seen.slice(0, -1).every(({ event }) => event === 'progress')).toBe(true);
    const ids = seen.map(({ id }) => Number(id));
    expect(ids).toEqual([...ids].sort((a, b) => a - b));
    const rest = [];
    for await (const event of sse(`/jobs/${job_id}/events`, { 'Last-Event-ID': seen[0]?.id ?? '' }))
      rest.push(event);
    expect(rest).toEqual([last]);
    const headers = { 'last-event-id': last?.id ?? '' };
    expect((await test.send(`/jobs/${job_id}/events`, { key: admin, headers })).status).toBe(204);
    const other = await test.key('admin', { tenant: 'acme' });
    expect((await test.send(`/jobs/${job_id}/events`, { key: other })).status).toBe(404);
  });

  it('has a limit of open streams for each key, and lets the server stop', async () => {
    server = await serve(test.api.app, test.ports.settings);
    const release = hold();
    const { job_id } = await upload(1);
    const url = `${server.url}/v1/order-analytics/jobs/${job_id}/events`;
    const open = (method = 'GET') => fetch(url, { method, headers: { Authorization: `Bearer ${admin}` } });
    expect((await open('HEAD')).status).toBe(200);
    const streams = await Promise.all(Array.from({ length: 20 }, () => open()));
    expect(streams.every(({ status }) => status === 200)).toBe(true);
    const refused = await open();
    expect([refused.status, refused.headers.get('retry-after'), await codeOf(refused)]).toEqual([
      429,
      '10',
      'too_many_streams',
    ]);
    await streams[0]?.body?.cancel();
    await vi.waitFor(async () => {
      const again = await open();
      expect(again.status).toBe(200);
      streams.push(again);
    }, PATIENTLY);
    test.api.drain();
    await server.close();
    server = undefined;
    for (const { body } of streams.slice(1))
      for await (const chunk of body ?? []) expect(chunk).toBeDefined();
    release();
  });
});

describe('pause and resume', () => {
  it('stop an upload at a step and go on with it; only its maker or an admin may', async () => {
    const release = hold();
    const analyst = await test.key('analyst');
    const { job_id } = await upload(3);
    await vi.waitFor(() => expect(test.stream.waiting).toBe(1), PATIENTLY);
    const forbidden = await test.send(`/jobs/${job_id}/pause`, { method: 'POST', key: analyst });
    expect([forbidden.status, await codeOf(forbidden)]).toEqual([403, 'role_forbidden']);
    const pausing = test.send(`/jobs/${job_id}/pause`, { method: 'POST', key: admin });
    await vi.waitFor(
      async () =>
        expect(await jsonOf(test.send(`/jobs/${job_id}`, { key: admin }))).toMatchObject({
          requested: 'pause',
        }),
      PATIENTLY,
    );
    release();
    expect(await jsonOf(pausing)).toMatchObject({ status: 'paused', requested: null });
    const list = (await (await test.send('/jobs?status=paused&lane=ingest', { key: admin })).json()) as {
      jobs: Job[];
    };
    expect(list.jobs.map((job) => job.job_id)).toEqual([job_id]);
    const resumed = await test.send(`/jobs/${job_id}/resume`, { method: 'POST', key: admin });
    expect(resumed.status).toBe(200);
    expect(await ended(job_id)).toMatchObject({
      status: 'succeeded',
      progress: { accepted: 3, done_lines: 3 },
    });
    expect(test.stream.messages).toHaveLength(3);
    const again = await test.send(`/jobs/${job_id}/pause`, { method: 'POST', key: admin });
    expect([again.status, await codeOf(again)]).toEqual([409, 'wrong_state']);
  });
});

describe('queries as jobs', () => {
  const query = { metrics: ['orders_count'], start: '2025-09-01T00:00:00Z', end: '2025-09-02T00:00:00Z' };

  it('have the answer as their file', async () => {
    await fill();
    for (const [path, json, of] of [
      ['/kpis/query', query, (answer: Job) => answer],
      ['/kpis/batch', { queries: [{ id: 'a', ...query }] }, (answer: Job) => (answer.results as Job[])[0]],
    ] as const) {
      const created = await test.send(`${path}?async=true`, { key: admin, json });
      expect(created.status).toBe(202);
      const { job_id } = await jsonOf(created);
      expect(await ended(job_id)).toMatchObject({ status: 'succeeded', lane: 'query' });
      const answer = await jsonOf(test.send(`/jobs/${job_id}/result`, { key: admin }));
      const direct = await jsonOf(test.send(path, { key: admin, json }));
      expect(of(answer)?.groups).toEqual(of(direct)?.groups);
    }
  });

  it('are refused at once where they cannot be answered', async () => {
    const bad = await test.send('/kpis/query?async=true', {
      key: admin,
      json: { ...query, aggregation: 'p90' },
    });
    expect([bad.status, await codeOf(bad)]).toEqual([422, 'aggregation_not_supported']);
    const viewer = await test.key('viewer');
    expect((await test.send('/kpis/query?async=true', { key: viewer, json: query })).status).toBe(403);
  });
});

describe('POST /jobs/backfill', () => {
  it('is refused where the process cannot', async () => {
    const response = await test.send('/jobs/backfill', { key: admin, json: {} });
    expect([response.status, await codeOf(response)]).toEqual([422, 'not_supported']);
  });

  it('builds, tells progress, and is cancelled', async () => {
    await test.close();
    const built: string[] = [];
    const discarded: string[] = [];
    await start(
      {},
      fakeBackfill({
        build: async ({ reason, signal, onProgress }) => {
          built.push(reason);
          onProgress(1, 2);
          if (reason.endsWith('long'))
            await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
          return { generation: 2, replaced: 1, isActive: true, different: [], cells: null };
        },
        discard: async (reason) => {
          discarded.push(reason);
        },
      }),
    );
    const create = async (json: object) => jsonOf(test.send('/jobs/backfill', { key: admin, json }));
    const range = { start: '2025-08-01T00:00:00Z', end: '2025-09-01T00:00:00Z', metrics: ['revenue'] };
    const { job_id } = await create({ ...range, reason: 'rates' });
    expect(await ended(job_id)).toMatchObject({
      status: 'succeeded',
      result: { mode: 'shadow', generation: 2, active: true },
      lane: 'backfill',
    });
    const long = await create({ reason: 'long' });
    const reasons = [`job ${job_id}: rates`, `job ${long.job_id}: long`];
    await vi.waitFor(() => expect(built).toEqual(reasons), PATIENTLY);
    // A pause keeps what was built, and the same goes on.
    const paused = await test.send(`/jobs/${long.job_id}/pause`, { key: admin, method: 'POST' });
    expect(paused.status).toBe(200);
    await vi.waitFor(async () => {
      expect(await jsonOf(test.send(`/jobs/${long.job_id}`, { key: admin }))).toMatchObject({
        status: 'paused',
      });
    }, PATIENTLY);
    expect(discarded).toEqual(reasons.slice(0, 1));
    await test.send(`/jobs/${long.job_id}/resume`, { key: admin, method: 'POST' });
    await vi.waitFor(() => expect(built).toEqual([...reasons, reasons[1]]), PATIENTLY);
    expect(await jsonOf(test.send(`/jobs/${long.job_id}`, { key: admin, method: 'DELETE' }))).toMatchObject({
      status: 'cancelled',
    });
    expect(discarded).toEqual(reasons);
    const bad = await test.send('/jobs/backfill', { key: admin, json: { ...range, end: range.start } });
    expect([bad.status, await codeOf(bad)]).toEqual([422, 'invalid_range']);
    const analyst = await test.key('analyst');
    expect((await test.send('/jobs/backfill', { key: analyst, json: {} })).status).toBe(403);
  });
});

describe('jobs of an earlier version', () => {
  it('are taken over, finished ones with their errors, others to go on', async () => {
    const { dataDir } = test.ports.settings;
    const record = {
      tenant: 'default',
      type: 'bulk_ingest',
      created_by: 'k',
      created_at_ms: test.clock.now(),
      started_at_ms: test.clock.now(),
      input: null,
      error: null,
    };
    const events = [orderEvent('o1'), orderEvent('o2')].map((event) => `${JSON.stringify(event)}\n`);
    const progress = {
      done_bytes: events[0]?.length,
      total_bytes: events.join('').length,
      done_lines: 1,
      accepted: 1,
      rejected: 0,
      sequence: 7,
    };
    const [over, open] = [`job_${'a'.repeat(32)}`, `job_${'b'.repeat(32)}`];
    const rejected = [{ line: 3, event_id: 'x', reason: 'bad_field: y' }];
    await mkdir(join(dataDir, 'jobs'), { recursive: true });
    const write = (name: string, value: unknown) =>
      writeFile(join(dataDir, 'jobs', name), JSON.stringify(value));
    await write(`${over}.json`, {
      ...record,
      job_id: over,
      status: 'succeeded',
      finished_at_ms: test.clock.now(),
      progress: { ...progress, rejected: 1 },
      result: { position: null, rejected },
    });
    await write(`${open}.json`, {
      ...record,
      job_id: open,
      status: 'running',
      finished_at_ms: null,
      progress,
      result: null,
    });
    await write('job_broken.json', { nothing: true });
    await writeFile(join(dataDir, 'spool', `${open}.ndjson`), events.join(''));
    test = await test.restart();
    expect(await ended(over)).toMatchObject({
      status: 'succeeded',
      errors: { count: 1 },
      error_report: rejected,
    });
    expect(await ended(open)).toMatchObject({
      status: 'succeeded',
      progress: { accepted: 2, done_lines: 2 },
    });
    expect(test.stream.messages).toHaveLength(1);
    expect(await readdir(join(dataDir, 'jobs'))).toEqual(['job_broken.json']);
  });
});
