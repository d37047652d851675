export type { AnswerParts } from './answer-meta.ts';
export { kpiRoutes } from './kpi-routes.ts';
