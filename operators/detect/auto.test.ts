import { describe, expect, it } from 'vitest';
import { createDetector } from './create-detector.ts';
import { BEGIN_MS, DAY_MS, Draws, HOUR_MS, judged, pointsOf, shopHour } from './fixture-series.ts';

const make = (window_ms: number, sensitivity = 0.997, utcOffsetOf_ms = (_: number): number => 0) =>
  createDetector({ method: 'auto', sensitivity, window_ms, utcOffsetOf_ms });

const indexesOf = (verdicts: readonly { is_anomaly: boolean }[]): number[] =>
  verdicts.flatMap(({ is_anomaly }, index) => (is_anomaly ? [index] : []));

describe('the detector auto', () => {
  it('keeps at most 2,000 bytes of a series', () => {
    for (const window_ms of [60_000, HOUR_MS, DAY_MS, 30 * DAY_MS]) {
      expect(make(window_ms).state_bytes).toBeLessThanOrEqual(2_000);
    }
  });

  it('follows weeks and growth, and finds a day at half its orders', () => {
    const draws = new Draws(21);
    const half = 400;
    const points = pointsOf(
      500,
      (index) => {
        const mean = 300 * 1.02 ** (index / 7) * (index % 7 >= 5 ? 0.6 : 1);
        return draws.poisson(index === half ? mean / 2 : mean);
      },
      DAY_MS,
    );
    const verdicts = judged(make(DAY_MS), points);
    expect(indexesOf(verdicts)).toContain(half);
    expect(indexesOf(verdicts).length).toBeLessThanOrEqual(3);
    for (const index of [398, 399, 401, 402]) {
      const value = points[index]?.value ?? 0;
      expect(Math.abs((verdicts[index]?.expected ?? 0) / value - 1)).toBeLessThan(0.25);
    }
  });

  it('is not moved by a change of the clocks, given the local time', () => {
    // Clocks go forward in the eleventh week. Customers follow them.
    const change_ms = BEGIN_MS + 76 * DAY_MS;
    const offset = (time_ms: number): number => (time_ms < change_ms ? 0 : HOUR_MS);
    const orders = () => {
      const draws = new Draws(22);
      return (_: number, time_ms: number) => draws.poisson(200 * shopHour(time_ms + offset(time_ms)));
    };
    const strangeAfter = (utcOffsetOf_ms: (time_ms: number) => number): number[] => {
      const verdicts = judged(make(HOUR_MS, 0.997, utcOffsetOf_ms), pointsOf(100 * 24, orders()));
      return verdicts.slice(76 * 24).flatMap(({ score }) => (score > 2.5 ? [score] : []));
    };
    const followed = strangeAfter(offset).length;
    expect(followed).toBeLessThanOrEqual(2);
    // Without it, the same clocks are a strange week.
    expect(strangeAfter(() => 0).length).toBeGreaterThan(3 + followed);
  });

  it('tells an outage of half a day once, and its end not at all', () => {
    const window_ms = 300_000;
    const draws = new Draws(23);
    const from = 20 * 288 + 120;
    const points = pointsOf(
      26 * 288,
      (index, time_ms) => draws.poisson(index >= from && index < from + 144 ? 0 : 15 * shopHour(time_ms)),
      window_ms,
    );
    const alarms = indexesOf(judged(make(window_ms, 0.9999), points));
    expect(alarms.filter((index) => index >= from && index < from + 400)).toHaveLength(1);
    expect(alarms.filter((index) => index < from)).toEqual([]);
  });

  it('tells a new level once, and knows it after a day', () => {
    const draws = new Draws(24);
    const from = 40 * 24 + 12;
    const points = pointsOf(60 * 24, (index, time_ms) =>
      draws.poisson((index < from ? 60 : 150) * shopHour(time_ms)),
    );
    const verdicts = judged(make(HOUR_MS, 0.9999), points);
    expect(indexesOf(verdicts).filter((index) => index >= from)).toHaveLength(1);
    for (let index = from + 48; index < points.length; index++) {
      const { lower, upper } = verdicts[index] ?? {};
      const mean = 150 * shopHour(points[index]?.start_ms ?? 0);
      expect(lower).toBeLessThan(mean);
      expect(upper).toBeGreaterThan(mean);
    }
  });

  it('takes amounts with closed nights as they are, and finds a day without revenue', () => {
    const draws = new Draws(25);
    const quiet = 50 * 24;
    const amountOf = (index: number, time_ms: number): number => {
      const hour = new Date(time_ms).getUTCHours();
      if (hour < 8 || hour > 20 || index >= quiet) return 0;
      let amount = 0;
      for (let order = draws.poisson(30); order > 0; order--)
        amount += Math.round(4_000 * Math.exp(0.5 * draws.normal()));
      return amount;
    };
    const alarms = indexesOf(judged(make(HOUR_MS, 0.999), pointsOf(51 * 24, amountOf)));
    expect(alarms.filter((index) => index >= quiet)).toHaveLength(1);
    expect(alarms.filter((index) => index < quiet).length).toBeLessThanOrEqual(1);
  });
});
