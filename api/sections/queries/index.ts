export { AnswerCache } from './answer-cache.ts';
export { type FamilyAsker, type JsonAnswer, QueryFamilies, type ResolvedQuery } from './query-families.ts';
export {
  type Overrides,
  overridesSchema,
  type QueryDefinition,
  type QueryType,
  queryTypeSchema,
  type SavedQuery,
  savedQuerySchema,
} from './saved-query.ts';
export {
  askerOf,
  SAVED_RUN_PROBLEMS,
  savedQueryKind,
  savedQueryRoutes,
} from './saved-query-routes.ts';
export { type RangeAnchors, SavedRuns, sequenceOf } from './saved-runs.ts';
