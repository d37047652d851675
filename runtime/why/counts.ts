import { MAIN_OUTPUT, type MetricSample } from '../../engine/index.ts';

/** The samples of a task, to be asked by name and operator. */
export class Counts {
  readonly #samples: readonly MetricSample[];

  constructor(samples: readonly MetricSample[]) {
    this.#samples = samples;
  }

  /** The sum over all samples of a metric that have these labels; 0 where there is none. */
  of(name: string, labels: Readonly<Record<string, string>> = {}): number {
    return this.#samples.filter((sample) => sample.name === name && has(sample, labels)).reduce(add, 0);
  }

  /** Undefined where there is no sample. */
  level(name: string, operator: string): number | undefined {
    return this.#samples.find((sample) => sample.name === name && sample.labels.operator === operator)?.value;
  }

  /** Whether the operator counts what it gives: a side output is counted with the operator that it is of. */
  has(operator: string): boolean {
    return this.#samples.some(({ labels }) => labels.operator === operator);
  }

  received(operator: string): number {
    return this.of('millrace.operator.received', { operator });
  }

  /** Of the main output. */
  emitted(operator: string): number {
    return this.of('millrace.operator.emitted', { operator, output: MAIN_OUTPUT });
  }

  /** Of all outputs. */
  emittedAnywhere(operator: string): number {
    return this.of('millrace.operator.emitted', { operator });
  }

  /** Counters of an operator's own: what became of its items, by the last word of the metric's name. */
  fates(operator: string): ReadonlyMap<string, number> {
    const fates = new Map<string, number>();
    for (const { name, kind, labels, value } of this.#samples) {
      if (kind !== 'counter' || labels.operator !== operator || value === 0) continue;
      if (name.startsWith('millrace.operator.')) continue;
      const word = name.slice(name.lastIndexOf('.') + 1);
      fates.set(word, (fates.get(word) ?? 0) + value);
    }
    return fates;
  }

  /** Of a counter with a reason, the reasons and how often, the most frequent first. */
  reasons(name: string, operator: string): readonly (readonly [string, number])[] {
    return this.#samples
      .filter((sample) => sample.name === name && sample.labels.operator === operator && sample.value > 0)
      .map(({ labels, value }) => [labels.reason ?? '', value] as const)
      .sort(([, a], [, b]) => b - a);
  }
}

const add = (sum: number, { value }: MetricSample): number => sum + value;

function has(sample: MetricSample, labels: Readonly<Record<string, string>>): boolean {
  return Object.entries(labels).every(([label, value]) => sample.labels[label] === value);
}
