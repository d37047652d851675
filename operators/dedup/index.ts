export {
  type AwaitedEvents,
  awaitMissing,
  type BuiltState,
  type LackingRange,
  passOnAwaited,
  readAwaited,
} from './awaited-ids.ts';
export * from './dedup.ts';
export {
  type DedupEventsConfig,
  dedupEvents,
  dedupEventsDoc,
  type IdentifiedColumns,
} from './dedup-events.ts';
export { idSetDigest } from './id-tables.ts';
export * from './identify.ts';
export { KnownIds } from './known-ids.ts';
export * from './old-ids.ts';
export { ID_WORDS, RecentIds, TOUCHED_IDS } from './recent-ids.ts';
