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
  const places = sumsOf(metric);
  const total =
    (terms: readonly Term[]) =>
    (sums: Float64Array): number =>
      terms.reduce((sum, { measure, factor }) => sum + factor * (sums[places.indexOf(measure)] ?? 0), 0);
  const operand = (of: Operand): ((sums: Float64Array) => number) =>
    of.kind === 'sum' ? total(of.terms) : () => 0;
  const { formula } = metric;
  if (formula.kind === 'sum') return total(formula.terms);
  if (formula.kind === 'distinct') return () => null;
  if (formula.kind === 'quotient') {
    const [above, below] = [operand(formula.numerator), operand(formula.denominator)];
    return (sums) => (below(sums) === 0 ? null : above(sums) / below(sums));
  }
  const [above, below] = [total(formula.numerator), total(formula.denominator)];
  const { divisor, complement } = formula;
  return (sums) => {
    const denominator = below(sums);
    if (denominator === 0) return null;
    const numerator = complement ? denominator - above(sums) : above(sums);
    return numerator / (denominator * divisor);
  };
}
