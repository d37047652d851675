import { describe, expect, expectTypeOf, it } from 'vitest';
import { QUERYABLE_KINDS, queryTable, type Stream, stringCodec, TestDriver } from '../../engine/index.ts';
import { fc } from '../../test/property.ts';
import { map } from '../core/index.ts';
import { rowsOf, runAnyWay } from '../fixture-any-way.ts';
import { type TableChange, tableOf, toTable, toTableDoc } from './to-table.ts';
import { toWindowTableDoc, windowTableOf } from './to-window-table.ts';

interface Price {
  readonly sku: string;
  readonly time_ms: number;
  /** undefined: not sold any more. */
  readonly price?: string | undefined;
}

const price = (sku: string, time_ms: number, value?: string): Price => ({ sku, time_ms, price: value });

const timed = (input: Stream<Price>) =>
  input.pipe(
    toTable<Price, string>('prices', {
      keyOf: ({ sku }) => sku,
      timeOf: ({ time_ms }) => time_ms,
      value: (item) => item.price,
      codec: stringCodec,
    }),
  );

const untimed = (input: Stream<Price>) =>
  input.pipe(toTable('prices', { keyOf: ({ sku }) => sku, value: (item) => item.price }));

type Driver = TestDriver<Price, TableChange<string>>;

function tableIn(driver: Driver): Record<string, string> {
  const table = tableOf('prices', stringCodec);
  const answer = queryTable(driver.disk.reader(), table, { kind: 'range', limit: 100 });
  if (!answer.ok) throw new Error(answer.message);
  return Object.fromEntries(answer.values.map(({ key, value }) => [key, value]));
}

describe('toTable', () => {
  it('is of the kind that queries know its layout by, and may be asked for by version', async () => {
    expect(QUERYABLE_KINDS).toEqual({ rows: toTableDoc.kind, windows: toWindowTableDoc.kind });
    expect([tableOf('t'), windowTableOf('t')]).toEqual([{ id: 't/rows' }, { id: 't/windows' }]);
    const driver = await TestDriver.start(untimed);
    await driver.push(price('a', 9, '1'));
    driver.commit();
    const ask = (version?: number) =>
      queryTable(driver.disk.reader(), tableOf<string>('prices', undefined, version), {
        kind: 'key',
        key: 'a',
      });
    expect([ask(), ask(1), ask(2)]).toMatchObject([
      { value: '1' },
      { value: '1' },
      { reason: 'wrong_codec' },
    ]);
  });

  it('keeps the last of each key to arrive, deletes, and emits what changed', async () => {
    const driver = await TestDriver.start(untimed);
    expectTypeOf(driver.out).toEqualTypeOf<TableChange<string>[]>();
    await driver.push(
      price('a', 9, '1'),
      price('b', 8, '2'),
      price('a', 1, '3'),
      price('b', 0),
      price('c', 0),
    );
    driver.commit();
    expect(driver.out).toEqual([
      { key: 'a', before: undefined, after: '1' },
      { key: 'b', before: undefined, after: '2' },
      { key: 'a', before: '1', after: '3' },
      { key: 'b', before: '2', after: undefined },
    ]);
    const answer = queryTable(driver.disk.reader(), tableOf<string>('prices'), { kind: 'key', key: 'a' });
    expect(answer).toMatchObject({ ok: true, value: '3' });
    expect(rowsOf(driver, 'prices')).toEqual({ rows: 1 });
  });

  it('the item is the value where nothing else is said', async () => {
    const driver = await TestDriver.start<Price, TableChange<Price>>((input) =>
      input.pipe(toTable('items', { keyOf: ({ sku }) => sku })),
    );
    await driver.push(price('a', 1, 'x'));
    driver.commit();
    const answer = queryTable(driver.disk.reader(), 'items', { kind: 'key', key: 'a' });
    expect(answer).toMatchObject({ ok: true, value: { sku: 'a', time_ms: 1, price: 'x' } });
  });

  it('with times an older item changes nothing, also after a deletion', async () => {
    const driver = await TestDriver.start(timed);
    await driver.push(price('a', 10, 'new'), price('a', 5, 'old'), price('b', 20), price('b', 15, 'older'));
    driver.commit();
    expect(tableIn(driver)).toEqual({ a: 'new' });
    expect(driver.out).toHaveLength(1);
  });

  it('forgets a deletion when the watermark has passed it; what comes still later is put aside', async () => {
    const driver = await TestDriver.start<Price, string>((input) =>
      timed(input)
        .side('late')
        .pipe(map('late-sku', ({ sku }) => sku)),
    );
    await driver.push(price('a', 10, 'x'), price('a', 20));
    await driver.advanceTo(20);
    driver.commit();
    expect(rowsOf(driver, 'prices').rows).toBe(1);
    await driver.advanceTo(21);
    driver.commit();
    expect(rowsOf(driver, 'prices')).toEqual({ rows: 0, timers: 0 });
    await driver.push(price('a', 15, 'back'), price('b', 21, 'in time'));
    expect(driver.out).toEqual(['a']);
    expect(driver.counter('millrace.to_table.late')).toBe(1);
  });

  it('may be kept by arrival after a restart, or by time again', async () => {
    const arriving = (input: Stream<Price>) =>
      input.pipe(
        toTable('prices', {
          keyOf: ({ sku }) => sku,
          value: (item: Price) => item.price,
          codec: stringCodec,
        }),
      );
    let driver = await TestDriver.start(timed);
    await driver.push(price('a', 50, 'a1'), price('b', 50, 'b1'), price('c', 50), price('d', 0, 'd1'));
    driver = await TestDriver.start(arriving, { snapshot: driver.snapshot() });
    await driver.push(price('a', 1, 'a2'), price('b', 1), price('c', 1), price('c', 1, 'c2'));
    driver = await TestDriver.start(arriving, { snapshot: driver.snapshot() });
    expect(tableIn(driver)).toEqual({ a: 'a2', c: 'c2', d: 'd1' });
    driver = await TestDriver.start(timed, { snapshot: driver.snapshot() });
    await driver.push(price('a', 0, 'a3'), price('a', 0, 'a0'), price('c', 0), price('d', 0));
    driver.commit();
    expect(tableIn(driver)).toEqual({ a: 'a3' });
  });

  it('is the newest of each key for any order, batches, commits, crashes and moves', async () => {
    const anyPrice = fc.record({
      sku: fc.constantFrom('a', 'b', 'c'),
      time_ms: fc.integer({ min: 0, max: 12 }),
      price: fc.option(fc.constantFrom('1', '2', '3'), { nil: undefined }),
    });
    const rank = ({ time_ms, price: value }: Price): string =>
      `${String(time_ms).padStart(3, '0')}${value === undefined ? '~' : value}`;
    await fc.assert(
      fc.asyncProperty(fc.array(anyPrice, { maxLength: 25 }), fc.integer(), async (prices, seed) => {
        const expected: Record<string, string> = {};
        for (const sku of ['a', 'b', 'c']) {
          const own = prices.filter((item) => item.sku === sku).sort((a, b) => (rank(a) < rank(b) ? -1 : 1));
          const newest = own.at(-1)?.price;
          if (newest !== undefined) expected[sku] = newest;
        }
        const { driver, out } = await runAnyWay(timed, prices, {
          timeOf: ({ time_ms }) => time_ms,
          seed,
          end_ms: 13,
        });
        expect(tableIn(driver)).toEqual(expected);
        expect(rowsOf(driver, 'prices').rows).toBe(Object.keys(expected).length);
        // What was emitted leads to the same table.
        const followed: Record<string, string> = {};
        for (const { key, before, after } of out) {
          expect(followed[key]).toBe(before);
          if (after === undefined) delete followed[key];
          else followed[key] = after;
        }
        expect(followed).toEqual(expected);
      }),
      { numRuns: 150 },
    );
  });

  it('keeps nothing of 50,000 keys that came and were deleted', async () => {
    const driver = await TestDriver.start(timed);
    for (let first = 0; first < 50_000; first += 10_000) {
      const skus = Array.from({ length: 10_000 }, (_, n) => `s${first + n}`);
      await driver.push(...skus.map((sku) => price(sku, first, 'x')));
      await driver.push(...skus.map((sku) => price(sku, first + 1)));
      await driver.advanceTo(first + 2);
      driver.commit();
    }
    expect(rowsOf(driver, 'prices')).toEqual({ rows: 0, timers: 0 });
  });
});
