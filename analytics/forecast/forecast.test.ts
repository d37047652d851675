import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { generatedSeries, monthlySeries, type TestSeries } from '../../bench/forecast-series.ts';
import { forecastSeries } from './forecast.ts';
import { maseOf, smapeOf } from './measures.ts';
import { FORECAST_METHODS, type ForecastMethod, forecastBy } from './methods.ts';
import { hasSeason, seasonOf } from './season.ts';
import { smoothed } from './smoothing.ts';
import { decomposed } from './stl.ts';

const SEED = 15;
const SEASON = [0.7, 0.8, 1, 1.1, 1.4, 1, 0.9, 0.8, 1, 1.1, 1.2, 1];

const meansOf = (values: readonly (number | null)[], period: number, method: ForecastMethod, horizon = 6) =>
  forecastSeries({ values, period }, { method, horizon }).points.map(({ mean }) => mean);

const steps = (count: number, valueAt: (at: number) => number): number[] =>
  Array.from({ length: count }, (_, at) => valueAt(at));

/** Growth and a season of twelve, exactly. */
const seasonal = steps(72, (at) => (100 + 2 * at) * (SEASON[at % 12] as number));

describe('methods', () => {
  it('naive repeats the last value, seasonal naive the last season', () => {
    expect(meansOf([1, 2, 3, 4, 5, 9], 3, 'naive', 2)).toEqual([9, 9]);
    expect(meansOf([1, 2, 3, 4, 5, 9], 3, 'seasonal_naive', 4)).toEqual([4, 5, 9, 4]);
  });

  it('smooths by the first level and the weight of least squares', () => {
    const values = [3, 5, 4, 8, 6, 7, 9, 8];
    const squaresOf = (alpha: number, first: number): number => {
      let [level, squares] = [first, 0];
      for (const value of values) {
        squares += (value - level) ** 2;
        level += alpha * (value - level);
      }
      return squares;
    };
    const { alpha, level } = smoothed(values);
    // The same by trying.
    let best = { squares: Number.POSITIVE_INFINITY, alpha: 0 };
    for (let weight = 0.01; weight <= 0.99; weight += 0.01) {
      for (let first = 0; first <= 10; first += 0.05) {
        const squares = squaresOf(weight, first);
        if (squares < best.squares) best = { squares, alpha: weight };
      }
    }
    expect(alpha).toBeCloseTo(best.alpha, 1);
    expect(level).toBeGreaterThan(7);
    expect(level).toBeLessThan(9);
  });

  it('Theta on a straight line rises by half of its slope', () => {
    // The smoothed line of a straight one stands still at its end; half of the slope is the drift.
    const means = meansOf(
      steps(40, (at) => 10 + 4 * at),
      1,
      'theta',
      3,
    );
    expect((means[1] as number) - (means[0] as number)).toBeCloseTo(2, 6);
    expect((means[2] as number) - (means[1] as number)).toBeCloseTo(2, 6);
  });

  it('finds a season by its factors', () => {
    expect(hasSeason(seasonal, 12)).toBe(true);
    expect(
      hasSeason(
        steps(72, (at) => ((at * 7_919) % 101) + 1),
        12,
      ),
    ).toBe(false);
    const found = seasonOf(seasonal, 12, true);
    for (const [place, factor] of found.entries()) expect(factor).toBeCloseTo(SEASON[place] as number, 1);
  });

  it.each(['theta', 'linear_regression_with_seasonality', 'ets', 'mstl', 'prophet', 'auto'] as const)(
    '%s carries trend and season on',
    (method) => {
      const truth = steps(12, (at) => (100 + 2 * (72 + at)) * (SEASON[at % 12] as number));
      expect(smapeOf(truth, meansOf(seasonal, 12, method, 12))).toBeLessThan(8);
    },
  );

  it('loess finds a season that changes, beside a trend that bends', () => {
    const part = (at: number): number => (1 + at / 60) * Math.sin((2 * Math.PI * at) / 12);
    const { seasons, adjusted } = decomposed(
      steps(120, (at) => 50 + (at - 60) ** 2 / 100 + 8 * part(at)),
      [12],
    );
    for (let at = 24; at < 96; at++) {
      expect(Math.abs((seasons[0]?.[at] ?? 0) - 8 * part(at))).toBeLessThan(2.5);
      expect(Math.abs((adjusted[at] ?? 0) - 50 - (at - 60) ** 2 / 100)).toBeLessThan(2.5);
    }
  });

  it('mstl carries on the year of a series of days, beside its week', () => {
    const day = (at: number): number =>
      200 + 60 * Math.sin((2 * Math.PI * at) / 365) + 20 * ((at % 7) - 3) + ((at * 7_919) % 13);
    const [values, truth] = [steps(1_200, day), steps(60, (at) => day(1_200 + at))];
    const means = [...forecastBy('mstl', values, 7, 60)];
    expect(smapeOf(truth, means)).toBeLessThan(4);
    expect(smapeOf(truth, means)).toBeLessThan(0.5 * smapeOf(truth, forecastBy('ets', values, 7, 60)));
  });

  it('Croston and TSB give the rate of demand; TSB goes down when demand ends', () => {
    const values = steps(60, (at) => (at % 3 === 0 ? 6 : 0));
    expect(meansOf(values, 1, 'croston', 1)[0]).toBeCloseTo(2, 0);
    expect(meansOf(values, 1, 'tsb', 1)[0]).toBeCloseTo(2, 0);
    const ended = [...values, ...steps(40, () => 0)];
    expect(meansOf(ended, 1, 'tsb', 1)[0] as number).toBeLessThan(1);
  });
});

describe('measures', () => {
  it('are those of the M competitions', () => {
    expect(smapeOf([100, 0], [50, 0])).toBeCloseTo(100 / 3, 9);
    expect(maseOf([10, 12], [8, 15], [1, 3, 2, 6], 1)).toBeCloseTo(2.5 / (7 / 3), 9);
    expect(maseOf([10, 12], [8, 15], [1, 3, 2, 6], 2)).toBeCloseTo(2.5 / 2, 9);
    expect(maseOf([1], [2], [5, 5, 5], 1)).toBeNull();
  });
});

describe('histories', () => {
  it.each(FORECAST_METHODS)('%s answers what is constant, zero, negative or short', (method) => {
    expect(meansOf(new Array(30).fill(7), 7, method, 3)).toEqual([7, 7, 7]);
    expect(meansOf(new Array(30).fill(0), 7, method, 3)).toEqual([0, 0, 0]);
    const negative = meansOf(
      steps(40, (at) => -50 - (at % 5) - at / 10),
      5,
      method,
      10,
    );
    expect(negative.every(Number.isFinite)).toBe(true);
    expect(meansOf([5, 6, 7, 6, 5, 6], 12, method, 8).every(Number.isFinite)).toBe(true);
  });

  it('with too little, or with nothing recent, say what is missing', () => {
    const of = (values: readonly (number | null)[]) => () => meansOf(values, 1, 'auto');
    expect(of([1, 2, 3, 4, 5])).toThrow(expect.objectContaining({ code: 'too_little_history' }));
    expect(of([])).toThrow(expect.objectContaining({ code: 'too_little_history' }));
    expect(of([...steps(30, (at) => at), ...new Array<null>(9).fill(null)])).toThrow(
      expect.objectContaining({ code: 'too_little_history' }),
    );
    expect(of([1, 2, Number.NaN, 4, 5, 6, 7])).toThrow(expect.objectContaining({ code: 'value_not_finite' }));
    const asked = { method: 'auto', horizon: 0 } as const;
    expect(() => forecastSeries({ values: seasonal, period: 12 }, asked)).toThrow(
      expect.objectContaining({ code: 'invalid_horizon' }),
    );
  });

  it('never train on a partial last step', () => {
    const asked = { method: 'auto', horizon: 5 } as const;
    const whole = forecastSeries({ values: seasonal, period: 12 }, asked);
    for (const last of [0, 1e9, null]) {
      const values = [...seasonal, last];
      expect(forecastSeries({ values, period: 12, isLastPartial: true }, asked)).toEqual(whole);
    }
  });

  it('fill short gaps, and leave out what is before a long one', () => {
    const asked = { method: 'theta', horizon: 2 } as const;
    const short = forecastSeries({ values: [1, 2, null, 4, 5, 6, 7, 8], period: 1 }, asked);
    expect(short).toMatchObject({ history: { steps: 8, filled: 1, left_out: 0 } });
    expect(short.points).toEqual(
      forecastSeries({ values: [1, 2, 3, 4, 5, 6, 7, 8], period: 1 }, asked).points,
    );
    const long = forecastSeries(
      { values: [900, 800, ...new Array<null>(5).fill(null), 1, 2, 3, 4, 5, 6], period: 1 },
      asked,
    );
    expect(long.history).toEqual({ steps: 6, filled: 0, left_out: 7 });
    expect(long.warnings.join(' ')).toContain('first 7 steps');
  });
});

describe('properties', () => {
  const series = fc.record({
    values: fc.array(fc.integer({ min: 0, max: 100_000 }), { minLength: 6, maxLength: 60 }),
    period: fc.constantFrom(1, 4, 7, 12),
    horizon: fc.integer({ min: 1, max: 20 }),
    method: fc.constantFrom(...FORECAST_METHODS),
  });

  it('intervals hold each other, never fall below 0 without cause, and come out the same again', () => {
    fc.assert(
      fc.property(series, ({ values, period, horizon, method }) => {
        const found = forecastSeries({ values, period }, { method, horizon });
        expect(found).toEqual(forecastSeries({ values, period }, { method, horizon }));
        expect(found.points).toHaveLength(horizon);
        for (const { mean, lower_80, lower_95, upper_80, upper_95 } of found.points) {
          expect([lower_95, lower_80, mean, upper_80, upper_95].every(Number.isFinite)).toBe(true);
          expect(lower_95).toBeGreaterThanOrEqual(0);
          expect(lower_95).toBeLessThanOrEqual(lower_80);
          expect(lower_80).toBeLessThanOrEqual(mean);
          expect(mean).toBeLessThanOrEqual(upper_80);
          expect(upper_80).toBeLessThanOrEqual(upper_95);
        }
        expect(found.members.reduce((sum, { weight }) => sum + weight, 0)).toBeCloseTo(1, 9);
      }),
      { seed: SEED, numRuns: 60 },
    );
  });

  it('intervals of demand that begins late have ends', () => {
    const late = Array.from({ length: 60 }, (_, at) => (at >= 40 && at % 4 === 0 ? 2 : 0));
    for (const values of [late, late.map((value, at) => (at < 52 ? 0 : value))]) {
      const { points } = forecastSeries({ values, period: 1 }, { method: 'croston', horizon: 4 });
      for (const { mean, upper_80, upper_95 } of points) {
        expect([upper_80, upper_95].every(Number.isFinite)).toBe(true);
        expect(upper_80).toBeGreaterThanOrEqual(mean);
      }
    }
  });

  it('another unit of the values changes nothing but the unit', () => {
    fc.assert(
      fc.property(series, ({ values, period, horizon, method }) => {
        const scaled = values.map((value) => value * 1_024);
        const [one, other] = [
          meansOf(values, period, method, horizon),
          meansOf(scaled, period, method, horizon),
        ];
        for (const [at, mean] of one.entries()) {
          expect(Math.abs((other[at] as number) / 1_024 - mean)).toBeLessThanOrEqual(1e-6 + 1e-6 * mean);
        }
      }),
      { seed: SEED, numRuns: 40 },
    );
  });
});

const MEMBERS = ['theta', 'linear_regression_with_seasonality', 'ets', 'mstl'] as const;

describe('auto', () => {
  const sums = { auto: 0, in_80: 0, in_95: 0, steps: 0, beats: 0, series: 0 };
  const members = new Map(MEMBERS.map((method) => [method, 0]));
  const tried = (all: readonly TestSeries[]): void => {
    for (const { period, train, test } of all) {
      if (test.includes(0)) continue;
      const auto = forecastSeries({ values: train, period }, { method: 'auto', horizon: test.length });
      const means = auto.points.map(({ mean }) => mean);
      sums.series++;
      sums.auto += smapeOf(test, means);
      for (const method of MEMBERS) {
        const own = smapeOf(test, forecastBy(method, train, period, test.length));
        members.set(method, (members.get(method) ?? 0) + own);
      }
      if (auto.back_test?.beats_naive === true) sums.beats++;
      for (const [at, value] of test.entries()) {
        const point = auto.points[at];
        if (point === undefined) continue;
        sums.steps++;
        if (value >= point.lower_80 && value <= point.upper_80) sums.in_80++;
        if (value >= point.lower_95 && value <= point.upper_95) sums.in_95++;
      }
    }
  };

  // In parts: all at once take longer on a busy machine than a test may.
  it.each([0, 30, 60])(
    'forecasts generated series from %i on',
    (from) => {
      tried(generatedSeries(90, SEED).slice(from, from + 30));
    },
    60_000,
  );

  it.each([0, 30])(
    'forecasts months like those of competitions from %i on',
    (from) => {
      tried(monthlySeries(60, SEED).slice(from, from + 30));
    },
    60_000,
  );

  it('is as good over all as Theta and as its best member, and its intervals hold what they say', () => {
    expect(sums.series).toBeGreaterThan(120);
    expect(sums.auto).toBeLessThanOrEqual(members.get('theta') ?? 0);
    expect(sums.auto).toBeLessThanOrEqual(1.02 * Math.min(...members.values()));
    expect(sums.beats).toBeGreaterThan(sums.series / 2);
    // So few series say it to some points; the bench has more.
    expect(Math.abs(sums.in_80 / sums.steps - 0.8)).toBeLessThan(0.06);
    expect(Math.abs(sums.in_95 / sums.steps - 0.95)).toBeLessThan(0.03);
  });
});
