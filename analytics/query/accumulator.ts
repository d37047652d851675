import { invariant } from '../../engine/index.ts';
import type { CellDetail, ExactSum } from '../../operators/index.ts';
import { D, type DistributionName, isMoneyMeasure, type Measure } from '../model/index.ts';
import { Amounts, DistinctUnion } from './details.ts';
import type { FxRate } from './fx.ts';
import { QueryError } from './query-error.ts';
import { SumTable } from './sums.ts';

/** Sums that one query holds: series × buckets × measures. 8 bytes each. */
export const MAX_SUMS = 8_000_000;
/** Memory for distributions and distinct sets of one query. */
export const MAX_DETAIL_BYTES = 256 * 1_024 * 1_024;
const AMOUNT_ENTRY_BYTES = 40;

/** What a query needs of each cell. */
export interface Needs {
  readonly measures: readonly Measure[];
  readonly distributions: readonly DistributionName[];
  readonly distinct: boolean;
}

/** Whether distributions or distinct sets are needed, which are read apart from the sums. */
export function needsDetail({ distributions, distinct }: Needs): boolean {
  return distinct || distributions.length > 0;
}

/** Cells of one combination of group values and one unit. */
export interface Series {
  readonly values: readonly string[];
  readonly unit: string;
}

/** The cells of a query, added up by series and output bucket. */
export class Accumulator {
  readonly series: Series[] = [];
  readonly buckets: number;
  readonly needs: Needs;
  readonly #sums = new SumTable();
  readonly #amounts: (Amounts | undefined)[] = [];
  readonly #members: (DistinctUnion | undefined)[] = [];
  readonly #money: readonly boolean[];
  readonly #slots: ReadonlyMap<Measure, number>;
  readonly #byUnit = new Map<string, Map<string, number>>();
  #detailBytes = 0;

  constructor(needs: Needs, buckets: number) {
    this.needs = needs;
    this.buckets = buckets;
    this.#money = needs.measures.map(isMoneyMeasure);
    this.#slots = new Map(needs.measures.map((measure, slot) => [measure, slot]));
  }

  /** The position of a measure in `needs.measures`. */
  slotOf(measure: Measure): number {
    const slot = this.#slots.get(measure);
    invariant(slot !== undefined, `a query reads ${measure}`);
    return slot;
  }

  seriesOf(values: readonly string[], unit: string): number {
    let known = this.#byUnit.get(unit);
    if (known === undefined) {
      known = new Map();
      this.#byUnit.set(unit, known);
    }
    const key = values.length === 1 ? (values[0] as string) : JSON.stringify(values);
    let index = known.get(key);
    if (index === undefined) {
      index = this.series.length;
      known.set(key, index);
      this.series.push({ values, unit });
      const sums = this.series.length * this.buckets * this.#money.length;
      if (sums > MAX_SUMS) throw tooLarge(`${this.series.length} groups × ${this.buckets} buckets`);
      this.#sums.reserve(sums);
    }
    return index;
  }

  /** `sums` in the order of `needs.measures`, or none; `rate` where money has to be converted. */
  add(
    series: number,
    bucket: number,
    sums: readonly ExactSum[],
    detail: CellDetail | undefined,
    rate: (() => FxRate) | undefined,
  ): void {
    const point = series * this.buckets + bucket;
    const base = point * this.#money.length;
    for (let slot = 0; slot < sums.length; slot++) {
      const sum = sums[slot] as ExactSum;
      if (sum === 0) continue;
      const converted = rate !== undefined && this.#money[slot] === true ? rate().convertSum(sum) : sum;
      this.#sums.add(base + slot, converted);
    }
    if (detail !== undefined) this.#addDetail(point, detail, rate);
  }

  /** Takes sums back. Distributions and distinct sets cannot be. */
  take(series: number, bucket: number, sums: readonly ExactSum[]): void {
    const base = (series * this.buckets + bucket) * this.#money.length;
    for (let slot = 0; slot < sums.length; slot++) {
      const sum = sums[slot] as ExactSum;
      if (sum !== 0) this.#sums.add(base + slot, -sum);
    }
  }

  #addDetail(point: number, detail: CellDetail, rate: (() => FxRate) | undefined): void {
    const { distributions, distinct } = this.needs;
    for (let index = 0; index < distributions.length; index++) {
      const distribution = detail.distributions[D[distributions[index] as DistributionName]];
      if (distribution === undefined) continue;
      const at = point * distributions.length + index;
      const amounts = this.#amounts[at] ?? new Amounts();
      this.#amounts[at] = amounts;
      const before = amounts.entries;
      amounts.addDistribution(distribution, rate?.());
      this.#grow((amounts.entries - before) * AMOUNT_ENTRY_BYTES);
    }
    if (distinct) {
      const members = this.#members[point] ?? new DistinctUnion();
      this.#members[point] = members;
      const before = members.sizeBytes;
      members.add(detail.distinct);
      this.#grow(members.sizeBytes - before);
    }
  }

  #grow(bytes: number): void {
    this.#detailBytes += bytes;
    if (this.#detailBytes > MAX_DETAIL_BYTES) throw tooLarge('distributions and distinct customers');
  }

  sum(series: number, bucket: number, slot: number): number | bigint {
    return this.#sums.get((series * this.buckets + bucket) * this.#money.length + slot);
  }

  amounts(series: number, bucket: number, distribution: number): Amounts | undefined {
    return this.#amounts[(series * this.buckets + bucket) * this.needs.distributions.length + distribution];
  }

  members(series: number, bucket: number): DistinctUnion | undefined {
    return this.#members[series * this.buckets + bucket];
  }

  /** Whether anything that the query needs is in a series. `moneyOnly` looks at money alone. */
  isActive(series: number, moneyOnly: boolean): boolean {
    for (let bucket = 0; bucket < this.buckets; bucket++) {
      for (let slot = 0; slot < this.#money.length; slot++) {
        if ((!moneyOnly || this.#money[slot] === true) && this.sum(series, bucket, slot) !== 0) return true;
      }
      for (let index = 0; index < this.needs.distributions.length; index++) {
        if (this.amounts(series, bucket, index) !== undefined) return true;
      }
      if (!moneyOnly && this.members(series, bucket)?.isEmpty === false) return true;
    }
    return false;
  }
}

function tooLarge(what: string): QueryError {
  return new QueryError(
    'too_many_points',
    `The query touches too much at once (${what}). Ask for a shorter range, a coarser granularity, fewer metrics, or add a filter.`,
  );
}
