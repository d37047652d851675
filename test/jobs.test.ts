import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { connectNats, openKeyValueStore } from '../connectors/index.ts';
import { itLong } from './it-long.ts';
import { sizes } from './long.ts';
import { startTestNats, type TestNats } from './nats.ts';
import { ADMIN_KEY, type HttpAnswer, type Millrace, until } from './process.ts';
import { Scratch } from './scratch.ts';

/** Real processes on one NATS, killed and stopped in the middle of a job of each kind. */

const BASE = '/v1/order-analytics';
const EVENTS = sizes.job_events;
const DAY = { start: '2025-08-01T00:00:00Z', end: '2025-08-02T00:00:00Z' };
const ORDERS = { metrics: ['orders_count', 'revenue'], ...DAY };
const PATIENCE_MS = 120_000;

const scratch = new Scratch();
let nats: TestNats;
beforeAll(async () => {
  nats = await startTestNats();
});
afterAll(async () => {
  await scratch.clean();
  await nats.stop();
});

const start = (dataDir: string): Promise<Millrace> =>
  scratch.start({ dataDir, env: { NATS_URL: nats.url, RATE_LIMIT_RPS: '100000' } });

const lines = (from: number, count: number, tail = ''): string =>
  Array.from(
    { length: count },
    (_, at) =>
      `{"event_id":"j-${from + at}","type":"order.created","time":"2025-08-01T10:00:00Z","order_id":"o-${from + at}","currency":"EUR","amount":100}\n`,
  ).join('') + tail;

async function call(
  one: Millrace,
  method: string,
  path: string,
  {
    body,
    type = 'application/json',
    tenant = 'default',
  }: { body?: string; type?: string; tenant?: string } = {},
): Promise<Response> {
  const { url } = await one.listening;
  const headers = { Authorization: `Bearer ${ADMIN_KEY}`, 'Content-Type': type, 'X-Tenant-ID': tenant };
  return fetch(`${url}${path.startsWith('/v1') ? '' : BASE}${path}`, {
    method,
    headers,
    ...(body === undefined ? {} : { body }),
  });
}

async function make(one: Millrace, path: string, body: string, type?: string): Promise<string> {
  const response = await call(one, 'POST', path, { body, ...(type === undefined ? {} : { type }) });
  const json = (await response.json()) as { readonly job_id: string };
  expect(response.status, JSON.stringify(json)).toBe(202);
  return json.job_id;
}

interface Job {
  readonly status: string;
  readonly progress: Readonly<Record<string, number>>;
  readonly errors: { readonly count: number };
  readonly error: { readonly code: string } | null;
  readonly error_report: readonly { readonly line: number }[];
  readonly result: Readonly<Record<string, number>> | null;
}

async function jobWhere(
  one: Millrace,
  job_id: string,
  is: (job: Job) => boolean,
  what: string,
  poll_ms = 50,
): Promise<Job> {
  let last: HttpAnswer['json'] | undefined;
  return until(
    async () => {
      last = (await one.request('GET', `/jobs/${job_id}`)).json;
      const job = last as unknown as Job;
      return is(job) ? job : undefined;
    },
    () => `job ${job_id} ${what}; it was ${JSON.stringify(last)}`,
    PATIENCE_MS,
    poll_ms,
  );
}

const isOver = ({ status }: Job): boolean => ['succeeded', 'failed', 'cancelled'].includes(status);
const isUnderWay = (job: Job): boolean => job.status === 'running' && (job.progress.done ?? 0) > 0;
const ended = (one: Millrace, job_id: string): Promise<Job> => jobWhere(one, job_id, isOver, 'ends');

/** An export that was not over before the other process could see it, and that has no result yet. */
async function exportUnderWay(
  first: Millrace,
  second: Millrace,
  body: object = { query: {} },
): Promise<string> {
  for (;;) {
    const job_id = await make(first, '/exports', JSON.stringify(body));
    const isSeen = (job: Job): boolean => isUnderWay(job) || isOver(job);
    const seen = await jobWhere(second, job_id, isSeen, 'is under way', 5);
    const early = isUnderWay(seen) ? await call(second, 'GET', `/jobs/${job_id}/result`) : undefined;
    // Each event is a row of the log, so no more of those can be passed than are written.
    expect(seen.progress.done).toBeLessThanOrEqual(seen.progress.rows ?? 0);
    // It may be over by now, which is no fault.
    const code = early?.status === 409 ? ((await early.json()) as { code: string }).code : undefined;
    if (code === 'wrong_state') return job_id;
    await early?.body?.cancel();
  }
}

async function textOf(response: Promise<Response>): Promise<string> {
  const given = await response;
  const text = await given.text();
  expect(given.status, text.slice(0, 500)).toBe(200);
  return text;
}

it('an upload, an export and a query go on after kill -9, each event once, no file by halves', async () => {
  const dataDir = await scratch.dir('jobs');
  let one = await start(dataDir);
  const bulk = await make(one, '/ingest/bulk', lines(0, EVENTS, '{"bad":1}\n'), 'application/x-ndjson');
  // It may be over by then, which is no fault.
  await jobWhere(one, bulk, (job) => isUnderWay(job) || isOver(job), 'is under way', 5);
  await one.kill();
  one = await start(dataDir);
  expect(await ended(one, bulk)).toMatchObject({
    status: 'succeeded',
    progress: { accepted: EVENTS, rejected: 1, done_lines: EVENTS + 1 },
    errors: { count: 1 },
    error_report: [{ line: EVENTS + 1 }],
  });
  await one.untilApplied(PATIENCE_MS);
  expect(await one.totals('default', ORDERS)).toEqual({ orders_count: EVENTS, revenue: 100 * EVENTS });

  const exported = await exportUnderWay(one, one, { query: {}, format: 'csv' });
  const asked = await make(one, '/kpis/query?async=true', JSON.stringify(ORDERS));
  await one.kill();
  one = await start(dataDir);
  expect(await ended(one, exported)).toMatchObject({ status: 'succeeded', result: { rows: EVENTS } });
  const { json } = await one.request('GET', `/exports/${exported}`);
  const csv = await textOf(call(one, 'GET', String(json.download_url)));
  const ids = csv
    .trimEnd()
    .split('\r\n')
    .slice(1)
    .map((line) => line.slice(0, line.indexOf(',')));
  expect(ids).toHaveLength(EVENTS);
  expect(new Set(ids).size).toBe(EVENTS);
  expect(await ended(one, asked)).toMatchObject({ status: 'succeeded' });
  const answer = JSON.parse(await textOf(call(one, 'GET', `/jobs/${asked}/result`))) as {
    readonly groups: readonly { readonly totals: object }[];
  };
  expect(answer.groups[0]?.totals).toEqual({ orders_count: EVENTS, revenue: 100 * EVENTS });
  for (const folder of ['job-files', 'spool']) {
    expect((await stat(join(dataDir, folder))).mode & 0o777, folder).toBe(0o700);
  }
  await one.terminate();
});

itLong(
  'two processes: what one leaves when it stands still the other goes on with, and the first finds it gone',
  async () => {
    const dirs = [await scratch.dir('jobs-1'), await scratch.dir('jobs-2')] as const;
    const [first, second] = [await start(dirs[0]), await start(dirs[1])];
    for (const one of [first, second]) await one.untilApplied(PATIENCE_MS);
    const link = await connectNats({ url: nats.url, name: 'jobs-test' });
    const records = await openKeyValueStore(link, 'millrace-jobs');
    const exported = await exportUnderWay(first, second);
    const entry = await records.get(`job.default.${exported}`);
    const claimed = entry?.value as { readonly owner: { readonly disk: string } } | undefined;
    const isFirst = claimed?.owner.disk === (await readFile(join(dirs[0], 'disk-id'), 'utf8')).trim();
    const [owner, other] = isFirst ? [first, second] : [second, first];
    process.kill(owner.pid, 'SIGSTOP');
    const over = await ended(other, exported);
    expect(over).toMatchObject({ status: 'succeeded', result: { rows: EVENTS } });
    const rows = (await textOf(call(other, 'GET', `/jobs/${exported}/result`))).trimEnd().split('\n');
    expect(new Set(rows.map((row) => (JSON.parse(row) as { event_id: string }).event_id)).size).toBe(EVENTS);
    expect(rows).toHaveLength(EVENTS);
    process.kill(owner.pid, 'SIGCONT');
    expect(await ended(owner, exported)).toEqual(over);
    const elsewhere = await call(owner, 'GET', `/jobs/${exported}/result`);
    expect([elsewhere.status, ((await elsewhere.json()) as { code: string }).code]).toEqual([
      409,
      'file_elsewhere',
    ]);
    await link.close();
  },
);
