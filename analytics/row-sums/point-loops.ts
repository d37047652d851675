import { MAX_EXACT, type SumColumn } from './sum-column.ts';

/** Rows that are added up: row `rows[i]` counts at `points[i]`, times `signs[i]` where there are signs. */
export interface PointRows {
  count: number;
  rows: Uint32Array;
  points: Int32Array;
  signs: Int8Array | undefined;
}

/** Adds 1 for each row. A count cannot leave the safe integers. */
export function addCounts({ count, points, signs }: PointRows, column: SumColumn): void {
  const { values } = column;
  if (signs === undefined) {
    for (let at = 0; at < count; at++) (values[points[at] as number] as number)++;
  } else {
    for (let at = 0; at < count; at++) (values[points[at] as number] as number) += signs[at] as number;
  }
}

/** Adds the amounts; NaN counts 0. */
export function addAmounts(
  { count, rows, points, signs }: PointRows,
  amounts: Float64Array,
  column: SumColumn,
): void {
  const { values } = column;
  if (signs === undefined) {
    for (let at = 0; at < count; at++) {
      const amount = amounts[rows[at] as number] as number;
      if (Number.isNaN(amount)) continue;
      const point = points[at] as number;
      const sum = (values[point] as number) + amount;
      if (sum > MAX_EXACT || sum < -MAX_EXACT) column.spill(point, amount);
      else values[point] = sum;
    }
    return;
  }
  for (let at = 0; at < count; at++) {
    const amount = (amounts[rows[at] as number] as number) * (signs[at] as number);
    if (Number.isNaN(amount)) continue;
    const point = points[at] as number;
    const sum = (values[point] as number) + amount;
    if (sum > MAX_EXACT || sum < -MAX_EXACT) column.spill(point, amount);
    else values[point] = sum;
  }
}

/** Adds 1 for each row that has an amount. */
export function addObserved(
  { count, rows, points, signs }: PointRows,
  amounts: Float64Array,
  column: SumColumn,
): void {
  const { values } = column;
  for (let at = 0; at < count; at++) {
    const amount = amounts[rows[at] as number] as number;
    if (Number.isNaN(amount)) continue;
    (values[points[at] as number] as number) += signs === undefined ? 1 : (signs[at] as number);
  }
}

/** Adds the quantities of each row's items. */
export function addUnits(
  { count, rows, points, signs }: PointRows,
  items: { readonly start: Uint32Array; readonly count: Uint32Array },
  quantities: Float64Array,
  column: SumColumn,
): void {
  for (let at = 0; at < count; at++) {
    const row = rows[at] as number;
    const first = items.start[row] as number;
    const end = first + (items.count[row] as number);
    let sum = 0;
    for (let item = first; item < end; item++) {
      const quantity = quantities[item] as number;
      if (!Number.isNaN(quantity)) sum += quantity;
    }
    if (sum !== 0) column.add(points[at] as number, signs === undefined ? sum : sum * (signs[at] as number));
  }
}
