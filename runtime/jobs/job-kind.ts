import type { JobFile, JobItemError, JobLane, JobProgress, JobRecord } from './job-record.ts';

/** How far a job is: everything up to here is done and durable, and from `state` it goes on. */
export interface JobStep extends Pick<JobProgress, 'done' | 'total' | 'unit'> {
  readonly state?: unknown;
  readonly counts?: Readonly<Record<string, number>>;
  /** Items that could not be taken since the last step. */
  readonly errors?: readonly JobItemError[];
  /** What has come out so far. */
  readonly result?: unknown;
}

/** A job as its kind sees it. */
export interface RunningJob {
  /** As it was when this attempt began. */
  readonly record: Readonly<JobRecord>;
  /** Aborted when the job is cancelled, paused or taken by another process, or the process stops: throw its reason. */
  readonly signal: AbortSignal;
  /** Kept within a second or so: an attempt may repeat the work since the last step that was. */
  advance(step: JobStep): void;
}

export interface JobOutcome {
  /** Plain data, small. */
  readonly result: unknown;
  /** In the folder of job files, complete and synced. */
  readonly file?: Pick<JobFile, 'name' | 'media_type' | 'size_bytes' | 'shows'>;
}

/** What a type of job does. */
export interface JobKind {
  /** Stable, lower case letters and `_`. */
  readonly type: string;
  readonly lane: JobLane;
  /**
   * Works from `record.state` on. At the end of an attempt that was not in order (a crash, a stop of the machine)
   * another process repeats what was not kept, perhaps while this one still believes that it runs: effects have to
   * bear that.
   */
  run(job: RunningJob): Promise<JobOutcome>;
  /** Frees what belongs to a job that is over, as far as it lies here. */
  dispose?(record: Readonly<JobRecord>): Promise<void>;
}
