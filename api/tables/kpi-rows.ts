import {
  isMonetary,
  type KpiAnswer,
  type KpiQuery,
  type MetricValue,
  type OwnMetrics,
} from '../../analytics/index.ts';
import type { AnswerTable, Cell, Column } from '../../runtime/index.ts';
import { majorUnits } from './cell.ts';

const TIME: Column = { name: 'time', type: 'time' };
const CURRENCY: Column = { name: 'currency', type: 'text' };
const INCOMPLETE: Column = { name: 'incomplete', type: 'boolean' };

type Group = KpiAnswer['groups'][number];
type Bucket = Group['buckets'][number];

/** One row for each bucket; a metric that is not `shown` is empty. */
interface RowGroup {
  readonly key: Group['key'];
  readonly unit: string;
  readonly buckets: readonly Bucket[];
  shown(name: string): boolean;
}

/**
 * An answer as rows: one a group and bucket, money in major units beside its currency. Where a group has money of
 * several currencies, its counts are in a row without a currency, once: so that columns can be added up.
 */
export function kpiRows(
  query: KpiQuery,
  { groups, currency }: Pick<KpiAnswer, 'groups' | 'currency'>,
  metrics: OwnMetrics,
): AnswerTable {
  const dimensions = [...new Set([...query.group_by, ...Object.keys(groups[0]?.key ?? {})])].filter(
    (name) => name !== 'currency',
  );
  const isMoney = (name: string): boolean =>
    metrics.find(name)?.unit === 'money' && query.aggregation !== 'count';
  const isByCurrency = (name: string): boolean => {
    const metric = metrics.find(name);
    return metric !== undefined && isMonetary(metric);
  };
  // What is compared with stands beside it.
  const before = query.compare === undefined ? [] : query.metrics;
  // A mean of money has digits behind those of its currency.
  const isExact = (name: string): boolean =>
    metrics.find(name)?.formula.kind === 'sum' && query.aggregation === 'sum';
  const metricColumn = (metric: string, name = metric): Column => ({
    name,
    type: isMoney(metric) && isExact(metric) ? 'money' : 'number',
  });
  const columns: readonly Column[] = [
    ...dimensions.map((name): Column => ({ name, type: 'text' })),
    ...[TIME, CURRENCY, ...query.metrics.map((name) => metricColumn(name)), INCOMPLETE],
    ...before.map((name) => metricColumn(name, `${name}_previous`)),
  ];
  const rows = function* (): Generator<readonly Cell[]> {
    const isSplit = !query.group_by.includes('currency');
    for (const { key, unit, buckets, shown } of rowGroups(
      groups,
      dimensions,
      currency,
      isSplit,
      isByCurrency,
    )) {
      for (const bucket of buckets) {
        const cellOf = (name: string, value: MetricValue): Cell => {
          if (!shown(name)) return null;
          return isMoney(name) ? majorUnits(value, unit) : plain(value);
        };
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

/** The groups of an answer; what was split by currency has its counts in a group of their own. */
function* rowGroups(
  groups: readonly Group[],
  dimensions: readonly string[],
  currency: string | undefined,
  isSplit: boolean,
  isByCurrency: (name: string) => boolean,
): Generator<RowGroup> {
  const idOf = ({ key }: Group): string => JSON.stringify(dimensions.map((name) => key[name] ?? null));
  const byId = new Map<string, Group[]>();
  for (const group of groups) byId.set(idOf(group), [...(byId.get(idOf(group)) ?? []), group]);
  for (const group of groups) {
    const { key, buckets } = group;
    const unit = key.currency ?? currency ?? '';
    const siblings = byId.get(idOf(group)) ?? [];
    if (!isSplit || siblings.length < 2) {
      yield { key, unit, buckets, shown: () => true };
      continue;
    }
    const none = siblings.find((one) => (one.key.currency ?? null) === null);
    // Money without a currency stands beside the counts.
    if (siblings[0] === group)
      yield { ...(none ?? group), unit: '', shown: (name) => none !== undefined || !isByCurrency(name) };
    if (group !== none) yield { key, unit, buckets, shown: isByCurrency };
  }
}

function plain(value: MetricValue | undefined): Cell {
  return value === null || value === undefined ? null : { number: String(value) };
}
