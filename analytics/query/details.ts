import {
  countDistinct,
  type Distinct,
  type Distribution,
  unionDistinct,
  valueOf,
} from '../../operators/index.ts';

/** The values that stand for sketch bins cost a power each; there are under 4,000 bins of safe integers. */
const valueOfBin = new Map<number, number>();

function representative(bin: number): number {
  let value = valueOfBin.get(bin);
  if (value === undefined) {
    value = valueOf(bin);
    valueOfBin.set(bin, value);
  }
  return value;
}

/** How a cell's amounts become the currency asked for. */
export interface AmountScale {
  /** Target minor units for each unit of the amount, as near as a double. */
  readonly factor: number;
  /** The same, exact and rounded to whole minor units. */
  convert(amount: number): number;
}

/**
 * Amounts merged from the distributions of many cells, each possibly at another exchange rate. Its
 * quantiles keep the sketch's relative error: scaling a value scales its error with it, and the k-th
 * smallest of values that are each within 1 % is within 1 % of the k-th smallest.
 */
export class Amounts {
  count = 0;
  min = Number.POSITIVE_INFINITY;
  max = Number.NEGATIVE_INFINITY;
  readonly #counts = new Map<number, number>();

  addDistribution(distribution: Distribution, scale: AmountScale | undefined): void {
    const { bins, counts } = distribution;
    const min = scale === undefined ? distribution.min : scale.convert(distribution.min);
    const max = scale === undefined ? distribution.max : scale.convert(distribution.max);
    this.#extend(distribution.count, min, max);
    const factor = scale === undefined ? 1 : scale.factor;
    for (let index = 0; index < bins.length; index++) {
      const value = representative(bins[index] as number) * factor;
      this.#counts.set(value, (this.#counts.get(value) ?? 0) + (counts[index] as number));
    }
  }

  addAll(other: Amounts): void {
    this.#extend(other.count, other.min, other.max);
    for (const [value, count] of other.#counts) this.#counts.set(value, (this.#counts.get(value) ?? 0) + count);
  }

  #extend(count: number, min: number, max: number): void {
    this.count += count;
    if (min < this.min) this.min = min;
    if (max > this.max) this.max = max;
  }

  /** The value at rank ⌊q·(n−1)⌋ as in the DDSketch paper, in whole minor units; null when empty. */
  quantile(q: number): number | null {
    if (this.count === 0) return null;
    const rank = Math.floor(q * (this.count - 1));
    let seen = 0;
    for (const value of [...this.#counts.keys()].sort((a, b) => a - b)) {
      seen += this.#counts.get(value) as number;
      if (seen > rank) return Math.round(Math.min(this.max, Math.max(this.min, value)));
    }
    return this.max;
  }

  get entries(): number {
    return this.#counts.size;
  }
}

/**
 * The union of many sets. Sets are merged like the runs of a merge sort, equals with equals, so that
 * n members in k sets cost n·log k instead of n·k.
 */
export class DistinctUnion {
  /** Level i holds nothing or a union of 2^i sets. */
  readonly #levels: (Distinct | undefined)[] = [];

  add(distinct: Distinct): void {
    if (distinct.kind === 'exact' && distinct.members.length === 0) return;
    let carry = distinct;
    let level = 0;
    for (; this.#levels[level] !== undefined; level++) {
      carry = unionDistinct(this.#levels[level] as Distinct, carry);
      this.#levels[level] = undefined;
    }
    this.#levels[level] = carry;
  }

  addAll(other: DistinctUnion): void {
    for (const distinct of other.#levels) if (distinct !== undefined) this.add(distinct);
  }

  get isEmpty(): boolean {
    return this.#levels.every((distinct) => distinct === undefined);
  }

  /** How many distinct members; whether that is an estimate. */
  count(): { readonly count: number; readonly approximate: boolean } {
    let all: Distinct | undefined;
    for (const distinct of this.#levels) {
      if (distinct !== undefined) all = all === undefined ? distinct : unionDistinct(all, distinct);
    }
    return all === undefined ? { count: 0, approximate: false } : countDistinct(all);
  }

  /** Memory held, bytes. */
  get sizeBytes(): number {
    let bytes = 0;
    for (const distinct of this.#levels) {
      if (distinct !== undefined) {
        bytes += distinct.kind === 'exact' ? distinct.members.byteLength : distinct.registers.length;
      }
    }
    return bytes;
  }
}
