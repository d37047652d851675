export {
  type DedupEventsConfig,
  dedupEvents,
  dedupEventsDoc,
  type IdentifiedColumns,
} from './dedup-events.ts';
