import { describe, expect, it } from 'vitest';
import {
  defineOperator,
  intCodec,
  mapTable,
  simulateSeeds,
  stringKey,
  type Topology,
  topology,
} from '../engine/index.ts';
import { LIBRARY, simulateLibrary, told } from './library-simulation.ts';
import { type Happening, happenings, read, TIMES } from './library-simulation-events.ts';
import { sizes } from './long.ts';

/** In `npm test`; `npm run simulate -- --topology joins --seeds 500` runs more. */
const SEEDS: Readonly<Record<string, number>> = {
  windows: 4,
  'late-windows': 8,
  'late-sessions': 12,
  joins: 6,
  funnels: 10,
  patterns: 6,
  processes: 8,
};

const ints = () => mapTable<string, number>({ key: stringKey, value: intCodec, version: 1 });

/** Counts by key; what `inMemory` counts is written at the barrier, and forgotten by a restart. */
const counting = defineOperator<
  Happening,
  never,
  { readonly inMemory: boolean },
  { counts: ReturnType<typeof ints> }
>({
  kind: 'counting',
  summary: 'Counts by key',
  state: () => ({ counts: ints() }),
  start: ({ config, state }) => {
    const held = new Map<string, number>();
    const counts = state.counts.scope('');
    return {
      onBatch: (events) => {
        for (const { key } of events) {
          if (config.inMemory) held.set(key, (held.get(key) ?? 0) + 1);
          else counts.set(key, (counts.get(key) ?? 0) + 1);
        }
      },
      onBarrier: () => {
        for (const [key, count] of held) counts.set(key, count);
      },
    };
  },
});

const counts = (inMemory: boolean): Topology =>
  topology('counts', (t) => {
    read(t.source('events'), 'events', { memoryIds: 8, cacheRows: 4 }).pipe(counting('counts', { inMemory }));
  });

const simulateCounts = (inMemory: boolean) =>
  simulateSeeds({
    topology: () => counts(inMemory),
    generate: (set, random) => happenings('events', { span_ms: 30_000, step_ms: 400 }, set, random),
    seeds: 16,
    max_take_records: 12,
    ...TIMES,
  });

describe('topologies of library operators under disorder, duplicates, crashes and restores', () => {
  it.each(Object.keys(LIBRARY))(
    '%s come to the tables and messages of a straight run',
    { timeout: 300_000 },
    async (name) => {
      const seeds = Math.ceil((SEEDS[name] ?? 0) * sizes.library_seeds_factor);
      const report = await simulateLibrary(name, 1, seeds);
      expect(report.failure === undefined ? '' : told(report.failure)).toBe('');
      expect(report.seeds).toBe(seeds);
      expect(report.crashes).toBeGreaterThan(seeds);
      expect(report.restores).toBeGreaterThan(0);
    },
  );

  it('find an operator whose state is only in memory, and no fault with one that keeps to the rules', async () => {
    expect((await simulateCounts(false)).failure).toBeUndefined();
    expect((await simulateCounts(true)).failure?.problems[0]).toContain('counts/counts');
  });

  it('say how to see a failure again', () => {
    const failure = {
      seed: 17,
      problems: ['one', 'two'],
      replay: 'npm run simulate -- --topology joins --seed 17',
    };
    expect(told(failure)).toBe(
      'seed 17 fails (npm run simulate -- --topology joins --seed 17):\n  one\n  two',
    );
  });

  it('are named', () => {
    expect(Object.keys(SEEDS).sort()).toEqual(Object.keys(LIBRARY).sort());
    expect(() => simulateLibrary('unions', 1, 1)).toThrow(/joins, funnels/);
  });
});
