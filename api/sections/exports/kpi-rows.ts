import type { KpiAnswer, KpiQuery, MetricValue, OwnMetrics } from '../../../analytics/index.ts';
import { type Cell, majorUnits } from './row-text.ts';

/** An answer as rows: one a group and bucket, money in major units beside its currency. */
export function kpiRows(
  query: KpiQuery,
  { groups, currency }: KpiAnswer,
  metrics: OwnMetrics,
): { readonly columns: readonly string[]; readonly rows: Iterable<readonly Cell[]> } {
  const dimensions = [...new Set([...query.group_by, ...Object.keys(groups[0]?.key ?? {})])].filter(
    (name) => name !== 'currency',
  );
  const isMoney = (name: string): boolean =>
    metrics.find(name)?.unit === 'money' && query.aggregation !== 'count';
  // What is compared with stands beside it.
  const before = query.compare === undefined ? [] : query.metrics;
  const columns = [
    ...[...dimensions, 'time', 'currency', ...query.metrics, 'incomplete'],
    ...before.map((name) => `${name}_previous`),
  ];
  const rows = function* (): Generator<readonly Cell[]> {
    for (const { key, buckets } of groups) {
      const unit = key.currency ?? currency ?? '';
      for (const bucket of buckets) {
        const cellOf = (name: string, value: MetricValue): Cell =>
          isMoney(name) ? majorUnits(value, unit) : plain(value);
        const values = query.metrics.map((name) => cellOf(name, bucket[name] as MetricValue));
        const earlier = before.map((name) => cellOf(name, (bucket.previous?.[name] ?? null) as MetricValue));
        yield [
          ...dimensions.map((name) => key[name] ?? null),
          ...[bucket.time, unit === '' ? null : unit],
          ...[...values, bucket.incomplete === true, ...earlier],
        ];
      }
    }
  };
  return { columns, rows: rows() };
}

function plain(value: MetricValue | undefined): Cell {
  return value === null || value === undefined ? null : { number: String(value) };
}
