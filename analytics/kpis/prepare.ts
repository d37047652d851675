import type { Dictionary } from '../../engine/index.ts';
import { type AskedFilter, dimensionFilter, filtersOf, requireColumn } from '../filters/index.ts';
import {
  bucketsOf,
  formatUtc,
  type GranularityName,
  granularityOf,
  parseRange,
  QueryError,
  type TimeBuckets,
  zoneOf,
} from '../query/index.ts';
import type { QuerySettings } from '../query-head/index.ts';
import {
  type Distribution,
  type MeasureRule,
  observedRule,
  ruleOf,
  type ScanSpec,
  type SumsShape,
  slotsOf,
  type TimeSlots,
} from '../row-sums/index.ts';
import { MARK, type Measure } from '../rows/index.ts';
import {
  type Aggregation,
  allowsAggregation,
  findMetric,
  isMonetary,
  type MetricDefinition,
  measuresOf,
} from './metrics.ts';
import type { KpiQuery } from './schema.ts';

export type KpiSettings = QuerySettings;

/** A metric of a query, under the name that it was asked for. */
export interface AskedMetric {
  readonly name: string;
  readonly metric: MetricDefinition;
  readonly aggregation: Aggregation;
  /** Its value depends on amounts of money. */
  readonly isMonetary: boolean;
}

export interface KpiHeader {
  readonly resolved_range: { readonly start: string; readonly end: string };
  readonly timezone: string;
  readonly granularity: GranularityName | 'total';
}

/** A query with everything that follows from it alone. */
export interface Prepared {
  readonly query: KpiQuery;
  readonly asked: readonly AskedMetric[];
  /** A metric depends on money. */
  readonly monetary: boolean;
  /** The currency that money is converted to. */
  readonly target: string | undefined;
  readonly buckets: TimeBuckets;
  readonly slots: TimeSlots;
  /** Dimensions that tell series apart: those of `group_by`, and the currency where there is money. */
  readonly seriesBy: readonly string[];
  readonly filters: readonly AskedFilter[];
  /** What is summed, in the order of the columns of sums: measures, then the numbers of amounts. */
  readonly measures: readonly Measure[];
  readonly observed: readonly Distribution[];
  /** Amounts whose multisets are needed. */
  readonly distributions: readonly Distribution[];
  readonly distinct: boolean;
  readonly header: KpiHeader;
}

/**
 * Throws QueryError (422): `aggregation_not_supported`, `unknown_timezone`, `invalid_range`, `range_not_aligned`,
 * `too_many_points`.
 */
export function prepareKpis(query: KpiQuery, settings: KpiSettings, now_ms: number): Prepared {
  const asked = askedMetrics(query);
  const range = parseRange(query.start, query.end);
  const zone = zoneOf(query.timezone ?? settings.timezone ?? 'UTC');
  const granularity = granularityOf(query.granularity);
  const buckets = bucketsOf({ range, granularity, zone, weekStart: settings.weekStart ?? 1 });
  const monetary = asked.some((metric) => metric.isMonetary);
  const target = monetary ? query.currency : undefined;
  const addCurrency = monetary && !query.group_by.includes('currency');
  return {
    query,
    asked,
    monetary,
    target,
    buckets,
    slots: slotsOf(buckets, target !== undefined, now_ms),
    seriesBy: addCurrency ? [...query.group_by, 'currency'] : query.group_by,
    filters: filtersOf(query.filters),
    ...needsOf(asked),
    distinct: asked.some(({ metric }) => metric.formula.kind === 'distinct'),
    header: {
      resolved_range: { start: formatUtc(range.start_ms), end: formatUtc(range.end_ms) },
      timezone: zone.id,
      granularity,
    },
  };
}

function askedMetrics({ metrics, aggregation }: KpiQuery): AskedMetric[] {
  return [...new Set(metrics)].map((name) => {
    const metric = findMetric(name);
    const path = `metrics.${metrics.indexOf(name)}`;
    if (metric === undefined) {
      const message = `There is no metric "${name}".`;
      throw new QueryError('unknown_metric', message, [{ path, message }]);
    }
    if (!allowsAggregation(metric, aggregation)) {
      const message = `${name} has a definition of its own (${metric.description}): it takes no aggregation but sum.`;
      throw new QueryError('aggregation_not_supported', message, [{ path, message }]);
    }
    return { name, metric, aggregation, isMonetary: isMonetary(metric) };
  });
}

function needsOf(asked: readonly AskedMetric[]): Pick<Prepared, 'measures' | 'observed' | 'distributions'> {
  const spread = (wanted: readonly Aggregation[]): Distribution[] => [
    ...new Set(
      asked
        .filter(({ aggregation }) => wanted.includes(aggregation))
        .flatMap(({ metric }) => metric.distribution ?? []),
    ),
  ];
  const summed = asked.filter(({ aggregation }) => aggregation === 'sum' || aggregation === 'avg');
  return {
    measures: [...new Set(summed.flatMap(({ metric }) => measuresOf(metric)))],
    observed: spread(['avg', 'count']),
    distributions: spread(['min', 'max', 'p50', 'p90', 'p99']),
  };
}

export function shapeOf(prepared: Prepared): SumsShape {
  return {
    width: prepared.seriesBy.length,
    slots: prepared.slots.buckets.length,
    measures: prepared.measures.length + prepared.observed.length,
    amounts: prepared.distributions.length,
    members: prepared.distinct,
  };
}

/** What a scan adds up for a query; `dictionary` has the texts of the log. */
export function scanSpecOf(prepared: Prepared, settings: KpiSettings, dictionary: Dictionary): ScanSpec {
  const { measures, observed, distributions } = prepared;
  const rules: MeasureRule[] = [...measures.map(ruleOf), ...observed.map(observedRule)];
  return {
    groups: prepared.seriesBy.map((dimension) => requireColumn(dimension, settings.custom)),
    filters: prepared.filters.map((filter) => dimensionFilter(filter, settings.custom, dictionary)),
    measures: rules,
    amounts: distributions.map(ruleOf),
    membersMark: prepared.distinct ? MARK.orders : 0,
    slots: prepared.slots,
  };
}
