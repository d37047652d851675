export { type AskRequest, parseRequest } from './ask-request.ts';
export { AskService, type AskServiceOptions, askSubject, type TablePlaces } from './ask-service.ts';
export {
  type AskMember,
  DEFAULT_GATHER_LIMITS,
  type GatherCounts,
  Gatherer,
  type GathererOptions,
  type GatherLimits,
  type Holders,
} from './gatherer.ts';
