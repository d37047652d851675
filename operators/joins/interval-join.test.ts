import { describe, expect, it } from 'vitest';
import { TestDriver } from '../../engine/index.ts';
import { sizes } from '../../test/long.ts';
import { fc } from '../../test/property.ts';
import {
  anyRows,
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

type Type = 'inner' | 'left' | 'outer';
type More = JoinLimits & { allowedLateness_ms?: number; bucket_ms?: number };

const join =
  (lower_ms: number, upper_ms: number, type: Type = 'inner', more: More = {}) =>
  (): RowJoin =>
    intervalJoin<Row, Row, string>('join', {
      left: rowInput,
      right: rowInput,
      lower_ms,
      upper_ms,
      type,
      join: pair,
      bucket_ms: 1,
      cache_rows: 4,
      ...more,
    });

describe('intervalJoin', () => {
  it('both bounds are inclusive, in either order of arrival', async () => {
    const rights = [7, 8, 10, 13, 14].map((time_ms) => right(time_ms, time_ms));
    const before = await TestDriver.start(joined(join(-2, 3)));
    await before.push(left(10, 1));
    await before.push(...rights, right(10, 99, 'other'));
    expect(before.take().sort()).toEqual(['1+10', '1+13', '1+8']);
    const after = await TestDriver.start(joined(join(-2, 3)));
    await after.push(...rights);
    await after.push(left(10, 1));
    expect(after.take().sort()).toEqual(['1+10', '1+13', '1+8']);
  });

  it('a row without a match comes out once the watermark has passed its last one', async () => {
    const driver = await TestDriver.start(joined(join(-2, 3, 'outer')));
    await driver.push(left(10, 1), right(10, 2, 'b'), left(20, 3, 'c'), right(22, 4, 'c'));
    // A right row at 13 could still match the left row, a left row at 12 the right one.
    await driver.advanceTo(12);
    expect(driver.take()).toEqual(['3+4']);
    await driver.advanceTo(13);
    expect(driver.take()).toEqual(['+2']);
    await driver.advanceTo(14);
    expect(driver.take()).toEqual(['1+']);
    await driver.advanceTo(1_000);
    expect(driver.take()).toEqual([]);
  });

  it('a match that comes later than other matches is still found, and takes nothing back', async () => {
    const driver = await TestDriver.start(joined(join(0, 100, 'left')));
    await driver.push(left(10, 1));
    await driver.advanceTo(110);
    await driver.push(right(110, 2));
    await driver.advanceTo(10_000);
    expect(driver.take()).toEqual(['1+2']);
  });

  it('intervals wholly before or after the left row', async () => {
    for (const [lower_ms, upper_ms, time_ms] of [
      [-20, -10, 85],
      [10, 20, 115],
    ] as const) {
      const driver = await TestDriver.start(joined(join(lower_ms, upper_ms, 'outer')));
      await driver.push(left(100, 1), right(100, 2), right(time_ms, 3), left(200, 4));
      await driver.advanceTo(1_000);
      expect(driver.take().sort()).toEqual(['+2', '1+3', '4+']);
    }
  });

  it('a row whose matches all lie in the past needs no state', async () => {
    const driver = await TestDriver.start(joined(join(-20, -10, 'left')));
    await driver.push(right(90, 1));
    await driver.advanceTo(100);
    // Right rows below 100 have all come; the one that 115 waits for may be at 105.
    await driver.push(left(100, 2), left(105, 3, 'other'), left(115, 4, 'other'));
    expect(driver.take()).toEqual(['2+1', '3+']);
    await driver.advanceTo(111);
    expect(driver.take()).toEqual(['4+']);
    driver.commit();
    expect(stateRows(driver.disk.reader(), 'join')).toBe(0);
  });

  it('what comes when its matches have gone is late; what comes at the watermark is not', async () => {
    const driver = await TestDriver.start(lateOf(join(-5, 5, 'left', { allowedLateness_ms: 3 })));
    await driver.push(right(95, 1));
    await driver.advanceTo(103);
    await driver.push(left(100, 2), left(99, 3), right(99, 4), right(100, 5));
    expect(driver.out).toEqual(['late left 3', 'late right 4']);
    expect(driver.counter('millrace.interval_join.late')).toBe(2);
  });

  it('is what brute force says, for any bounds, arrival, batches, commits and restarts', async () => {
    await fc.assert(
      fc.asyncProperty(
        anyRows(60),
        fc.constantFrom<Type>('inner', 'left', 'outer'),
        fc.tuple(fc.integer({ min: -20, max: 20 }), fc.integer({ min: 0, max: 20 })),
        fc.constantFrom(1, 3, 7, undefined),
        fc.integer({ min: 0, max: 25 }),
        fc.integer(),
        async (rows, type, [lower_ms, span_ms], bucket_ms, outOfOrderness_ms, seed) => {
          const upper_ms = lower_ms + span_ms;
          const expected = bruteForce(rows, type, (l, r) => {
            const distance_ms = r.time_ms - l.time_ms;
            return lower_ms <= distance_ms && distance_ms <= upper_ms;
          }).sort();
          const build = joined(join(lower_ms, upper_ms, type, bucket_ms === undefined ? {} : { bucket_ms }));
          const one = await resultsOf(build, rows, seed, outOfOrderness_ms);
          const other = await resultsOf(build, rows, seed + 1, outOfOrderness_ms);
          expect(one.toSorted()).toEqual(expected);
          expect(other.toSorted()).toEqual(expected);
        },
      ),
      { numRuns: 200 },
    );
  });

  it('is what brute force says of the rows that are not late, where some are', async () => {
    await fc.assert(
      fc.asyncProperty(
        anyRows(60),
        fc.tuple(fc.integer({ min: -20, max: 20 }), fc.integer({ min: 0, max: 20 })),
        fc.constantFrom(1, 7),
        fc.integer(),
        async (rows, [lower_ms, span_ms], bucket_ms, seed) => {
          const upper_ms = lower_ms + span_ms;
          const operator = join(lower_ms, upper_ms, 'outer', { bucket_ms, allowedLateness_ms: 2 });
          const late = new Set(await resultsOf(lateOf(operator), rows, seed, 5, 60));
          const out = await resultsOf(joined(operator), rows, seed, 5, 60);
          const inTime = rows.filter(({ side, id }) => !late.has(`late ${side} ${id}`));
          const expected = bruteForce(inTime, 'outer', (l, r) => {
            const distance_ms = r.time_ms - l.time_ms;
            return lower_ms <= distance_ms && distance_ms <= upper_ms;
          });
          expect(out.toSorted()).toEqual(expected.toSorted());
        },
      ),
      { numRuns: 100 },
    );
  });

  it('refuses bounds that are the wrong way round', () => {
    expect(join(5, 4)).toThrow('lower_ms (5) is above upper_ms (4)');
    expect(join(0, Number.POSITIVE_INFINITY)).toThrow('upper_ms');
    expect(join(0, 1, 'inner', { bucket_ms: 0 })).toThrow('bucket_ms');
  });
});

describe('the state of an interval join', () => {
  it('of a hot key is found again after a restart, with what has matched', async () => {
    let driver = await TestDriver.start(joined(join(0, 1_000, 'outer', { bucket_ms: 500 })));
    const hot = Array.from({ length: 600 }, (_, id) => left(id, id));
    await driver.push(...hot);
    await driver.push(right(1_000, 5_000), right(1_100, 6_000));
    driver.commit();
    expect(driver.take().sort()).toEqual([
      ...[...hot.map(({ id }) => `${id}+5000`), ...hot.slice(100).map(({ id }) => `${id}+6000`)].sort(),
    ]);
    driver = await driver.restart();
    await driver.push(left(700, 700, 'other'));
    await driver.advanceTo(100_000);
    expect(driver.take()).toEqual(['700+']);
    driver.commit();
    expect(stateRows(driver.disk.reader(), 'join')).toBe(0);
  });

  it('is empty after keys whose time has passed', async () => {
    const driver = await TestDriver.start(
      joined(join(-5, 10, 'outer', { bucket_ms: 4, cache_rows: 20_000 })),
    );
    let most = 0;
    for (let at = 0; at < 100_000 * sizes.passing_keys_factor; at += 2_000) {
      const rows = Array.from({ length: 2_000 }, (_, index) => {
        const id = at + index;
        return id % 3 === 0 ? right(at / 200, id, `k${id - 1}`) : left(at / 200, id, `k${id}`);
      });
      await driver.push(...rows);
      await driver.advanceTo(at / 200);
      driver.commit();
      driver.take();
      most = Math.max(most, stateRows(driver.disk.reader(), 'join'));
    }
    await driver.advanceTo(1_000_000);
    driver.commit();
    expect(most).toBeLessThan(10_000);
    expect(stateRows(driver.disk.reader(), 'join')).toBe(0);
    expect(driver.counter('millrace.interval_join.buckets')).toBe(0);
  });
});
