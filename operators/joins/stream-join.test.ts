import { describe, expect, it } from 'vitest';
import { defineOperator, type Stream, TestDriver } from '../../engine/index.ts';
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
import { streamJoin } from './stream-join.ts';

const forEver = (): RowJoin =>
  streamJoin<Row, Row, string>('join', {
    left: { keyOf: rowInput.keyOf },
    right: { keyOf: rowInput.keyOf },
    join: pair,
    cache_rows: 4,
  });
const within = (ttl_ms: number) => (): RowJoin =>
  streamJoin<Row, Row, string>('join', {
    left: rowInput,
    right: rowInput,
    join: pair,
    ttl_ms,
    cache_rows: 4,
  });

describe('streamJoin', () => {
  it('every left row meets every right row of its key, whenever they come', async () => {
    const driver = await TestDriver.start(joined(forEver));
    await driver.push(left(5, 1), right(5, 2, 'other'));
    await driver.advanceTo(1_000_000);
    await driver.push(right(1, 3), right(9_000_000, 4));
    expect(driver.take()).toEqual(['1+3', '1+4']);
    await driver.push(left(0, 5));
    expect(driver.take()).toEqual(['5+3', '5+4']);
  });

  it('is what brute force says, for any arrival, batches, commits and restarts', async () => {
    await fc.assert(
      fc.asyncProperty(anyRows(60), fc.integer(), async (rows, seed) => {
        const out = await resultsOf(joined(forEver), rows, seed, 100);
        expect(out.sort()).toEqual(bruteForce(rows, 'inner', () => true).sort());
      }),
      { numRuns: 60 },
    );
  });

  it('with a time to live it is what brute force says of rows at most that far apart', async () => {
    await fc.assert(
      fc.asyncProperty(
        anyRows(400),
        fc.nat(300),
        fc.nat(50),
        fc.integer(),
        async (rows, ttl_ms, late_ms, seed) => {
          const out = await resultsOf(joined(within(ttl_ms)), rows, seed, late_ms);
          const isNear = (l: Row, r: Row): boolean => Math.abs(l.time_ms - r.time_ms) <= ttl_ms;
          expect(out.sort()).toEqual(bruteForce(rows, 'inner', isNear).sort());
        },
      ),
      { numRuns: 60 },
    );
  });

  it('with a time to live its state goes and later rows are late', async () => {
    const driver = await TestDriver.start(lateOf(within(1_000)));
    await driver.push(...Array.from({ length: 1_000 }, (_, id) => left(id, id, `k${id}`)));
    driver.commit();
    expect(stateRows(driver.disk.reader(), 'join')).toBeGreaterThan(1_000);
    await driver.advanceTo(10_000);
    driver.commit();
    expect(stateRows(driver.disk.reader(), 'join')).toBe(0);
    await driver.push(right(900, 1, 'k5'));
    expect(driver.out).toEqual(['late right 1']);
    expect(driver.counter('millrace.stream_join.late')).toBe(1);
  });

  it('a hot key costs the commit its open chunk only', async () => {
    const driver = await TestDriver.start(joined(forEver));
    for (let at = 0; at < 20_000; at += 500) {
      await driver.push(...Array.from({ length: 500 }, (_, index) => left(0, at + index)));
      driver.commit();
    }
    expect(stateRows(driver.disk.reader(), 'join')).toBeLessThan(20_000 / 64 + 5);
    await driver.push(right(0, 99_999));
    expect(driver.take()).toHaveLength(20_000);
  });

  it('hands the matches of a hot key on in bounded batches', async () => {
    const sizes: number[] = [];
    const measure = defineOperator<string, string>({
      kind: 'measure',
      summary: 'Notes how large batches are',
      start: () => ({ onBatch: (items) => void sizes.push(items.length) }),
    });
    const driver = await TestDriver.start((input: Stream<Row>) =>
      joined(forEver)(input).pipe(measure('measure', undefined)),
    );
    await driver.push(...Array.from({ length: 500 }, (_, id) => left(0, id)));
    await driver.push(...Array.from({ length: 100 }, (_, id) => right(0, id)));
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(50_000);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(4_096);
  });
});
