import {
  type AskedFilter,
  dimensionFilter,
  filtersOf,
  type LogTexts,
  requireColumn,
} from '../filters/index.ts';
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
import { type QuerySettings, settingsOf } from '../query-head/index.ts';
import {
  type Distribution,
  type MemberRule,
  observed,
  type PlacedRule,
  ruleOf,
  type ScanSpec,
  type SumsShape,
  slotsOf,
  type TimeSlots,
} from '../row-sums/index.ts';
import { HASH, MARK } from '../rows/index.ts';
import {
  type Aggregation,
  allowsAggregation,
  isMonetary,
  isOwn,
  type MetricDefinition,
  type MetricMeasure,
  type MetricMember,
  measuresOf,
  membersOf,
} from './metrics.ts';
import { OwnMetrics, type OwnRows, requireMetric } from './own-metrics.ts';
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
  /** Declared custom dimensions. */
  readonly custom: readonly string[];
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
  readonly measures: readonly MetricMeasure[];
  readonly observed: readonly Distribution[];
  /** Amounts whose multisets are needed. */
  readonly distributions: readonly Distribution[];
  /** Ids of which the different ones are counted, in the order of their sets. */
  readonly members: readonly MetricMember[];
  /** What the tenant's own metrics mean. */
  readonly own: OwnMetrics;
  readonly header: KpiHeader;
}

/**
 * Throws QueryError (422): `aggregation_not_supported`, `unknown_timezone`, `invalid_range`, `range_not_aligned`,
 * `too_many_points`.
 */
export function prepareKpis(query: KpiQuery, ofProcess: KpiSettings, now_ms: number): Prepared {
  const settings = settingsOf(query, ofProcess);
  const own = new OwnMetrics(query.own_metrics ?? []);
  const asked = askedMetrics(query, own);
  const range = parseRange(query.start, query.end);
  const zone = zoneOf(query.timezone ?? settings.timezone ?? 'UTC');
  const granularity = granularityOf(query.granularity);
  const { weekStart, fiscalMonth } = settings;
  const buckets = bucketsOf({ range, granularity, zone, weekStart, fiscalMonth });
  const monetary = asked.some((metric) => metric.isMonetary);
  const target = monetary ? currencyOf(query) : undefined;
  const addCurrency = monetary && !query.group_by.includes('currency');
  return {
    query,
    custom: settings.custom,
    asked,
    monetary,
    target,
    buckets,
    slots: slotsOf(buckets, target !== undefined, now_ms),
    seriesBy: addCurrency ? [...query.group_by, 'currency'] : query.group_by,
    filters: filtersOf(query.filters),
    ...needsOf(asked),
    members: [...new Set(asked.flatMap(({ metric }) => membersOf(metric)))],
    own,
    header: {
      resolved_range: { start: formatUtc(range.start_ms), end: formatUtc(range.end_ms) },
      timezone: zone.id,
      granularity,
    },
  };
}

/** The currency that money is converted to: the tenant's own is for who does not ask by currency. */
function currencyOf({ currency, group_by, filters, tenant }: KpiQuery): string | undefined {
  if (currency !== undefined) return currency;
  return group_by.includes('currency') || filters.currency !== undefined ? undefined : tenant?.currency;
}

function askedMetrics({ metrics, aggregation }: KpiQuery, own: OwnMetrics): AskedMetric[] {
  return [...new Set(metrics)].map((name) => {
    const path = `metrics.${metrics.indexOf(name)}`;
    const metric = requireMetric(own, name, path);
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
    members: prepared.members.length,
  };
}

/** What scans add up for a query, one for each selection of rows; `dictionary` has the texts of the log. */
export function scanSpecsOf(prepared: Prepared, settings: KpiSettings, dictionary: LogTexts): ScanSpec[] {
  const filterOf = (filter: AskedFilter) => dimensionFilter(filter, settings.custom, dictionary);
  const groups = prepared.seriesBy.map((dimension) => requireColumn(dimension, settings.custom));
  const filters = prepared.filters.map(filterOf);
  const { measures, amounts, members } = rulesOf(prepared);
  const selections = new Set([...measures, ...amounts, ...members].map(({ rows }) => rows));
  return [...selections].map((rows) => ({
    groups,
    filters: rows === undefined ? filters : [...filters, ...filtersOf(rows.filters).map(filterOf)],
    measures: measures.filter((rule) => rule.rows === rows),
    amounts: amounts.filter((rule) => rule.rows === rows),
    members: members.filter((rule) => rule.rows === rows),
    slots: prepared.slots,
    ...(rows === undefined ? {} : { types: (code) => rows.types.has(dictionary.textOf(code)) }),
  }));
}

/** A rule of the rows of a selection; of the rows' marks without one. */
type Selected<R> = R & { readonly rows: OwnRows | undefined };

/** All rules of a query, each with its place. */
function rulesOf({ measures, observed: counted, distributions, members, own }: Prepared): {
  readonly measures: readonly Selected<PlacedRule>[];
  readonly amounts: readonly Selected<PlacedRule>[];
  readonly members: readonly Selected<MemberRule>[];
} {
  const placed = (measure: MetricMeasure, at: number): Selected<PlacedRule> =>
    isOwn(measure) ? { ...own.ruleOf(measure), at } : { ...ruleOf(measure), at, rows: undefined };
  const customers = { mark: MARK.orders, column: HASH.customer, rows: undefined };
  return {
    measures: [
      ...measures.map(placed),
      ...counted.map((name, at) => {
        const { rows, ...rule } = placed(name, measures.length + at);
        return { ...rule, ...observed(rule), rows };
      }),
    ],
    amounts: distributions.map(placed),
    members: members.map((member, at) =>
      member === 'customers' ? { ...customers, at } : { ...own.memberOf(member), at },
    ),
  };
}
