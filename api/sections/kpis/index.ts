export {
  type AnswerParts,
  type FreshnessMembers,
  metaOf,
  metaSchema,
  readFresh,
  type Snapshot,
  sequenceOf,
  wishOf,
} from './answer-meta.ts';
export { kpiRoutes } from './kpi-routes.ts';
export { positionParam } from './summary-routes.ts';
