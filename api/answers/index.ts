export {
  type AnswerParts,
  type AnswerState,
  type FreshnessMembers,
  metaOf,
  metaSchema,
  readFresh,
  type Snapshot,
  sequenceOf,
  wishOf,
} from './answer-meta.ts';
export { maskGroups } from './mask-groups.ts';
export { namedEntities } from './named-entities.ts';
export { dimensionsIn, MASK, maskFor, PiiMask } from './pii-mask.ts';
export { planSum, planSumSchema } from './plan-sum.ts';
export { analyticsOf } from './queries.ts';
export * from './query-route.ts';
export * from './query-run.ts';
export { endOfMinute } from './query-segments.ts';
export { SegmentSets } from './segment-sets.ts';
