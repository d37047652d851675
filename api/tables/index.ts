export { answerTable, type TableFamily } from './answer-table.ts';
export { majorUnits } from './cell.ts';
export { kpiRows } from './kpi-rows.ts';
