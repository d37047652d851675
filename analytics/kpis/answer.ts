import { invariant } from '../../engine/index.ts';
import { Converter, DayRates, type RatesByCurrency } from '../exchange/index.ts';
import { MAX_POINTS, type TimeBuckets, tooManyPoints } from '../query/index.ts';
import type { NamedSums, TimeSlots } from '../row-sums/index.ts';
import { type ChosenGroup, chosenGroups, joinGroups, requireOneCurrency } from './chosen-groups.ts';
import { compareRows } from './compared.ts';
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
  /** The bucket that it is compared with, and what changed since; null where there is none. */
  readonly previous?: Values | null;
  readonly delta?: Values | null;
  readonly delta_pct?: Values | null;
  readonly [metric: string]: MetricValue | string | true | Values | undefined;
}

/** By metric; of a bucket also its `time`. */
export type Values = Readonly<Record<string, MetricValue | string>>;

export interface KpiGroup {
  readonly key: GroupKey;
  readonly buckets: readonly KpiBucket[];
  /** Each metric over the whole range: of its sums, not of its buckets' values. */
  readonly totals: Readonly<Record<string, MetricValue>>;
  /** How many groups it is made of, where it is those beyond `limit`. */
  readonly others?: number;
  /** Totals of the range that is compared with, and what changed since. */
  readonly previous_totals?: Values;
  readonly delta?: Values;
  readonly delta_pct?: Values;
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
  readonly warnings: readonly string[];
  readonly backfilling?: number;
}

/** What was added up for a range. */
export interface RangeSums {
  readonly named: NamedSums;
  readonly prepared: Prepared;
  readonly rates: RatesByCurrency;
}

const SPLIT =
  'The range has money of several currencies (or without one), which is never added: each ' +
  'group is of one currency. Ask for a `currency` to convert, or filter by one.';
const WHOLE_COUNTS =
  'Counts and rates of counts are those of all currencies together: they are the same in each currency of a group, and are not to be added up.';

/** Renders sums. Throws QueryError `too_many_points`, `fx_rate_missing` or `currency_required`. */
export function answerOf(sums: RangeSums, facts: AnswerFacts, before?: RangeSums): KpiResult {
  const { asked, buckets, query, header } = sums.prepared;
  const evaluator = evaluatorOf(sums);
  const earlier = before === undefined ? undefined : evaluatorOf(before);
  const grouping = groupSeries(sums.named, sums.prepared);
  const groupingBefore = before === undefined ? undefined : groupSeries(before.named, before.prepared);
  requireOneCurrency(sums.prepared, grouping, groupingBefore);
  const currency = currencyOf(grouping, groupingBefore);
  const all = joinGroups(grouping.groups, groupingBefore?.groups);
  const kept = chosenGroups(all, query, evaluatorOf(sums), sums.prepared);
  const points = kept.length * buckets.length * (before === undefined ? 1 : 2);
  if (points > MAX_POINTS) throw tooManyPoints(buckets.length, kept.length);
  const rows = rowsOf(kept, evaluator, sums.prepared, facts.complete_until_ms);
  return {
    groups:
      before === undefined || earlier === undefined
        ? rows
        : compareRows(rows, kept, { prepared: sums.prepared, before: before.prepared, evaluator: earlier }),
    groups_total: all.length,
    truncated: all.length > query.limit,
    source: facts.source,
    ...header,
    approximate: [...new Set([...evaluator.approximate(), ...(earlier?.approximate() ?? [])])],
    ...(currency === undefined ? {} : { currency }),
    warnings: [...facts.warnings, ...splitWarnings(grouping, asked)],
    ...(facts.backfilling === undefined ? {} : { backfilling: facts.backfilling }),
  };
}

/** The one currency of the money of both ranges, where there is one. */
function currencyOf(grouping: Grouping, before: Grouping | undefined): string | undefined {
  if (before === undefined) return grouping.currency;
  const [only = '', ...others] = new Set([...grouping.units, ...before.units]);
  return grouping.target ?? (others.length > 0 || only === '' ? undefined : only);
}

function evaluatorOf({ named, prepared, rates }: RangeSums): Evaluator {
  const { target, slots } = prepared;
  const converter = target === undefined ? undefined : new Converter(target, new DayRates(rates), slots);
  if (converter !== undefined) requireRates(named, prepared, converter);
  return new Evaluator(named, prepared, converter);
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
  kept: readonly ChosenGroup[],
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
  return kept.map(({ group, others }) => ({
    key: group.key,
    ...(others === undefined ? {} : { others }),
    buckets: rows.map(
      (row, at) => fill({ ...row }, group, bounds[at] as number, bounds[at + 1] as number) as KpiBucket,
    ),
    totals: fill({ ...blank }, group, 0, all) as KpiGroup['totals'],
  }));
}

/** The first slot of each bucket, and the end of the last. */
export function boundsOf({ buckets }: TimeSlots, length: number): number[] {
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
