import { binOf, valueOfBin } from '../../operators/index.ts';
import { type AmountCounts, EXACT_AMOUNTS } from './amount-counts.ts';

/** Changes each amount in the same order: to another currency, rounded. */
export type ConvertAmount = (amount: number) => number;

/** The amounts of one cell of an answer, gathered from the cells that it is made of. */
export class AmountValues {
  #count = 0;
  #min = Number.POSITIVE_INFINITY;
  #max = Number.NEGATIVE_INFINITY;
  #isExact = true;
  #hasExactExtremes = true;
  /** Amounts and their counts, in pairs; those of sketches stand for their bins. */
  readonly #exact: number[] = [];
  readonly #binned: number[] = [];

  add(counts: AmountCounts, convert: ConvertAmount | undefined): void {
    const extremes = counts.extremes();
    if (extremes === undefined) return;
    const [min, max] = [extremes.min, extremes.max].map((value) =>
      convert === undefined ? value : convert(value),
    );
    if (min !== undefined && min < this.#min) this.#min = min;
    if (max !== undefined && max > this.#max) this.#max = max;
    if (!extremes.exact) this.#hasExactExtremes = false;
    if (counts.isSketch) this.#isExact = false;
    const into = counts.isSketch ? this.#binned : this.#exact;
    counts.forEach((value, net) => {
      if (net <= 0) return;
      into.push(convert === undefined ? value : convert(value), net);
      this.#count += net;
    });
  }

  get count(): number {
    return this.#count;
  }

  get min(): number {
    return Math.round(this.#min);
  }

  get max(): number {
    return Math.round(this.#max);
  }

  get hasExactExtremes(): boolean {
    return this.#hasExactExtremes;
  }

  /** Whether quantiles are of the amounts themselves. */
  get isExact(): boolean {
    return this.#isExact && this.#count <= EXACT_AMOUNTS;
  }

  /** Nearest rank: the smallest amount that ⌈percent·n / 100⌉ of n do not exceed. There is an amount. */
  quantile(percent: number): number {
    const pairs = this.isExact ? this.#exact : [...this.#binned, ...this.#exact.map(binnedPairs)];
    const order = Array.from({ length: pairs.length / 2 }, (_, at) => at * 2);
    order.sort((a, b) => (pairs[a] as number) - (pairs[b] as number));
    const rank = Math.ceil((percent * this.#count) / 100);
    let seen = 0;
    for (const at of order) {
      seen += pairs[at + 1] as number;
      if (seen >= rank) return Math.round(Math.min(this.#max, Math.max(this.#min, pairs[at] as number)));
    }
    return this.max;
  }
}

/** Of a flat list of pairs: the amounts become what stands for their bins, the counts stay. */
function binnedPairs(value: number, at: number): number {
  return at % 2 === 0 ? valueOfBin(binOf(value)) : value;
}
