export { nextRun, reportKind, type Schedule, scheduleSchema, scheduleZoneSchema } from './report-kind.ts';
export { reportRoutes } from './report-routes.ts';
export { dueAt, ReportWatch } from './report-watch.ts';
