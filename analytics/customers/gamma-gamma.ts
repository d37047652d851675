import { minimize } from '../numeric/index.ts';
import { lnGamma } from './special-functions.ts';

/**
 * The Gamma–Gamma model of what a purchase is worth: Fader & Hardie, "The Gamma-Gamma Model of Monetary Value"
 * (2013). Values of one customer are Gamma(p, ν), with ν ~ Gamma(q, γ) over customers, and do not depend on how
 * often the customer buys.
 */
export interface GammaGamma {
  readonly p: number;
  readonly q: number;
  readonly gamma: number;
}

/** What a customer spent in purchases after the first. */
export interface SpendHistory {
  readonly repeats: number;
  /** Mean of a purchase, above 0. */
  readonly mean: number;
}

export interface GammaGammaFit {
  readonly parameters: GammaGamma;
  readonly log_likelihood: number;
  readonly converged: boolean;
}

/** ln L of all customers with a repeat purchase: eq. 1a of the note. */
export function gammaGammaLogLikelihood(
  { p, q, gamma }: GammaGamma,
  spends: readonly SpendHistory[],
): number {
  const shared = q * Math.log(gamma) - lnGamma(q);
  let sum = 0;
  for (const { repeats: x, mean } of spends) {
    sum += lnGamma(p * x + q) - lnGamma(p * x) + shared;
    sum += (p * x - 1) * Math.log(mean) + p * x * Math.log(x) - (p * x + q) * Math.log(gamma + x * mean);
  }
  return sum;
}

const LN_PARAMETER_MAX = Math.log(1e5);

/** Maximum likelihood over the logarithms of the parameters; `gamma` is in the unit of the values. */
export function fitGammaGamma(spends: readonly SpendHistory[]): GammaGammaFit {
  // The search sees values around 1, whatever the currency's unit.
  const scale = spends.reduce((sum, { mean }) => sum + mean, 0) / spends.length;
  const scaled = spends.map(({ repeats, mean }) => ({ repeats, mean: mean / scale }));
  const parametersOf = ([p, q, gamma]: readonly number[]): GammaGamma => ({
    ...{ p: Math.exp(p as number), q: Math.exp(q as number), gamma: Math.exp(gamma as number) },
  });
  const found = minimize(
    (point) =>
      point.some((value) => Math.abs(value) > LN_PARAMETER_MAX)
        ? Number.POSITIVE_INFINITY
        : -gammaGammaLogLikelihood(parametersOf(point), scaled),
    [1, 1, 0],
  );
  const parameters = parametersOf(found.point);
  const isInside = found.point.every((value) => Math.abs(value) < LN_PARAMETER_MAX - 0.1);
  return {
    parameters: { ...parameters, gamma: parameters.gamma * scale },
    // A density of values in a unit that is `scale` times as small is that much less.
    log_likelihood: -found.value - spends.length * Math.log(scale),
    converged: found.converged && isInside,
  };
}

/** The mean value of the customer's purchases that is to be expected: eq. 5. Infinite for q ≤ 1 without a repeat. */
export function expectedValue({ p, q, gamma }: GammaGamma, { repeats, mean }: SpendHistory): number {
  const denominator = p * repeats + q - 1;
  return denominator <= 0 ? Number.POSITIVE_INFINITY : (p * (gamma + repeats * mean)) / denominator;
}
