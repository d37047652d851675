import { SeededRandom } from '../../engine/index.ts';
import { type BgNbd, type PurchaseHistory, probabilityAlive } from './bg-nbd.ts';
import type { GammaGamma, SpendHistory } from './gamma-gamma.ts';

/** Draws of what a customer may do, in ascending order. */
export interface Draws {
  readonly purchases: Float64Array;
  /** Value of these purchases; empty without a model of values. */
  readonly value: Float64Array;
}

/** A customer's purchases of one draw: beyond them a draw is cut off. */
const MAX_PURCHASES_A_DRAW = 10_000;

/**
 * Exact draws from what the fitted models say of one customer: alive with P(alive); then λ ~ Gamma(r + x, α + T) and
 * p ~ Beta(a, b + x), purchases at rate λ, after each of which the customer leaves with probability p; their values
 * together are Gamma(p · n, ν) with ν ~ Gamma(p · x + q, γ + x · mean). Given the parameters, so the intervals do not
 * contain that these are estimates. The same seed gives the same draws.
 */
export function drawFuture(
  model: BgNbd,
  history: PurchaseHistory,
  ahead: number,
  values: { readonly model: GammaGamma; readonly spend: SpendHistory } | undefined,
  { draws, seed }: { readonly draws: number; readonly seed: number },
): Draws {
  const random = new Distributions(seed);
  const purchases = new Float64Array(draws);
  const value = new Float64Array(values === undefined ? 0 : draws);
  const alive = probabilityAlive(model, history);
  for (let draw = 0; draw < draws; draw++) {
    if (random.uniform() >= alive) continue;
    const count = purchasesOf(random, model, history, ahead);
    purchases[draw] = count;
    if (values === undefined || count === 0) continue;
    const { p, q, gamma } = values.model;
    const { repeats, mean } = values.spend;
    const rate = random.gamma(p * repeats + q) / (gamma + repeats * mean);
    value[draw] = random.gamma(p * count) / rate;
  }
  return { purchases: purchases.sort(), value: value.sort() };
}

function purchasesOf(
  random: Distributions,
  { r, alpha, a, b }: BgNbd,
  { repeats, seen }: PurchaseHistory,
  ahead: number,
): number {
  const rate = random.gamma(r + repeats) / (alpha + seen);
  const leave = random.beta(a, b + repeats);
  let count = 0;
  for (let time = random.exponential() / rate; time <= ahead; time += random.exponential() / rate) {
    count++;
    if (count === MAX_PURCHASES_A_DRAW || random.uniform() < leave) break;
  }
  return count;
}

/** The quantile of ascending values, the nearest one; 0 without any. */
export function quantileOf(sorted: Float64Array, quantile: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(quantile * sorted.length))] ?? 0;
}

/** Random numbers of some distributions. */
class Distributions {
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
      const x = this.#normal();
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
  #normal(): number {
    return Math.sqrt(2 * this.exponential()) * Math.cos(2 * Math.PI * this.uniform());
  }
}
