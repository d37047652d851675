export { JobManager, type JobRunner, newJobId, type RunningJob } from './job-manager.ts';
export * from './job-routes.ts';
export { JobStore } from './job-store.ts';
