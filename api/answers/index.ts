export {
  type AnswerParts,
  type AnswerState,
  metaOf,
  metaSchema,
  readFresh,
  type Snapshot,
  wishOf,
} from './answer-meta.ts';
export { analyticsOf, analyticsSettings } from './queries.ts';
export * from './query-run.ts';
