export { BLOCK_MAX_BYTES } from './cell-block.ts';
export { CountedCubes } from './counted-cubes.ts';
export type { Cube } from './cube.ts';
export { cubes, cubesDoc } from './cubes.ts';
export {
  type CubesConfig,
  DEFAULT_CELLS_PER_DAY,
  type DefinedCubes,
  type WantedCube,
} from './cubes-config.ts';
export { type DayCardinality, readCardinality } from './day-cells.ts';
export { type CubeDefinition, type CubeInfo, MAX_CUBE_DIMENSIONS, readCubeInfo } from './definition.ts';
export { describeBlock, describeDay } from './describe.ts';
export { logicalCells, scopesOf as cubeScopes } from './digest.ts';
export { addToCells, type CellAddition, messagesOfCell, recountCells } from './recount.ts';
export type { OwnReader, RowReader } from './row-reader.ts';
export {
  type CellScan,
  type CellSums,
  type CellVisitor,
  type CubeViews,
  cubeViews,
  estimateCells,
  scanCells,
} from './scan-cells.ts';
