export {
  ANY,
  all,
  type Condition,
  fieldIn,
  MAX_CONDITION_DEPTH,
  MAX_CONDITION_TEXT_CHARS,
  MAX_CONDITIONS,
  MAX_IN_VALUES,
  MAX_VALUE_CHARS,
  MAX_WORDS,
  wordsOf,
} from './condition.ts';
export { parseCondition } from './condition-parse.ts';
export { type DisplacedKind, displacedEvents } from './displaced-kind.ts';
export {
  type EntityMember,
  type EntityPlace,
  type EventPlace,
  entityIds,
  MAX_ENTITY_PLACES,
} from './entity-ids.ts';
export { parseEventJson } from './event-json.ts';
export { timeOf } from './fields.ts';
export {
  type EventSelector,
  type FinderParts,
  type FindRequest,
  type FoundPage,
  findEvents,
  firstSelection,
  type Scanned,
} from './find-events.ts';
export { AMOUNT_FIELDS, type AmountField, type EventIds, eventIds, type FoundEvent } from './found-event.ts';
export { inlineSelector } from './inline-selector.ts';
export { type Matcher, matcherOf } from './matcher.ts';
export { parsePath } from './path.ts';
export type { MissingReason, PartReader, PayloadSource, StoredMessage } from './payloads.ts';
export type { Order, Position } from './position.ts';
export { SELECT_EVENTS, type SelectKind, selectEvents } from './select-kind.ts';
export { type EventLogView, openEvents, type Selection, type SelectRequest } from './select-request.ts';
export type { EventTerms, IdHash } from './terms.ts';
export { countTypes, type TypeCountKind, type TypeCounts } from './type-counts.ts';
