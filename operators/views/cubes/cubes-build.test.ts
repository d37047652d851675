import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../../../engine/index.ts';
import { fc } from '../../../test/property.ts';
import { ALL_TIME_MS, completeFrom, DAY_MS, NEVER_MS } from '../backfill/index.ts';
import type { CubeDefinition } from './definition.ts';
import { expectedCells, Rig } from './fixture-cubes.ts';
import { ALL, anyRow, byCountry, bySku, hourly, pair, row, T, total } from './fixture-cubes-cases.ts';

describe('a cube that comes later', () => {
  it('has all 101 of 101 orders, or says that it has not', async () => {
    const rig = await Rig.start({ cubes: [total] });
    await rig.push(...Array.from({ length: 100 }, () => row()));
    rig.commit();
    await rig.restart({ cubes: [total, byCountry], build_max_rows: 101 });
    await rig.push(row());
    rig.commit();
    const [, info] = rig.info();
    expect(info && completeFrom(info)).toBeLessThanOrEqual(T);
    expect(rig.cells('country')).toEqual({ [`s|${T}|EUR|DE`]: '101,101' });
    expect(rig.driver.counter('millrace.cubes.incomplete')).toBe(1);
    rig.commit();
    expect(rig.info().map(completeFrom)).toEqual([ALL_TIME_MS, ALL_TIME_MS]);
    expect(rig.driver.counter('millrace.cubes.incomplete')).toBe(0);
  });

  it('without a log is never complete', async () => {
    const rig = await Rig.start({ cubes: [total], logStart_ms: null });
    await rig.push(row());
    rig.commit();
    await rig.restart({ cubes: [total, byCountry], logStart_ms: null });
    await rig.push(row());
    rig.commit();
    expect(rig.info().map(completeFrom)).toEqual([ALL_TIME_MS, NEVER_MS]);
    expect(rig.cells('country')).toEqual({});
    expect(rig.cells('total')).toEqual({ [`s|${T}|EUR`]: '2,2' });
  });

  it('is complete as far back as the log goes', async () => {
    const rig = await Rig.start({ cubes: [total] });
    await rig.push(row(), row({ time_ms: T + DAY_MS }), row({ time_ms: T + 5 * DAY_MS }));
    rig.commit();
    const logStart_ms = T + DAY_MS;
    await rig.restart({ cubes: [total, byCountry], logStart_ms });
    for (let commits = 0; commits < 4; commits++) rig.commit();
    await rig.push(row(), row({ time_ms: logStart_ms }));
    rig.commit();
    expect(rig.info().map(completeFrom)).toEqual([ALL_TIME_MS, logStart_ms]);
    expect(rig.cells('country')).toEqual({
      [`s|${T + DAY_MS}|EUR|DE`]: '2,2',
      [`s|${T + 5 * DAY_MS}|EUR|DE`]: '1,1',
    });
    expect(rig.driver.counter('millrace.cubes.incomplete')).toBe(0);
  });

  it('is built while rows come in: whatever the interleaving, it is right from where it says it is', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(anyRow, { minLength: 5, maxLength: 60 }),
        fc.integer(),
        async (rows, seed) => {
          const random = new SeededRandom(seed);
          const build_max_rows = random.pick([1, 3, 10]);
          const sets = [[total], [total, byCountry], [byCountry, bySku, hourly], ALL];
          let wanted = sets[0] as CubeDefinition[];
          const rig = await Rig.start({ cubes: wanted, build_max_rows });
          const check = (): void => {
            for (const info of rig.info().filter(({ isDropped }) => !isDropped)) {
              const from_ms = completeFrom(info);
              if (from_ms === NEVER_MS) continue;
              const start_ms = Math.max(from_ms, 0);
              expect(rig.cells(info.name, start_ms), info.name).toEqual(
                expectedCells(rig.committed, info, start_ms),
              );
            }
          };
          for (let at = 0; at < rows.length; ) {
            const size = random.int(1, 5);
            await rig.push(...rows.slice(at, at + size));
            at += size;
            if (random.chance(0.5)) {
              rig.commit();
              check();
            }
            if (random.chance(0.2)) {
              if (random.chance(0.6)) wanted = random.pick(sets);
              await rig.restart({ cubes: wanted, build_max_rows, drop_max_rows: random.pick([1, 100]) });
            }
          }
          // A day in 1,024 slices is read in at most so many commits.
          for (let commits = 0; commits < 4_100; commits++) {
            rig.commit();
            if (rig.driver.counter('millrace.cubes.incomplete') === 0) break;
          }
          expect(
            rig
              .info()
              .filter(({ isDropped }) => !isDropped)
              .map(completeFrom),
          ).toEqual(wanted.map(() => ALL_TIME_MS));
          check();
        },
      ),
      { numRuns: 150 },
    );
  });

  it('refuses a graph in which the log comes after it', async () => {
    const rig = await Rig.start({ cubes: [total], cubesFirst: true });
    await rig.push(row());
    rig.commit();
    await rig.restart({ cubes: [total, byCountry], cubesFirst: true });
    await rig.push(row({ time_ms: T + 5 }));
    expect(() => rig.commit()).toThrow('it stands before the cubes');
  });

  it('under an old name with other dimensions, or with other measures, is another cube', async () => {
    const rig = await Rig.start({ cubes: [byCountry] });
    await rig.push(row());
    rig.commit();
    const changed = { ...byCountry, dimensions: ['channel'] };
    await rig.restart({ cubes: [changed] });
    rig.commit();
    rig.commit();
    expect(rig.cells('country')).toEqual({ [`s|${T}|EUR|web`]: '1,1' });
    await rig.restart({ cubes: [changed], version: '2' });
    for (let commits = 0; commits < 3; commits++) rig.commit();
    expect(rig.info()).toMatchObject([{ name: 'country', version: '2', from_ms: ALL_TIME_MS }]);
    expect(rig.cells('country')).toEqual({ [`s|${T}|EUR|web`]: '1,1' });
  });

  it('that is no longer wanted goes in steps, with its definition', async () => {
    const rig = await Rig.start({ cubes: [total, pair] });
    await rig.push(...Array.from({ length: 1_000 }, (_, index) => row({ country: `c${index}` })));
    rig.commit();
    const before = rig.rowsIn('cells');
    expect(before).toBeGreaterThan(3);
    await rig.restart({ cubes: [total], drop_max_rows: 2 });
    rig.commit();
    expect(rig.rowsIn('cells')).toBe(before - 2);
    expect(rig.info().map(({ isDropped }) => isDropped)).toEqual([true, false].reverse());
    await rig.restart({ cubes: [total], drop_max_rows: 2 });
    for (let commits = 0; commits < before; commits++) rig.commit();
    expect([rig.rowsIn('cells'), rig.rowsIn('days')]).toEqual([1, 0]);
    expect(rig.info().map(({ name }) => name)).toEqual(['total']);
  });
});
