export { AmountValues, type ConvertAmount } from './amount-values.ts';
export { DetailBudget } from './detail-budget.ts';
export { KpiSums, mergeSums, type NamedSums, readSums, type SumsShape } from './kpi-sums.ts';
export {
  type Distribution,
  EVERY_ROW,
  type MeasureRule,
  type MemberRule,
  type OwnMeasure,
  observed,
  type PlacedRule,
  ruleOf,
} from './measure-rules.ts';
export { MemberCounts } from './member-counts.ts';
export { RowScan, type ScanSpec } from './row-scan.ts';
export { refineRange } from './row-select.ts';
export { SeriesTable } from './series-table.ts';
export { dayOf, SlotFinder, slotsOf, type TimeSlots } from './time-slots.ts';
