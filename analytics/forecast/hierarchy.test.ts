import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Draws } from '../../bench/draws.ts';
import { type Base, baseOf } from './base.ts';
import type { Forecast } from './forecast.ts';
import { forecastSeries } from './forecast.ts';
import { type Hierarchy, reconciled } from './hierarchy.ts';

const SEED = 15;
const HORIZON = 14;
const steps = <T>(count: number, valueAt: (at: number) => T): T[] =>
  Array.from({ length: count }, (_, at) => valueAt(at));

/** Countries of one shop: what moves the whole moves each of them, and each has a course of its own. */
function shop(seed: number, days: number): number[][] {
  const draws = new Draws(seed);
  const week = steps(7, () => 1 + 0.3 * draws.normal);
  const common = steps(days, () => 0.06 * draws.normal);
  return steps(5, (group) => {
    let level = Math.log(400 / (group + 1));
    return steps(days, (at) => {
      level += 0.02 * draws.normal;
      const noise = (common[at] as number) + 0.12 * draws.normal;
      return Math.round(Math.exp(level + noise) * Math.max(0.2, week[at % 7] as number));
    });
  });
}

const totalOf = (groups: readonly (readonly number[])[]): number[] =>
  steps(groups[0]?.length ?? 0, (at) => groups.reduce((sum, group) => sum + (group[at] ?? 0), 0));

function bases(groups: readonly (readonly number[])[], horizon = HORIZON): Hierarchy<Base> {
  const wish = { method: 'theta', horizon } as const;
  const total = baseOf({ values: totalOf(groups), period: 7 }, wish);
  const also_at = total.tested.map(({ before_end }) => before_end);
  const begun = groups.map((values) =>
    values.slice(
      Math.max(
        0,
        values.findIndex((value) => value !== 0),
      ),
    ),
  );
  return { total, groups: begun.map((values) => baseOf({ values, period: 7 }, { ...wish, also_at })) };
}

function requireSums({ total, groups }: Hierarchy<Forecast>): void {
  for (const [at, { mean }] of total.points.entries()) {
    const sum = groups.reduce((all, { points }) => all + (points[at]?.mean ?? 0), 0);
    expect(Math.abs(sum - mean)).toBeLessThanOrEqual(1e-9 * Math.max(1, mean));
  }
}

describe('forecasts of a whole and its parts', () => {
  it('agree at every step, and their intervals hold what they say', () => {
    const sums = {
      in_80: 0,
      in_95: 0,
      steps: 0,
      total_80: 0,
      total_95: 0,
      total_steps: 0,
      before: 0,
      after: 0,
    };
    for (const [index] of steps(16, () => 0).entries()) {
      const all = shop(SEED + index, 160 + HORIZON);
      const base = bases(all.map((values) => values.slice(0, -HORIZON)));
      const found = reconciled(base);
      requireSums(found);
      const truths = [totalOf(all), ...all].map((values) => values.slice(-HORIZON));
      for (const [place, forecast] of [found.total, ...found.groups].entries()) {
        const means = [base.total, ...base.groups][place]?.means ?? [];
        const size = (truths[place] ?? []).reduce((sum, value) => sum + value, 0);
        for (const [at, { mean, lower_80, upper_80, lower_95, upper_95 }] of forecast.points.entries()) {
          const truth = truths[place]?.[at] ?? 0;
          const [is80, is95] = [
            truth >= lower_80 && truth <= upper_80,
            truth >= lower_95 && truth <= upper_95,
          ];
          sums.in_80 += Number(is80);
          sums.in_95 += Number(is95);
          sums.steps++;
          sums.before += Math.abs(truth - (means[at] ?? 0)) / size;
          sums.after += Math.abs(truth - mean) / size;
          if (place > 0) continue;
          sums.total_80 += Number(is80);
          sums.total_95 += Number(is95);
          sums.total_steps++;
        }
      }
    }
    // No worse than each for itself.
    expect(sums.after).toBeLessThan(1.01 * sums.before);
    expect(Math.abs(sums.in_80 / sums.steps - 0.8)).toBeLessThan(0.05);
    expect(Math.abs(sums.in_95 / sums.steps - 0.95)).toBeLessThan(0.03);
    expect(Math.abs(sums.total_80 / sums.total_steps - 0.8)).toBeLessThan(0.1);
    expect(Math.abs(sums.total_95 / sums.total_steps - 0.95)).toBeLessThan(0.05);
  }, 60_000);

  it('agree where parts begin late, stand still, or end at 0', () => {
    const days = 60;
    const parts = [
      steps(days, (at) => 50 + (at % 7) * 3 + ((at * 37) % 11)),
      steps(days, (at) => (at < 50 ? 0 : 20 + (at % 3))),
      steps(days, () => 7),
      steps(days, (at) => (at > 45 ? 0 : 30 - (at % 5))),
    ];
    const found = reconciled(bases(parts));
    requireSums(found);
    for (const { points } of found.groups)
      for (const { mean } of points) expect(mean).toBeGreaterThanOrEqual(0);
    // What never changed has no variance: it does not pay for what the others miss.
    for (const { mean } of found.groups[2]?.points ?? []) expect(mean).toBe(7);
    const alone = forecastSeries(
      { values: steps(10, (at) => 20 + (at % 3)), period: 7 },
      { method: 'theta', horizon: HORIZON },
    );
    expect(found.groups[1]?.back_test?.origins).toBe(alone.back_test?.origins);
  });

  it('agree whatever the parts are', () => {
    const part = fc.array(fc.integer({ min: 0, max: 50 }), { minLength: 20, maxLength: 20 });
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 5 }), (parts) => {
        const found = reconciled(bases(parts, 4));
        requireSums(found);
        for (const { points } of [found.total, ...found.groups]) {
          for (const { mean, lower_95, lower_80, upper_80, upper_95 } of points) {
            expect(lower_95).toBeGreaterThanOrEqual(0);
            expect([
              lower_95 <= lower_80,
              lower_80 <= mean,
              mean <= upper_80,
              upper_80 <= upper_95,
            ]).not.toContain(false);
          }
        }
      }),
      { seed: SEED, numRuns: 25 },
    );
  });
});
