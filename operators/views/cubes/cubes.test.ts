import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../../../engine/index.ts';
import { fc } from '../../../test/property.ts';
import { DAY_MS, expectedCells, NEVER_MS, Rig, type TestRow } from './cubes-fixture.ts';
import { ALL_TIME_MS, type CubeDefinition, completeFrom } from './definition.ts';

const HOUR_MS = 3_600_000;
const T = 20_000 * DAY_MS;
const MAX = Number.MAX_SAFE_INTEGER;
const total: CubeDefinition = { name: 'total', dimensions: [], bucket_ms: DAY_MS };
const hourly: CubeDefinition = { name: 'hourly', dimensions: [], bucket_ms: HOUR_MS };
const byCountry: CubeDefinition = { name: 'country', dimensions: ['country'], bucket_ms: DAY_MS };
const pair: CubeDefinition = { name: 'pair', dimensions: ['channel', 'country'], bucket_ms: DAY_MS };
const bySku: CubeDefinition = { name: 'sku', dimensions: ['country', 'sku'], bucket_ms: HOUR_MS };
const ALL = [total, hourly, byCountry, pair, bySku];

const row = (given: Partial<TestRow> = {}): TestRow => ({
  ...{ scope: 's', time_ms: T, currency: 'EUR', country: 'DE', channel: 'web', sku: '', amount: 1 },
  ...{ retraction: false, items: [] },
  ...given,
});

const anyRow: fc.Arbitrary<TestRow> = fc.record({
  scope: fc.constantFrom('s', 's', 't', 's2'),
  time_ms: fc.integer({ min: 0, max: 80 }).map((step) => T + step * 3_333_333),
  currency: fc.constantFrom('EUR', ''),
  country: fc.constantFrom('', 'DE', 'ÜÜ', 'FR'),
  channel: fc.constantFrom('web', 'app'),
  sku: fc.constantFrom('', 'a'),
  amount: fc.oneof(fc.integer({ min: -5, max: 5 }), fc.integer(), fc.constantFrom(MAX, -MAX, 2 ** 52)),
  retraction: fc.constantFrom(false, false, true),
  items: fc.array(
    fc
      .tuple(fc.constantFrom('a', 'b', 'c'), fc.constantFrom(1, -1, MAX / 4 - 0.25))
      .map(([sku, amount]) => [sku, Math.floor(amount)] as const),
    { maxLength: 3 },
  ),
});

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
