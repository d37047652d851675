import type { MetricDefinition } from '../kpis/index.ts';
import { type ChangeRow, type ChangeTable, changeTable } from '../root-cause/index.ts';
import { partsOfMetric } from './rule-value.ts';

/** Leaves of a table at most: with more, the dimension of the most values is left out, and so on. */
const MAX_LEAVES = 20_000;

/** A leaf: its values, and the sums of its measures in the window and in those that it is compared with. */
export interface CauseLeaf {
  readonly values: readonly string[];
  readonly actual: Float64Array;
  readonly reference: Float64Array;
}

export interface CauseTable {
  readonly table: ChangeTable;
  readonly left_out: readonly string[];
}

/**
 * What came and what was expected, by leaf. A sum: its mean over the windows that it is compared with, times one
 * factor, so that all leaves together are what the detector expected. A ratio: what its numerator would be, had each
 * leaf kept its rate; what moved between leaves is no cause of a rate.
 */
export function causeTable(
  metric: MetricDefinition,
  dimensions: readonly string[],
  leaves: readonly CauseLeaf[],
  windows: number,
  expected: number | undefined,
): CauseTable {
  const { above, below } = partsOfMetric(metric);
  const total = (pick: (leaf: CauseLeaf) => number): number =>
    leaves.reduce((sum, leaf) => sum + pick(leaf), 0);
  const referenceAbove = total(({ reference }) => above(reference));
  let rows: readonly ChangeRow[];
  if (below === undefined) {
    const mean = referenceAbove / windows;
    const factor = expected === undefined || mean === 0 || expected / mean <= 0 ? 1 : expected / mean;
    rows = leaves.map(({ values, actual, reference }) => ({
      values,
      actual: above(actual),
      expected: (above(reference) / windows) * factor,
    }));
  } else {
    const all = total(({ reference }) => below(reference));
    const common = all === 0 ? 0 : referenceAbove / all;
    rows = leaves.map(({ values, actual, reference }) => {
      const before = below(reference);
      const rate = before > 0 ? above(reference) / before : common;
      return { values, actual: above(actual), expected: rate * below(actual) };
    });
  }
  return narrowed(dimensions, rows);
}

function narrowed(dimensions: readonly string[], rows: readonly ChangeRow[]): CauseTable {
  const left_out: string[] = [];
  let table = changeTable(dimensions, rows);
  let left = rows;
  while (table.actual.length > MAX_LEAVES && table.dimensions.length > 1) {
    const counts = table.values.map((values) => values.length);
    const most = counts.indexOf(Math.max(...counts));
    left_out.push(table.dimensions[most] as string);
    left = left.map(({ values, ...row }) => ({ ...row, values: values.toSpliced(most, 1) }));
    table = changeTable(table.dimensions.toSpliced(most, 1), left);
  }
  return { table, left_out };
}
