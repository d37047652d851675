export { CellComparison, type CellExample, type CellReport, type CellsOfInterest } from './compare-cells.ts';
export { applyFixes, type Recount, type RecountDay, Recounting, recountDays } from './recount.ts';
export { StateCells } from './state-cells.ts';
