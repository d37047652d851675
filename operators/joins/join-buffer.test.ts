import { describe, expect, it } from 'vitest';
import { SeededRandom, TestDriver } from '../../engine/index.ts';
import { fc } from '../../test/property.ts';
import {
  bruteForce,
  joined,
  lateOf,
  left,
  pair,
  type Row,
  type RowJoin,
  resultsOf,
  right,
  rowInput,
  stateRows,
} from './fixture-join.ts';
import { intervalJoin } from './interval-join.ts';
import type { JoinLimits } from './join-config.ts';
import { temporalJoin } from './temporal-join.ts';
import { windowJoin } from './window-join.ts';

const join =
  (type: 'inner' | 'left', limits: JoinLimits = {}) =>
  (): RowJoin =>
    windowJoin<Row, Row, string>('join', {
      left: rowInput,
      right: rowInput,
      size_ms: 10,
      type,
      join: pair,
      cache_rows: 4,
      ...limits,
    });

describe('the buffer of a join', () => {
  it('holds a hot key in chunks: all matches, also after a restart, and rows without one', async () => {
    let driver = await TestDriver.start(joined(join('left')));
    const hot = Array.from({ length: 1_000 }, (_, id) => left(1, id, 'hot'));
    for (let at = 0; at < hot.length; at += 50) {
      await driver.push(...hot.slice(at, at + 50));
      driver.commit();
    }
    expect(stateRows(driver.disk.reader(), 'join')).toBeLessThan(25);
    driver = await driver.restart();
    await driver.push(right(2, 5_000, 'hot'));
    expect(new Set(driver.take())).toEqual(new Set(hot.map(({ id }) => `${id}+5000`)));
    await driver.push(...hot.map((row) => ({ ...row, key: 'lonely' })));
    await driver.advanceTo(10);
    expect(driver.take()).toHaveLength(1_000);
    driver.commit();
    expect(stateRows(driver.disk.reader(), 'join')).toBe(0);
  });

  it('writes of a hot key at a commit no more than its open chunk', async () => {
    const driver = await TestDriver.start(joined(join('inner')));
    await driver.push(...Array.from({ length: 50_000 }, (_, id) => left(1, id, 'hot')));
    driver.commit();
    const stored = (): Map<string, string> =>
      driver.disk.reader().snapshot((table) => {
        const rows = [...table('join/left').scan()];
        return new Map(rows.map(({ key, value }) => [String(key), Buffer.from(value).toString('latin1')]));
      });
    const before = stored();
    await driver.push(left(1, 50_000, 'hot'));
    driver.commit();
    const changed = [...stored()].filter(([key, value]) => before.get(key) !== value);
    expect(changed).toHaveLength(1);
    expect(changed[0]?.[1].length).toBeLessThan(64 * 100);
  });

  it('has one digest for one set of rows, whatever the order in which they came and the chunks they are in', async () => {
    const rows = Array.from({ length: 300 }, (_, id) =>
      (id % 3 === 0 ? right : left)(id % 20, id, id % 7 === 0 ? 'rare' : 'hot'),
    );
    const digestOf = async (given: readonly Row[], batch: number): Promise<string> => {
      const driver = await TestDriver.start(joined(join('left')));
      for (let at = 0; at < given.length; at += batch) {
        await driver.push(...given.slice(at, at + batch));
        driver.commit();
      }
      return driver.digest();
    };
    const wanted = await digestOf(rows, 300);
    expect(await digestOf(rows.toReversed(), 7)).toBe(wanted);
    expect(await digestOf(new SeededRandom(1).shuffled(rows), 50)).toBe(wanted);
    expect(await digestOf(rows.slice(1), 50)).not.toBe(wanted);
    expect(await digestOf([...rows.slice(1), right(0, 301, 'hot')], 50)).not.toBe(wanted);
  });

  it('stops with a named error at its limit, and goes on with a higher one', async () => {
    const driver = await TestDriver.start(joined(join('inner', { max_entries_per_key: 3 })));
    await driver.push(left(1, 1), left(1, 2), left(1, 3), left(11, 4), left(1, 5, 'other'));
    const snapshot = driver.snapshot();
    await expect(driver.push(left(1, 6))).rejects.toMatchObject({ code: 'join_buffer_full' });
    const again = await TestDriver.start(joined(join('inner', { max_entries_per_key: 4 })), { snapshot });
    await again.push(left(1, 6), right(1, 7));
    expect(again.take().sort()).toEqual(['1+7', '2+7', '3+7', '6+7']);
  });

  it('refuses rows that were kept with other windows, and takes the new ones once there are none', async () => {
    const driver = await TestDriver.start(joined(join('left')));
    await driver.push(left(1, 1));
    const full = driver.snapshot();
    const changed = joined(() =>
      windowJoin<Row, Row, string>('join', {
        left: rowInput,
        right: rowInput,
        size_ms: 7,
        type: 'left',
        join: pair,
      }),
    );
    await expect(TestDriver.start(changed, { snapshot: full })).rejects.toMatchObject({
      code: 'topology_changed',
      message: expect.stringContaining('size_ms was 10 and is 7'),
    });
    await driver.advanceTo(10);
    const again = await TestDriver.start(changed, { snapshot: driver.snapshot() });
    await again.push(left(20, 2));
    await again.advanceTo(21);
    expect(again.take()).toEqual(['2+']);
    await expect(
      TestDriver.start(joined(join('left')), { snapshot: again.snapshot() }),
    ).resolves.toBeDefined();
  });

  it('takes no row whose matches have gone when a restart allows more lateness', async () => {
    const common = { left: rowInput, right: rowInput, join: pair };
    const joins: Record<string, (allowedLateness_ms: number) => RowJoin> = {
      window: (allowedLateness_ms) =>
        windowJoin('join', { ...common, type: 'outer', size_ms: 10, allowedLateness_ms }),
      interval: (allowedLateness_ms) =>
        intervalJoin('join', {
          ...common,
          ...{ type: 'outer', lower_ms: -2, upper_ms: 2, bucket_ms: 1, allowedLateness_ms },
        }),
      temporal: (allowedLateness_ms) => temporalJoin('join', { ...common, type: 'left', allowedLateness_ms }),
    };
    for (const [kind, joinOf] of Object.entries(joins)) {
      const driver = await TestDriver.start(joined(() => joinOf(0)));
      await driver.push(left(500, 1), right(500, 2), left(501, 3, 'b'));
      await driver.advanceTo(1_000);
      expect(driver.take().sort(), kind).toEqual(['1+2', '3+']);
      const snapshot = driver.snapshot();
      for (const build of [joined, lateOf]) {
        const again = await TestDriver.start<Row, string>(
          build(() => joinOf(100_000)),
          { snapshot },
        );
        await again.push(right(501, 4, 'b'), left(500, 5), right(1_000, 6), left(1_000, 7));
        await again.advanceTo(5_000_000);
        const expected = build === joined ? ['7+6'] : ['late left 5', 'late right 4'];
        expect(again.take().sort(), kind).toEqual(expected);
        again.commit();
        const versions = kind === 'temporal' ? 3 : 0;
        expect(stateRows(again.disk.reader(), 'join')).toBeLessThanOrEqual(versions);
      }
    }
  });

  it('of hot keys is what brute force says, with matches marked in full chunks, for any arrival and restarts', async () => {
    const side = fc.constantFrom('left' as const, 'right' as const);
    const row = fc.record({ side, key: fc.constantFrom('', '0|'), time_ms: fc.integer({ min: 0, max: 60 }) });
    await fc.assert(
      fc.asyncProperty(
        fc.array(row, { minLength: 150, maxLength: 400, size: 'max' }),
        fc.constantFrom('left' as const, 'outer' as const),
        fc.constantFrom(7, 1_000),
        fc.integer(),
        async (given, type, bucket_ms, seed) => {
          const rows = given.map((each, id) => ({ ...each, id }));
          const build = joined(() =>
            intervalJoin('join', {
              ...{ left: rowInput, right: rowInput, type, join: pair, cache_rows: 2 },
              ...{ lower_ms: -1, upper_ms: 0, bucket_ms },
            }),
          );
          const out = await resultsOf(build, rows, seed, 25);
          const expected = bruteForce(rows, type, (l, r) => [-1, 0].includes(r.time_ms - l.time_ms));
          expect(out.toSorted()).toEqual(expected.toSorted());
        },
      ),
      { numRuns: 15 },
    );
  });

  it('refuses limits that are none', () => {
    for (const max_entries_per_key of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(join('inner', { max_entries_per_key })).toThrow('max_entries_per_key');
    }
  });
});
