import { addExact, type ExactSum } from '../../operators/index.ts';
import type { DistributionName, Measure } from '../model/index.ts';
import { type Accumulator, Amounts, DistinctUnion } from '../query/index.ts';
import type { Point } from './evaluate.ts';

/** The values of a group by dimension; null where events had none. */
export type GroupKey = Readonly<Record<string, string | null>>;

/** Series that are answered as one. */
export interface Group {
  readonly key: GroupKey;
  readonly series: readonly number[];
}

export interface Grouping {
  readonly groups: readonly Group[];
  /** The one currency of the money in the answer, where there is one. */
  readonly currency: string | undefined;
  /** Groups were made by currency although not asked for. */
  readonly split: boolean;
}

export interface GroupingOptions {
  readonly groupBy: readonly string[];
  /** A metric depends on money. */
  readonly monetary: boolean;
  /** The currency that money was converted to. */
  readonly target: string | undefined;
}

/**
 * Which series are added together. Money of different currencies never is: where the answer has money
 * and several currencies (an amount without one counts as one), each group is split by currency. What
 * has no currency and no money (visits) joins the group's currency where it has only one.
 * Series without anything that was asked for make no group, so that a fact which moved away leaves no trace.
 */
export function groupSeries(accumulator: Accumulator, options: GroupingOptions): Grouping {
  const { groupBy, monetary, target } = options;
  const active = accumulator.series
    .map((_, index) => index)
    .filter((index) => accumulator.isActive(index, false));
  const units = new Set(active.map((index) => unitOf(accumulator, index)).filter((unit) => unit !== ''));
  const looseMoney = active.some((index) => isLooseMoney(accumulator, index));
  const several = units.size + (looseMoney ? 1 : 0) > 1;
  const split = monetary && target === undefined && several && !groupBy.includes('currency');
  const groups = new Map<string, { key: GroupKey; series: number[] }>();
  for (const [unit, index] of split
    ? byCurrency(accumulator, active)
    : active.map((i) => [undefined, i] as const)) {
    const values = accumulator.series[index]?.values ?? [];
    const id = JSON.stringify([...values, unit ?? null]);
    const group = groups.get(id);
    if (group === undefined) groups.set(id, { key: keyOf(groupBy, values, unit), series: [index] });
    else group.series.push(index);
  }
  if (groups.size === 0 && groupBy.length === 0) groups.set('', { key: {}, series: [] });
  const [only] = several ? [] : units;
  return { groups: [...groups.values()], currency: target ?? (monetary ? only : undefined), split };
}

function unitOf(accumulator: Accumulator, series: number): string {
  return accumulator.series[series]?.unit ?? '';
}

function isLooseMoney(accumulator: Accumulator, series: number): boolean {
  return unitOf(accumulator, series) === '' && accumulator.isActive(series, true);
}

/** Each series with the currency whose group it belongs to. */
function byCurrency(accumulator: Accumulator, active: readonly number[]): (readonly [string, number])[] {
  const unitsOf = new Map<string, Set<string>>();
  const idOf = (index: number): string => JSON.stringify(accumulator.series[index]?.values);
  for (const index of active) {
    const units = unitsOf.get(idOf(index)) ?? new Set();
    unitsOf.set(idOf(index), units);
    if (unitOf(accumulator, index) !== '') units.add(unitOf(accumulator, index));
  }
  return active.map((index) => {
    const unit = unitOf(accumulator, index);
    const [first = '', second] = unitsOf.get(idOf(index)) ?? [];
    const joins = unit === '' && second === undefined && !isLooseMoney(accumulator, index);
    return [joins ? first : unit, index] as const;
  });
}

function keyOf(groupBy: readonly string[], values: readonly string[], unit: string | undefined): GroupKey {
  const key: Record<string, string | null> = {};
  for (const [index, dimension] of groupBy.entries()) key[dimension] = values[index] || null;
  if (unit !== undefined) key.currency = unit || null;
  return key;
}

/** One group's accumulators in one bucket, or over the whole range. */
export class GroupPoint implements Point {
  readonly #accumulator: Accumulator;
  readonly #series: readonly number[];
  readonly #from: number;
  readonly #to: number;
  /** Unions are costly, and totals are asked for twice: to order groups and to answer. */
  #union: DistinctUnion | undefined;

  constructor(accumulator: Accumulator, { series }: Group, bucket?: number) {
    this.#accumulator = accumulator;
    this.#series = series;
    this.#from = bucket ?? 0;
    this.#to = bucket === undefined ? accumulator.buckets : bucket + 1;
  }

  sum(measure: Measure): ExactSum {
    const accumulator = this.#accumulator;
    const slot = accumulator.slotOf(measure);
    let sum: ExactSum = 0;
    for (const series of this.#series) {
      for (let bucket = this.#from; bucket < this.#to; bucket++) {
        const part = accumulator.sum(series, bucket, slot);
        if (part !== 0) sum = sum === 0 ? part : addExact(sum, part);
      }
    }
    return sum;
  }

  amounts(name: DistributionName): Amounts | undefined {
    const index = this.#accumulator.needs.distributions.indexOf(name);
    return this.#merge(
      (series, bucket) => this.#accumulator.amounts(series, bucket, index),
      () => new Amounts(),
    );
  }

  members(): DistinctUnion | undefined {
    this.#union ??= this.#merge(
      (series, bucket) => this.#accumulator.members(series, bucket),
      () => new DistinctUnion(),
    );
    return this.#union;
  }

  #merge<T extends { addAll(other: T): void }>(
    part: (series: number, bucket: number) => T | undefined,
    empty: () => T,
  ): T | undefined {
    let first: T | undefined;
    let merged: T | undefined;
    for (const series of this.#series) {
      for (let bucket = this.#from; bucket < this.#to; bucket++) {
        const next = part(series, bucket);
        if (next === undefined) continue;
        if (first === undefined) {
          first = next;
          continue;
        }
        // The parts belong to the accumulator and are asked for again.
        if (merged === undefined) {
          merged = empty();
          merged.addAll(first);
        }
        merged.addAll(next);
      }
    }
    return merged ?? first;
  }
}
