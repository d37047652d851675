export { seenOf } from './event-answer.ts';
export { keptWarning } from './event-request.ts';
export { askedBySearch, eventRoutes } from './event-routes.ts';
export { MAX_SCAN_PAYLOADS, searchBody } from './event-schemas.ts';
export { type Asked, type EventParts, EventSearch } from './event-search.ts';
export { SearchTurns } from './search-turns.ts';
