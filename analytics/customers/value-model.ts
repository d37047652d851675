import { expectedPurchases, probabilityAlive } from './bg-nbd.ts';
import {
  type ChurnFit,
  fitPurchases,
  MODEL_MAX_CUSTOMERS,
  MODEL_MIN_REPEAT_CUSTOMERS,
  requireCustomers,
  testedDays,
} from './churn-model.ts';
import { expectedValue, fitGammaGamma, type GammaGamma } from './gamma-gamma.ts';
import { broughtBetween, type CustomerAt, customerAt, type PurchaseDays } from './purchase-days.ts';

const DAYS_A_WEEK = 7;

/** All that a prediction needs. Plain data. */
export interface ValueFit {
  readonly purchases: ChurnFit['purchases'];
  /** null: too few repeat purchases, or no finite mean of their values. */
  readonly values: (GammaGamma & { readonly converged: boolean }) | null;
}

/** How the model did on the last days of the history, trained on what was before. */
export interface ValueTest {
  readonly days: number;
  readonly customers: number;
  readonly purchases: { readonly expected: number; readonly actual: number };
  /** Minor units; null without a model of values. */
  readonly value: { readonly expected: number; readonly actual: number } | null;
  /** Mean error of a customer's purchases; and where each goes on as often as before: what it has to beat. */
  readonly mean_error: number;
  readonly mean_error_same_rate: number;
  readonly beats_baseline: boolean;
}

export interface ValueModel {
  readonly fit: ValueFit;
  readonly test: ValueTest | null;
  readonly customers: number;
}

/** What customers will bring: BG/NBD with Gamma–Gamma. Throws MillraceError `not_enough_data`. */
export function trainValue(all: readonly PurchaseDays[], end_day: number, horizon_days: number): ValueModel {
  const customers = all.slice(0, MODEL_MAX_CUSTOMERS);
  requireCustomers(customers.map((one) => customerAt(one, end_day)));
  return {
    fit: fitAt(customers, end_day),
    test: testOf(customers, end_day, testedDays(customers, end_day, horizon_days)),
    customers: customers.length,
  };
}

function fitAt(customers: readonly PurchaseDays[], end_day: number): ValueFit {
  const purchases = fitPurchases(customers, end_day);
  const spends = customers.flatMap((customer) => {
    const spend = customerAt(customer, end_day)?.spend;
    return spend === undefined || spend.repeats === 0 ? [] : [spend];
  });
  if (spends.length < MODEL_MIN_REPEAT_CUSTOMERS) return { purchases, values: null };
  const { parameters, converged } = fitGammaGamma(spends);
  return { purchases, values: parameters.q <= 1 ? null : { ...parameters, converged } };
}

function testOf(customers: readonly PurchaseDays[], end_day: number, days: number): ValueTest | null {
  const cut_day = end_day - days;
  const known = customers.flatMap((customer) => {
    const at = customerAt(customer, cut_day);
    return at === undefined ? [] : [{ at, later: broughtBetween(customer, cut_day, end_day) }];
  });
  try {
    requireCustomers(known.map(({ at }) => at));
  } catch {
    // Too few of them were there before: nothing to test with, which the model says.
    return null;
  }
  const fit = fitAt(customers, cut_day);
  const [expected, actual, value, brought] = [{ n: 0 }, { n: 0 }, { n: 0 }, { n: 0 }];
  let [error, same] = [0, 0];
  for (const { at, later } of known) {
    const score = scoreValue(fit, at, days);
    expected.n += score.expected_purchases;
    actual.n += later.purchases;
    value.n += score.expected_value ?? 0;
    brought.n += later.value;
    error += Math.abs(score.expected_purchases - later.purchases);
    const { repeats, seen } = at.history;
    const weeks = days / DAYS_A_WEEK;
    same += Math.abs(later.purchases - (seen < 1 ? repeats : (repeats / seen) * weeks));
  }
  const [mean_error, mean_error_same_rate] = [error / known.length, same / known.length];
  return {
    ...{ days, customers: known.length, mean_error, mean_error_same_rate },
    purchases: { expected: expected.n, actual: actual.n },
    value: fit.values === null ? null : { expected: value.n, actual: brought.n },
    beats_baseline: mean_error < mean_error_same_rate,
  };
}

/** What a model says of one customer. */
export interface ValueScore {
  readonly expected_purchases: number;
  readonly probability_alive: number;
  /** Minor units; null without a model of values. */
  readonly expected_value: number | null;
}

export function scoreValue(
  { purchases, values }: ValueFit,
  at: CustomerAt,
  horizon_days: number,
): ValueScore {
  const expected = expectedPurchases(purchases, at.history, horizon_days / DAYS_A_WEEK);
  return {
    expected_purchases: expected,
    probability_alive: probabilityAlive(purchases, at.history),
    expected_value: values === null ? null : expected * expectedValue(values, at.spend),
  };
}
