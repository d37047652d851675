import { describe, expect, expectTypeOf, it } from 'vitest';
import {
  QUERYABLE_KINDS,
  queryTable,
  type SourceRecord,
  type Stream,
  stringCodec,
  TestDriver,
} from '../../engine/index.ts';
import { fc } from '../../test/property.ts';
import { json, map } from '../core/index.ts';
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
    expect(rowsOf(driver, 'prices').rows).toBe(1);
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
    expect(rowsOf(driver, 'prices')).toEqual({ rows: 0, timers: 0, forgotten: 1 });
    // A deletion at 20 was forgotten: it may have been one of b.
    await driver.push(price('a', 15, 'back'), price('b', 20, 'late'), price('b', 21, 'in time'));
    expect(driver.out).toEqual(['a', 'b']);
    expect(driver.counter('millrace.to_table.late')).toBe(2);
  });

  it('takes rows far behind the watermark where nothing was deleted, in whatever batches they come', async () => {
    const old = [1, 2, 3, 4].map((day) => price(`s${day}`, day * 86_400_000, String(day)));
    for (const batches of [[old], old.map((one) => [one])]) {
      let driver = await TestDriver.start(timed);
      for (const batch of [[price('now', 1_700_000_000_000, 'x')], ...batches]) {
        await driver.push(...batch);
        await driver.advanceTo(1_700_000_000_000);
        driver.commit();
        driver = await driver.restart();
      }
      expect(tableIn(driver)).toEqual({ now: 'x', s1: '1', s2: '2', s3: '3', s4: '4' });
    }
  });

  it('remembers deletions for as long as it is told to, also over restarts', async () => {
    const remembering = (rememberDeletions_ms: number) => (input: Stream<Price>) =>
      input.pipe(
        toTable<Price, string>('prices', {
          keyOf: ({ sku }) => sku,
          timeOf: ({ time_ms }) => time_ms,
          value: (item) => item.price,
          rememberDeletions_ms,
          codec: stringCodec,
        }),
      );
    for (const [remember_ms, expected] of [
      [Number.POSITIVE_INFINITY, { b: 'old', c: 'x' }],
      [100, { b: 'old', c: 'x' }],
      [0, { c: 'x' }],
    ] as const) {
      const first = await TestDriver.start(remembering(remember_ms));
      await first.push(price('a', 10, 'x'), price('a', 20), price('c', 10, 'x'));
      await first.advanceTo(50);
      first.commit();
      const driver = await first.restart();
      await driver.push(price('a', 15, 'back'), price('b', 15, 'old'));
      driver.commit();
      expect(tableIn(driver)).toEqual(expected);
    }
    expect(() => toTable('t', { keyOf: String, rememberDeletions_ms: 5 })).toThrow('timeOf');
    expect(() => toTable('t', { keyOf: String, timeOf: Number, rememberDeletions_ms: -1 })).toThrow(
      '0 or more',
    );
    expect(() => toTable('t', { keyOf: String, tieOf: Number })).toThrow('timeOf');
  });

  it('takes state of before it was kept what was forgotten: what the watermark had passed stays refused', async () => {
    const first = await TestDriver.start(timed);
    await first.push(price('a', 10, 'x'));
    await first.advanceTo(50);
    const snapshot = first.snapshot();
    const store = snapshot.disk.open();
    store.transaction(() => store.table('prices/forgotten').removeRange({}));
    const driver = await TestDriver.start(timed, { snapshot });
    await driver.push(price('b', 20, 'perhaps deleted'), price('c', 51, 'new'));
    driver.commit();
    expect(tableIn(driver)).toEqual({ a: 'x', c: 'new' });
  });

  it('of one ms the item that is later in the stream wins where tieOf says so, a deletion too', async () => {
    interface Change extends Price {
      readonly sequence: number;
    }
    const byStream = (input: Stream<Change>) =>
      input.pipe(
        toTable<Change, string>('prices', {
          keyOf: ({ sku }) => sku,
          timeOf: ({ time_ms }) => time_ms,
          tieOf: ({ sequence }) => sequence,
          value: (item) => item.price,
          codec: stringCodec,
        }),
      );
    const changes: Change[] = [
      { ...price('a', 5, '10'), sequence: 1 },
      { ...price('a', 5, '9'), sequence: 2 },
      { ...price('b', 5), sequence: 3 },
      { ...price('b', 5, 'again'), sequence: 4 },
    ];
    for (const order of [changes, changes.toReversed()]) {
      let driver = await TestDriver.start<Change, TableChange<string>>(byStream);
      for (const change of order) {
        await driver.push(change);
        driver.commit();
        driver = await driver.restart();
      }
      expect(tableIn(driver as unknown as Driver)).toEqual({ a: '9', b: 'again' });
    }
    const driver = await TestDriver.start<Change, TableChange<string>>(byStream);
    const bad = { ...price('a', 5, 'x'), sequence: '7' as unknown as number };
    await expect(driver.push(bad)).rejects.toMatchObject({ code: 'bad_event_time' });
  });

  it('deletes the row of a message without content', async () => {
    const record = (sequence: number, id: string, text: string): SourceRecord => ({
      sequence,
      subject: `$KV.products.${id}`,
      data: Buffer.from(text),
      hasHeaders: false,
      header: () => undefined,
    });
    const idOf = ({ subject }: SourceRecord): string => subject.slice('$KV.products.'.length);
    const build = (input: Stream<SourceRecord>) =>
      input.pipe(
        json('parse', {
          parse: (value, of) => ({ id: idOf(of), name: String(value) }),
          tombstone: (of) => ({ kind: 'tombstone' as const, id: idOf(of) }),
        }),
        toTable('products', { keyOf: ({ id }) => id }),
      );
    const driver = await TestDriver.start(build);
    await driver.push(
      record(1, 'a', '"tea"'),
      record(2, 'b', '"jam"'),
      record(3, 'a', ''),
      record(4, 'c', ''),
    );
    driver.commit();
    const answer = queryTable(driver.disk.reader(), tableOf('products'), { kind: 'range', limit: 9 });
    expect(answer).toMatchObject({ ok: true, values: [{ key: 'b', value: { id: 'b', name: 'jam' } }] });
    expect(driver.sent).toEqual([]);
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
    expect(rowsOf(driver, 'prices')).toEqual({ rows: 0, timers: 0, forgotten: 1 });
  });
});
