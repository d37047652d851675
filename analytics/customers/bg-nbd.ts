import { minimize } from '../numeric/index.ts';
import { hypergeometric, lnAdd, lnGamma } from './special-functions.ts';

/**
 * The BG/NBD model: Fader, Hardie & Lee, "Counting Your Customers" the Easy Way: An Alternative to the Pareto/NBD
 * Model, Marketing Science 24 (2005). While alive a customer buys at a rate λ ~ Gamma(r, α); after each purchase
 * the customer leaves with probability p ~ Beta(a, b). All times are in one unit, weeks here.
 */
export interface BgNbd {
  readonly r: number;
  readonly alpha: number;
  readonly a: number;
  readonly b: number;
}

/** What the model needs to know of a customer. */
export interface PurchaseHistory {
  /** Purchases after the first: x. */
  readonly repeats: number;
  /** Time of the last purchase after the first one, 0 where there is none: t_x. */
  readonly last: number;
  /** Time from the first purchase to the end of what was seen: T. */
  readonly seen: number;
}

/** Histories with how many customers have them. */
export interface CountedHistory extends PurchaseHistory {
  readonly customers: number;
}

export interface BgNbdFit {
  readonly parameters: BgNbd;
  readonly log_likelihood: number;
  readonly converged: boolean;
  readonly evaluations: number;
}

/** ln L of all customers: eq. 6 of the paper, taken apart as in Hardie's note "Implementing the BG/NBD Model". */
export function bgNbdLogLikelihood({ r, alpha, a, b }: BgNbd, histories: readonly CountedHistory[]): number {
  const lnRate = r * Math.log(alpha) - lnGamma(r);
  const lnLeave = lnGamma(a + b) - lnGamma(b);
  // What depends on x alone is the same for many customers.
  const byRepeats = new Map<number, number>();
  let sum = 0;
  for (const { repeats: x, last, seen, customers } of histories) {
    let ofRepeats = byRepeats.get(x);
    if (ofRepeats === undefined) {
      ofRepeats = lnGamma(r + x) + lnRate + lnLeave + lnGamma(b + x) - lnGamma(a + b + x);
      byRepeats.set(x, ofRepeats);
    }
    const alive = -(r + x) * Math.log(alpha + seen);
    const left =
      x === 0
        ? Number.NEGATIVE_INFINITY
        : Math.log(a) - Math.log(b + x - 1) - (r + x) * Math.log(alpha + last);
    sum += customers * (ofRepeats + lnAdd(alive, left));
  }
  return sum;
}

/** Beyond these a parameter is as good as infinite: the data do not tell it. */
const LN_PARAMETER_MAX = Math.log(1e6);

/** Maximum likelihood, by a search over the logarithms of the parameters. */
export function fitBgNbd(histories: readonly CountedHistory[]): BgNbdFit {
  const parametersOf = ([r, alpha, a, b]: readonly number[]): BgNbd => ({
    ...{ r: Math.exp(r as number), alpha: Math.exp(alpha as number) },
    ...{ a: Math.exp(a as number), b: Math.exp(b as number) },
  });
  const found = minimize(
    (point) =>
      point.some((value) => Math.abs(value) > LN_PARAMETER_MAX)
        ? Number.POSITIVE_INFINITY
        : -bgNbdLogLikelihood(parametersOf(point), histories),
    [0, Math.log(meanSeen(histories) / 4 + 1), 0, 0.5],
  );
  const isInside = found.point.every((value) => Math.abs(value) < LN_PARAMETER_MAX - 0.1);
  return {
    parameters: parametersOf(found.point),
    log_likelihood: -found.value,
    ...{ converged: found.converged && isInside, evaluations: found.evaluations },
  };
}

function meanSeen(histories: readonly CountedHistory[]): number {
  let [sum, customers] = [0, 0];
  for (const { seen, customers: count } of histories) {
    sum += seen * count;
    customers += count;
  }
  return customers === 0 ? 0 : sum / customers;
}

/**
 * The probability that the customer has not left. It is 1 for one without a repeat purchase: the model lets
 * customers leave only after a purchase that comes back. So it ranks nobody among those.
 */
export function probabilityAlive(
  { r, alpha, a, b }: BgNbd,
  { repeats: x, last, seen }: PurchaseHistory,
): number {
  if (x === 0) return 1;
  const lnOdds = Math.log(a / (b + x - 1)) + (r + x) * Math.log((alpha + seen) / (alpha + last));
  return 1 / (1 + Math.exp(lnOdds));
}

/**
 * The probability of a purchase in the time `ahead`: one who is alive buys at a rate λ ~ Gamma(r + x, α + T), so that
 * none comes with the probability E(e^(−λt)).
 */
export function probabilityOfPurchase(model: BgNbd, history: PurchaseHistory, ahead: number): number {
  const { r, alpha } = model;
  const { repeats: x, seen } = history;
  const none = ((alpha + seen) / (alpha + seen + ahead)) ** (r + x);
  return probabilityAlive(model, history) * (1 - none);
}

/** Where the formula below divides by nothing. */
const NEAR_ONE = 1e-7;

/**
 * Purchases to be expected in the time `ahead` from the end of what was seen: eq. 10 of the paper. Its ₂F₁ is taken
 * by Euler's transformation (Abramowitz & Stegun 15.3.3), which neither overflows nor loses digits for many
 * purchases.
 */
export function expectedPurchases(model: BgNbd, history: PurchaseHistory, ahead: number): number {
  if (ahead <= 0) return 0;
  const { r, alpha, b } = model;
  const a = Math.abs(model.a - 1) < NEAR_ONE ? 1 + NEAR_ONE : model.a;
  const { repeats: x, seen } = history;
  const z = ahead / (alpha + seen + ahead);
  const c = a + b + x - 1;
  const scaled = (1 - z) ** (a - 1) * hypergeometric(c - (r + x), a - 1, c, z);
  const alive = probabilityAlive(model, history);
  const purchases = (c / (a - 1)) * (1 - scaled) * alive;
  if (Number.isFinite(purchases)) return Math.max(0, purchases);
  // Parameters that the data do not tell, as good as infinite: nobody leaves, and all buy at their rate.
  return (alive * (model.r + x) * ahead) / (model.alpha + seen);
}
