import type { KvView } from '../../engine/index.ts';
import { type Cell, type Granularity, type CellRow, readCells } from '../../operators/index.ts';
import { CUBES_OPERATOR, type DistributionName, D, GRANULARITIES, M, MEASURES, type Measure } from '../model.ts';
import { isMoneyMeasure } from '../metrics.ts';
import { Amounts, DistinctUnion } from './details.ts';
import { QueryError } from './error.ts';
import type { FxRate, FxRates } from './fx.ts';
import type { QueryPlan } from './plan.ts';
import { SumTable } from './sums.ts';
import type { TimeBuckets } from './time.ts';

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

export interface ScanRequest {
  readonly table: (name: string) => KvView;
  readonly tenant: string;
  readonly plan: QueryPlan;
  readonly buckets: TimeBuckets;
  /** Dimensions, or `currency`. */
  readonly groupBy: readonly string[];
  /** Accepted values by dimension or `currency`; '' is a missing value. */
  readonly filters: ReadonlyMap<string, ReadonlySet<string>>;
  readonly needs: Needs;
  /** Where money is to be converted: towards which currency, with which rates. */
  readonly conversion: { readonly target: string; readonly rates: FxRates } | undefined;
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
  readonly #slots: readonly number[];
  readonly #money: readonly boolean[];
  readonly #byUnit = new Map<string, Map<string, number>>();
  #detailBytes = 0;

  constructor(needs: Needs, buckets: number) {
    this.needs = needs;
    this.buckets = buckets;
    this.#slots = needs.measures.map((measure) => M[measure]);
    this.#money = needs.measures.map(isMoneyMeasure);
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
      const sums = this.series.length * this.buckets * this.#slots.length;
      if (sums > MAX_SUMS) throw tooLarge(`${this.series.length} groups × ${this.buckets} buckets`);
      this.#sums.reserve(sums);
    }
    return index;
  }

  add(series: number, bucket: number, { sums, detail }: Cell, rate: (() => FxRate) | undefined): void {
    const point = series * this.buckets + bucket;
    const base = point * this.#slots.length;
    for (let slot = 0; slot < this.#slots.length; slot++) {
      const sum = sums[this.#slots[slot] as number] as number | bigint;
      if (sum === 0) continue;
      const converted = rate !== undefined && this.#money[slot] === true ? rate().convertSum(sum) : sum;
      this.#sums.add(base + slot, converted);
    }
    const { distributions, distinct } = this.needs;
    for (let index = 0; index < distributions.length; index++) {
      const distribution = detail?.distributions[D[distributions[index] as DistributionName]];
      if (distribution === undefined) continue;
      const at = point * distributions.length + index;
      const amounts = this.#amounts[at] ?? new Amounts();
      this.#amounts[at] = amounts;
      const before = amounts.entries;
      amounts.addDistribution(distribution, rate?.());
      this.#grow((amounts.entries - before) * AMOUNT_ENTRY_BYTES);
    }
    if (distinct && detail !== undefined) {
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
    return this.#sums.get((series * this.buckets + bucket) * this.#slots.length + slot);
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
      for (let slot = 0; slot < this.#slots.length; slot++) {
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

/** Reads every cell of the plan and adds it up. Throws QueryError `too_many_points` or `fx_rate_missing`. */
export function accumulate(request: ScanRequest): Accumulator {
  const { table, tenant, plan, buckets, needs } = request;
  const accumulator = new Accumulator(needs, buckets.length);
  const cells = table(`${CUBES_OPERATOR}/cells`);
  const details = table(`${CUBES_OPERATOR}/details`);
  const withDetail = needs.distinct || needs.distributions.length > 0;
  const select = selector(request);
  const group = grouper(request);
  let bucket = 0;
  for (const { granularity, start_ms, end_ms } of plan.segments) {
    const { bucket_ms: width_ms } = GRANULARITIES[granularity] as Granularity;
    const query = { scope: tenant, cube: plan.cube, granularity, start_ms, end_ms };
    for (const row of readCells(cells, details, { ...query, measures: MEASURES.length, withDetail })) {
      if (!select(row)) continue;
      // Cells come in time order, and each lies within one output bucket.
      while (row.bucket_ms >= (buckets.edges_ms[bucket + 1] as number)) bucket++;
      const rate = rateOf(request, row, row.bucket_ms + width_ms);
      accumulator.add(accumulator.seriesOf(group(row), row.unit), bucket, row.cell, rate);
    }
  }
  return accumulator;
}

/** The rate is looked up only where there is money, so that cells without any need none. */
function rateOf({ conversion }: ScanRequest, { unit }: CellRow, end_ms: number): (() => FxRate) | undefined {
  if (conversion === undefined || unit === conversion.target) return undefined;
  return () => conversion.rates.rateAt(unit, end_ms);
}

function selector({ filters, plan }: ScanRequest): (row: CellRow) => boolean {
  const tests = [...filters].map(([dimension, accepted]) => ({
    at: plan.cube.dimensions.indexOf(dimension),
    accepted,
  }));
  return (row) => {
    for (const { at, accepted } of tests) {
      // -1 is the currency, which every cell has.
      if (!accepted.has(at < 0 ? row.unit : (row.values[at] as string))) return false;
    }
    return true;
  };
}

function grouper({ groupBy, plan }: ScanRequest): (row: CellRow) => readonly string[] {
  const at = groupBy.map((dimension) => plan.cube.dimensions.indexOf(dimension));
  const same = at.length === plan.cube.dimensions.length && at.every((from, index) => from === index);
  if (same) return ({ values }) => values;
  return ({ values, unit }) => at.map((from) => (from < 0 ? unit : (values[from] as string)));
}
