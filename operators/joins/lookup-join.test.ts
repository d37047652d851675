import { describe, expect, it } from 'vitest';
import { SeededRandom, type Stream, TestDriver } from '../../engine/index.ts';
import { fc } from '../../test/property.ts';
import {
  anyRows,
  byBytes,
  joined,
  left,
  pair,
  type Row,
  right,
  rowInput,
  stateRows,
} from './fixture-join.ts';
import { lookupJoin } from './lookup-join.ts';

const DELETIONS = 1_000;

const build = (
  type: 'inner' | 'left' = 'left',
  retain_ms?: number,
): ((input: Stream<Row>) => Stream<string>) =>
  joined(() =>
    lookupJoin<Row, Row, string>('join', {
      left: { keyOf: rowInput.keyOf },
      right: { ...rowInput, isDeletion: ({ id }) => id >= DELETIONS },
      type,
      join: pair,
      cache_rows: 4,
      ...(retain_ms === undefined ? {} : { retain_ms }),
    }),
  );

describe('lookupJoin', () => {
  it('a left row comes out at once with the row that the table has then', async () => {
    const driver = await TestDriver.start(build());
    await driver.push(left(5, 1));
    await driver.push(right(1_000, 2));
    await driver.push(left(5, 3), left(5, 4, 'other'));
    await driver.push(right(2_000, 5), left(6, 6));
    await driver.push(left(7, 7));
    // In a batch left rows go first where both sides are branches of one stream.
    expect(driver.take()).toEqual(['1+', '3+2', '4+', '6+2', '7+5']);
  });

  it('an inner join drops and counts left rows without a row', async () => {
    const driver = await TestDriver.start(build('inner'));
    await driver.push(left(5, 1));
    await driver.push(right(5, 2));
    await driver.push(left(5, 3));
    expect(driver.take()).toEqual(['3+2']);
    expect(driver.counter('millrace.lookup_join.missing')).toBe(1);
  });

  it('an older row changes nothing and is counted, a deletion stays deleted', async () => {
    const driver = await TestDriver.start(build());
    await driver.push(right(10, 1));
    await driver.push(right(9, 2));
    await driver.push(left(0, 3));
    await driver.push(right(20, DELETIONS), right(15, 4));
    await driver.push(left(0, 5));
    await driver.push(right(21, 6));
    await driver.push(left(0, 7));
    expect(driver.take()).toEqual(['3+1', '5+', '7+6']);
    expect(driver.counter('millrace.lookup_join.superseded')).toBe(2);
  });

  it('the table is the newest row of each key, for any arrival, batches, commits and restarts', async () => {
    await fc.assert(
      fc.asyncProperty(anyRows(5), fc.integer(), async (rows, seed) => {
        const random = new SeededRandom(seed);
        const rights = rows.filter(({ side }) => side === 'right');
        let driver = await TestDriver.start(build());
        for (const row of random.shuffled(rights)) {
          await driver.push(row);
          if (random.chance(0.3)) driver.commit();
          if (random.chance(0.1)) {
            driver.commit();
            driver = await driver.restart();
          }
        }
        const keys = ['a', 'b', 'c', '0|a'];
        driver = await TestDriver.start(build(), { snapshot: driver.snapshot() });
        await driver.push(...keys.map((key, index) => left(0, index, key)));
        const newest = (of: string): Row | undefined =>
          rights
            .filter(({ key }) => key === of)
            .sort((a, b) => a.time_ms - b.time_ms || byBytes(a, b))
            .at(-1);
        expect(driver.take()).toEqual(keys.map((key, index) => `${index}+${newest(key)?.id ?? ''}`));
      }),
      { numRuns: 80 },
    );
  });

  it('rows that are not written any more go after their retention', async () => {
    const day_ms = 86_400_000;
    const driver = await TestDriver.start(build('left', day_ms));
    for (let day = 1; day <= 50; day++) {
      await driver.push(
        ...Array.from({ length: 50 }, (_, index) => right(day * day_ms, 1, `k${day}-${index}`)),
      );
      await driver.advanceTo(day * day_ms);
      driver.commit();
    }
    expect(stateRows(driver.disk.reader(), 'join')).toBeLessThanOrEqual(250);
    await driver.push(left(0, 2, 'k1-0'), left(0, 3, 'k50-0'));
    expect(driver.take()).toEqual(['2+', '3+1']);
  });

  it('a retention on rows that had none, or none any more, is refused; another one is not', async () => {
    const day_ms = 86_400_000;
    for (const [was, is] of [
      [undefined, day_ms],
      [day_ms, undefined],
    ]) {
      const driver = await TestDriver.start(build('left', was));
      const empty = driver.snapshot();
      await driver.push(right(0, 1));
      const snapshot = driver.snapshot();
      await expect(TestDriver.start(build('left', is), { snapshot })).rejects.toMatchObject({
        code: 'topology_changed',
        message: expect.stringContaining('retention was'),
      });
      const fresh = await TestDriver.start(build('left', is), { snapshot: empty });
      await fresh.push(right(0, 1));
      await fresh.push(left(0, 2));
      expect(fresh.take()).toEqual(['2+1']);
    }
    const driver = await TestDriver.start(build('left', day_ms));
    await driver.push(right(0, 1));
    const longer = await TestDriver.start(build('left', 2 * day_ms), { snapshot: driver.snapshot() });
    await longer.push(left(0, 2));
    expect(longer.take()).toEqual(['2+1']);
  });
});
