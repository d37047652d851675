import { describe, expect, it } from 'vitest';
import { CONTROL_TABLE, listApplied, SeededRandom } from '../../../engine/index.ts';
import { fc } from '../../../test/property.ts';
import { ALL_TIME_MS, completeFrom, DAY_MS, NEVER_MS } from '../backfill/index.ts';
import type { CubeDefinition } from './definition.ts';
import { expectedCells, Rig } from './fixture-cubes.ts';
import { ALL, anyRow, byCountry, bySku, hourly, pair, row, T, total } from './fixture-cubes-cases.ts';
import type { TestRow } from './fixture-rows.ts';

const NAME = 'cube/s/x';

/** Cubes that are right from where they say they are complete. */
function check(rig: Rig): void {
  for (const info of rig.info().filter(({ isDropped }) => !isDropped)) {
    const from_ms = completeFrom(info);
    if (from_ms === NEVER_MS) continue;
    const start_ms = Math.max(from_ms, 0);
    expect(rig.cells(info.name, start_ms), info.name).toEqual(expectedCells(rig.committed, info, start_ms));
  }
}

describe('a cube that is defined while rows come in', () => {
  it('has the rows of its scope from before it, of the commit that it came with, and from then on', async () => {
    const rig = await Rig.start({ cubes: [total] });
    await rig.push(...Array.from({ length: 100 }, () => row()), row({ scope: 't' }));
    rig.commit();
    await rig.push(row(), row({ time_ms: T - 3 * DAY_MS }));
    rig.define('s', 'x', byCountry);
    rig.commit();
    await rig.push(row(), row({ scope: 't' }));
    rig.commit();
    rig.buildAll();
    expect(rig.info()).toMatchObject([{ name: 'total' }, { name: NAME, scope: 's', from_ms: ALL_TIME_MS }]);
    expect(rig.cells(NAME)).toEqual({
      [`s|${T}|EUR|DE`]: '102,102',
      [`s|${T - 3 * DAY_MS}|EUR|DE`]: '1,1',
    });
    expect(rig.driver.counter('millrace.cubes.incomplete')).toBe(0);
  });

  it('says its share while it is built, and from when on it is complete', async () => {
    const rig = await Rig.start({ cubes: [], build_max_rows: 10 });
    const rows = Array.from({ length: 40 }, (_, at) => row({ time_ms: T + (at % 4) * DAY_MS }));
    await rig.push(...rows, row({ scope: 't', time_ms: T - 50 * DAY_MS }));
    rig.define('s', 'x', byCountry);
    rig.commit();
    const shares: (number | undefined)[] = [];
    for (let commits = 0; commits < 5; commits++) {
      const [info] = rig.info();
      shares.push(info?.share);
      check(rig);
      rig.commit();
    }
    expect(shares).toEqual([0.25, 0.5, 0.75, undefined, undefined]);
    expect(rig.info().map(completeFrom)).toEqual([ALL_TIME_MS]);
  });

  it('is another one when it is changed, and its rows go with it', async () => {
    const rig = await Rig.start({ cubes: [] });
    await rig.push(row(), row({ country: 'FR' }));
    rig.define('s', 'x', byCountry);
    rig.define('t', 'x', byCountry);
    rig.buildAll();
    rig.define('s', 'x', total);
    rig.buildAll();
    expect(rig.cells(NAME)).toEqual({ [`s|${T}|EUR`]: '2,2' });
    rig.undefine('s', 'x');
    rig.buildAll();
    expect(rig.info()).toMatchObject([{ name: 'cube/t/x' }]);
    expect([rig.rowsIn('cells'), rig.rowsIn('days')]).toEqual([0, 0]);
    rig.define('s', 'x', total);
    rig.undefine('s', 'x');
    rig.define('s', 'x', byCountry);
    rig.buildAll();
    expect(rig.cells(NAME)).toEqual({ [`s|${T}|EUR|DE`]: '1,1', [`s|${T}|EUR|FR`]: '1,1' });
  });

  it('that cannot be is refused by name, and the rows go on', async () => {
    const rig = await Rig.start({ cubes: [total] });
    rig.define('s', 'x', { dimensions: ['nothing'], bucket_ms: DAY_MS });
    await rig.push(row());
    rig.commit();
    const applied = rig.driver.disk.reader().snapshot((table) => listApplied(table(CONTROL_TABLE)));
    const message: unknown = expect.stringContaining('"nothing"');
    expect(applied).toMatchObject([
      { id: 'x', refusals: [{ operator: 'cubes', code: 'bad_config', message }] },
    ]);
    expect(rig.cells('total')).toEqual({ [`s|${T}|EUR`]: '1,1' });
  });

  it('knows tenants and texts that came after it began to be built', async () => {
    const rig = await Rig.start({ cubes: [total], build_max_rows: 1 });
    for (let day = 0; day < 6; day++) await rig.push(row({ time_ms: T + day * DAY_MS }));
    rig.define('s', 'x', byCountry);
    rig.commit();
    for (let at = 0; at < 4; at++) {
      await rig.push(row({ country: `c${at}`, scope: `s` }), row({ scope: 't', country: `d${at}` }));
      await rig.push(row({ scope: 's2', country: `e${at}`, time_ms: T - at * DAY_MS }));
      rig.commit();
    }
    rig.buildAll();
    check(rig);
  });
});

const BODIES = [total, hourly, byCountry, pair, bySku];
const IDS = ['x', 'y', 'z'];

describe('definitions at random moments', () => {
  it('are right from where they say they are, whatever the interleaving, changes and crashes', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(anyRow, { minLength: 5, maxLength: 60 }),
        fc.integer(),
        async (rows, seed) => {
          const random = new SeededRandom(seed);
          const build_max_rows = random.pick([1, 3, 10]);
          const rig = await Rig.start({
            cubes: [total],
            build_max_rows,
            drop_max_rows: random.pick([1, 100]),
          });
          const current = new Map<string, { scope: string; id: string; body: CubeDefinition }>();
          for (let at = 0; at < rows.length; ) {
            const size = random.int(1, 5);
            await rig.push(...rows.slice(at, at + size));
            at += size;
            if (random.chance(0.5)) {
              const [scope, id] = [random.pick(['s', 't']), random.pick(IDS)];
              if (random.chance(0.3)) {
                rig.undefine(scope, id);
                current.delete(`${scope}/${id}`);
              } else {
                const body = random.pick(BODIES);
                rig.define(scope, id, body);
                current.set(`${scope}/${id}`, { scope, id, body });
              }
            }
            if (random.chance(0.5)) {
              rig.commit();
              check(rig);
            }
            if (random.chance(0.2)) await rig.restart();
          }
          rig.buildAll();
          check(rig);
          expect(rig.info().map(completeFrom)).toEqual(rig.info().map(() => ALL_TIME_MS));
          // What a state that had them from the beginning has.
          const straight = await Rig.start({ cubes: [total] });
          for (const { scope, id, body } of current.values()) straight.define(scope, id, body);
          straight.commit();
          for (const one of random.shuffled(rows)) await straight.push(one as TestRow);
          straight.buildAll();
          expect(rig.driver.digest()).toBe(straight.driver.digest());
          expect(straight.info()).toHaveLength(current.size + 1);
        },
      ),
      { numRuns: 120 },
    );
  });

  it('share reads: many that come at once cost about one', async () => {
    const rig = await Rig.start({ cubes: [], build_max_rows: 1_000 });
    await rig.push(...Array.from({ length: 200 }, (_, at) => row({ time_ms: T + at * 3_600_000 })));
    rig.commit();
    for (const [at, cube] of ALL.entries()) rig.define('s', `n${at}`, cube);
    rig.buildAll();
    expect(rig.driver.counter('millrace.cubes.rows_built')).toBe(200);
    check(rig);
  });
});
