import { addExact, type ExactSum, SKETCH_RELATIVE_ERROR } from '../../operators/index.ts';
import { ConvertedSum, type Converter } from '../exchange/index.ts';
import {
  AmountValues,
  DetailBudget,
  type Distribution,
  MemberCounts,
  type NamedSums,
} from '../row-sums/index.ts';
import { type Group, unitOf } from './groups.ts';
import {
  type Aggregation,
  type Formula,
  isMoneyMeasure,
  type MetricMeasure,
  type MetricMember,
  type Operand,
  type Term,
} from './metrics.ts';
import type { AskedMetric, Prepared } from './prepare.ts';

/** Money and counts are exact at any size; a ratio without a denominator is null. */
export type MetricValue = number | bigint | null;

/** Evaluates the metrics of groups over stretches of slots. */
export class Evaluator {
  readonly #named: NamedSums;
  readonly #prepared: Prepared;
  readonly #converter: Converter | undefined;
  readonly #budget = new DetailBudget();
  /** Which values are estimates: the greatest error by what is estimated. */
  readonly #errors = new Map<string, number>();
  readonly #sketched = new Set<string>();

  constructor(named: NamedSums, prepared: Prepared, converter: Converter | undefined) {
    this.#named = named;
    this.#prepared = prepared;
    this.#converter = converter;
  }

  /** What was estimated so far, each with its error. */
  approximate(): string[] {
    const estimated = Array.from(
      this.#errors,
      ([name, error]) => `${name}: ±${percent(error)} (threshold sample, one standard error)`,
    );
    return [...this.#sketched, ...estimated];
  }

  /** A metric of a group over the slots [from, to). */
  value(metric: AskedMetric, group: Group, from: number, to: number): MetricValue {
    const { formula, distribution } = metric.metric;
    const series = metric.isMonetary ? group.money : group.whole;
    if (metric.aggregation !== 'sum' && distribution !== undefined) {
      return this.#aggregate(metric, distribution, series, from, to);
    }
    const sum = (measure: MetricMeasure): ExactSum => this.#sum(measure, series, from, to);
    const operand = (of: Operand): ExactSum =>
      of.kind === 'sum' ? total(of.terms, sum) : this.#distinct(metric.name, of.of, series, from, to);
    if (formula.kind === 'ratio') return ratio(formula, sum);
    if (formula.kind !== 'quotient') return operand(formula);
    const denominator = Number(operand(formula.denominator));
    return denominator === 0 ? null : Number(operand(formula.numerator)) / denominator;
  }

  #sum(measure: MetricMeasure, series: readonly number[], from: number, to: number): ExactSum {
    const column = this.#prepared.measures.indexOf(measure);
    if (this.#converter !== undefined && isMoneyMeasure(measure)) {
      const converted = new ConvertedSum(this.#converter);
      for (const each of series) {
        const unit = unitOf(this.#named, this.#prepared, each);
        for (let slot = from; slot < to; slot++) converted.add(this.#at(column, each, slot), unit, slot);
      }
      return converted.value;
    }
    return this.#total(column, series, from, to);
  }

  #total(column: number, series: readonly number[], from: number, to: number): ExactSum {
    let sum: ExactSum = 0;
    for (const each of series) {
      for (let slot = from; slot < to; slot++) {
        const part = this.#at(column, each, slot);
        if (part !== 0) sum = addExact(sum, part);
      }
    }
    return sum;
  }

  #at(column: number, series: number, slot: number): ExactSum {
    const { columns, shape } = this.#named.sums;
    return columns[column]?.get(series * shape.slots + slot) ?? 0;
  }

  #distinct(name: string, of: MetricMember, series: readonly number[], from: number, to: number): number {
    const { sums } = this.#named;
    const index = this.#prepared.members.indexOf(of);
    let first: MemberCounts | undefined;
    let union: MemberCounts | undefined;
    for (const each of series) {
      for (let slot = from; slot < to; slot++) {
        const members = sums.membersAt(each * sums.shape.slots + slot, index);
        if (members === undefined) continue;
        if (first === undefined) {
          first = members;
          continue;
        }
        if (union === undefined) {
          // The parts are asked for again: they are not added to each other.
          union = new MemberCounts(this.#budget);
          union.addAll(first);
        }
        union.addAll(members);
      }
    }
    const { count, error } = (union ?? first)?.count() ?? { count: 0, error: 0 };
    if (error > 0) this.#errors.set(name, Math.max(error, this.#errors.get(name) ?? 0));
    return count;
  }

  /** avg is a plain double; min, max and quantiles are whole minor units. */
  #aggregate(
    { name, aggregation }: AskedMetric,
    distribution: Distribution,
    series: readonly number[],
    from: number,
    to: number,
  ): MetricValue {
    if (aggregation === 'count' || aggregation === 'avg') {
      const { measures, observed } = this.#prepared;
      const column = measures.length + observed.indexOf(distribution);
      const count = this.#total(column, series, from, to);
      if (aggregation === 'count') return count;
      return Number(count) === 0 ? null : Number(this.#sum(distribution, series, from, to)) / Number(count);
    }
    const values = this.#amounts(distribution, series, from, to);
    if (values.count === 0) return null;
    if (aggregation === 'min' || aggregation === 'max') {
      if (!values.hasExactExtremes) this.#sketched.add(sketched(name, aggregation));
      return aggregation === 'min' ? values.min : values.max;
    }
    if (!values.isExact) this.#sketched.add(sketched(name, aggregation));
    return values.quantile(PERCENTS[aggregation] ?? 50);
  }

  #amounts(distribution: Distribution, series: readonly number[], from: number, to: number): AmountValues {
    const { sums } = this.#named;
    const index = this.#prepared.distributions.indexOf(distribution);
    const values = new AmountValues();
    for (const each of series) {
      for (let slot = from; slot < to; slot++) {
        const counts = sums.amountsAt(each * sums.shape.slots + slot, index);
        if (counts?.extremes() === undefined) continue;
        const unit = this.#converter === undefined ? '' : unitOf(this.#named, this.#prepared, each);
        values.add(counts, this.#converter?.amounts(unit, slot));
      }
    }
    return values;
  }
}

const PERCENTS: Partial<Record<Aggregation, number>> = { p50: 50, p90: 90, p99: 99 };

function total(terms: readonly Term[], sumOf: (measure: MetricMeasure) => ExactSum): ExactSum {
  let sum: ExactSum = 0;
  for (const { measure, factor } of terms) {
    const value = sumOf(measure);
    sum = addExact(sum, factor === 1 ? value : -value);
  }
  return sum;
}

function ratio(
  formula: Extract<Formula, { kind: 'ratio' }>,
  sumOf: (measure: MetricMeasure) => ExactSum,
): number | null {
  const denominator = total(formula.denominator, sumOf);
  if (Number(denominator) === 0) return null;
  const numerator = total(formula.numerator, sumOf);
  // 1 − n/d as (d − n)/d: one rounding instead of two.
  const above = formula.complement ? addExact(denominator, -numerator) : numerator;
  return Number(above) / (Number(denominator) * formula.divisor);
}

function sketched(name: string, aggregation: Aggregation): string {
  return `${name} ${aggregation}: within ${percent(SKETCH_RELATIVE_ERROR)} (DDSketch)`;
}

function percent(share: number): string {
  return `${Number((share * 100).toFixed(1))} %`;
}
