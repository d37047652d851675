export { diskIdOf } from './disk-id.ts';
export { adoptEarlierJobs } from './earlier-files.ts';
export { JobError } from './job-error.ts';
export { type JobFileLimits, JobFiles } from './job-files.ts';
export type { JobKind, JobOutcome, JobStep, RunningJob } from './job-kind.ts';
export { ERRORS_MAX_ITEMS, JOB_TIMES, QUEUED_MAX_JOBS, VALUE_MAX_BYTES } from './job-limits.ts';
export {
  isFinished,
  JOB_ID,
  JOB_LANES,
  JOB_STATUSES,
  type JobFile,
  type JobItemError,
  type JobLane,
  type JobRecord,
  newJobId,
} from './job-record.ts';
export { Jobs, type JobsOptions, type NewJob } from './jobs.ts';
export { Members } from './members.ts';
