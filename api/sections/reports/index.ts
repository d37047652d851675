export { reportKind } from './report-kind.ts';
export { reportRoutes } from './report-routes.ts';
export { ReportWatch } from './report-watch.ts';
