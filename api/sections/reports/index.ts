export { analystFor } from './analyst.ts';
export {
  isSchedule,
  nextRun,
  reportKind,
  requireSeam,
  type Schedule,
  SEAM_END,
  scheduleSchema,
  scheduleZoneSchema,
} from './report-kind.ts';
export { reportRoutes } from './report-routes.ts';
export { dueAt, ReportWatch, runId } from './report-watch.ts';
export { runRoutes } from './run-routes.ts';
