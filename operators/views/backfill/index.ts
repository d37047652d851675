export { Backfill } from './backfill.ts';
export { ALL_TIME_MS, DAY_MS, type HistoryRange, NEVER_MS, type RowHistory } from './history.ts';
export {
  ChunkRows,
  type LogHistoryConfig,
  type LogReads,
  type LogScope,
  logHistory,
  type ReaderColumns,
} from './log-history.ts';
export { type BackfillSlot, completeFrom, readSlots, SlotReader } from './slot.ts';
export { type Backfilled, newFrom, Slots, type WantedSlot } from './slots.ts';
