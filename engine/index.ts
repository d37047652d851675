export * from './base/index.ts';
export * from './channels/index.ts';
// What lies in a log, and how rows are handed to it; the encodings are the engine's own.
export {
  type Chunk,
  type ChunkCodes,
  type ChunkHashes,
  type ChunkIndex,
  type ChunkItems,
  type ChunkTimes,
  type Column,
  type ColumnKind,
  type ColumnSpec,
  type Columns,
  columnIndex,
  DEFAULT_DICTIONARY_TEXTS,
  Dictionary,
  type HashColumn,
  LABEL_ROWS,
  type LogSchema,
  labelIndexed,
  NO_TEXT,
  OTHER_TEXT,
  RowBatch,
  RowBuffer,
  type RowsView,
  roomFor,
} from './columns/index.ts';
export * from './control/index.ts';
export * from './edges/index.ts';
export * from './gather/index.ts';
export * from './graph/index.ts';
export * from './log/index.ts';
export * from './query/index.ts';
export * from './runs/index.ts';
export * from './scan/index.ts';
export * from './state/index.ts';
export * from './task/index.ts';
export * from './testing/index.ts';
