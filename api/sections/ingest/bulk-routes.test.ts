import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { codeOf, orderEvent, PATIENTLY, startTestApi, type TestApi } from '../../fixture-api.ts';

interface Job {
  job_id: string;
  status: string;
  progress: Record<string, number>;
  result: { position: unknown } | null;
  error_report: { line: number; event_id: string | null; reason: string }[];
  error: { code: string } | null;
}

let test: TestApi;
let key: string;

beforeEach(async () => {
  test = await startTestApi({ BULK_MAX_BYTES: '100000', JOBS_MAX_QUEUED: '2' });
  key = await test.key('ingest');
});
afterEach(() => test.close());

function file(count: number, from = 0): string {
  return Array.from(
    { length: count },
    (_, index) => `${JSON.stringify(orderEvent(`e${from + index}`))}\n`,
  ).join('');
}

async function upload(
  body: string | Uint8Array<ArrayBuffer>,
  headers: Record<string, string> = {},
): Promise<Job> {
  const response = await test.send('/ingest/bulk', {
    key,
    body,
    headers: { 'content-type': 'application/x-ndjson', ...headers },
  });
  expect(response.status).toBe(202);
  const job = (await response.json()) as Job;
  expect(response.headers.get('location')).toBe(`/v1/order-analytics/jobs/${job.job_id}`);
  return job;
}

async function jobOf(job_id: string, by = key): Promise<Job> {
  return (await (await test.send(`/jobs/${job_id}`, { key: by })).json()) as Job;
}

async function ended(job_id: string): Promise<Job> {
  return vi.waitFor(async () => {
    const job = await jobOf(job_id);
    expect(['succeeded', 'failed', 'cancelled']).toContain(job.status);
    return job;
  }, PATIENTLY);
}

async function untilRunning(job_id: string): Promise<void> {
  await vi.waitFor(async () => expect(await jobOf(job_id)).toMatchObject({ status: 'running' }), PATIENTLY);
}

/** Holds publishing until the returned function is called. */
function hold(): () => void {
  let open = (): void => {};
  test.stream.gate = new Promise((resolve) => {
    open = resolve;
  });
  return open;
}

const spooled = (): Promise<string[]> => readdir(join(test.ports.settings.dataDir, 'spool'));

describe('POST /ingest/bulk', () => {
  it('publishes a file line by line and lists what it did not take', async () => {
    const { job_id, status } = await upload(
      `${file(3)}\n{"a":\n${file(1, 3)}${JSON.stringify({ event_id: 'x' })}`,
    );
    expect(status).toBe('queued');
    const job = await ended(job_id);
    expect(job).toMatchObject({
      status: 'succeeded',
      error: null,
      progress: { accepted: 4, rejected: 2, done_lines: 7 },
      result: { position: { EVENTS: { '0': 4 } } },
      errors: { count: 2, listed: 2 },
      error_report: [
        { line: 5, event_id: null, reason: expect.stringMatching(/^malformed_json/) },
        { line: 7, event_id: 'x', reason: expect.stringMatching(/^missing_field/) },
      ],
    });
    expect(job.progress.done).toBe(job.progress.total);
    expect(test.stream.messages).toHaveLength(4);
    await vi.waitFor(async () => expect(await spooled()).toEqual([]), PATIENTLY);
  });

  it('takes gzip', async () => {
    const { job_id } = await upload(Uint8Array.from(gzipSync(file(10))), { 'content-encoding': 'gzip' });
    expect(await ended(job_id)).toMatchObject({ status: 'succeeded', progress: { accepted: 10 } });
  });

  it('takes a .gz file that nothing is said of', async () => {
    const headers = { 'content-type': 'application/octet-stream' };
    const { job_id } = await upload(Uint8Array.from(gzipSync(file(10))), headers);
    expect(await ended(job_id)).toMatchObject({ status: 'succeeded', progress: { accepted: 10 } });
  });

  it('takes one JSON array, pretty or not, and lists the items that it did not take', async () => {
    const events = [orderEvent('a', { note: ']},"[' }), 5, orderEvent('b', { amount: 'x' }), orderEvent('c')];
    for (const body of [JSON.stringify(events), `\ufeff ${JSON.stringify(events, null, 2)}\n`]) {
      const job = await ended((await upload(body)).job_id);
      expect(job).toMatchObject({
        status: 'succeeded',
        progress: { accepted: 2, rejected: 2, done_lines: 4 },
        error_report: [
          { line: 2, event_id: null },
          { line: 3, event_id: 'b' },
        ],
      });
      expect(job.progress.done).toBe(job.progress.total);
    }
    const payload = Buffer.from(test.stream.messages[0]?.payload ?? []).toString();
    expect(payload).toBe(JSON.stringify(events[0]));
  });

  it.each([
    ['an array that does not end', `[${JSON.stringify(orderEvent('a'))}`, 1, [/^malformed_json/]],
    ['more behind an array', `[${JSON.stringify(orderEvent('a'))}] {}`, 1, [/^malformed_json/]],
    ['an item that is not there', `[${JSON.stringify(orderEvent('a'))},]`, 1, [/^malformed_json/]],
  ])('takes what it can of %s, and says so', async (_, body, accepted, reasons) => {
    const job = await ended((await upload(body)).job_id);
    expect(job).toMatchObject({ status: 'succeeded', progress: { accepted } });
    expect(job.error_report.map(({ reason }) => reason)).toEqual(
      reasons.map((reason) => expect.stringMatching(reason)),
    );
  });

  it.each([
    ['of another kind', 'a,b\n1,2\n', 2],
    ['of white space', ' \n\n', 0],
    ['of an empty array', '[]', 0],
    ['of bad events', JSON.stringify([{ event_id: 'x' }]), 1],
  ])('fails for a file %s, of which nothing is accepted', async (_, body, rejected) => {
    const job = await ended((await upload(body)).job_id);
    expect(job).toMatchObject({
      status: 'failed',
      error: { code: 'nothing_accepted' },
      progress: { accepted: 0, rejected },
    });
    expect(job.error_report).toHaveLength(rejected);
  });

  it.each([
    ['S3 pointers', { json: { s3: 's3://bucket/key' } }, 422, 'not_supported'],
    ['other types', { body: 'a,b', headers: { 'content-type': 'text/csv' } }, 415, 'unsupported_media_type'],
    [
      'an empty file',
      { body: '', headers: { 'content-type': 'application/x-ndjson' } },
      422,
      'validation_failed',
    ],
    [
      'too much',
      { body: 'x'.repeat(100_001), headers: { 'content-type': 'text/plain' } },
      413,
      'body_too_large',
    ],
    [
      'too much, unpacked',
      {
        body: Uint8Array.from(gzipSync('x'.repeat(1_000_000))),
        headers: { 'content-type': 'text/plain', 'content-encoding': 'gzip' },
      },
      413,
      'body_too_large',
    ],
    [
      'broken gzip',
      { body: 'nonsense', headers: { 'content-type': 'text/plain', 'content-encoding': 'gzip' } },
      400,
      'malformed_body',
    ],
    [
      'cut gzip',
      {
        body: Uint8Array.from(gzipSync(file(10)).subarray(0, 100)),
        headers: { 'content-type': 'text/plain', 'content-encoding': 'gzip' },
      },
      400,
      'malformed_body',
    ],
  ])('refuses %s and leaves nothing behind', async (_, init, status, code) => {
    const response = await test.send('/ingest/bulk', { method: 'POST', key, ...init });
    expect([response.status, await codeOf(response)]).toEqual([status, code]);
    expect(await spooled()).toEqual([]);
    expect(await (await test.send('/jobs', { key })).json()).toMatchObject({ jobs: [] });
  });

  it('refuses a broken upload', async () => {
    const body = new ReadableStream({
      pull(controller) {
        controller.error(new Error('gone'));
      },
    });
    const init = { key, body, duplex: 'half' as const, headers: { 'content-type': 'text/plain' } };
    const response = await test.send('/ingest/bulk', init);
    expect([response.status, await codeOf(response)]).toEqual([400, 'malformed_body']);
    expect(await spooled()).toEqual([]);
  });

  it('limits how many jobs wait', async () => {
    const release = hold();
    for (let count = 0; count < 3; count++) await upload(file(1, count));
    const response = await test.send('/ingest/bulk', {
      key,
      body: file(1),
      headers: { 'content-type': 'text/plain' },
    });
    expect([response.status, await codeOf(response)]).toEqual([429, 'too_many_jobs']);
    expect(response.headers.get('retry-after')).toBe('30');
    release();
  });

  it('gives the same job again for the same Idempotency-Key', async () => {
    const headers = { 'idempotency-key': 'upload-1' };
    const first = await upload(file(2), headers);
    const again = await upload(file(2), headers);
    expect(again.job_id).toBe(first.job_id);
    const other = await test.send('/ingest/bulk', {
      key,
      body: file(3),
      headers: { 'content-type': 'application/x-ndjson', ...headers },
    });
    expect([other.status, await codeOf(other)]).toEqual([422, 'idempotency_key_reused']);
  });

  it('waits while NATS is away', async () => {
    test.stream.away = true;
    const { job_id } = await upload(file(2));
    await untilRunning(job_id);
    test.stream.away = false;
    expect(await ended(job_id)).toMatchObject({ status: 'succeeded', progress: { accepted: 2 } });
  });

  it('goes on after a restart', async () => {
    const release = hold();
    const { job_id } = await upload(file(5));
    await untilRunning(job_id);
    test.stream.gate = Promise.resolve();
    const before = test;
    test = await before.restart();
    release();
    expect(await ended(job_id)).toMatchObject({ status: 'succeeded', progress: { accepted: 5 } });
    expect(test.stream.messages).toHaveLength(5);
  });
});

describe('jobs', () => {
  it('are cancelled while they wait and while they run, once', async () => {
    const release = hold();
    const running = await upload(file(1));
    const waiting = await upload(file(1, 1));
    const cancelled = await test.send(`/jobs/${waiting.job_id}`, { method: 'DELETE', key });
    expect(await cancelled.json()).toMatchObject({ status: 'cancelled' });
    const cancelling = test.send(`/jobs/${running.job_id}/cancel`, { method: 'POST', key });
    await vi.waitFor(
      async () => expect(await jobOf(running.job_id)).toMatchObject({ requested: 'cancel' }),
      PATIENTLY,
    );
    release();
    expect((await cancelling).status).toBe(200);
    const again = await test.send(`/jobs/${waiting.job_id}/cancel`, { method: 'POST', key });
    expect([again.status, await codeOf(again)]).toEqual([409, 'wrong_state']);
  });

  it('are seen by their tenant only, and by an ingest key only its own', async () => {
    const { job_id } = await upload(file(1));
    await ended(job_id);
    const viewer = await test.key('viewer');
    expect(await jobOf(job_id, viewer)).toMatchObject({ job_id });
    for (const other of [await test.key('ingest'), await test.key('admin', { tenant: 'acme' })]) {
      const response = await test.send(`/jobs/${job_id}`, { key: other });
      expect([response.status, await codeOf(response)]).toEqual([404, 'not_found']);
    }
    const cancel = await test.send(`/jobs/${job_id}`, { method: 'DELETE', key: viewer });
    expect([cancel.status, await codeOf(cancel)]).toEqual([403, 'role_forbidden']);
  });

  it('are listed newest first, in pages whose cursor belongs to its filter', async () => {
    for (let count = 0; count < 3; count++) {
      test.clock.advance(1);
      await ended((await upload(file(1, count))).job_id);
    }
    const list = async (search: string) => test.send(`/jobs?${search}`, { key });
    const first = (await (await list('limit=2&status=succeeded')).json()) as {
      jobs: Job[];
      next_cursor: string;
    };
    expect(first.jobs).toHaveLength(2);
    const rest = await list(`limit=2&status=succeeded&cursor=${first.next_cursor}`);
    expect(await rest.json()).toMatchObject({ jobs: [{}], next_cursor: null });
    const second = (await (await list('limit=2&page=2')).json()) as { jobs: Job[] };
    expect(second.jobs).toHaveLength(1);
    const changed = await list(`limit=2&status=failed&cursor=${first.next_cursor}`);
    expect([changed.status, await codeOf(changed)]).toEqual([422, 'cursor_mismatch']);
    const forged = await list('cursor=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA');
    expect([forged.status, await codeOf(forged)]).toEqual([422, 'invalid_cursor']);
    for (const search of ['limit=0', 'limit=1001', 'limit=x', 'status=none', 'page=1&cursor=x', 'page=0']) {
      expect((await list(search)).status, search).toBe(422);
    }
  });
});
