export { answerTable, tableColumns } from './answer-table.ts';
export { type AnswerTable, type Cell, type Column, type ColumnType, majorUnits } from './cell.ts';
export { kpiRows } from './kpi-rows.ts';
export { type RowFormat, type RowText, rowText } from './row-text.ts';
