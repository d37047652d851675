const S = 1_000;
const H = 3_600 * S;
const DAY = 24 * H;

/** How often a process looks after its jobs, and when another is taken for dead. */
export interface JobTimes {
  /** Between two looks: renewals, checkpoints, takeovers. */
  readonly tick_ms: number;
  /** A process with jobs whose record has not changed for so long is dead. */
  readonly lease_ms: number;
  /** Between two renewals of a process without jobs. */
  readonly idle_renewal_ms: number;
  /** A process that has not renewed for so long is not there. */
  readonly present_ms: number;
  /** How long a job waits for a process that could run it before it fails. */
  readonly no_runner_ms: number;
  /** Between two sweeps of what has expired. */
  readonly sweep_ms: number;
  /** How long a stop waits for running jobs. */
  readonly stop_ms: number;
  /** How long a cancel or a pause waits for the owner. */
  readonly order_ms: number;
}

export const JOB_TIMES: JobTimes = {
  tick_ms: S,
  lease_ms: 5 * S,
  idle_renewal_ms: 30 * S,
  present_ms: 120 * S,
  no_runner_ms: H,
  sweep_ms: 60 * S,
  stop_ms: S,
  order_ms: 10 * S,
};

/** Jobs that wait or are paused, of one lane and tenant. */
export const QUEUED_MAX_JOBS = 100;
/** Jobs of one lane that one process runs at once. */
export const RUNNING_MAX_JOBS = { ingest: 1, query: 2, export: 1, backfill: 1, training: 1 } as const;
/** Finished jobs are looked up for so long. */
export const FINISHED_KEPT_MS = 30 * DAY;
/** Finished jobs of one tenant; beyond them the oldest go before their time. */
export const FINISHED_MAX_JOBS = 10_000;
/** A job's file is served for so long. */
export const FILE_KEPT_MS = DAY;
/** What a file of no job has to be old before it is removed: it may be on its way. */
export const ORPHAN_MIN_AGE_MS = H;
/** Of a job's input, state and result, as JSON. */
export const VALUE_MAX_BYTES = 262_144;
/** Offending items that are listed. */
export const ERRORS_MAX_ITEMS = 1_000;
export const ERRORS_MAX_BYTES = 393_216;
export const ERROR_REASON_MAX_CHARS = 300;
/** Attempts in a row that end with the process and without progress. */
export const STALLED_MAX_ATTEMPTS = 5;
