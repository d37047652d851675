export { BLOCK_MAX_BYTES } from './cell-block.ts';
export { type CubesConfig, cubes, cubesDoc, DEFAULT_CELLS_PER_DAY } from './cubes.ts';
export { type DayCardinality, readCardinality } from './day-cells.ts';
export {
  ALL_TIME_MS,
  type CubeDefinition,
  type CubeInfo,
  completeFrom,
  MAX_CUBE_DIMENSIONS,
  NEVER_MS,
  readCubeInfo,
} from './definition.ts';
export type { CubeHistory } from './history.ts';
export type { ReaderColumns, RowReader } from './row-reader.ts';
export {
  type CellScan,
  type CellSums,
  type CellVisitor,
  type CubeViews,
  cubeViews,
  estimateCells,
  scanCells,
} from './scan-cells.ts';
