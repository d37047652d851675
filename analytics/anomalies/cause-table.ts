import type { MetricDefinition } from '../kpis/index.ts';
import { type ChangeRow, type ChangeTable, changeTable } from '../root-cause/index.ts';
import { partsOfMetric } from './rule-value.ts';

/** Leaves of a table at most: with more, the dimension of the most values is left out, and so on. */
const MAX_LEAVES = 20_000;

/** A leaf: its values, and the sums of its measures in the window and in those that it is compared with. */
export interface CauseLeaf {
  readonly values: readonly string[];
  readonly actual: Float64Array;
  /** Of each window that it is compared with. */
  readonly before: readonly Float64Array[];
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
  expected: number | undefined,
): CauseTable {
  const { above, below } = partsOfMetric(metric);
  const windows = leaves[0]?.before.length ?? 1;
  const parts = leaves.map(({ values, actual, before }): Part => {
    const tops = before.map(above);
    const bottoms = below === undefined ? [] : before.map(below);
    return { values, actual, tops, bottoms, top: sum(tops), bottom: sum(bottoms) };
  });
  const top = sum(parts.map((part) => part.top));
  if (below !== undefined) return narrowed(dimensions, ratesOf(parts, above, below, top));
  const mean = top / windows;
  const factor = expected === undefined || mean === 0 || expected / mean <= 0 ? 1 : expected / mean;
  const rows = parts.map((part) => ({
    values: part.values,
    actual: above(part.actual),
    expected: (part.top / windows) * factor,
    earlier: part.tops.map((own) => ({ actual: own, expected: (part.top - own) / Math.max(1, windows - 1) })),
  }));
  return narrowed(dimensions, rows);
}

interface Part {
  readonly values: readonly string[];
  readonly actual: Float64Array;
  /** Numerators by window, and denominators; their sums. */
  readonly tops: readonly number[];
  readonly bottoms: readonly number[];
  readonly top: number;
  readonly bottom: number;
}

type Pick = (sums: Float64Array) => number;

function ratesOf(parts: readonly Part[], above: Pick, below: Pick, top: number): readonly ChangeRow[] {
  const all = sum(parts.map(({ bottom }) => bottom));
  const common = all === 0 ? 0 : top / all;
  const rateOf = (of: number, by: number): number => (by > 0 ? of / by : common);
  return parts.map((part) => ({
    values: part.values,
    actual: above(part.actual),
    expected: rateOf(part.top, part.bottom) * below(part.actual),
    earlier: part.tops.map((own, at) => {
      const bottom = part.bottoms[at] ?? 0;
      return { actual: own, expected: rateOf(part.top - own, part.bottom - bottom) * bottom };
    }),
  }));
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);

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
