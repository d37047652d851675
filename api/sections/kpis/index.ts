export { queryKind } from './kpi-jobs.ts';
export { kpiRoutes } from './kpi-routes.ts';
export { positionParam } from './summary-routes.ts';
