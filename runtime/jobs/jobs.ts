import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import {
  type Clock,
  invariant,
  type KeyValueStore,
  type MetricSample,
  type Metrics,
} from '../../engine/index.ts';
import { ErrorList } from './error-list.ts';
import { JobBoard, type JobEntry } from './job-board.ts';
import { finished } from './job-changes.ts';
import { JobError } from './job-error.ts';
import type { JobFiles } from './job-files.ts';
import type { JobKind } from './job-kind.ts';
import { JOB_TIMES, type JobTimes, QUEUED_MAX_JOBS, VALUE_MAX_BYTES } from './job-limits.ts';
import { isFinished, isWaiting, type JobItemError, type JobRecord, newJobId } from './job-record.ts';
import { jobMetrics } from './job-samples.ts';
import { JobSweep } from './job-sweep.ts';
import { JobWorker } from './job-worker.ts';
import { Members } from './members.ts';

export interface JobsOptions {
  /** The bucket of jobs; all processes share it. */
  readonly records: KeyValueStore;
  /** The bucket of their offending items, by job id. */
  readonly errors: KeyValueStore;
  readonly files: JobFiles;
  readonly clock: Clock;
  readonly log: Logger;
  /** Jobs that wait or are paused, of one lane and tenant; default `QUEUED_MAX_JOBS`. */
  readonly queued_max?: number;
  readonly times?: Partial<JobTimes>;
  /** ms, never moving back; default: that of the process. */
  readonly monotonic?: () => number;
}

export interface NewJob {
  readonly tenant: string;
  readonly type: string;
  readonly created_by: string;
  readonly input: unknown;
  readonly progress?: Pick<JobRecord['progress'], 'total' | 'unit'>;
  /** The report that it is a run of. */
  readonly report?: NonNullable<JobRecord['report']>;
  /** Taken before, e.g. because files are named after it. */
  readonly job_id?: string;
  /** Its input lies in this process's data folder: it runs there only. */
  readonly isLocal?: boolean;
}

/**
 * Jobs of all tenants, in a bucket that any number of processes share: each sees all of them, and exactly one runs
 * each. A job that loses its process goes on in another one from its last checkpoint.
 *
 * Throws JobError `too_many_jobs`, `wrong_state`, `not_found`; MillraceError `kv_unavailable` (retriable).
 */
export class Jobs {
  readonly files: JobFiles;
  readonly #options: JobsOptions;
  readonly #times: JobTimes;
  readonly #queued_max: number;
  readonly #kinds = new Map<string, JobKind>();
  readonly #board: JobBoard;
  readonly #members: Members;
  readonly #worker: JobWorker;
  readonly #sweep: JobSweep;
  readonly #metrics: Metrics;
  #sweeping: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: JobsOptions) {
    const { records, errors, files, clock, log, monotonic = () => performance.now() } = options;
    this.files = files;
    this.#options = options;
    this.#times = { ...JOB_TIMES, ...options.times };
    this.#queued_max = options.queued_max ?? QUEUED_MAX_JOBS;
    const process = `proc_${randomUUID()}`;
    const { disk } = files;
    const shared = { times: this.#times, monotonic };
    this.#members = new Members({ store: records, process, disk, ...shared });
    this.#board = new JobBoard(records, log, (id, value) => this.#members.observe(id, value));
    const parts = { board: this.#board, members: this.#members, errors, files, ...shared };
    this.#worker = new JobWorker({ ...parts, process, disk, clock, log, kinds: this.#kinds });
    this.#sweep = new JobSweep(parts);
    this.#metrics = jobMetrics({
      queued_max: this.#queued_max,
      entries: () => this.#board.entries(),
      takeovers: () => this.#worker.takeovers,
      running: () => this.#worker.running,
      processes: () => this.#members.present,
      files_bytes: () => files.size_bytes,
    });
  }

  register(kind: JobKind): void {
    invariant(!this.#kinds.has(kind.type), `the type ${kind.type} is registered once`);
    this.#kinds.set(kind.type, kind);
  }

  /** Learns what jobs there are. */
  async open(): Promise<void> {
    await this.#board.open();
  }

  /** Takes up the work; all kinds must be registered. */
  start(): void {
    this.#worker.start();
    const sweep = (): void => {
      const { clock, log } = this.#options;
      this.#sweeping = this.#sweep
        .run(clock.now())
        .catch((error: unknown) => log.warn({ err: error }, 'expired jobs cannot be removed now'));
    };
    this.#timer = setInterval(sweep, this.#times.sweep_ms).unref();
    sweep();
  }

  /** Gives back what runs, to go on in another process or at the next start. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#worker.close();
    // Should the bucket not answer, the lease says in a moment that this process is gone.
    const leaving = (async () => {
      await this.#sweeping;
      await this.#board.close();
      await this.#members.leave();
    })().catch(() => undefined);
    const late = sleep(this.#times.stop_ms, undefined, { ref: false });
    await Promise.race([leaving, late]);
  }

  get closed(): boolean {
    return this.#worker.isClosed;
  }

  /** Throws `too_many_jobs` when as many jobs of the tenant wait in the lane as may. */
  requireRoom(tenant: string, type: string): void {
    const { lane } = this.#kindOf(type);
    let waiting = 0;
    for (const { record } of this.#board.entries()) {
      if (record.tenant === tenant && record.lane === lane && isWaiting(record)) waiting++;
    }
    if (waiting < this.#queued_max) return;
    throw new JobError(
      'too_many_jobs',
      `${waiting} jobs of the lane "${lane}" wait already. Try again when some are done.`,
      { retryAfter_s: 30 },
    );
  }

  #kindOf(type: string): JobKind {
    const kind = this.#kinds.get(type);
    invariant(kind !== undefined, `the type ${type} is registered`);
    return kind;
  }

  /** Queues a job; it is kept once this resolves. */
  async create(job: NewJob): Promise<JobRecord> {
    const { tenant, type, created_by, input, progress, job_id = newJobId(), isLocal = false, report } = job;
    this.requireRoom(tenant, type);
    const size_bytes = Buffer.byteLength(JSON.stringify(input) ?? '');
    if (size_bytes > VALUE_MAX_BYTES) {
      const message = `A job is told at most ${VALUE_MAX_BYTES} bytes, these are ${size_bytes}. Shorten the lists.`;
      throw new JobError('body_too_large', message);
    }
    const { total, unit } = progress ?? { total: null, unit: 'items' };
    const record: JobRecord = {
      ...{ job_id, tenant, type, lane: this.#kindOf(type).lane, status: 'queued', created_by },
      ...{ created_at_ms: this.#options.clock.now(), started_at_ms: null, finished_at_ms: null },
      ...{ wanted: null, owner: null, attempt: 0, stalled_attempts: 0 },
      ...{ disk: isLocal ? this.files.disk : null, input, state: null },
      progress: { done: 0, total, unit, rate_per_s: null, time_left_s: null },
      ...{ counts: {}, errors: { count: 0, listed: 0 }, result: null, error: null, file: null },
      ...(report === undefined ? {} : { report }),
    };
    return this.adopt(record);
  }

  /** Puts in a record that is made elsewhere, e.g. by an earlier version. One that is there already stays. */
  async adopt(record: JobRecord): Promise<JobRecord> {
    const written = await this.#board.create(record);
    return written.ok ? written.entry.record : (written.current?.record ?? record);
  }

  /** A tenant's jobs, newest first. */
  list(tenant: string): JobRecord[] {
    return [...this.#board.entries()]
      .map(({ record }) => record)
      .filter((record) => record.tenant === tenant)
      .sort((a, b) => b.created_at_ms - a.created_at_ms || (a.job_id < b.job_id ? -1 : 1));
  }

  /** Throws `not_found` when the tenant has no such job. */
  async get(tenant: string, job_id: string): Promise<JobRecord> {
    return (await this.#find(tenant, job_id)).record;
  }

  async #find(tenant: string, job_id: string): Promise<JobEntry> {
    const entry = await this.#board.find(tenant, job_id);
    if (entry !== undefined) return entry;
    throw new JobError(
      'not_found',
      'There is no job with this id. Finished jobs are forgotten after 30 days.',
    );
  }

  /** Names the job's newest state that this process knows; 0 where it knows none. */
  revisionOf(job_id: string): number {
    return this.#board.known(job_id)?.revision ?? 0;
  }

  /** The offending items that are listed. */
  errorsOf(record: JobRecord): Promise<readonly JobItemError[]> {
    return ErrorList.read(this.#options.errors, record);
  }

  /** Tenants of all jobs that may still need what belongs to them, by the jobs' ids. */
  unfinished(): ReadonlyMap<string, string> {
    return new Map(
      [...this.#board.entries()]
        .filter(({ record }) => !isFinished(record))
        .map(({ record }) => [record.job_id, record.tenant]),
    );
  }

  /** Jobs of some types that are not over, of all tenants. */
  openOf(types: readonly string[]): readonly JobRecord[] {
    return [...this.#board.entries()]
      .map(({ record }) => record)
      .filter((record) => types.includes(record.type) && !isFinished(record));
  }

  counts(): { readonly queued: number; readonly running: number } {
    const by = (status: string): number =>
      [...this.#board.entries()].filter(({ record }) => record.status === status).length;
    return { queued: by('queued'), running: by('running') };
  }

  samples(): MetricSample[] {
    return this.#metrics.samples();
  }

  /**
   * The job now and after each change, with the revision that names it, until `signal` is aborted or the job is over
   * or gone. Of quick changes only the last is seen.
   */
  async *follow(
    record: JobRecord,
    signal: AbortSignal,
  ): AsyncGenerator<{ readonly record: JobRecord; readonly revision: number }> {
    let wake = (): void => undefined;
    const unlisten = this.#board.onChange((job_id) => {
      if (job_id === record.job_id) wake();
    });
    const onAbort = (): void => wake();
    signal.addEventListener('abort', onAbort);
    try {
      for (let seen = 0; !signal.aborted; ) {
        const changed = new Promise<void>((resolve) => {
          wake = resolve;
        });
        const entry = this.#board.known(record.job_id);
        if (entry === undefined) return;
        if (entry.revision > seen) {
          seen = entry.revision;
          yield entry;
          if (isFinished(entry.record)) return;
        } else if (!signal.aborted) await changed;
      }
    } finally {
      unlisten();
      signal.removeEventListener('abort', onAbort);
    }
  }

  /** Cancels a job; waits, but not for ever, until its owner has ended it. */
  async cancel(tenant: string, job_id: string): Promise<JobRecord> {
    const { clock } = this.#options;
    const before = await this.#find(tenant, job_id);
    let ended: JobRecord | undefined;
    const entry = await this.#board.change(before, (record) => {
      ended = undefined;
      if (isFinished(record)) throw wrongState(record, 'cancelled');
      if (record.status === 'running') return { ...record, wanted: 'cancel' };
      ended = record;
      return finished(record, { status: 'cancelled', now_ms: clock.now() });
    });
    // What the change was made from: its input is what there is to free.
    const from = ended as JobRecord | undefined;
    if (from !== undefined) {
      await this.#kinds.get(from.type)?.dispose?.(from);
      await this.files.free({ job_id, file: null });
    }
    const record = await this.#untilDone(entry);
    if (!isFinished(record) || record.status === 'cancelled') return record;
    throw wrongState(record, 'cancelled');
  }

  /** Pauses a job; one that runs stops at its next step and keeps what it has done. */
  async pause(tenant: string, job_id: string): Promise<JobRecord> {
    const entry = await this.#board.change(await this.#find(tenant, job_id), (record) => {
      if (record.status === 'paused') return undefined;
      if (record.status === 'queued') return { ...record, status: 'paused' };
      if (record.status === 'running' && record.wanted !== 'cancel') return { ...record, wanted: 'pause' };
      throw wrongState(record, 'paused');
    });
    return this.#untilDone(entry);
  }

  /** Queues a paused job again. */
  async resume(tenant: string, job_id: string): Promise<JobRecord> {
    const entry = await this.#board.change(await this.#find(tenant, job_id), (record) => {
      if (record.status === 'paused') return { ...record, status: 'queued' };
      if (record.wanted === 'pause') return { ...record, wanted: null };
      throw wrongState(record, 'resumed');
    });
    if (entry === undefined) throw new JobError('not_found', 'The job is gone.');
    return entry.record;
  }

  /** Waits until an owner has done what is wanted of the job. */
  async #untilDone(entry: JobEntry | undefined): Promise<JobRecord> {
    if (entry === undefined) throw new JobError('not_found', 'The job is gone.');
    const { record } = entry;
    let last = record;
    for await (const now of this.follow(record, AbortSignal.timeout(this.#times.order_ms))) {
      last = now.record;
      if (last.wanted === null) break;
    }
    return last;
  }
}

function wrongState({ status, wanted }: JobRecord, what: string): JobError {
  const how = wanted === 'cancel' ? 'being cancelled' : status;
  return new JobError('wrong_state', `The job is ${how}: it cannot be ${what}.`);
}
