import { FILE_KEPT_MS, STALLED_MAX_ATTEMPTS } from './job-limits.ts';
import type { JobFile, JobRecord, JobStatus } from './job-record.ts';

/** What happens to a job, as pure functions of its record: every process makes the same of the same. */

type Owner = NonNullable<JobRecord['owner']>;

export function claimed(record: JobRecord, owner: Owner, now_ms: number): JobRecord {
  return {
    ...record,
    status: 'running',
    owner,
    attempt: record.attempt + 1,
    stalled_attempts: record.stalled_attempts + 1,
    started_at_ms: record.started_at_ms ?? now_ms,
  };
}

/** Given back by an owner that stops in order: no attempt was lost. */
export function released(record: JobRecord, now_ms: number): JobRecord {
  return withoutOwner({ ...record, stalled_attempts: 0 }, now_ms);
}

/** Taken from an owner that is dead: should it wake, its attempt is over. */
export function taken(record: JobRecord, now_ms: number): JobRecord {
  return withoutOwner({ ...record, attempt: record.attempt + 1 }, now_ms);
}

/** What was asked of it is done, else it waits for the next owner, unless it only ever crashes. */
function withoutOwner(record: JobRecord, now_ms: number): JobRecord {
  if (record.wanted === 'cancel') return finished(record, { status: 'cancelled', now_ms });
  if (record.stalled_attempts >= STALLED_MAX_ATTEMPTS) {
    const error = {
      code: 'job_keeps_crashing',
      message:
        `${record.stalled_attempts} processes in a row ended while they ran it, without any progress. ` +
        'Look into their logs, and start the job again.',
    };
    return finished(record, { status: 'failed', now_ms, error });
  }
  const status: JobStatus = record.wanted === 'pause' ? 'paused' : 'queued';
  return { ...waitingProgress(record), status, owner: null, wanted: null };
}

export interface Ending {
  readonly status: 'succeeded' | 'failed' | 'cancelled';
  readonly now_ms: number;
  readonly error?: JobRecord['error'];
  readonly result?: unknown;
  readonly file?: Omit<JobFile, 'expires_at_ms'> | undefined;
}

export function finished(record: JobRecord, { status, now_ms, error, result, file }: Ending): JobRecord {
  return {
    ...waitingProgress(record),
    status,
    owner: null,
    wanted: null,
    finished_at_ms: now_ms,
    input: null,
    state: null,
    error: error ?? null,
    result: result === undefined ? record.result : result,
    file: file === undefined ? null : { ...file, expires_at_ms: now_ms + FILE_KEPT_MS },
  };
}

/** Nothing moves: there is no rate. */
function waitingProgress(record: JobRecord): JobRecord {
  return { ...record, progress: { ...record.progress, rate_per_s: null, time_left_s: null } };
}
