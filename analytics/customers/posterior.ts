import { Distributions } from '../numeric/index.ts';
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
