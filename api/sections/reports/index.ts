export { isSchedule, nextRun, reportKind, requireSeam, SEAM_END } from './report-kind.ts';
export { reportRoutes } from './report-routes.ts';
export { dueAt, ReportWatch, runId } from './report-watch.ts';
