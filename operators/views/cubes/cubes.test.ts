import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../../../engine/index.ts';
import { fc } from '../../../test/property.ts';
import { Pipeline } from '../../fixture-pipeline.ts';
import type { CubeDefinition, CubeRow } from './cube-types.ts';
import {
  build,
  CUBES,
  cellsOf,
  DAY_MS,
  expectedCells,
  GRANULARITIES,
  MEASURES,
  row,
  T,
} from './fixture-cubes.ts';

const HUGE = Number.MAX_SAFE_INTEGER;
const anyRow: fc.Arbitrary<CubeRow> = fc.record({
  scope: fc.constantFrom('s', 't'),
  time_ms: fc.integer({ min: 0, max: 40 }).map((step) => T + step * 3_333_333),
  unit: fc.constantFrom('EUR', ''),
  dimensions: fc.tuple(fc.constantFrom('', 'x', 'ü'), fc.constantFrom('', 'x'), fc.constantFrom('', 'z')),
  mask: fc.constantFrom(1, 2, 3),
  sums: fc
    .array(
      fc.tuple(fc.nat(MEASURES - 1), fc.oneof(fc.integer(), fc.constantFrom(HUGE, -HUGE, 2 ** 52, -1))),
      { maxLength: 3 },
    )
    .map((pairs) => pairs.flat()),
  observed: fc.array(fc.tuple(fc.nat(1), fc.integer()), { maxLength: 2 }).map((pairs) => pairs.flat()),
  member: fc.constantFrom(-1, -1, 1, 2, HUGE),
});

describe('cubes', () => {
  it('say what plain maps over the rows say, for any batches, commits, folds and restarts', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyRow, { maxLength: 40 }), fc.integer(), async (rows, seed) => {
        const random = new SeededRandom(seed);
        const limits = {
          fold_max_entries: random.pick([1, 5, 1_000]),
          fold_max_commits: random.pick([1, 3, 1_000]),
        };
        let pipeline = await Pipeline.start(build(limits));
        for (let at = 0; at < rows.length; ) {
          const size = random.int(1, 6);
          await pipeline.push(...rows.slice(at, at + size));
          at += size;
          if (random.chance(0.5)) pipeline.commit();
          if (random.chance(0.2)) {
            pipeline.commit();
            pipeline = await pipeline.restart();
          }
        }
        pipeline.commit();
        for (const cube of CUBES) {
          for (const granularity of GRANULARITIES.keys()) {
            expect(cellsOf(pipeline, cube, granularity), cube.name).toEqual(
              expectedCells(rows, cube, granularity),
            );
          }
        }
      }),
      { numRuns: 60 },
    );
  });

  it('their digest depends on the rows, not on batches, commits and folds', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(anyRow, { minLength: 1, maxLength: 20 }),
        fc.integer(),
        async (rows, seed) => {
          const random = new SeededRandom(seed);
          const newest = row({ scope: 's', time_ms: T + 2 * DAY_MS });
          const digest = async (order: readonly CubeRow[], fold: number): Promise<string> => {
            const pipeline = await Pipeline.start(build({ fold_max_entries: fold, fold_max_commits: fold }));
            for (const one of order) {
              await pipeline.push(one);
              if (random.chance(0.4)) pipeline.commit();
            }
            await pipeline.push(newest);
            pipeline.commit();
            return pipeline.digest();
          };
          const straight = await digest(rows, 1_000);
          expect(await digest(random.shuffled(rows), 1)).toBe(straight);
          expect(await digest([...rows, row({ sums: [1, 1] })], 2)).not.toBe(straight);
        },
      ),
      { numRuns: 40 },
    );
  });

  it('sums beyond 2^53 are exact, also across folds and back again', async () => {
    const pipeline = await Pipeline.start(build({ fold_max_entries: 1 }));
    const sums = (): unknown =>
      ([...cellsOf(pipeline, CUBES[0] as CubeDefinition, 1).values()][0] as [string[]])[0][0];
    for (let left = 3; left > 0; left--) {
      await pipeline.push(...Array.from({ length: 5 }, () => row({ sums: [0, HUGE] })));
      pipeline.commit();
    }
    expect(sums()).toBe(String(15n * BigInt(HUGE)));
    await pipeline.push(
      ...Array.from({ length: 15 }, () => row({ sums: [0, -HUGE] })),
      row({ sums: [0, 7] }),
    );
    pipeline.commit();
    expect(sums()).toBe('7');
  });

  it('a contribution that is taken back leaves no number behind', async () => {
    const pipeline = await Pipeline.start(build({ fold_max_entries: 1 }));
    await pipeline.push(row({ sums: [0, 1] }));
    pipeline.commit();
    await pipeline.push(row({ sums: [0, -1] }), row({ sums: [0, 1], dimensions: ['other', '', ''] }));
    pipeline.commit();
    expect([...cellsOf(pipeline, CUBES[1] as CubeDefinition, 1).keys()]).toEqual([
      JSON.stringify(['s', T, 'EUR', 'other']),
    ]);
  });

  it('values that hold separators of keys stay apart', async () => {
    const pipeline = await Pipeline.start(build({ fold_max_entries: 1 }));
    const rows = [
      row({ dimensions: ['x\0', 'y', 'z'] }),
      row({ dimensions: ['x', '\0y', 'z'] }),
      row({ dimensions: ['x', 'y\0', 'z'], unit: 'EUR\0' }),
    ];
    await pipeline.push(...rows);
    pipeline.commit();
    for (const cube of CUBES) expect(cellsOf(pipeline, cube, 1)).toEqual(expectedCells(rows, cube, 1));
  });
});
