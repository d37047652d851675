import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { minimize, quantileOf } from '../numeric/index.ts';
import {
  type BgNbd,
  bgNbdLogLikelihood,
  type CountedHistory,
  expectedPurchases,
  fitBgNbd,
  probabilityAlive,
} from './bg-nbd.ts';
import { expectedValue, fitGammaGamma } from './gamma-gamma.ts';
import { drawFuture } from './posterior.ts';
import { hypergeometric, lnGamma } from './special-functions.ts';

const CDNOW = join(import.meta.dirname, '../../../shared/data/cdnow/CDNOW_sample.txt');
const hasCdnow = existsSync(CDNOW);
if (!hasCdnow) process.stderr.write(`SKIPPED: the published check of BG/NBD needs ${CDNOW}\n`);

/** Fitted to CDNOW, as published. */
const MODEL: BgNbd = { r: 0.243, alpha: 4.414, a: 0.793, b: 2.426 };

/** Customers of CDNOW in the first 39 weeks; purchases of one day are one. */
function cdnow(): { readonly histories: CountedHistory[]; readonly spends: number[][] } {
  const day = (text: string): number =>
    Date.UTC(Number(text.slice(0, 4)), Number(text.slice(4, 6)) - 1, Number(text.slice(6))) / 86_400_000;
  const end = day('19970930');
  const customers = new Map<string, Map<number, number>>();
  for (const line of readFileSync(CDNOW, 'utf8').trim().split('\n')) {
    const [id = '', , date = '', , value = ''] = line.trim().split(/\s+/);
    const days = customers.get(id) ?? new Map<number, number>();
    customers.set(id, days);
    if (day(date) <= end) days.set(day(date), (days.get(day(date)) ?? 0) + Number(value));
  }
  const all = [...customers.values()];
  return {
    histories: all.map((days) => {
      const [first, last] = [Math.min(...days.keys()), Math.max(...days.keys())];
      return { repeats: days.size - 1, last: (last - first) / 7, seen: (end - first) / 7, customers: 1 };
    }),
    spends: all.map((days) => [...days].sort(([a], [b]) => a - b).map(([, value]) => value)),
  };
}

describe('special functions', () => {
  it('are those of the tables', () => {
    expect(lnGamma(1)).toBeCloseTo(0, 13);
    expect(lnGamma(0.5)).toBeCloseTo(Math.log(Math.sqrt(Math.PI)), 13);
    expect(lnGamma(0.01)).toBeCloseTo(4.599479878042022, 12);
    expect(lnGamma(11)).toBeCloseTo(Math.log(3_628_800), 11);
    // ₂F₁(1, 1; 2; z) = −ln(1 − z) / z; ₂F₁(a, b; b; z) = (1 − z)⁻ᵃ
    for (const z of [0, 0.1, 0.5, 0.9, 0.99]) {
      if (z > 0) expect(hypergeometric(1, 1, 2, z)).toBeCloseTo(-Math.log(1 - z) / z, 10);
      expect(hypergeometric(0.3, 2.5, 2.5, z)).toBeCloseTo((1 - z) ** -0.3, 10);
    }
  });

  it('have their minimum found', () => {
    const rosenbrock = ([x = 0, y = 0]: readonly number[]): number => (1 - x) ** 2 + 100 * (y - x * x) ** 2;
    const { point, converged } = minimize(rosenbrock, [-1.2, 1]);
    expect(converged).toBe(true);
    expect(point[0]).toBeCloseTo(1, 3);
    expect(point[1]).toBeCloseTo(1, 3);
  });
});

describe('BG/NBD and Gamma–Gamma', () => {
  it.skipIf(!hasCdnow)('fit CDNOW as published (needs ../shared/data/cdnow)', () => {
    const { histories, spends } = cdnow();
    expect(histories).toHaveLength(2_357);
    const { parameters, log_likelihood, converged } = fitBgNbd(histories);
    expect(converged).toBe(true);
    expect(parameters.r).toBeCloseTo(0.243, 3);
    expect(parameters.alpha).toBeCloseTo(4.414, 2);
    expect(parameters.a).toBeCloseTo(0.793, 2);
    expect(parameters.b).toBeCloseTo(2.426, 2);
    expect(log_likelihood).toBeCloseTo(-9582.4, 1);
    expect(bgNbdLogLikelihood(MODEL, histories)).toBeCloseTo(-9582.4, 1);
    const repeat = spends
      .filter((values) => values.length > 1)
      .map(([, ...values]) => ({
        repeats: values.length,
        mean: values.reduce((sum, value) => sum + value, 0) / values.length,
      }))
      .filter(({ mean }) => mean > 0);
    const { parameters: values } = fitGammaGamma(repeat);
    // Fader & Hardie (2013) give p 6.25, q 3.74, γ 15.44.
    expect(values.p).toBeCloseTo(6.25, 1);
    expect(values.q).toBeCloseTo(3.74, 1);
    expect(values.gamma).toBeCloseTo(15.44, 0);
  });

  it('say of a customer what the paper says', () => {
    // Of Hardie's note: the customer with x = 2, t_x = 30.43, T = 38.86 makes 1.226 purchases in 39 weeks.
    const history = { repeats: 2, last: 30.43, seen: 38.86 };
    expect(expectedPurchases(MODEL, history, 39)).toBeCloseTo(1.226, 2);
    expect(probabilityAlive(MODEL, { repeats: 0, last: 0, seen: 38 })).toBe(1);
    expect(probabilityAlive(MODEL, { repeats: 10, last: 5, seen: 39 })).toBeLessThan(0.01);
    // Many purchases and far horizons stay numbers.
    for (const repeats of [0, 1, 500, 5_000]) {
      const found = expectedPurchases(MODEL, { repeats, last: 50, seen: 52 }, 520);
      expect(Number.isFinite(found)).toBe(true);
    }
    expect(expectedPurchases({ ...MODEL, a: 1 }, history, 39)).toBeGreaterThan(1);
  });

  it('draw futures whose means are the expected ones', () => {
    const values = { p: 6.25, q: 3.74, gamma: 15.44 };
    for (const [repeats, last] of [
      [0, 0],
      [2, 30.43],
      [8, 36],
    ] as const) {
      const history = { repeats, last, seen: 38.86 };
      const spend = { repeats, mean: 40 };
      const drawn = drawFuture(MODEL, history, 39, { model: values, spend }, { draws: 40_000, seed: 7 });
      const mean = (of: Float64Array): number => of.reduce((sum, one) => sum + one, 0) / of.length;
      const purchases = expectedPurchases(MODEL, history, 39);
      expect(mean(drawn.purchases) / purchases).toBeGreaterThan(0.96);
      expect(mean(drawn.purchases) / purchases).toBeLessThan(1.04);
      const value = purchases * expectedValue(values, spend);
      expect(mean(drawn.value) / value).toBeGreaterThan(0.94);
      expect(mean(drawn.value) / value).toBeLessThan(1.06);
      expect(quantileOf(drawn.purchases, 0.05)).toBeLessThanOrEqual(quantileOf(drawn.purchases, 0.95));
    }
  });
});
