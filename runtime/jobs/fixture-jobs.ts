import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { MemoryKeyValueStore } from '../../connectors/index.ts';
import { type KeyValueStore, ManualClock } from '../../engine/index.ts';
import { JobFiles } from './job-files.ts';
import type { JobKind, RunningJob } from './job-kind.ts';
import type { JobTimes } from './job-limits.ts';
import { isFinished, type JobRecord } from './job-record.ts';
import { Jobs } from './jobs.ts';

/** For `vi.waitFor`. */
export const PATIENTLY = { timeout: 30_000, interval: 5 };

/** Short, so that a test that waits for a lease does not wait long. */
export const FAST: Partial<JobTimes> = {
  tick_ms: 10,
  lease_ms: 150,
  sweep_ms: 20,
  stop_ms: 200,
  order_ms: 10_000,
};

/** Several processes on one bucket, each on a disk of its own unless it is said otherwise. */
export class JobsFixture {
  readonly clock = new ManualClock(Date.UTC(2025, 8, 1));
  readonly records: KeyValueStore;
  readonly errors: KeyValueStore;
  readonly #folders: string[] = [];
  readonly #open = new Set<Jobs>();

  constructor(
    records: KeyValueStore = new MemoryKeyValueStore(),
    errors: KeyValueStore = new MemoryKeyValueStore(),
  ) {
    this.records = records;
    this.errors = errors;
  }

  async files(disk: string): Promise<JobFiles> {
    const folder = await mkdtemp(join(tmpdir(), 'millrace-jobs-'));
    this.#folders.push(folder);
    const files = new JobFiles(folder, disk, { file_max_bytes: 1_000, files_max_bytes: 2_000 });
    await files.open();
    return files;
  }

  async process(
    kinds: readonly JobKind[],
    options: {
      readonly disk?: string;
      readonly records?: KeyValueStore;
      readonly queued_max?: number;
      readonly times?: Partial<JobTimes>;
      readonly files?: JobFiles;
    } = {},
  ): Promise<Jobs> {
    const { disk = `disk-${this.#folders.length}`, records = this.records, files, times, ...rest } = options;
    const jobs = new Jobs({
      records,
      errors: this.errors,
      files: files ?? (await this.files(disk)),
      clock: this.clock,
      log: pino({ level: 'silent' }),
      times: { ...FAST, ...times },
      ...rest,
    });
    for (const kind of kinds) jobs.register(kind);
    await jobs.open();
    jobs.start();
    this.#open.add(jobs);
    return jobs;
  }

  async close(): Promise<void> {
    for (const jobs of this.#open) await jobs.close();
    for (const folder of this.#folders) await rm(folder, { recursive: true, force: true });
  }
}

/** A job as it ended. */
export async function ended(jobs: Jobs, { tenant, job_id }: JobRecord): Promise<JobRecord> {
  const record = await jobs.get(tenant, job_id);
  for await (const { record: now } of jobs.follow(record, AbortSignal.timeout(30_000))) {
    if (isFinished(now)) return now;
  }
  throw new Error(`job ${job_id} does not end`);
}

/** Counts from its state to `steps`, one after another; every count is told to `counted`. */
export function counting(
  steps: number,
  counted: (at: number, job: RunningJob) => void,
  { lane = 'ingest', pause_ms = 1 }: { readonly lane?: JobKind['lane']; readonly pause_ms?: number } = {},
): JobKind {
  return {
    type: `count_${lane}`,
    lane,
    run: async (job) => {
      for (let at = Number(job.record.state ?? 0); at < steps; ) {
        job.signal.throwIfAborted();
        await sleep(pause_ms);
        counted(++at, job);
        job.advance({ done: at, total: steps, unit: 'steps', state: at, counts: { counted: at } });
      }
      return { result: { steps } };
    },
  };
}
