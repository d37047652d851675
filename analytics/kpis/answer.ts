import { invariant } from '../../engine/index.ts';
import { Converter, DayRates, type RatesByCurrency } from '../exchange/index.ts';
import { MAX_POINTS, type TimeBuckets, tooManyPoints } from '../query/index.ts';
import type { NamedSums, TimeSlots } from '../row-sums/index.ts';
import { Evaluator, type MetricValue } from './evaluate.ts';
import { type Group, type Grouping, type GroupKey, groupSeries, unitOf } from './groups.ts';
import { isMoneyMeasure } from './metrics.ts';
import type { AskedMetric, KpiHeader, Prepared } from './prepare.ts';

/** One bucket: its calendar start, its marks, and a member for each metric asked for. */
export interface KpiBucket {
  readonly time: string;
  /** It ends after the time up to which the tenant's events are complete: more can come. */
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

export interface KpiResult extends KpiHeader {
  readonly groups: readonly KpiGroup[];
  /** Groups found; `groups` holds the largest of them by the first metric when `truncated`. */
  readonly groups_total: number;
  readonly truncated: boolean;
  /** What was read: `rollup:country@1d`, `scan`, `rollup:country@1d+scan`. */
  readonly source: string;
  /** Which values are estimates, each with its error. */
  readonly approximate: readonly string[];
  /** The currency of the money, where the whole answer has one. */
  readonly currency?: string;
  readonly warnings: readonly string[];
  /** A cube that would answer more of it is being built: the share that is done. */
  readonly backfilling?: number;
  /** The plan, where `explain` asks for it. */
  readonly explain?: Readonly<Record<string, unknown>>;
}

/** What an answer says beside its numbers. */
export interface AnswerFacts {
  readonly source: string;
  /** null before the tenant's first event. */
  readonly complete_until_ms: number | null;
  readonly rates: RatesByCurrency;
  readonly warnings: readonly string[];
  readonly backfilling?: number;
}

const SPLIT =
  'The range has money of several currencies (or without one), which is never added: each ' +
  'group is of one currency. Ask for a `currency` to convert, or filter by one.';
const WHOLE_COUNTS =
  'Counts and rates of counts are those of all currencies together: they are the same in each currency of a group, and are not to be added up.';

/** Renders sums. Throws QueryError `too_many_points` or `fx_rate_missing`. */
export function answerOf(named: NamedSums, prepared: Prepared, facts: AnswerFacts): KpiResult {
  const { asked, buckets, slots, target, query, header } = prepared;
  const converter =
    target === undefined ? undefined : new Converter(target, new DayRates(facts.rates), slots);
  if (converter !== undefined) requireRates(named, prepared, converter);
  const grouping = groupSeries(named, prepared);
  const evaluator = new Evaluator(named, prepared, converter);
  const [first] = asked;
  invariant(first !== undefined, 'a query has a metric');
  const all = slots.buckets.length;
  const ranker = new Evaluator(named, prepared, converter);
  const kept = largest(grouping.groups, query.limit, (group) => ranker.value(first, group, 0, all));
  if (kept.length * buckets.length > MAX_POINTS) throw tooManyPoints(buckets.length, kept.length);
  const groups = rowsOf(kept, evaluator, prepared, facts.complete_until_ms);
  return {
    groups,
    groups_total: grouping.groups.length,
    truncated: kept.length < grouping.groups.length,
    source: facts.source,
    ...header,
    approximate: evaluator.approximate(),
    ...(grouping.currency === undefined ? {} : { currency: grouping.currency }),
    warnings: [...facts.warnings, ...splitWarnings(grouping, asked)],
    ...(facts.backfilling === undefined ? {} : { backfilling: facts.backfilling }),
  };
}

function splitWarnings({ split }: Grouping, asked: readonly AskedMetric[]): string[] {
  if (!split) return [];
  return asked.every(({ isMonetary }) => isMonetary) ? [SPLIT] : [SPLIT, WHOLE_COUNTS];
}

/** The first day on which money lacks a rate is named, whatever the group. */
function requireRates(named: NamedSums, prepared: Prepared, converter: Converter): void {
  const { sums } = named;
  const { measures, observed } = prepared;
  const money = [
    ...measures.flatMap((measure, at) => (isMoneyMeasure(measure) ? [at] : [])),
    ...observed.map((_, at) => measures.length + at),
  ];
  let missing: { readonly unit: string; readonly slot: number } | undefined;
  for (let series = 0; series < sums.series.count; series++) {
    const unit = unitOf(named, prepared, series);
    if (unit === converter.target) continue;
    const until = missing?.slot ?? sums.shape.slots;
    for (let slot = 0; slot < until; slot++) {
      const point = series * sums.shape.slots + slot;
      const hasMoney =
        money.some((column) => sums.columns[column]?.get(point) !== 0) ||
        prepared.distributions.some((_, index) => sums.amountsAt(point, index)?.extremes() !== undefined);
      if (!hasMoney || converter.rate(unit, slot) !== undefined) continue;
      missing = { unit, slot };
      break;
    }
  }
  if (missing !== undefined) converter.requireRate(missing.unit, missing.slot);
}

type Row = Record<string, MetricValue | string | true | undefined>;

function rowsOf(
  kept: readonly Group[],
  evaluator: Evaluator,
  { asked, buckets, slots }: Prepared,
  complete_until_ms: number | null,
): KpiGroup[] {
  const all = slots.buckets.length;
  const bounds = boundsOf(slots, buckets.length);
  const fill = (row: Row, group: Group, from: number, to: number): Row => {
    for (const metric of asked) row[metric.name] = evaluator.value(metric, group, from, to);
    return row;
  };
  // Copying a row that has all its members is several times as fast as adding them one by one.
  const blank = Object.fromEntries(asked.map(({ name }) => [name, null]));
  const rows = stampsOf(buckets, complete_until_ms).map((stamp) => ({ ...stamp, ...blank }));
  return kept.map((group) => ({
    key: group.key,
    buckets: rows.map(
      (row, at) => fill({ ...row }, group, bounds[at] as number, bounds[at + 1] as number) as KpiBucket,
    ),
    totals: fill({ ...blank }, group, 0, all) as KpiGroup['totals'],
  }));
}

/** The first slot of each bucket, and the end of the last. */
function boundsOf({ buckets }: TimeSlots, length: number): number[] {
  const bounds: number[] = [];
  for (let slot = 0; slot < buckets.length; slot++)
    if (buckets[slot] !== buckets[slot - 1]) bounds.push(slot);
  invariant(bounds.length === length, 'each bucket has a slot');
  return [...bounds, buckets.length];
}

interface Stamp {
  readonly time: string;
  readonly incomplete?: true;
  readonly partial?: true;
}

function stampsOf(buckets: TimeBuckets, complete_until_ms: number | null): Stamp[] {
  const last = buckets.length - 1;
  return buckets.starts_ms.map((start_ms, index) => {
    const end_ms = buckets.edges_ms[index + 1] as number;
    const open = complete_until_ms === null || end_ms > complete_until_ms;
    const cut = (index === 0 && buckets.firstPartial) || (index === last && buckets.lastPartial);
    return {
      time: buckets.zone.format(start_ms),
      ...(open ? { incomplete: true } : {}),
      ...(cut ? { partial: true } : {}),
    };
  });
}

/** The groups with the largest totals, null last, ties by key. */
function largest(
  groups: readonly Group[],
  limit: number,
  rank: (group: Group) => MetricValue,
): readonly Group[] {
  if (groups.length < 2) return groups;
  return groups
    .map((group) => ({ group, by: rank(group), key: JSON.stringify(Object.values(group.key)) }))
    .sort((a, b) => descending(a.by, b.by) || (a.key < b.key ? -1 : 1))
    .slice(0, limit)
    .map(({ group }) => group);
}

function descending(a: MetricValue, b: MetricValue): number {
  if (a === null || b === null) return Number(a === null) - Number(b === null);
  return a > b ? -1 : a < b ? 1 : 0;
}
