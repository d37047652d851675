export { writeAnswer } from './answer-file.ts';
export { backfillKinds, backfillRoutes } from './backfill.ts';
export { createJob, type JobMaking } from './create-job.ts';
export { generationRoutes } from './generation-routes.ts';
export { fileAnswer } from './job-file.ts';
export { type JobParts, jobRoutes } from './job-routes.ts';
export { JobSchedule, type ScheduleParts } from './job-schedule.ts';
export {
  isResumed,
  JOB_EXAMPLE,
  jobLocation,
  jobSchema,
  jobView,
  maySee,
  RESUMED,
  requireOwn,
  requireReader,
} from './job-view.ts';
export { Looking } from './looking.ts';
export { patiently } from './patience.ts';
export { rollupKind, rollupRoute } from './rollup.ts';
export { storedAnswer } from './stored-answer.ts';
