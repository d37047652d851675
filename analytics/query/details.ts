import {
  countDistinct,
  type Distinct,
  type Distribution,
  mergeDistribution,
  quantile,
  unionDistinct,
  valueOfBin as valueOfSketchBin,
} from '../../operators/index.ts';

/** The values that stand for sketch bins cost a power each; there are under 4,000 bins of safe integers. */
const valueOfBin = new Map<number, number>();

function representative(bin: number): number {
  let value = valueOfBin.get(bin);
  if (value === undefined) {
    value = valueOfSketchBin(bin);
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
  /** What came as it is: bins with bins. */
  #plain: Distribution | undefined;
  /** What was converted: counts by representative value, since scaled bins are no bins. */
  #scaled: Map<number, number> | undefined;
  #scaledCount = 0;
  #min = Number.POSITIVE_INFINITY;
  #max = Number.NEGATIVE_INFINITY;

  get count(): number {
    return this.#scaledCount + (this.#plain?.count ?? 0);
  }

  get min(): number {
    return this.#min;
  }

  get max(): number {
    return this.#max;
  }

  /** Bins and values held. */
  get entries(): number {
    return (this.#plain?.bins.length ?? 0) + (this.#scaled?.size ?? 0);
  }

  addDistribution(distribution: Distribution, scale: AmountScale | undefined): void {
    if (scale === undefined) {
      this.#extend(distribution.min, distribution.max);
      if (this.#plain === undefined) this.#plain = { ...distribution };
      else mergeDistribution(this.#plain, distribution);
      return;
    }
    this.#extend(scale.convert(distribution.min), scale.convert(distribution.max));
    this.#addScaled(distribution, scale.factor);
  }

  addAll(other: Amounts): void {
    if (other.#plain !== undefined) this.addDistribution(other.#plain, undefined);
    if (other.#scaled === undefined) return;
    this.#extend(other.#min, other.#max);
    this.#scaled ??= new Map();
    this.#scaledCount += other.#scaledCount;
    for (const [value, count] of other.#scaled) addTo(this.#scaled, value, count);
  }

  #addScaled({ bins, counts, count }: Distribution, factor: number): void {
    this.#scaled ??= new Map();
    this.#scaledCount += count;
    for (let index = 0; index < bins.length; index++) {
      addTo(this.#scaled, representative(bins[index] as number) * factor, counts[index] as number);
    }
  }

  #extend(min: number, max: number): void {
    if (min < this.#min) this.#min = min;
    if (max > this.#max) this.#max = max;
  }

  /** The value at rank ⌊q·(n−1)⌋ as in the DDSketch paper, in whole minor units; null when empty. */
  quantile(q: number): number | null {
    if (this.#scaled === undefined) {
      const value = this.#plain === undefined ? null : quantile(this.#plain, q);
      return value === null ? null : Math.round(value);
    }
    const all = new Map(this.#scaled);
    for (const [index, bin] of (this.#plain?.bins ?? []).entries()) {
      addTo(all, representative(bin), this.#plain?.counts[index] ?? 0);
    }
    const rank = Math.floor(q * (this.count - 1));
    let seen = 0;
    for (const value of [...all.keys()].sort((a, b) => a - b)) {
      seen += all.get(value) ?? 0;
      if (seen > rank) return Math.round(Math.min(this.#max, Math.max(this.#min, value)));
    }
    return this.#max;
  }
}

function addTo(counts: Map<number, number>, value: number, count: number): void {
  counts.set(value, (counts.get(value) ?? 0) + count);
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
