import { availableParallelism } from 'node:os';
import { describe, expect, it } from 'vitest';
import { sizes } from './long.ts';
import { runSeedsInThreads } from './simulate-threads.ts';
import { runSeeds } from './simulated-runs.ts';

const SEEDS = sizes.simulation_seeds;
const LIMIT_MS = 300_000;

describe('order analytics under shuffles, duplicates, crashes and restores', () => {
  it(`come to the state of a straight run for ${SEEDS} seeds`, { timeout: LIMIT_MS }, async () => {
    const report = await runSeedsInThreads(0, SEEDS, availableParallelism());
    const told = report.failures.map(
      ({ seed, problems }) =>
        `seed ${seed}; again: npm run simulate -- --seed ${seed}\n${problems.join('\n')}`,
    );
    expect(told).toEqual([]);
    expect(report.seeds).toBe(SEEDS);
    expect(report.crashes).toBeGreaterThan(SEEDS);
    expect(report.restores).toBeGreaterThan(SEEDS / 10);
  });

  it('run alike in a thread and outside, so that a seed can be replayed', async () => {
    const [alone, threaded] = [await runSeeds(7, 3), await runSeedsInThreads(7, 3, 1)];
    expect(threaded).toEqual(alone);
  });
});
