import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { asMillraceError, type Clock } from '../../../engine/index.ts';
import { ApiError } from '../../http/index.ts';
import { isFinished, type JobRecord, type JobStore } from './job-store.ts';

/** Finished jobs that can still be looked up; the oldest go first. */
const MAX_FINISHED_JOBS = 1_000;
/** How long a stop waits for the running job. */
const STOP_MS = 1_000;

/** A job as its runner sees it. */
export interface RunningJob {
  readonly record: Readonly<JobRecord>;
  /** Aborted when the job is cancelled or the process stops; then throw its reason. */
  readonly signal: AbortSignal;
  /** Tells how far it is; from here a restart goes on once `checkpoint` has kept it. */
  advance(progress: Readonly<Record<string, number>>, result: unknown): void;
  checkpoint(): Promise<void>;
}

/** What a type of job does. */
export interface JobRunner {
  /** Works from `record.progress` on, and returns the result. */
  run(job: RunningJob): Promise<unknown>;
  /** Frees what belongs to a job that is over. */
  dispose(record: Readonly<JobRecord>): Promise<void>;
}

export interface NewJob {
  readonly tenant: string;
  readonly type: string;
  readonly created_by: string;
  readonly input: unknown;
  readonly progress: Readonly<Record<string, number>>;
  /** Taken before, e.g. because files are named after it. */
  readonly job_id?: string;
}

export function newJobId(): string {
  return `job_${randomUUID().replaceAll('-', '')}`;
}

/**
 * Runs jobs one after the other, in order of creation. A job that a stop interrupted goes on at the
 * next start from its last checkpoint, so a runner may repeat the work since then.
 */
export class JobManager {
  readonly #store: JobStore;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #queued_max: number;
  readonly #runners = new Map<string, JobRunner>();
  /** In order of creation. */
  readonly #jobs = new Map<string, JobRecord>();
  readonly #stop = new AbortController();
  #started = false;
  #running:
    | { readonly job_id: string; readonly cancel: AbortController; readonly done: Promise<void> }
    | undefined;

  constructor(options: { store: JobStore; clock: Clock; log: Logger; queued_max: number }) {
    this.#store = options.store;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#queued_max = options.queued_max;
  }

  register(type: string, runner: JobRunner): void {
    this.#runners.set(type, runner);
  }

  /** Loads the records; interrupted jobs are queued again. */
  async load(): Promise<void> {
    for (const record of await this.#store.load()) {
      if (record.status === 'running') record.status = 'queued';
      this.#jobs.set(record.job_id, record);
    }
  }

  /** Takes up the work; all runners must be registered. */
  start(): void {
    this.#started = true;
    this.#next();
  }

  /**
   * Interrupts the running job at its next step; it goes on when the process starts again. One that is
   * stuck (NATS is away) is left: it then goes on from its last checkpoint.
   */
  async close(): Promise<void> {
    this.#stop.abort(new Error('The process stops.'));
    await Promise.race([this.#running?.done, sleep(STOP_MS, undefined, { ref: false })]);
  }

  get closed(): boolean {
    return this.#stop.signal.aborted;
  }

  /** 429 when as many jobs wait as may. */
  requireRoom(): void {
    const waiting = [...this.#jobs.values()].filter(({ status }) => status === 'queued').length;
    if (waiting < this.#queued_max) return;
    throw new ApiError('too_many_jobs', `${waiting} jobs wait already. Try again when some are done.`, {
      retryAfter_s: 30,
    });
  }

  /** Queues a job; it is kept once this resolves. */
  async create(job: NewJob): Promise<JobRecord> {
    this.requireRoom();
    const { tenant, type, created_by, input, progress } = job;
    const record: JobRecord = {
      job_id: job.job_id ?? newJobId(),
      tenant,
      type,
      status: 'queued',
      created_by,
      created_at_ms: this.#clock.now(),
      started_at_ms: null,
      finished_at_ms: null,
      input,
      progress: { ...progress },
      result: null,
      error: null,
    };
    await this.#store.save(record);
    this.#jobs.set(record.job_id, record);
    const created = { ...record };
    this.#next();
    return created;
  }

  /** A tenant's jobs, newest first. */
  list(tenant: string): JobRecord[] {
    return [...this.#jobs.values()].filter((record) => record.tenant === tenant).reverse();
  }

  /** 404 when the tenant has no such job. */
  get(tenant: string, job_id: string): JobRecord {
    const record = this.#jobs.get(job_id);
    if (record === undefined || record.tenant !== tenant) {
      throw new ApiError(
        'not_found',
        'There is no job with this id. Finished jobs are forgotten after a while.',
      );
    }
    return record;
  }

  /** Ids of all jobs that may still need what belongs to them. */
  unfinished(): ReadonlySet<string> {
    return new Set([...this.#jobs.values()].filter((job) => !isFinished(job)).map(({ job_id }) => job_id));
  }

  /** Numbers for the diagnostics. */
  counts(): { readonly queued: number; readonly running: number } {
    const records = [...this.#jobs.values()];
    return {
      queued: records.filter(({ status }) => status === 'queued').length,
      running: records.filter(({ status }) => status === 'running').length,
    };
  }

  /** Cancels a job and waits until it has ended; 409 when it was over before. */
  async cancel(tenant: string, job_id: string): Promise<JobRecord> {
    const record = this.get(tenant, job_id);
    if (isFinished(record)) {
      throw new ApiError('wrong_state', `The job is ${record.status}: it cannot be cancelled.`);
    }
    if (this.#running?.job_id === job_id) {
      this.#running.cancel.abort(new Error('The job was cancelled.'));
      await this.#running.done;
    } else {
      await this.#finish(record, 'cancelled', null);
    }
    return record;
  }

  #next(): void {
    if (!this.#started || this.#running !== undefined || this.#stop.signal.aborted) return;
    const record = [...this.#jobs.values()].find(({ status }) => status === 'queued');
    if (record === undefined) return;
    const cancel = new AbortController();
    const done = this.#run(record, cancel.signal)
      .catch((error: unknown) =>
        this.#log.error({ err: error, job_id: record.job_id }, 'a job cannot be kept'),
      )
      .finally(() => {
        this.#running = undefined;
        this.#next();
      });
    this.#running = { job_id: record.job_id, cancel, done };
  }

  async #run(record: JobRecord, cancelled: AbortSignal): Promise<void> {
    record.status = 'running';
    record.started_at_ms ??= this.#clock.now();
    const runner = this.#runners.get(record.type);
    if (runner === undefined) {
      const message = `This version knows no jobs of type "${record.type}".`;
      await this.#finish(record, 'failed', { code: 'unknown_job_type', message });
      return;
    }
    try {
      await this.#store.save(record);
      record.result = await runner.run({
        record,
        signal: AbortSignal.any([cancelled, this.#stop.signal]),
        advance: (progress, result) => {
          record.progress = { ...progress };
          record.result = result;
        },
        checkpoint: () => this.#store.save(record),
      });
      await this.#finish(record, 'succeeded', null);
    } catch (thrown) {
      if (cancelled.aborted) await this.#finish(record, 'cancelled', null);
      else if (this.#stop.signal.aborted) await this.#store.save(record);
      else {
        const { code, message } = asMillraceError(thrown);
        this.#log.error({ err: thrown, job_id: record.job_id }, 'a job failed');
        await this.#finish(record, 'failed', { code, message });
      }
    }
  }

  async #finish(
    record: JobRecord,
    status: 'succeeded' | 'failed' | 'cancelled',
    error: JobRecord['error'],
  ): Promise<void> {
    record.status = status;
    record.error = error;
    record.finished_at_ms = this.#clock.now();
    await this.#store.save(record);
    await this.#runners.get(record.type)?.dispose(record);
    const finished = [...this.#jobs.values()].filter(isFinished);
    for (const oldest of finished.slice(0, Math.max(0, finished.length - MAX_FINISHED_JOBS))) {
      this.#jobs.delete(oldest.job_id);
      await this.#store.remove(oldest.job_id);
    }
  }
}
