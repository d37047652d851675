export * from './aggregates/index.ts';
export * from './anomalies/index.ts';
export * from './core/index.ts';
export * from './dedup/index.ts';
export * from './detect/index.ts';
export * from './joins/index.ts';
export * from './process/index.ts';
export * from './sequences/index.ts';
export * from './sinks/index.ts';
export {
  ALL_TIME_MS,
  Backfill,
  type Backfilled,
  type BackfillSlot,
  ChunkRows,
  completeFrom,
  type HistoryRange,
  type LogHistoryConfig,
  type LogReads,
  type LogScope,
  logHistory,
  NEVER_MS,
  newFrom,
  type ReaderColumns,
  type RowHistory,
  readSlots,
  SlotReader,
  Slots,
  type WantedSlot,
} from './views/backfill/index.ts';
export * from './views/cubes/index.ts';
export * from './views/facts/index.ts';
export * from './views/index.ts';
export * from './views/log/index.ts';
export * from './windows/index.ts';
