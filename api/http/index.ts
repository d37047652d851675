export { auditedAs } from './audited-as.ts';
export {
  bodyChunks,
  encodingOf,
  lengthOf,
  mediaTypeOf,
  requireMediaType,
  tooLarge,
  unreadable,
} from './body.ts';
export { BodyBudget, BodyLease, noBody } from './body-budget.ts';
export { BodyWatch } from './body-pace.ts';
export { byDimensions } from './by-dimensions.ts';
export * from './cursor.ts';
export { type Doubt, doubtOf } from './doubt.ts';
export * from './event-stream.ts';
export type { Face } from './face.ts';
export {
  awaitFreshness,
  FRESHNESS_PROBLEMS,
  type Freshness,
  FreshnessTracker,
  type FreshnessWish,
  requireFreshness,
  requireReader,
} from './freshness.ts';
export * from './idempotency.ts';
export { parseJson, tryParseJson } from './json-body.ts';
export { operatorSchema, operatorStates } from './operators.ts';
export { pageOf } from './page.ts';
export * from './permissions.ts';
export * from './ports.ts';
export { EVENTS_STREAM, INCARNATION_MEMBER, incarnationNumber, PARTITION, positionOf } from './position.ts';
export {
  ApiError,
  errorsOf,
  type FieldError,
  invalid,
  isDamage,
  MAX_ERRORS,
  PROBLEM_TYPE,
  PROBLEMS,
  type Problem,
  type ProblemCode,
  problemOf,
  titleOf,
} from './problem.ts';
export {
  type Answer,
  type DocumentedAnswer,
  type DocumentedBody,
  type Example,
  type Examples,
  JSON_MAX_BYTES,
  type RawCall,
  type Route,
  type RouteInfo,
  readWithin,
  route,
} from './route.ts';
export { booleanParam, listQuery, positionSchema, timestamp, timeText, timeTextOrNull } from './schemas.ts';
export { StateLook } from './state-look.ts';
