import { describe, expect, it } from 'vitest';
import { CDNOW, cdnow, CDNOW_END as END, hasCdnow, seenAt } from '../../bench/cdnow.ts';
import { Distributions } from '../numeric/index.ts';
import { scoreChurn, trainChurn } from './churn-model.ts';
import { fitLogistic, predictLogistic } from './logistic.ts';
import { aucOf, reliabilityOf } from './probabilities.ts';
import {
  broughtBetween,
  customerAt,
  type PurchaseDays,
  readPurchaseDays,
  writePurchaseDays,
} from './purchase-days.ts';
import { scoreValue, trainValue } from './value-model.ts';

if (!hasCdnow) process.stderr.write(`SKIPPED: the test of churn on CDNOW needs ${CDNOW}\n`);

describe.skipIf(!hasCdnow)('models of customers on CDNOW (needs ../shared/data/cdnow)', () => {
  it.each([91, 182, 273])('know who buys in the %i days that were held out', (horizon) => {
    const all = cdnow();
    const { fit, test } = trainChurn(seenAt(all, END), END, horizon);
    const held = all.flatMap((customer) => {
      const at = customerAt(customer, END);
      const happened = broughtBetween(customer, END, END + horizon).purchases === 0;
      return at === undefined ? [] : [{ ...scoreChurn(fit, at, horizon), happened }];
    });
    const happened = held.map((one) => one.happened);
    const byPurchases = aucOf(
      held.map((one) => -one.expected_purchases),
      happened,
    );
    expect(byPurchases).toBeGreaterThanOrEqual(0.77);
    const probabilities = held.map((one) => one.probability_of_churn);
    expect(aucOf(probabilities, happened)).toBeGreaterThan(byPurchases ?? 1);
    const { deciles, brier, brier_base } = reliabilityOf(probabilities, happened);
    for (const { predicted, observed } of deciles) expect(Math.abs(predicted - observed)).toBeLessThan(0.05);
    expect(brier).toBeLessThan(brier_base);
    expect(test).toMatchObject({ beats_baseline: true, days: Math.min(horizon, 136) });
  });

  it('know what customers bring in the 39 weeks that were held out', () => {
    const all = cdnow();
    const { fit, test } = trainValue(seenAt(all, END), END, 273);
    let [purchases, value, bought, brought] = [0, 0, 0, 0];
    for (const customer of all) {
      const at = customerAt(customer, END);
      if (at === undefined) continue;
      const score = scoreValue(fit, at, 273);
      purchases += score.expected_purchases;
      value += score.expected_value ?? 0;
      const then = broughtBetween(customer, END, END + 273);
      bought += then.purchases;
      brought += then.value;
    }
    expect(purchases / bought).toBeGreaterThan(0.85);
    expect(purchases / bought).toBeLessThan(1.15);
    expect(value / brought).toBeGreaterThan(0.8);
    expect(value / brought).toBeLessThan(1.2);
    expect(test?.beats_baseline).toBe(true);
  });
});

/** Customers who buy at a rate of their own until they leave. */
function generated(count: number, seed: number): readonly PurchaseDays[] {
  const random = new Distributions(seed);
  return Array.from({ length: count }, (_, lo) => {
    const days = [Math.floor(random.uniform() * 60)];
    const [rate, leaves] = [random.gamma(0.8) / 20, random.beta(1, 4)];
    for (let day = days[0] as number; ; ) {
      day += random.exponential() / rate;
      if (day > 180 || random.uniform() < leaves) break;
      if (Math.floor(day) > (days.at(-1) as number)) days.push(Math.floor(day));
    }
    return { hi: 0, lo, days, values: days.map(() => 1_000), places: [] };
  });
}

describe('models of customers', () => {
  it('are tested on the last days of their history', () => {
    const { test, fit } = trainChurn(generated(800, 3), 180, 60);
    expect(fit.logistic?.coefficients).toHaveLength(6);
    expect(test).toMatchObject({ days: 60, beats_baseline: true });
    expect(test?.deciles).toHaveLength(10);
    expect(trainValue(generated(800, 3), 180, 60).test?.purchases.actual).toBeGreaterThan(0);
  });

  it('say what is missing, and do without what little data cannot tell', () => {
    expect(() => trainChurn(generated(20, 3), 180, 60)).toThrow(/needs 30 and 10/);
    const few = trainChurn(generated(60, 3), 180, 60);
    expect(few).toMatchObject({ fit: { logistic: null }, test: null });
    const [customer] = generated(60, 3);
    const at = customer === undefined ? undefined : customerAt(customer, 180);
    if (at === undefined) throw new Error('there is a customer');
    const { probability_of_churn } = scoreChurn(few.fit, at, 60);
    expect(probability_of_churn).toBeGreaterThan(0);
    expect(probability_of_churn).toBeLessThan(1);
  });

  it('see of a customer what a day has seen', () => {
    const customer = { hi: 1, lo: 2, days: [10, 17, 31], values: [500, 300, 900], places: [] };
    expect(customerAt(customer, 9)).toBeUndefined();
    expect(customerAt(customer, 20)).toEqual({
      history: { repeats: 1, last: 1, seen: 10 / 7 },
      ...{ spend: { repeats: 1, mean: 300 }, mean: 400 },
    });
    expect(broughtBetween(customer, 17, 31)).toEqual({ purchases: 1, value: 900 });
    const bytes = Buffer.concat([writePurchaseDays([customer], 'GBP'), writePurchaseDays([], undefined)]);
    expect(readPurchaseDays(bytes)).toEqual({ customers: [customer], currencies: ['GBP', undefined] });
  });
});

describe('probabilities', () => {
  it('are measured as by hand', () => {
    const happened = [false, false, true, true];
    expect(aucOf([0.1, 0.4, 0.35, 0.8], happened)).toBe(0.75);
    expect(aucOf([1, 1, 1, 1], happened)).toBe(0.5);
    expect(aucOf([1, 2], [true, true])).toBeNull();
    const { brier, brier_base } = reliabilityOf([0, 0.5, 0.5, 1], happened);
    expect([brier, brier_base]).toEqual([0.125, 0.25]);
  });

  it('of a logistic model are those that were drawn', () => {
    const random = new Distributions(5);
    const truth = [-0.5, 1.2];
    const rows = Array.from({ length: 4_000 }, () => [1, random.normal()]);
    const happened = rows.map((row) => random.uniform() < predictLogistic(truth, row));
    const found = fitLogistic(rows, happened, [0, 0], 0.01);
    expect(found[0]).toBeCloseTo(-0.5, 0);
    expect(Math.abs((found[1] ?? 0) - 1.2)).toBeLessThan(0.1);
  });
});
