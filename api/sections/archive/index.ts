export { archiveKind } from './archive-job.ts';
export { archiveRoutes } from './archive-routes.ts';
export { archiveSchedule } from './archive-watch.ts';
