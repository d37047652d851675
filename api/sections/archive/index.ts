export { archiveKind } from './archive-job.ts';
export { archiveRoutes } from './archive-routes.ts';
export { ArchiveWatch } from './archive-watch.ts';
