import { addExact, type ExactSum, HLL_RELATIVE_ERROR, SKETCH_RELATIVE_ERROR } from '../../operators/index.ts';
import type {
  Aggregation,
  DistributionName,
  Formula,
  Measure,
  MetricDefinition,
  Term,
} from '../model/index.ts';
import type { Amounts, DistinctUnion } from '../query/index.ts';

/** Money and counts are exact at any size; a ratio without a denominator is null. */
export type MetricValue = number | bigint | null;

/** The accumulators of one group and bucket, or of one group over the whole range. */
export interface Point {
  sum(measure: Measure): ExactSum;
  /** undefined where nothing was observed. */
  amounts(name: DistributionName): Amounts | undefined;
  members(): DistinctUnion | undefined;
}

/** A metric of a query, under the name that it was asked for. */
export interface AskedMetric {
  readonly name: string;
  readonly metric: MetricDefinition;
  readonly aggregation: Aggregation;
}

/** The value; `approximated` is called when it is an estimate, with the metric and its error. */
export function evaluate(
  { name, metric, aggregation }: AskedMetric,
  point: Point,
  approximated: (what: string) => void,
): MetricValue {
  const { formula, distribution } = metric;
  if (aggregation !== 'sum' && distribution !== undefined) {
    return aggregate(name, aggregation, distribution, point, approximated);
  }
  if (formula.kind === 'sum') return total(formula.terms, point);
  if (formula.kind === 'ratio') return ratio(formula, point);
  const members = point.members()?.count();
  if (members?.approximate === true) {
    approximated(`${name}: ±${percent(HLL_RELATIVE_ERROR)} (HyperLogLog, one standard error)`);
  }
  return members?.count ?? 0;
}

function total(terms: readonly Term[], point: Point): ExactSum {
  let sum: ExactSum = 0;
  for (const { measure, factor } of terms) {
    const value = point.sum(measure);
    sum = addExact(sum, factor === 1 ? value : -value);
  }
  return sum;
}

function ratio(formula: Extract<Formula, { kind: 'ratio' }>, point: Point): number | null {
  const denominator = total(formula.denominator, point);
  if (Number(denominator) === 0) return null;
  const numerator = total(formula.numerator, point);
  // 1 − n/d as (d − n)/d: one rounding instead of two.
  const above = formula.complement ? addExact(denominator, -numerator) : numerator;
  return Number(above) / (Number(denominator) * formula.divisor);
}

const QUANTILES: Partial<Record<Aggregation, number>> = { p50: 0.5, p90: 0.9, p99: 0.99 };

/** avg is a plain double; min, max and quantiles are whole minor units. */
function aggregate(
  name: string,
  aggregation: Aggregation,
  distribution: DistributionName,
  point: Point,
  approximated: (what: string) => void,
): MetricValue {
  const amounts = point.amounts(distribution);
  if (aggregation === 'count') return amounts?.count ?? 0;
  if (amounts === undefined || amounts.count === 0) return null;
  if (aggregation === 'min') return amounts.min;
  if (aggregation === 'max') return amounts.max;
  const q = QUANTILES[aggregation];
  if (q === undefined) return Number(point.sum(distribution)) / amounts.count;
  approximated(`${name} ${aggregation}: within ${percent(SKETCH_RELATIVE_ERROR)} (DDSketch)`);
  return amounts.quantile(q);
}

function percent(share: number): string {
  return `${Number((share * 100).toFixed(1))} %`;
}
