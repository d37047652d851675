import type { KvView } from '../../engine/index.ts';
import type { CubeDefinition } from '../../operators/index.ts';
import {
  allowsAggregation,
  CUBES_OPERATOR,
  FX_OPERATOR,
  findMetric,
  GRANULARITIES,
  isMonetary,
  measuresOf,
} from '../model/index.ts';
import {
  accumulate,
  bucketsOf,
  FxRates,
  formatUtc,
  type GranularityName,
  granularityOf,
  MAX_POINTS,
  type Needs,
  parseRange,
  planQuery,
  QueryError,
  type QueryPlan,
  type TimeBuckets,
  tooManyPoints,
  zoneOf,
} from '../query/index.ts';
import { estimateCells } from './estimate.ts';
import { type AskedMetric, evaluate, type MetricValue } from './evaluate.ts';
import { type Group, type GroupKey, GroupPoint, groupSeries } from './groups.ts';
import type { KpiQuery } from './kpi-schema.ts';
import { overflowWarning } from './overflow.ts';

/** The tables of one committed snapshot. */
export type Tables = (name: string) => KvView;

/** What an answer depends on besides the query and the snapshot. */
export interface KpiContext {
  /** The snapshot's watermark; null before the first event. */
  readonly watermark_ms: number | null;
  /** The cubes that are kept. */
  readonly cubes: readonly CubeDefinition[];
  /** The tenant's IANA zone; UTC where there is none. */
  readonly defaultTimezone?: string;
  /** First day of a week: 1 (Monday, the default) to 7 (Sunday). */
  readonly weekStart?: number;
}

/** One bucket: its calendar start, its marks, and a member for each metric asked for. */
export interface KpiBucket {
  readonly time: string;
  /** It ends after the watermark: more can come. */
  readonly incomplete?: true;
  /** The range cuts off a part of it. */
  readonly partial?: true;
  readonly [metric: string]: MetricValue | string | true | undefined;
}

export interface KpiGroup {
  readonly key: GroupKey;
  readonly buckets: readonly KpiBucket[];
  /** Each metric over the whole range: of its sums, not of its buckets' values. */
  readonly totals: Readonly<Record<string, MetricValue>>;
}

export interface KpiHeader {
  /** Cube and widths of the cells read, e.g. `rollup:country@1d+15m`. */
  readonly source: string;
  readonly resolved_range: { readonly start: string; readonly end: string };
  readonly timezone: string;
  readonly granularity: GranularityName | 'total';
}

export interface KpiResult extends KpiHeader {
  readonly groups: readonly KpiGroup[];
  /** Groups found; `groups` holds the largest of them by the first metric when `truncated`. */
  readonly groups_total: number;
  readonly truncated: boolean;
  /** Which values are estimates, each with its error. */
  readonly approximate: readonly string[];
  /** The currency of the money, where the whole answer has one. */
  readonly currency?: string;
  readonly warnings: readonly string[];
}

/** What a query would read. */
export interface KpiPlan extends KpiHeader {
  readonly cube: string;
  readonly dimensions: readonly string[];
  /** Widths of the cells, e.g. `['1d', '15m']`. */
  readonly cell_granularities: readonly string[];
  readonly buckets: number;
  /** About how many cells are read. */
  readonly cells_estimated: number;
}

interface Prepared {
  readonly asked: readonly AskedMetric[];
  readonly monetary: boolean;
  readonly needs: Needs;
  readonly buckets: TimeBuckets;
  readonly plan: QueryPlan;
  readonly filters: ReadonlyMap<string, ReadonlySet<string>>;
  readonly header: KpiHeader;
}

/**
 * Answers a KPI query from the cubes of one snapshot. Synchronous; reads nothing else.
 * Throws QueryError (422): `unknown_metric`, `aggregation_not_supported`, `unknown_timezone`,
 * `invalid_range`, `range_not_aligned`, `too_many_points`, `no_cube`, `granularity_not_retained`,
 * `fx_rate_missing`.
 */
export function runKpiQuery(table: Tables, tenant: string, query: KpiQuery, context: KpiContext): KpiResult {
  const prepared = prepare(table, tenant, query, context);
  const { plan, buckets, needs, filters, monetary } = prepared;
  const { group_by: groupBy, currency: target } = query;
  const conversion =
    target === undefined || !monetary
      ? undefined
      : { target, rates: new FxRates(table(`${FX_OPERATOR}/rates`), tenant, target) };
  const accumulator = accumulate({ table, tenant, plan, buckets, groupBy, filters, needs, conversion });
  const grouping = groupSeries(accumulator, { groupBy, monetary, target: conversion?.target });
  const approximate = new Set<string>();
  const note = (what: string): void => {
    approximate.add(what);
  };
  const [first] = prepared.asked as readonly [AskedMetric];
  const kept = largest(
    grouping.groups.map((group) => ({ group, total: new GroupPoint(accumulator, group) })),
    query.limit,
    ({ total }) => evaluate(first, total, () => {}),
  );
  if (kept.length * buckets.length > MAX_POINTS) throw tooManyPoints(buckets.length, kept.length);
  const fill = (row: Row, point: GroupPoint): Row => {
    for (const metric of prepared.asked) row[metric.name] = evaluate(metric, point, note);
    return row;
  };
  // Copying a row that has all its members is several times as fast as adding them one by one.
  const blank = Object.fromEntries(prepared.asked.map(({ name }) => [name, null]));
  const rows = stampsOf(buckets, context.watermark_ms).map((stamp) => ({ ...stamp, ...blank }));
  const groups = kept.map(({ group, total }) => ({
    key: group.key,
    buckets: rows.map(
      (row, index) => fill({ ...row }, new GroupPoint(accumulator, group, index)) as KpiBucket,
    ),
    totals: fill({ ...blank }, total) as KpiGroup['totals'],
  }));
  const overflow = overflowWarning(table, tenant, plan.cube, buckets.range);
  return {
    groups,
    groups_total: grouping.groups.length,
    truncated: kept.length < grouping.groups.length,
    ...prepared.header,
    approximate: [...approximate],
    ...(grouping.currency === undefined ? {} : { currency: grouping.currency }),
    warnings: [...(overflow === undefined ? [] : [overflow]), ...(grouping.split ? [SPLIT] : [])],
  };
}

const SPLIT =
  'The range has money of several currencies (or without one), which is never added: each group is of one currency. Ask for a `currency` to convert, or filter by one.';

/** What `runKpiQuery` would read; throws what it would throw before reading. */
export function planKpiQuery(table: Tables, tenant: string, query: KpiQuery, context: KpiContext): KpiPlan {
  const { plan, buckets, header } = prepare(table, tenant, query, context);
  const widths = new Set(plan.segments.map(({ granularity }) => granularity));
  return {
    ...header,
    cube: plan.cube.name,
    dimensions: plan.cube.dimensions,
    cell_granularities: GRANULARITIES.filter((_, index) => widths.has(index)).map(({ name }) => name),
    buckets: buckets.length,
    cells_estimated: estimateCells(table(`${CUBES_OPERATOR}/cells`), tenant, plan),
  };
}

function prepare(table: Tables, tenant: string, query: KpiQuery, context: KpiContext): Prepared {
  const asked = askedMetrics(query);
  const range = parseRange(query.start, query.end);
  const zone = zoneOf(query.timezone ?? context.defaultTimezone ?? 'UTC');
  const granularity = granularityOf(query.granularity);
  const weekStart = context.weekStart ?? 1;
  const buckets = bucketsOf({ range, granularity, zone, weekStart });
  const filters = filterSets(query.filters);
  const dimensions = [...query.group_by, ...filters.keys()];
  const needs = needsOf(asked);
  const sumsOnly = !needs.distinct && needs.distributions.length === 0 && query.currency === undefined;
  const plan = planQuery({
    dimensions,
    buckets,
    cubes: context.cubes,
    watermark_ms: context.watermark_ms,
    // Where values overflowed into OTHER, cells of different widths need not hold the same.
    canSubtract: (cube) => sumsOnly && overflowWarning(table, tenant, cube, range) === undefined,
  });
  return {
    asked,
    monetary: asked.some(({ metric }) => isMonetary(metric)),
    needs,
    buckets,
    plan,
    filters,
    header: {
      source: plan.source,
      resolved_range: { start: formatUtc(range.start_ms), end: formatUtc(range.end_ms) },
      timezone: zone.id,
      granularity,
    },
  };
}

function askedMetrics({ metrics, aggregation }: KpiQuery): AskedMetric[] {
  const asked: AskedMetric[] = [];
  for (const [index, name] of metrics.entries()) {
    const metric = findMetric(name);
    const path = `metrics.${index}`;
    if (metric === undefined) {
      const message = `There is no metric "${name}".`;
      throw new QueryError('unknown_metric', message, [{ path, message }]);
    }
    if (!allowsAggregation(metric, aggregation)) {
      const message = `${name} has a definition of its own (${metric.description}): it takes no aggregation but sum.`;
      throw new QueryError('aggregation_not_supported', message, [{ path, message }]);
    }
    asked.push({ name, metric, aggregation });
  }
  return asked;
}

function needsOf(asked: readonly AskedMetric[]): Needs {
  const spread = asked.filter(({ aggregation }) => aggregation !== 'sum');
  // avg divides the sum by the count of the distribution; the others need no sums.
  const summed = asked.filter(({ aggregation }) => aggregation === 'sum' || aggregation === 'avg');
  return {
    measures: [...new Set(summed.flatMap(({ metric }) => measuresOf(metric)))],
    distributions: [...new Set(spread.flatMap(({ metric }) => metric.distribution ?? []))],
    distinct: asked.some(({ metric }) => metric.formula.kind === 'distinct'),
  };
}

function filterSets(filters: KpiQuery['filters']): Map<string, ReadonlySet<string>> {
  const sets = new Map<string, ReadonlySet<string>>();
  for (const [dimension, accepted] of Object.entries(filters)) {
    if (accepted === undefined) continue;
    const values = Array.isArray(accepted) ? accepted : [accepted];
    sets.set(dimension, new Set(values.map((value) => value ?? '')));
  }
  return sets;
}

type Row = Record<string, MetricValue | string | true | undefined>;

interface Stamp {
  readonly time: string;
  readonly incomplete?: true;
  readonly partial?: true;
}

function stampsOf(buckets: TimeBuckets, watermark_ms: number | null): Stamp[] {
  const last = buckets.length - 1;
  return buckets.starts_ms.map((start_ms, index) => {
    const open = watermark_ms === null || (buckets.edges_ms[index + 1] as number) > watermark_ms;
    const cut = (index === 0 && buckets.firstPartial) || (index === last && buckets.lastPartial);
    return {
      time: buckets.zone.format(start_ms),
      ...(open ? { incomplete: true } : {}),
      ...(cut ? { partial: true } : {}),
    };
  });
}

interface Ranked {
  readonly group: Group;
  readonly total: GroupPoint;
}

/** The groups with the largest totals, null last, ties by key. */
function largest(
  groups: readonly Ranked[],
  limit: number,
  rank: (ranked: Ranked) => MetricValue,
): readonly Ranked[] {
  if (groups.length < 2) return groups;
  return groups
    .map((ranked) => ({ ranked, by: rank(ranked), key: JSON.stringify(Object.values(ranked.group.key)) }))
    .sort((a, b) => descending(a.by, b.by) || (a.key < b.key ? -1 : 1))
    .slice(0, limit)
    .map(({ ranked }) => ranked);
}

function descending(a: MetricValue, b: MetricValue): number {
  if (a === null || b === null) return Number(a === null) - Number(b === null);
  return a > b ? -1 : a < b ? 1 : 0;
}
