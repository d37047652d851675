import {
  type MetricDefinition,
  type MetricMeasure,
  measuresOf,
  type Operand,
  type Term,
} from '../kpis/index.ts';

/** The measures of a metric of sums, each once. Their places are those of a rule's sums. */
export const sumsOf = (metric: MetricDefinition): readonly MetricMeasure[] => [
  ...new Set(measuresOf(metric)),
];

/** The value of a metric from its sums; null where it divides by nothing. Doubles: exact while they are safe. */
export function metricValueOf(metric: MetricDefinition): (sums: Float64Array) => number | null {
  const { above, below } = partsOfMetric(metric);
  if (metric.formula.kind === 'distinct') return () => null;
  if (below === undefined) return above;
  return (sums) => (below(sums) === 0 ? null : above(sums) / below(sums));
}

/** A metric as numerator and denominator of its sums; a metric that is a sum has no denominator. */
export function partsOfMetric(metric: MetricDefinition): {
  readonly above: (sums: Float64Array) => number;
  readonly below?: (sums: Float64Array) => number;
} {
  const places = sumsOf(metric);
  const total =
    (terms: readonly Term[]) =>
    (sums: Float64Array): number =>
      terms.reduce((sum, { measure, factor }) => sum + factor * (sums[places.indexOf(measure)] ?? 0), 0);
  const { formula } = metric;
  if (formula.kind === 'sum') return { above: total(formula.terms) };
  if (formula.kind === 'distinct') return { above: () => 0 };
  if (formula.kind === 'quotient') {
    const { numerator, denominator } = formula;
    const of = (operand: Operand) => (operand.kind === 'sum' ? total(operand.terms) : () => 0);
    return { above: of(numerator), below: of(denominator) };
  }
  const { complement, divisor } = formula;
  const [above, below] = [total(formula.numerator), total(formula.denominator)];
  return {
    above: (sums) => (complement ? below(sums) - above(sums) : above(sums)),
    below: (sums) => below(sums) * divisor,
  };
}
