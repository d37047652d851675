import { describe, expect, it } from 'vitest';
import { simulateWhatif } from '../analytics/index.ts';
import { whatifCase } from './whatif-shops.ts';

/** `npm run bench -- whatif` prints the same over 100 cases, by kind. */
const CASES = process.env.TEST_LONG === '1' ? 100 : 8;

describe('what-ifs of generated shops', () => {
  it(`holds the true change in the 90 % interval of ${CASES} generated shops`, () => {
    let inside = 0;
    for (let seed = 0; seed < CASES; seed++) {
      const { task, truth } = whatifCase(seed);
      const { lower, upper } = simulateWhatif(task).change.revenue;
      if (truth >= lower && truth <= upper) inside++;
    }
    expect(inside / CASES).toBeGreaterThanOrEqual(0.85);
    expect(inside / CASES).toBeLessThanOrEqual(CASES === 100 ? 0.95 : 1);
  });

  it('finds the elasticities that a shop has', () => {
    const { task, elasticities } = whatifCase(0);
    for (const { sku, elasticity } of simulateWhatif(task).elasticities) {
      expect(Math.abs(elasticity.mean - (elasticities.get(sku) ?? 0))).toBeLessThan(0.8);
    }
  });

  it('answers the same for the same seed, and nearly so for another', () => {
    const { task } = whatifCase(4);
    const first = simulateWhatif(task);
    expect(simulateWhatif(task)).toEqual(first);
    const other = simulateWhatif({ ...task, seed: 99 });
    expect(other.change.revenue.mean).not.toBe(first.change.revenue.mean);
    const width = first.change.revenue.upper - first.change.revenue.lower;
    expect(Math.abs(other.change.revenue.mean - first.change.revenue.mean)).toBeLessThan(width / 10);
  });

  it('says which assumption the answer hangs on', () => {
    const { sensitivity } = simulateWhatif(whatifCase(0).task);
    expect(sensitivity[0]?.assumption).toBe('elasticity');
    expect(sensitivity.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 6);
  });
});
