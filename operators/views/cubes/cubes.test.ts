import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../../../engine/index.ts';
import { fc } from '../../../test/property.ts';
import { DAY_MS } from '../backfill/index.ts';
import { expectedCells, Rig } from './fixture-cubes.ts';
import { ALL, anyRow, byCountry, HOUR_MS, MAX, pair, row, T, total } from './fixture-cubes-cases.ts';
import type { TestRow } from './fixture-rows.ts';

describe('cubes', () => {
  it('say what a plain map over the rows says, for any batches, commits and crashes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyRow, { maxLength: 40 }), fc.integer(), async (rows, seed) => {
        const random = new SeededRandom(seed);
        const rig = await Rig.start({ cubes: ALL });
        for (let at = 0; at < rows.length; ) {
          const size = random.int(1, 8);
          await rig.push(...rows.slice(at, at + size));
          at += size;
          if (random.chance(0.4)) rig.commit();
          if (random.chance(0.2)) await rig.restart();
        }
        rig.commit();
        for (const cube of ALL) expect(rig.cells(cube.name), cube.name).toEqual(expectedCells(rows, cube));
      }),
      { numRuns: 80 },
    );
  });

  it('have a digest that goes by the rows, not by their order, batches and codes', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(anyRow, { minLength: 1, maxLength: 25 }),
        fc.integer(),
        async (rows, seed) => {
          const random = new SeededRandom(seed);
          const digest = async (order: readonly TestRow[], commits: number): Promise<string> => {
            const rig = await Rig.start({ cubes: ALL });
            for (const one of order) {
              await rig.push(one);
              if (random.chance(commits)) rig.commit();
            }
            rig.commit();
            return rig.driver.digest();
          };
          const straight = await digest(rows, 0);
          expect(await digest(random.shuffled(rows), 0.5)).toBe(straight);
          // What is taken back never was.
          const more = row({ country: 'NO' });
          expect(await digest([more, ...rows, { ...more, retraction: true }], 0.5)).toBe(straight);
          expect(await digest([...rows, more], 0.5)).not.toBe(straight);
        },
      ),
      { numRuns: 30 },
    );
  });

  it('keep no cell whose sums are all 0', async () => {
    const rig = await Rig.start({ cubes: ALL });
    await rig.push(row(), row({ country: 'FR' }));
    rig.commit();
    expect(rig.rowsIn('cells')).toBe(ALL.length);
    await rig.push(row({ retraction: true }), row({ country: 'FR', retraction: true }));
    rig.commit();
    expect(rig.rowsIn('cells')).toBe(0);
    expect(rig.rowsIn('days')).toBe(0);
  });

  it('add up beyond 2^53 exactly, within a commit and over commits, and back again', async () => {
    const rig = await Rig.start({ cubes: [total] });
    const key = `s|${T}|EUR`;
    for (let left = 3; left > 0; left--) {
      await rig.push(...Array.from({ length: 5 }, () => row({ amount: MAX })));
      rig.commit();
    }
    expect(rig.cells('total')).toEqual({ [key]: `15,${15n * BigInt(MAX)}` });
    await rig.push(...Array.from({ length: 15 }, () => row({ amount: MAX, retraction: true })));
    await rig.push(row({ amount: 7 }));
    rig.commit();
    expect(rig.cells('total')).toEqual({ [key]: '1,7' });
  });

  it('split and thin out blocks: thousands of cells in any order', async () => {
    const random = new SeededRandom(7);
    const rows = Array.from({ length: 6_000 }, (_, index) =>
      row({ country: `c${index % 1_500}`, time_ms: T + random.int(0, 3) * DAY_MS, amount: index }),
    );
    const rig = await Rig.start({ cubes: [pair, total] });
    const order = random.shuffled(rows);
    for (let at = 0; at < order.length; at += 1_000) {
      await rig.push(...order.slice(at, at + 1_000));
      rig.commit();
    }
    expect(rig.cells('pair')).toEqual(expectedCells(rows, pair));
    expect(rig.rowsIn('cells')).toBeGreaterThan(10);
    await rig.push(
      ...rows.filter(({ amount }) => amount % 10 > 0).map((one) => ({ ...one, retraction: true })),
    );
    rig.commit();
    const left = rows.filter(({ amount }) => amount % 10 === 0);
    expect(rig.cells('pair')).toEqual(expectedCells(left, pair));
    await rig.push(...left.map((one) => ({ ...one, retraction: true })));
    rig.commit();
    expect(rig.rowsIn('cells')).toBe(0);
  });
});

describe('a day of a cube with too many cells', () => {
  const limited = { cubes: [total, byCountry, { ...pair, bucket_ms: HOUR_MS }], cells_per_day: 3 };
  const countries = ['a', 'b', 'c', 'd', 'e', 'f'];
  const rows = countries.map((country, index) =>
    row({ country, time_ms: T + index * HOUR_MS, amount: index }),
  );

  it('puts what is new into __other__, tells so, and loses nothing', async () => {
    const rig = await Rig.start(limited);
    await rig.push(...rows);
    rig.commit();
    expect(rig.cells('country')).toEqual({
      ...expectedCells(rows.slice(0, 3), byCountry),
      [`s|${T}|EUR|__other__`]: '3,12',
    });
    expect(rig.driver.progress?.notices.s?.cube_full).toBe(2);
    expect(rig.cardinality('country')).toEqual([{ day_ms: T, cells: 3, refused: 3 }]);
    // Cells that are there go on, and it is not told twice; the next day has room again.
    const later = [rows[0], rows[5], row({ time_ms: T + DAY_MS })] as TestRow[];
    await rig.push(...later);
    rig.commit();
    expect(rig.cells('country')).toEqual({
      ...expectedCells([...rows.slice(0, 3), ...later.filter((_, at) => at !== 1)], byCountry),
      [`s|${T}|EUR|__other__`]: '4,17',
    });
    expect(rig.cells('total')).toEqual(expectedCells([...rows, ...later], total));
    expect(rig.driver.progress?.notices.s?.cube_full).toBe(2);
  });

  it('takes back what it added from where it is, and stays full', async () => {
    const rig = await Rig.start(limited);
    await rig.push(...rows);
    rig.commit();
    await rig.push(...rows.map((one) => ({ ...one, retraction: true })));
    rig.commit();
    expect(rig.cells('country')).toEqual({});
    await rig.push(rows[0] as TestRow);
    rig.commit();
    expect(rig.cells('country')).toEqual({ [`s|${T}|EUR|__other__`]: '1,0' });
  });

  it('has a digest that does not tell which values had come first', async () => {
    const digest = async (order: readonly TestRow[]): Promise<string> => {
      const rig = await Rig.start(limited);
      for (const one of order) {
        await rig.push(one);
        rig.commit();
      }
      return rig.driver.digest();
    };
    expect(await digest(rows.toReversed())).toBe(await digest(rows));
  });
});
