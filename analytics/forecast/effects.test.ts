import { describe, expect, it } from 'vitest';
import { Draws } from '../../bench/draws.ts';
import { baseOf } from './base.ts';
import { demandOf, type Regressor } from './effects.ts';
import { forecastSeries } from './forecast.ts';

const SEED = 15;
const DAYS = 200;
const HORIZON = 14;
const steps = (count: number, valueAt: (at: number) => number): number[] =>
  Array.from({ length: count }, (_, at) => valueAt(at));

/** Days of a promotion: some in the history, two in the future. */
const isPromoted = (at: number): boolean => at % 23 === 5 || at % 37 === 11;
const PROMOTION = 1.6;
const promotion = (count: number): Regressor => ({
  name: 'promotion',
  values: steps(count, (at) => Number(isPromoted(at))),
});

/** A level that wanders, a week, and promotions that lift sales by 60 %. */
function sales(seed: number): number[] {
  const draws = new Draws(seed);
  let level = Math.log(300);
  return steps(DAYS + HORIZON, (at) => {
    level += 0.02 * draws.normal;
    const week = 0.2 * Math.sin((2 * Math.PI * at) / 7);
    return Math.exp(level + week + 0.05 * draws.normal) * (isPromoted(at) ? PROMOTION : 1);
  });
}

const wish = { method: 'theta', horizon: HORIZON } as const;

describe('regressors', () => {
  it('find a known effect, and foresee it where it comes again', () => {
    const errors = { with: 0, without: 0, plain: 0 };
    for (const seed of [1, 2, 3, 4]) {
      const all = sales(seed);
      const [values, truth] = [all.slice(0, DAYS), all.slice(DAYS)];
      const known = forecastSeries({ values, period: 7, regressors: [promotion(DAYS + HORIZON)] }, wish);
      const [effect] = known.effects;
      expect(effect).toMatchObject({ name: 'promotion', is_factor: true, is_known: true });
      expect(Math.abs((effect?.effect ?? 0) / PROMOTION - 1)).toBeLessThan(0.06);
      const plain = forecastSeries({ values, period: 7 }, wish);
      for (const [at, value] of truth.entries()) {
        if (!isPromoted(DAYS + at)) continue;
        errors.with += Math.abs((known.points[at]?.mean ?? 0) / value - 1);
        errors.without += Math.abs((plain.points[at]?.mean ?? 0) / value - 1);
      }
      expect(known.back_test?.smape ?? 99).toBeLessThan(plain.back_test?.smape ?? 0);
    }
    expect(errors.without).toBeGreaterThan(0);
    expect(errors.with).toBeLessThan(0.5 * errors.without);
  });

  it('in sums where values are not all above 0', () => {
    const draws = new Draws(SEED);
    const values = steps(DAYS, (at) => 10 * draws.normal + (isPromoted(at) ? 40 : 0));
    const { effects } = forecastSeries({ values, period: 7, regressors: [promotion(DAYS)] }, wish);
    expect(effects).toMatchObject([{ is_factor: false, is_known: false }]);
    expect(Math.abs((effects[0]?.effect ?? 0) - 40)).toBeLessThan(8);
  });

  it('of which the future is not known are taken to go on as in the last season', () => {
    const values = sales(SEED).slice(0, DAYS);
    const half = { name: 'spend', values: steps(DAYS, (at) => Number(at >= DAYS / 2)) };
    const [assumed, given] = [[], steps(HORIZON, () => 1)].map((future) =>
      forecastSeries(
        { values, period: 7, regressors: [{ ...half, values: [...half.values, ...future] }] },
        wish,
      ),
    );
    expect(assumed?.points.map(({ mean }) => mean)).toEqual(given?.points.map(({ mean }) => mean));
    expect(assumed?.effects[0]?.is_known).toBe(false);
  });

  it('do not look into the future in the back-test', () => {
    const values = sales(SEED).slice(0, DAYS);
    // An effect that begins within the days that are tried: no origin before it can know of it.
    const isLate = (at: number): boolean => at >= DAYS - 8;
    const changed = values.map((value, at) => (isLate(at) ? 3 * value : value));
    const late = { name: 'late', values: steps(DAYS + HORIZON, (at) => Number(isLate(at))) };
    const [before, after] = [values, changed].map((own) =>
      baseOf({ values: own, period: 7, regressors: [late, promotion(DAYS + HORIZON)] }, wish),
    );
    const early = before?.tested.filter(({ before_end }) => before_end > 8) ?? [];
    expect(early.length).toBeGreaterThan(5);
    for (const one of early) {
      const other = after?.tested.find(({ before_end }) => before_end === one.before_end);
      expect(other?.forecast).toEqual(one.forecast);
      expect(one.forecast.every(Number.isFinite)).toBe(true);
    }
  });

  it('leave out days that were sold out, however long', () => {
    const all = sales(SEED);
    const censored = steps(DAYS, (at) => Number((at > 90 && at < 120) || at > DAYS - 6)).map(
      (is) => is === 1,
    );
    const values = all.slice(0, DAYS).map((value, at) => (censored[at] === true ? 0 : value));
    const regressors = [promotion(DAYS + HORIZON)];
    const [with_, without] = [{ censored }, {}].map((more) =>
      forecastSeries({ values, period: 7, regressors, ...more }, wish),
    );
    const errorOf = (found: typeof with_): number =>
      all
        .slice(DAYS)
        .reduce((sum, value, at) => sum + Math.abs((found?.points[at]?.mean ?? 0) / value - 1), 0) / HORIZON;
    expect(errorOf(with_)).toBeLessThan(0.2);
    expect(errorOf(with_)).toBeLessThan(0.5 * errorOf(without));
    // What was not sold is no error of a forecast either.
    expect(with_?.back_test?.smape ?? 99).toBeLessThan(20);
    expect(with_?.points.every(({ lower_95, upper_95 }) => upper_95 - lower_95 < 700)).toBe(true);
  });

  it('give back what sold-out days would have brought, never less than they did', () => {
    const censored = [false, false, false, false, true, true, true, false];
    const values = [10, 20, 10, 20, 0, null, 15, 20];
    expect(demandOf({ values, period: 2, censored })).toEqual([10, 20, 10, 20, 10, null, 15, 20]);
    expect(demandOf({ values, period: 2 })).toEqual(values);
  });

  it('need a value for each step', () => {
    const values = sales(SEED).slice(0, DAYS);
    for (const own of [steps(DAYS - 1, () => 1), [...steps(DAYS - 1, () => 1), Number.NaN]]) {
      expect(() =>
        forecastSeries({ values, period: 7, regressors: [{ name: 'x', values: own }] }, wish),
      ).toThrow(expect.objectContaining({ code: 'value_not_finite' }));
    }
  });
});
