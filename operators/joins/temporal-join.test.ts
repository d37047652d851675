import { describe, expect, it } from 'vitest';
import { TestDriver } from '../../engine/index.ts';
import { sizes } from '../../test/long.ts';
import { fc } from '../../test/property.ts';
import {
  anyRows,
  byBytes,
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
import { temporalJoin } from './temporal-join.ts';

type Type = 'inner' | 'left';
type More = JoinLimits & { retain_ms?: number; allowedLateness_ms?: number; bucket_ms?: number };

/** Rows with an id above it delete the row of their key. */
const DELETIONS = 1_000;

const join =
  (type: Type = 'left', more: More = {}) =>
  (): RowJoin =>
    temporalJoin<Row, Row, string>('join', {
      left: rowInput,
      right: { ...rowInput, isDeletion: ({ id }) => id >= DELETIONS },
      type,
      join: pair,
      bucket_ms: 1,
      cache_rows: 4,
      ...more,
    });

function versionOf(rows: readonly Row[], l: Row, retain_ms = Number.POSITIVE_INFINITY): Row | undefined {
  const newest = rows
    .filter(({ side, key, time_ms }) => side === 'right' && key === l.key && time_ms <= l.time_ms)
    .sort((a, b) => a.time_ms - b.time_ms || byBytes(a, b))
    .at(-1);
  if (newest === undefined || newest.id >= DELETIONS || l.time_ms - newest.time_ms > retain_ms)
    return undefined;
  return newest;
}

describe('temporalJoin', () => {
  it('each left row meets the version that was valid at its time, whatever came first', async () => {
    const driver = await TestDriver.start(joined(join()));
    await driver.push(left(9, 1), left(10, 2), left(19, 3), left(20, 4));
    await driver.push(right(20, 12), right(10, 11));
    expect(driver.take()).toEqual([]);
    await driver.advanceTo(20);
    expect(driver.take()).toEqual(['1+', '2+11', '3+11']);
    await driver.advanceTo(21);
    await driver.push(left(500, 5), left(30, 6), left(30, 7, 'other'));
    await driver.advanceTo(1_000);
    expect(driver.take()).toEqual(['4+12', '6+12', '7+', '5+12']);
  });

  it('an inner join drops and counts left rows without a version', async () => {
    const driver = await TestDriver.start(joined(join('inner')));
    await driver.push(left(9, 1), left(10, 2), right(10, 3));
    await driver.advanceTo(20);
    expect(driver.take()).toEqual(['2+3']);
    expect(driver.counter('millrace.temporal_join.missing')).toBe(1);
  });

  it('a deletion ends the row, until the next version', async () => {
    const driver = await TestDriver.start(joined(join()));
    await driver.push(
      right(10, 1),
      right(20, DELETIONS),
      right(30, 3),
      left(15, 4),
      left(25, 5),
      left(35, 6),
    );
    await driver.advanceTo(22);
    await driver.advanceTo(100);
    expect(driver.take()).toEqual(['4+1', '5+', '6+3']);
  });

  it('a version matches no more once it is older than its retention, and goes', async () => {
    let driver = await TestDriver.start(joined(join('left', { retain_ms: 100 })));
    await driver.push(right(10, 1), left(110, 2), left(111, 3));
    await driver.advanceTo(110);
    driver.commit();
    expect(driver.take()).toEqual([]);
    driver = await driver.restart();
    await driver.advanceTo(112);
    expect(driver.take()).toEqual(['2+1', '3+']);
    await driver.advanceTo(120);
    driver.commit();
    expect(stateRows(driver.disk.reader(), 'join')).toBe(0);
  });

  it('late rows go aside; a late version counts from then on', async () => {
    const late = await TestDriver.start(lateOf(join('left', { allowedLateness_ms: 5 })));
    await late.push(right(10, 1));
    await late.advanceTo(55);
    await late.push(left(49, 2), left(50, 3), right(49, 4), right(50, 5), right(5, 6));
    expect(late.out).toEqual(['late left 2', 'late right 4', 'late right 6']);
    expect(late.counter('millrace.temporal_join.late')).toBe(3);
    const main = await TestDriver.start(joined(join()));
    await main.push(right(10, 1), left(45, 2));
    await main.advanceTo(50);
    await main.push(right(40, 3), right(5, 4));
    await main.push(left(60, 5));
    await main.advanceTo(100);
    expect(main.take()).toEqual(['2+1', '5+3']);
  });

  it('is what brute force says, in the same order, for any arrival, batches, commits and restarts', async () => {
    await fc.assert(
      fc.asyncProperty(
        anyRows(60),
        fc.constantFrom<Type>('inner', 'left'),
        fc.constantFrom(undefined, 0, 5, 30),
        fc.constantFrom(1, 4, 10),
        fc.integer({ min: 0, max: 25 }),
        fc.integer(),
        async (rows, type, retain_ms, bucket_ms, outOfOrderness_ms, seed) => {
          const withDeletions = rows.map((row) =>
            row.id % 7 === 3 ? { ...row, id: row.id + DELETIONS } : row,
          );
          const expected = withDeletions
            .filter(({ side }) => side === 'left')
            .sort((a, b) => {
              if (a.time_ms !== b.time_ms) return a.time_ms - b.time_ms;
              return JSON.stringify([a.key, a]) < JSON.stringify([b.key, b]) ? -1 : 1;
            })
            .map((l) => ({ l, version: versionOf(withDeletions, l, retain_ms) }))
            .filter(({ version }) => type === 'left' || version !== undefined)
            .map(({ l, version }) => pair(l, version));
          const more = retain_ms === undefined ? { bucket_ms } : { retain_ms, bucket_ms };
          const out = await resultsOf(joined(join(type, more)), withDeletions, seed, outOfOrderness_ms);
          expect(out.toSorted()).toEqual(expected.toSorted());
          const again = await resultsOf(joined(join(type, more)), withDeletions, seed + 1, outOfOrderness_ms);
          expect(again).toEqual(out);
        },
      ),
      { numRuns: 200 },
    );
  });
});

describe('the state of a temporal join', () => {
  it('is one version a key of what the watermark has passed', async () => {
    const driver = await TestDriver.start(joined(join('left', { bucket_ms: 10, cache_rows: 10_000 })));
    for (let at = 0; at < 20_000; at += 1_000) {
      await driver.push(
        ...Array.from({ length: 1_000 }, (_, index) => right(at + index, 1, `k${index % 10}`)),
      );
      await driver.advanceTo(at + 1_000);
      driver.commit();
      expect(stateRows(driver.disk.reader(), 'join')).toBe(10);
    }
  });

  it('is empty after keys whose retention has passed', async () => {
    const more = { retain_ms: 200, bucket_ms: 10, cache_rows: 20_000 };
    const driver = await TestDriver.start(joined(join('left', more)));
    let most = 0;
    for (let at = 0; at < 200_000 * sizes.passing_keys_factor; at += 2_000) {
      const rows = Array.from({ length: 2_000 }, (_, index) => {
        const id = at + index;
        return id % 2 === 0 ? right(id / 50, 1, `k${id}`) : left(id / 50, id, `k${id - 1}`);
      }).map((row) => ({ ...row, time_ms: Math.floor(row.time_ms) }));
      await driver.push(...rows);
      await driver.advanceTo(at / 50);
      driver.commit();
      driver.take();
      most = Math.max(most, stateRows(driver.disk.reader(), 'join'));
    }
    await driver.advanceTo(1_000_000);
    driver.commit();
    expect(most).toBeLessThan(25_000);
    expect(stateRows(driver.disk.reader(), 'join')).toBe(0);
    expect(driver.counter('millrace.temporal_join.buckets')).toBe(0);
  });

  it('goes by the retention of the last start', async () => {
    const driver = await TestDriver.start(joined(join('left', { retain_ms: 100 })));
    await driver.push(right(10, 1));
    await driver.advanceTo(50);
    const longer = joined(join('left', { retain_ms: 1_000 }));
    const again = await TestDriver.start(longer, { snapshot: driver.snapshot() });
    await again.advanceTo(900);
    await again.push(left(1_010, 2), left(1_011, 3));
    await again.advanceTo(1_012);
    expect(again.take()).toEqual(['2+1', '3+']);
    again.commit();
    // The version and its timer.
    expect(stateRows(again.disk.reader(), 'join')).toBe(2);
    await again.advanceTo(1_200);
    again.commit();
    expect(stateRows(again.disk.reader(), 'join')).toBe(0);
  });

  it('stops at the limit of rows of a key, and refuses bad settings', async () => {
    const driver = await TestDriver.start(joined(join('left', { max_entries_per_key: 2 })));
    await driver.push(right(1, 1), right(1, 2), left(1, 3));
    await expect(driver.push(right(1, 4))).rejects.toMatchObject({ code: 'join_buffer_full' });
    expect(join('left', { bucket_ms: 0 })).toThrow('bucket_ms');
    expect(join('left', { retain_ms: -1 })).toThrow('retain_ms');
  });
});
