import { SeededRandom } from '../../engine/index.ts';

/** The quantile of ascending values, the nearest one; 0 without any. */
export function quantileOf(sorted: Float64Array, quantile: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(quantile * sorted.length))] ?? 0;
}

/** Random numbers of some distributions. */
export class Distributions {
  readonly #random: SeededRandom;

  constructor(seed: number) {
    this.#random = new SeededRandom(seed);
  }

  /** Within (0, 1). */
  uniform(): number {
    return (this.#random.int(0, 2 ** 32 - 1) + 0.5) / 2 ** 32;
  }

  exponential(): number {
    return -Math.log(this.uniform());
  }

  /** Of scale 1: Marsaglia & Tsang, A Simple Method for Generating Gamma Variables (ACM TOMS 26, 2000). */
  gamma(shape: number): number {
    if (shape < 1) return this.gamma(shape + 1) * this.uniform() ** (1 / shape);
    const d = shape - 1 / 3;
    const c = 1 / Math.sqrt(9 * d);
    for (;;) {
      const x = this.normal();
      const v = (1 + c * x) ** 3;
      if (v > 0 && Math.log(this.uniform()) < 0.5 * x * x + d - d * v + d * Math.log(v)) return d * v;
    }
  }

  beta(a: number, b: number): number {
    const first = this.gamma(a);
    const second = this.gamma(b);
    // Both may be 0 where the shapes are tiny.
    return first + second === 0 ? a / (a + b) : first / (first + second);
  }

  /** Box & Muller (1958). */
  normal(): number {
    return Math.sqrt(2 * this.exponential()) * Math.cos(2 * Math.PI * this.uniform());
  }
}
