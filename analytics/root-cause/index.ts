export { type ChangeRow, type ChangeTable, changeTable } from './change-table.ts';
export { type Cause, type Explanation, explainChange, MAX_CAUSES } from './explain-change.ts';
