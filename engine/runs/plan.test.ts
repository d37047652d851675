import { describe, expect, it } from 'vitest';
import { fc } from '../../test/property.ts';
import { DEFAULT_RUN_LIMITS } from './limits.ts';
import { planMerge } from './plan.ts';

const limits = { ...DEFAULT_RUN_LIMITS, fanout_runs: 4, small_run_bytes: 100, superseded_bytes: 1_000 };
const idle = (...sizes: number[]) => sizes.map((bytes) => ({ bytes, isBusy: false }));

describe('planMerge', () => {
  it('merges as many neighbours of a size as the fanout says', () => {
    expect(planMerge(idle(1, 99, 5), 0, limits)).toBeUndefined();
    expect(planMerge(idle(1, 99, 5, 7), 0, limits)).toEqual({ from: 0, to: 4 });
    expect(planMerge(idle(5, 7, 150, 200, 399, 100, 1_700), 0, limits)).toEqual({ from: 2, to: 6 });
    expect(planMerge(idle(5, 7, 150, 200, 400, 100, 1_700), 0, limits)).toBeUndefined();
  });

  it('counts a small run behind a large one as large, so that only neighbours are merged', () => {
    expect(planMerge(idle(500, 1, 2, 3), 0, limits)).toEqual({ from: 0, to: 4 });
    expect(planMerge(idle(1, 500, 2, 3, 2_000), 0, limits)).toBeUndefined();
  });

  it('leaves what is being merged, and merges what came after it', () => {
    const busy = [...idle(1, 1, 1, 1), { bytes: 1, isBusy: true }, { bytes: 1, isBusy: true }];
    expect(planMerge(busy, 0, limits)).toEqual({ from: 0, to: 4 });
    expect(planMerge(busy.slice(1), 5_000, limits)).toBeUndefined();
  });

  it('merges all when more than half of what counts is superseded', () => {
    expect(planMerge(idle(1_000, 8_000), 3_000, limits)).toBeUndefined();
    expect(planMerge(idle(1_000, 8_000), 3_001, limits)).toEqual({ from: 0, to: 2 });
    expect(planMerge(idle(500, 500), 900, limits)).toBeUndefined();
  });

  it('comes to an end with few runs, whatever the sizes', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 100_000 }), { maxLength: 200 }), (sizes) => {
        let runs: number[] = [];
        for (const size of sizes) {
          runs = [size, ...runs];
          for (let rounds = 0; ; rounds++) {
            expect(rounds).toBeLessThan(10);
            const plan = planMerge(idle(...runs), 0, limits);
            if (plan === undefined) break;
            const merged = runs.slice(plan.from, plan.to).reduce((sum, bytes) => sum + bytes, 0);
            runs.splice(plan.from, plan.to - plan.from, merged);
          }
        }
        // Three of each of seven classes.
        expect(runs.length).toBeLessThanOrEqual(3 * 8);
      }),
    );
  });
});
