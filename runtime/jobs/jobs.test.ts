import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type KeyValueStore, MillraceError } from '../../engine/index.ts';
import { counting, ended, JobsFixture, PATIENTLY } from './fixture-jobs.ts';
import type { JobFiles } from './job-files.ts';
import type { JobKind } from './job-kind.ts';
import { FILE_KEPT_MS, FINISHED_KEPT_MS } from './job-limits.ts';
import type { JobRecord } from './job-record.ts';
import type { Jobs } from './jobs.ts';

const NEW = { tenant: 'acme', created_by: 'k', input: null };

let test: JobsFixture;
beforeEach(() => {
  test = new JobsFixture();
});
afterEach(async () => {
  for (const still of standing) still.goOn();
  standing.clear();
  await test.close();
});

const standing = new Set<{ goOn(): void }>();

/** Runs until it is let go. */
function held(lane: JobKind['lane']): {
  readonly kind: JobKind;
  readonly running: () => number;
  release(): void;
} {
  let running = 0;
  let open = (): void => undefined;
  const gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  const kind: JobKind = {
    type: `held_${lane}`,
    lane,
    run: async ({ signal }) => {
      running++;
      const aborted = new Promise((_, reject) =>
        signal.addEventListener('abort', () => reject(signal.reason)),
      );
      await Promise.race([gate, aborted]);
      return { result: lane };
    },
  };
  return { kind, running: () => running, release: () => open() };
}

const running = (jobs: Jobs, { tenant, job_id }: JobRecord, status = 'running') =>
  vi.waitFor(async () => expect((await jobs.get(tenant, job_id)).status).toBe(status), PATIENTLY);

describe('lanes', () => {
  it('do not wait for each other, and let tenants take turns', async () => {
    const ingest = held('ingest');
    const order: string[] = [];
    const jobs = await test.process([
      ingest.kind,
      counting(1, (_, { record }) => void order.push(record.tenant), { lane: 'export' }),
    ]);
    const stuck = await jobs.create({ ...NEW, type: 'held_ingest' });
    await running(jobs, stuck);
    const many = [];
    for (const tenant of ['a', 'a', 'a', 'b']) {
      many.push(await jobs.create({ ...NEW, tenant, type: 'count_export' }));
      test.clock.advance(1);
    }
    for (const job of many) expect((await ended(jobs, job)).status).toBe('succeeded');
    // The first ones may have begun before the other tenant came.
    expect(order.lastIndexOf('b')).toBeLessThan(3);
    expect((await jobs.get('acme', stuck.job_id)).status).toBe('running');
    ingest.release();
    expect(await ended(jobs, stuck)).toMatchObject({ status: 'succeeded', result: 'ingest', owner: null });
  });

  it('have a limit of waiting jobs for each tenant', async () => {
    const { kind } = held('query');
    const jobs = await test.process([kind], { queued_max: 1 });
    const create = (tenant = 'acme') => jobs.create({ ...NEW, tenant, type: 'held_query' });
    await running(jobs, await create());
    await running(jobs, await create());
    await create();
    await expect(create()).rejects.toMatchObject({ code: 'too_many_jobs', status: 429, retryAfter_s: 30 });
    await create('other');
  });
});

describe('two processes', () => {
  it('run each job exactly once, and both see all of them', async () => {
    const counts = new Map<string, number>();
    const kind = () =>
      counting(3, (_, { record }) => void counts.set(record.job_id, (counts.get(record.job_id) ?? 0) + 1));
    const one = await test.process([kind()]);
    const two = await test.process([kind()]);
    const jobs = [];
    for (let count = 0; count < 30; count++) {
      jobs.push(await (count % 2 === 0 ? one : two).create({ ...NEW, type: 'count_ingest' }));
    }
    for (const job of jobs) {
      for (const process of [one, two])
        expect(await ended(process, job)).toMatchObject({ status: 'succeeded', attempt: 1 });
    }
    expect([...counts.values()]).toEqual(Array(30).fill(3));
  });

  it('what is wanted in one is done by the other', async () => {
    const { kind } = held('ingest');
    const owner = await test.process([kind]);
    const job = await owner.create({ ...NEW, type: 'held_ingest' });
    await running(owner, job);
    const other = await test.process([]);
    expect(await other.pause('acme', job.job_id)).toMatchObject({
      status: 'paused',
      owner: null,
      wanted: null,
    });
    expect(await other.resume('acme', job.job_id)).toMatchObject({ status: 'queued' });
    await running(other, job);
    expect(await other.cancel('acme', job.job_id)).toMatchObject({ status: 'cancelled', input: null });
    await expect(owner.cancel('acme', job.job_id)).rejects.toMatchObject({ code: 'wrong_state' });
    await expect(owner.cancel('else', job.job_id)).rejects.toMatchObject({ code: 'not_found' });
  });
});

/** A process that stands still, as under SIGSTOP: nothing that it asks of the bucket is answered until it goes on. */
class Standstill {
  readonly store: KeyValueStore;
  #gate: Promise<void> = Promise.resolve();
  #open = (): void => undefined;

  constructor(store: KeyValueStore) {
    this.store = new Proxy(store, {
      get: (target, name: keyof KeyValueStore) => {
        const method = target[name] as (...given: unknown[]) => unknown;
        return async (...given: unknown[]) => {
          await this.#gate;
          return method.apply(target, given);
        };
      },
    });
  }

  stop(): void {
    standing.add(this);
    this.#gate = new Promise((resolve) => {
      this.#open = resolve;
    });
  }

  goOn(): void {
    this.#open();
  }
}

describe('an owner that is gone', () => {
  it('is noticed: another goes on from its last checkpoint, and the first writes nothing when it wakes', async () => {
    const still = new Standstill(test.records);
    const seen: Record<string, number[]> = { first: [], second: [] };
    let stopAt = 5;
    const first = await test.process(
      [
        counting(
          12,
          (at) => {
            seen.first?.push(at);
            if (at === stopAt) still.stop();
          },
          { pause_ms: 20 },
        ),
      ],
      { records: still.store },
    );
    stopAt = 5;
    const job = await first.create({ ...NEW, type: 'count_ingest' });
    await vi.waitFor(() => expect(seen.first?.length).toBeGreaterThanOrEqual(5), PATIENTLY);
    const second = await test.process([counting(12, (at) => void seen.second?.push(at))]);
    const over = await ended(second, job);
    // Claimed, taken, claimed.
    expect(over).toMatchObject({ status: 'succeeded', attempt: 3, counts: { counted: 12 } });
    const from = seen.second?.[0] ?? 0;
    expect(from).toBeGreaterThan(1);
    expect(from).toBeLessThanOrEqual(6);
    expect(seen.second?.at(-1)).toBe(12);
    still.goOn();
    await sleep(50);
    expect(await second.get('acme', job.job_id)).toEqual(over);
    expect(second.samples().find(({ name }) => name === 'millrace.jobs.takeovers')?.value).toBe(1);
  });

  it('is not taken for dead while the bucket does not answer', async () => {
    const { kind } = held('ingest');
    const owner = await test.process([kind]);
    const job = await owner.create({ ...NEW, type: 'held_ingest' });
    await running(owner, job);
    let isAway = false;
    const flaky: KeyValueStore = new Proxy(test.records, {
      get: (target, name: keyof KeyValueStore) => {
        const method = target[name] as (...given: unknown[]) => Promise<unknown>;
        return async (...given: unknown[]) => {
          if (isAway) throw new MillraceError('kv_unavailable', 'away', { retriable: true });
          return method.apply(target, given);
        };
      },
    });
    const observer = await test.process([kind], { records: flaky });
    for (let times = 0; times < 3; times++) {
      isAway = true;
      await sleep(200);
      isAway = false;
      await sleep(20);
    }
    expect(await observer.get('acme', job.job_id)).toMatchObject({ status: 'running', attempt: 1 });
  });

  it('with an input on its disk only: the job waits for that disk, and fails by name when it does not come', async () => {
    const still = new Standstill(test.records);
    const { kind } = held('ingest');
    const owner = await test.process([kind], { records: still.store, disk: 'far' });
    const job = await owner.create({ ...NEW, type: 'held_ingest', isLocal: true });
    await running(owner, job);
    still.stop();
    const other = await test.process([kind], {
      disk: 'near',
      times: { present_ms: 300, no_runner_ms: 200, idle_renewal_ms: 20 },
    });
    await running(other, job, 'queued');
    expect(await ended(other, job)).toMatchObject({ status: 'failed', error: { code: 'host_lost' } });
    still.goOn();
  });

  it('gives a job back when it stops in order', async () => {
    const first = await test.process([counting(1_000, () => undefined)]);
    const job = await first.create({ ...NEW, type: 'count_ingest' });
    await running(first, job);
    const second = await test.process([counting(20, () => undefined)]);
    await first.close();
    expect(await ended(second, job)).toMatchObject({ status: 'succeeded', attempt: 2 });
  });

  it('that only ever crashes with a job is not followed by others for ever', async () => {
    const { kind } = held('ingest');
    let last: JobRecord | undefined;
    for (let crash = 0; crash < 5; crash++) {
      const still = new Standstill(test.records);
      const process = await test.process([kind], { records: still.store });
      last ??= await process.create({ ...NEW, type: 'held_ingest' });
      const { job_id } = last;
      const seen = async (): Promise<number> => (await process.get('acme', job_id)).stalled_attempts;
      await vi.waitFor(async () => expect(await seen()).toBe(crash + 1), PATIENTLY);
      still.stop();
    }
    const observer = await test.process([]);
    expect(await ended(observer, last as JobRecord)).toMatchObject({
      status: 'failed',
      error: { code: 'job_keeps_crashing' },
    });
  });
});

describe('errors of a job', () => {
  it('are listed once over attempts, up to a limit, and counted beyond', async () => {
    const kind: JobKind = {
      type: 'bad',
      lane: 'ingest',
      run: async (job) => {
        for (let at = Number(job.record.state ?? 0); at < 30; at++) {
          job.signal.throwIfAborted();
          await sleep(2);
          const errors = Array.from({ length: 50 }, (_, index) => ({
            line: at * 50 + index + 1,
            event_id: null,
            reason: 'bad_field: x'.repeat(100),
          }));
          job.advance({ done: at + 1, total: 30, unit: 'x', state: at + 1, errors });
        }
        return { result: null };
      },
    };
    const jobs = await test.process([kind]);
    const job = await jobs.create({ ...NEW, type: 'bad' });
    for (let times = 0; times < 3; times++) {
      await sleep(10);
      const paused = await jobs.pause('acme', job.job_id).catch(() => undefined);
      if (paused?.status === 'paused') await jobs.resume('acme', job.job_id);
    }
    const over = await ended(jobs, job);
    expect(over.errors).toEqual({ count: 1_500, listed: 1_000 });
    const items = await jobs.errorsOf(over);
    expect(items.map(({ line }) => line)).toEqual(Array.from({ length: 1_000 }, (_, index) => index + 1));
    expect(items[0]?.reason).toHaveLength(300);
  });

  it('a kind that throws fails by its code', async () => {
    const kind: JobKind = {
      type: 'throws',
      lane: 'ingest',
      run: async () => {
        throw new MillraceError('upload_missing', 'It is gone.');
      },
    };
    const jobs = await test.process([kind]);
    const over = await ended(jobs, await jobs.create({ ...NEW, type: 'throws' }));
    expect(over).toMatchObject({
      status: 'failed',
      error: { code: 'upload_missing', message: 'It is gone.' },
    });
  });
});

describe('what is kept', () => {
  const writes = (files: JobFiles, bytes: number): JobKind => ({
    type: 'writes',
    lane: 'export',
    run: async ({ record, advance }) => {
      const name = `${record.job_id}.${record.attempt}.txt`;
      files.grow(0, bytes);
      const file = await files.create(name);
      await file.writeFile('x'.repeat(bytes));
      await file.close();
      advance({ done: bytes, total: bytes, unit: 'bytes' });
      return { result: null, file: { name, media_type: 'text/plain', size_bytes: bytes } };
    },
  });
  const expiredAt = (jobs: Jobs, { file }: JobRecord) =>
    file === null ? Promise.reject(new Error('no file')) : jobs.files.serve(file, test.clock.now());

  it('a file for a day, a job for thirty', async () => {
    const files = await test.files('d');
    const jobs = await test.process([writes(files, 100)], { files });
    const over = await ended(jobs, await jobs.create({ ...NEW, type: 'writes' }));
    expect(over.file).toMatchObject({
      disk: 'd',
      size_bytes: 100,
      expires_at_ms: test.clock.now() + FILE_KEPT_MS,
    });
    expect(await new Response(await expiredAt(jobs, over)).text()).toBe('x'.repeat(100));
    await vi.waitFor(() => expect(jobs.files.size_bytes).toBe(100), PATIENTLY);
    test.clock.advance(FILE_KEPT_MS);
    await expect(expiredAt(jobs, over)).rejects.toMatchObject({ code: 'expired', status: 410 });
    await vi.waitFor(() => expect(jobs.files.size_bytes).toBe(0), PATIENTLY);
    test.clock.advance(FINISHED_KEPT_MS - FILE_KEPT_MS - 1);
    await sleep(50);
    expect(await jobs.get('acme', over.job_id)).toMatchObject({ status: 'succeeded' });
    test.clock.advance(1);
    await vi.waitFor(
      () => expect(jobs.get('acme', over.job_id)).rejects.toMatchObject({ code: 'not_found' }),
      PATIENTLY,
    );
  });

  it('a file is served where it lies, whole or not at all', async () => {
    const files = await test.files('d');
    const jobs = await test.process([writes(files, 100)], { files });
    const over = await ended(jobs, await jobs.create({ ...NEW, type: 'writes' }));
    const other = await test.process([]);
    await expect(expiredAt(other, over)).rejects.toMatchObject({ code: 'file_elsewhere' });
    const name = over.file?.name ?? '';
    const cut = await files.goOn(name, name, 50);
    await cut?.close();
    await expect(expiredAt(jobs, over)).rejects.toMatchObject({ code: 'job_file_damaged' });
  });

  it('files have limits, each and together, with a name', async () => {
    const files = await test.files('d');
    const jobs = await test.process([writes(files, 1_001)], { files });
    const over = await ended(jobs, await jobs.create({ ...NEW, type: 'writes' }));
    expect(over).toMatchObject({ status: 'failed', error: { code: 'file_too_large' } });
    jobs.files.grow(0, 1_000);
    jobs.files.grow(0, 1_000);
    expect(() => jobs.files.grow(0, 1)).toThrow(expect.objectContaining({ code: 'job_files_full' }));
  });
});
