import { bySegment } from '../filters/index.ts';
import type { NamedSums } from '../row-sums/index.ts';
import { isMoneyMeasure, type MetricMeasure, measuresOf } from './metrics.ts';
import type { Prepared } from './prepare.ts';

/** The values of a group by dimension; null where events had none. */
export type GroupKey = Readonly<Record<string, string | null>>;

/** Series that are answered as one: money is that of `money`, everything else that of `whole`. */
export interface Group {
  readonly key: GroupKey;
  readonly whole: readonly number[];
  readonly money: readonly number[];
}

export interface Grouping {
  readonly groups: readonly Group[];
  /** The one currency of the money in the answer, where there is one. */
  readonly currency: string | undefined;
  /** Groups were made by currency although not asked for. */
  readonly split: boolean;
  /** What money is converted to. */
  readonly target: string | undefined;
  /** Currencies of the money; '' for amounts without one. */
  readonly units: ReadonlySet<string>;
}

interface Gathered {
  readonly values: readonly string[];
  readonly series: number[];
  /** Series with money of a currency, or with money of none. */
  readonly byUnit: Map<string, number[]>;
}

/**
 * Which series are added together. Money of different currencies never is: where the answer has money of several
 * (an amount without one counts as one), each group is given once for each currency; its counts are those of the
 * whole group each time. What has no currency and no money joins the currency of a group that has only one.
 * Series without anything that was asked for make no group, so that a fact that moved away leaves no trace.
 */
export function groupSeries(named: NamedSums, prepared: Prepared): Grouping {
  const { query, monetary, target } = prepared;
  const activity = new Activity(named, prepared);
  const gathered = gather(named, prepared, activity);
  const units = new Set<string>();
  for (const { byUnit } of gathered) for (const unit of byUnit.keys()) units.add(unit);
  const several = units.size > 1;
  const split = monetary && target === undefined && several && !query.group_by.includes('currency');
  const groups = gathered.flatMap((each) =>
    split ? byCurrency(each, query.group_by) : whole(each, query.group_by),
  );
  if (groups.length === 0 && query.group_by.length === 0) groups.push({ key: {}, whole: [], money: [] });
  const [only] = several ? [] : units;
  return { groups, currency: target ?? (only === '' ? undefined : only), split, target, units };
}

function gather(named: NamedSums, prepared: Prepared, activity: Activity): Gathered[] {
  const { sums, texts } = named;
  const dimensions = prepared.query.group_by.length;
  const byKey = new Map<string, Gathered>();
  for (let series = 0; series < sums.series.count; series++) {
    if (!activity.isActive(series)) continue;
    const own = Array.from({ length: dimensions }, (_, at) => texts.textOf(sums.series.codeOf(series, at)));
    const unit = prepared.monetary ? unitOf(named, prepared, series) : undefined;
    const counts = unit === '' ? activity.hasMoney(series) : activity.countsForMoney(series);
    for (const values of bySegment(own, prepared.query.group_by, prepared.custom)) {
      const id = JSON.stringify(values);
      const group = byKey.get(id) ?? { values, series: [], byUnit: new Map<string, number[]>() };
      byKey.set(id, group);
      group.series.push(series);
      if (unit === undefined || !counts) continue;
      group.byUnit.set(unit, [...(group.byUnit.get(unit) ?? []), series]);
    }
  }
  return [...byKey.values()];
}

/** The currency of a series of a query for money; '' for none. */
export function unitOf({ sums, texts }: NamedSums, { seriesBy }: Prepared, series: number): string {
  return texts.textOf(sums.series.codeOf(series, seriesBy.indexOf('currency')));
}

function whole({ values, series }: Gathered, groupBy: readonly string[]): Group {
  return { key: keyOf(groupBy, values), whole: series, money: series };
}

function byCurrency({ values, series, byUnit }: Gathered, groupBy: readonly string[]): Group[] {
  const key = keyOf(groupBy, values);
  if (byUnit.size < 2) {
    const [unit = ''] = byUnit.keys();
    return [{ key: { ...key, currency: unit || null }, whole: series, money: series }];
  }
  return Array.from(byUnit, ([unit, money]) => ({
    key: { ...key, currency: unit || null },
    whole: series,
    money,
  }));
}

function keyOf(groupBy: readonly string[], values: readonly string[]): Record<string, string | null> {
  return Object.fromEntries(groupBy.map((dimension, at) => [dimension, values[at] || null]));
}

/** What of a series is not nothing. */
class Activity {
  readonly #named: NamedSums;
  readonly #slots: number;
  readonly #amounts: number;
  readonly #all: readonly number[];
  /** Columns that a money metric is made of, and those of money itself. */
  readonly #forMoney: readonly number[];
  readonly #money: readonly number[];

  constructor(named: NamedSums, { asked, measures, observed }: Prepared) {
    const { shape, columns } = named.sums;
    this.#named = named;
    this.#slots = shape.slots;
    this.#amounts = shape.amounts;
    const used = new Set(
      asked.filter(({ isMonetary }) => isMonetary).flatMap(({ metric }) => measuresOf(metric)),
    );
    const counted = observed.map((_, at) => measures.length + at);
    const columnsOf = (isWanted: (measure: MetricMeasure) => boolean): number[] => [
      ...measures.flatMap((measure, at) => (isWanted(measure) ? [at] : [])),
      ...counted,
    ];
    this.#all = columns.map((_, at) => at);
    this.#forMoney = columnsOf((measure) => used.has(measure));
    this.#money = columnsOf(isMoneyMeasure);
  }

  isActive(series: number): boolean {
    if (this.#hasSome(series, this.#all) || this.#hasAmounts(series)) return true;
    const { sums } = this.#named;
    return this.#points(series, (point) => {
      for (let index = 0; index < sums.shape.members; index++) {
        if (sums.membersAt(point, index)?.isEmpty === false) return true;
      }
      return false;
    });
  }

  countsForMoney(series: number): boolean {
    return this.#hasSome(series, this.#forMoney) || this.#hasAmounts(series);
  }

  hasMoney(series: number): boolean {
    return this.#hasSome(series, this.#money) || this.#hasAmounts(series);
  }

  #hasAmounts(series: number): boolean {
    if (this.#amounts === 0) return false;
    return this.#points(series, (point) => {
      for (let index = 0; index < this.#amounts; index++) {
        if (this.#named.sums.amountsAt(point, index)?.extremes() !== undefined) return true;
      }
      return false;
    });
  }

  #hasSome(series: number, columns: readonly number[]): boolean {
    return this.#points(series, (point) => {
      for (const column of columns) if (this.#named.sums.columns[column]?.get(point) !== 0) return true;
      return false;
    });
  }

  #points(series: number, test: (point: number) => boolean): boolean {
    const end = (series + 1) * this.#slots;
    for (let point = series * this.#slots; point < end; point++) if (test(point)) return true;
    return false;
  }
}
