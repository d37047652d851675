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
  const columns = [...dimensions, 'time', 'currency', ...query.metrics, 'incomplete'];
  const rows = function* (): Generator<readonly Cell[]> {
    for (const { key, buckets } of groups) {
      const unit = key.currency ?? currency ?? '';
      for (const bucket of buckets) {
        const values = query.metrics.map((name) => {
          const value = bucket[name] as MetricValue;
          return isMoney(name) ? majorUnits(value, unit) : plain(value);
        });
        yield [
          ...dimensions.map((name) => key[name] ?? null),
          ...[bucket.time, unit === '' ? null : unit],
          ...[...values, bucket.incomplete === true],
        ];
      }
    }
  };
  return { columns, rows: rows() };
}

function plain(value: MetricValue | undefined): Cell {
  return value === null || value === undefined ? null : { number: String(value) };
}
