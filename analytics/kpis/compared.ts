import { boundsOf, type KpiGroup, type Values } from './answer.ts';
import { bucketPairs } from './bucket-pairs.ts';
import { changeOf } from './change.ts';
import type { ChosenGroup } from './chosen-groups.ts';
import type { Evaluator, MetricValue } from './evaluate.ts';
import type { Prepared } from './prepare.ts';

/** What a range is compared with. */
interface Comparing {
  readonly prepared: Prepared;
  readonly before: Prepared;
  /** Of the range before. */
  readonly evaluator: Evaluator;
}

/** Puts what was before beside each bucket and total. */
export function compareRows(
  rows: readonly KpiGroup[],
  kept: readonly ChosenGroup[],
  { prepared, before, evaluator }: Comparing,
): KpiGroup[] {
  const { asked, query, buckets } = prepared;
  const names = asked.map(({ name }) => name);
  const bounds = boundsOf(before.slots, before.buckets.length);
  const pairs = bucketPairs(buckets, before.buckets, query.compare ?? 'previous_period');
  return rows.map((row, at) => {
    const group = (kept[at] as ChosenGroup).before;
    const valuesOf = (from: number, to: number): Record<string, MetricValue> =>
      Object.fromEntries(asked.map((metric) => [metric.name, evaluator.value(metric, group, from, to)]));
    const previous_totals = valuesOf(0, before.slots.buckets.length);
    return {
      ...row,
      buckets: row.buckets.map((bucket, index) => {
        const pair = pairs[index];
        if (pair === undefined) return { ...bucket, previous: null, delta: null, delta_pct: null };
        const values = valuesOf(bounds[pair] as number, bounds[pair + 1] as number);
        const time = before.buckets.zone.format(before.buckets.starts_ms[pair] as number);
        const now = Object.fromEntries(names.map((name) => [name, bucket[name] as MetricValue]));
        return { ...bucket, previous: { time, ...values }, ...changesOf(names, now, values) };
      }),
      previous_totals,
      ...changesOf(names, row.totals, previous_totals),
    };
  });
}

function changesOf(
  names: readonly string[],
  now: Readonly<Record<string, MetricValue>>,
  before: Readonly<Record<string, MetricValue>>,
): { readonly delta: Values; readonly delta_pct: Values } {
  const changes = names.map((name) => [name, changeOf(now[name] ?? null, before[name] ?? null)] as const);
  return {
    delta: Object.fromEntries(changes.map(([name, { delta }]) => [name, delta])),
    delta_pct: Object.fromEntries(changes.map(([name, { delta_pct }]) => [name, delta_pct])),
  };
}
