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
import type { JoinLimits } from './join-config.ts';
import { windowJoin } from './window-join.ts';

const SIZE_MS = 10;
type Type = 'inner' | 'left' | 'outer';
type More = JoinLimits & { offset_ms?: number; allowedLateness_ms?: number };

const join =
  (type: Type = 'inner', more: More = {}) =>
  (): RowJoin =>
    windowJoin<Row, Row, string>('join', {
      left: rowInput,
      right: rowInput,
      size_ms: SIZE_MS,
      type,
      join: pair,
      cache_rows: 4,
      ...more,
    });

describe('windowJoin', () => {
  it('rows with one key match within a window, as soon as both are there', async () => {
    const driver = await TestDriver.start(joined(join()));
    await driver.push(left(3, 1));
    expect(driver.take()).toEqual([]);
    await driver.push(right(9, 2), right(10, 3), right(5, 4, 'other'));
    expect(driver.take()).toEqual(['1+2']);
    await driver.push(left(0, 5), left(10, 6));
    expect(driver.take()).toEqual(['5+2', '6+3']);
  });

  it('rows without a match come out when their window closes, not before, ordered', async () => {
    const driver = await TestDriver.start(joined(join('outer')));
    await driver.push(right(4, 1), left(7, 2, 'z'), left(4, 3, 'b'), left(2, 4, 'both'), right(9, 5, 'both'));
    await driver.push(left(4, 6, 'a'), left(12, 7));
    expect(driver.take()).toEqual(['4+5']);
    await driver.advanceTo(9);
    expect(driver.take()).toEqual([]);
    await driver.advanceTo(10);
    expect(driver.take()).toEqual(['6+', '3+', '+1', '2+']);
    await driver.advanceTo(100);
    expect(driver.take()).toEqual(['7+']);
  });

  it('a left join says nothing of right rows without a match, an inner join of none', async () => {
    for (const [type, expected] of [
      ['left', ['1+']],
      ['inner', []],
    ] as const) {
      const driver = await TestDriver.start(joined(join(type)));
      await driver.push(left(1, 1), right(1, 2, 'other'));
      await driver.advanceTo(10);
      expect(driver.take()).toEqual(expected);
    }
  });

  it('windows begin at the offset, and join is told which window it is', async () => {
    const build = joined(() =>
      windowJoin<Row, Row, string>('join', {
        left: rowInput,
        right: rowInput,
        size_ms: 10,
        offset_ms: -7,
        type: 'left',
        join: (l, r, { start_ms, end_ms }) => `${pair(l, r)} ${start_ms}..${end_ms}`,
      }),
    );
    const driver = await TestDriver.start(build);
    await driver.push(left(2, 1), right(3, 2), left(12, 3));
    await driver.advanceTo(3);
    expect(driver.take()).toEqual(['3+2 3..13', '1+ -7..3']);
  });

  it('late rows go aside and are counted; the allowed lateness keeps a window open', async () => {
    const driver = await TestDriver.start(lateOf(join('left', { allowedLateness_ms: 5 })));
    await driver.advanceTo(14);
    await driver.push(left(9, 1));
    await driver.advanceTo(15);
    await driver.push(left(9, 2), right(9, 3), right(10, 4));
    expect(driver.out).toEqual(['late left 2', 'late right 3']);
    expect(driver.counter('millrace.window_join.late')).toBe(2);
  });

  it('is what brute force says, for any arrival, batches, commits and restarts', async () => {
    await fc.assert(
      fc.asyncProperty(
        anyRows(60),
        fc.constantFrom<Type>('inner', 'left', 'outer'),
        fc.integer({ min: -12, max: 12 }),
        fc.integer({ min: 0, max: 25 }),
        fc.integer(),
        async (rows, type, offset_ms, outOfOrderness_ms, seed) => {
          const windowOf = ({ time_ms }: Row): number => Math.floor((time_ms - offset_ms) / SIZE_MS);
          const expected = bruteForce(rows, type, (l, r) => windowOf(l) === windowOf(r)).sort();
          const build = joined(join(type, { offset_ms }));
          const one = await resultsOf(build, rows, seed, outOfOrderness_ms);
          const other = await resultsOf(build, rows, seed + 1, outOfOrderness_ms);
          expect(one.toSorted()).toEqual(expected);
          expect(other.toSorted()).toEqual(expected);
          const unmatched = (out: string[]): string[] => out.filter((item) => /^\+|\+$/.test(item));
          expect(unmatched(one)).toEqual(unmatched(other));
        },
      ),
      { numRuns: 150 },
    );
  });

  it('is what brute force says of the rows that are not late, where some are', async () => {
    await fc.assert(
      fc.asyncProperty(
        anyRows(60),
        fc.constantFrom(0, 7),
        fc.integer(),
        async (rows, allowedLateness_ms, seed) => {
          const operator = join('outer', { allowedLateness_ms });
          const late = new Set(await resultsOf(lateOf(operator), rows, seed, 5, 60));
          const out = await resultsOf(joined(operator), rows, seed, 5, 60);
          const inTime = rows.filter(({ side, id }) => !late.has(`late ${side} ${id}`));
          const windowOf = ({ time_ms }: Row): number => Math.floor(time_ms / SIZE_MS);
          const expected = bruteForce(inTime, 'outer', (l, r) => windowOf(l) === windowOf(r));
          expect(out.toSorted()).toEqual(expected.toSorted());
        },
      ),
      { numRuns: 100 },
    );
  });

  it('refuses what is no time, and bad settings', async () => {
    const driver = await TestDriver.start(joined(join()));
    await expect(driver.push(left(Number.NaN, 1))).rejects.toMatchObject({ code: 'bad_event_time' });
    const config = { left: rowInput, right: rowInput, type: 'inner' as const, join: pair };
    expect(() => windowJoin('join', { ...config, size_ms: 0 })).toThrow('size_ms');
    expect(() => windowJoin('join', { ...config, size_ms: 1, allowedLateness_ms: -1 })).toThrow(
      'allowedLateness',
    );
  });

  it('is empty after keys whose windows have closed', async () => {
    const driver = await TestDriver.start(joined(join('outer', { cache_rows: 20_000 })));
    let most = 0;
    for (let at = 0; at < 120_000 * sizes.passing_keys_factor; at += 3_000) {
      const rows = Array.from({ length: 3_000 }, (_, index) => {
        const id = at + index;
        return id % 3 === 0 ? right(at / 300, id, `k${id - 1}`) : left(at / 300, id, `k${id}`);
      });
      await driver.push(...rows);
      await driver.advanceTo(at / 300);
      driver.commit();
      driver.take();
      most = Math.max(most, stateRows(driver.disk.reader(), 'join'));
    }
    await driver.advanceTo(1_000_000);
    driver.commit();
    expect(most).toBeLessThan(10_000);
    expect(stateRows(driver.disk.reader(), 'join')).toBe(0);
    expect(driver.counter('millrace.window_join.windows')).toBe(0);
  });
});
