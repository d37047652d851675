import { type SeedFailure, type SeedsReport, simulateSeeds } from '../engine/index.ts';
import type { LibraryCase } from './library-simulation-events.ts';
import { joins } from './library-simulation-joins.ts';
import { processes } from './library-simulation-processes.ts';
import { funnels, patterns } from './library-simulation-sequences.ts';
import { lateSessions, lateWindows, windows } from './library-simulation-windows.ts';

/** Topologies of library operators, by the name that `npm run simulate -- --topology` takes. */
export const LIBRARY: Readonly<Record<string, LibraryCase>> = {
  windows,
  'late-windows': lateWindows,
  'late-sessions': lateSessions,
  joins,
  funnels,
  patterns,
  processes,
};

const SEEDS_PER_SET = 4;
/** Few: the sets are small, and batches and commits are what is disturbed. */
const MAX_TAKE_RECORDS = 12;
/** Enough that a run is disturbed to its end. */
const MAX_CRASHES = 40;

/** Runs seeds of one topology; the replay of a failing one is a command. */
export function simulateLibrary(name: string, from: number, seeds: number): Promise<SeedsReport> {
  const found = LIBRARY[name];
  if (found === undefined) {
    throw new Error(`There is no topology "${name}"; there are: ${Object.keys(LIBRARY).join(', ')}.`);
  }
  const { topology, ...feed } = found;
  return simulateSeeds({
    ...feed,
    topology: () => topology({ cacheRows: 10_000, memoryIds: 10_000 }),
    disturbed: (random) =>
      topology({ cacheRows: random.pick([1, 4, 10_000]), memoryIds: random.pick([8, 64, 10_000]) }),
    from,
    seeds,
    seeds_per_set: SEEDS_PER_SET,
    max_take_records: MAX_TAKE_RECORDS,
    max_crashes: MAX_CRASHES,
    replay: (seed) => `npm run simulate -- --topology ${name} --seed ${seed}`,
  });
}

/** A failure as one text, with the command that shows it again. */
export function told({ seed, problems, replay }: SeedFailure): string {
  return `seed ${seed} fails (${replay}):\n  ${problems.join('\n  ')}`;
}
