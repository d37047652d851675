/** n / d rounded to the nearest integer, a half away from zero; d > 0. */
export function divideHalfAway(n: bigint, d: bigint): bigint {
  const doubled = 2n * n;
  return (n < 0n ? doubled - d : doubled + d) / (2n * d);
}

/** Bits after the point of the first try of a sum. */
const SCALE_BITS = 192n;

/** A sum of fractions that is rounded once, at the end: exact, whatever the denominators. */
export class FractionSum {
  /** Numerators by denominator. */
  readonly #terms = new Map<bigint, bigint>();

  add(numerator: bigint, denominator: bigint): void {
    this.#terms.set(denominator, (this.#terms.get(denominator) ?? 0n) + numerator);
  }

  /** Rounded to the nearest integer, a half away from zero. */
  round(): bigint {
    let common = 1n;
    for (const denominator of this.#terms.keys()) if (denominator > common) common = denominator;
    // Decimal rates have powers of ten, of which the greatest is a multiple of all.
    for (const denominator of this.#terms.keys()) if (common % denominator !== 0n) return this.#roundMixed();
    return this.#roundOver(common);
  }

  #roundOver(common: bigint): bigint {
    let sum = 0n;
    for (const [denominator, numerator] of this.#terms) sum += numerator * (common / denominator);
    return divideHalfAway(sum, common);
  }

  /** By bounds of the sum, which nearly always round to the same integer; else over the product of all. */
  #roundMixed(): bigint {
    let low = 0n;
    for (const [denominator, numerator] of this.#terms) low += (numerator << SCALE_BITS) / denominator;
    // Each quotient was cut by less than 1, toward zero.
    const error = BigInt(this.#terms.size);
    const scale = 1n << SCALE_BITS;
    const least = divideHalfAway(low - error, scale);
    if (least === divideHalfAway(low + error, scale)) return least;
    let common = 1n;
    for (const denominator of this.#terms.keys()) common *= denominator;
    return this.#roundOver(common);
  }
}
