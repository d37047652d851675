import { describe, expect, it } from 'vitest';
import { bigintCodec, stringKey, trustedJsonCodec } from '../base/index.ts';
import { defineOperator, type Stream } from '../graph/index.ts';
import { MemoryDisk, mapTable, openTables, type StateChecks } from '../state/index.ts';
import { TestDriver } from '../testing/index.ts';

type Change = (held: { readonly [name: string]: unknown } | undefined) => unknown;

/** Sets what a function makes of what it holds; where that gives nothing it has changed it in place. */
const holder = defineOperator<Change, unknown, undefined, ReturnType<typeof tables>>({
  kind: 'holder',
  summary: 'Holds one value',
  state: tables,
  start: ({ state, emit }) => ({
    onBatch: (changes) => {
      const held = state.held.scope('acme');
      for (const change of changes) {
        const made = change(held.get('k') as Record<string, unknown> | undefined);
        if (made !== undefined) held.set('k', made);
      }
      emit([held.get('k')]);
    },
  }),
});
function tables() {
  return {
    held: mapTable<string, unknown>({ key: stringKey, value: trustedJsonCodec<unknown>(), version: 1 }),
  };
}

const build = (input: Stream<Change>): Stream<unknown> => input.pipe(holder('holder', undefined));

async function held(value: unknown): Promise<unknown> {
  let driver = await TestDriver.start(build);
  await driver.push(() => value);
  driver.commit();
  driver = await driver.restart();
  await driver.push(() => undefined);
  return driver.out[0];
}

class Money {
  readonly cents = 5;
}

describe('what state keeps', () => {
  it.each([
    [{ nan: Number.NaN, most: Number.POSITIVE_INFINITY, list: [undefined, null] }],
    [{ sum: 2n ** 70n, debt: [-(2n ** 64n)], text: '5n', marked: '\x005n' }],
    [12345678901234567890n],
    [{ absent: undefined, zero: -0 }],
  ])('%o is the same after a restart', async (value) => {
    expect(await held(value)).toEqual(normal(value));
  });

  it.each([
    ['at .at a value of Date becomes a text', { at: new Date(0) }],
    ['at .by a value of Map becomes a value of Object', { by: new Map([['a', 1]]) }],
    ['a value of Set becomes a value of Object', new Set(['a'])],
    ['at .list[1] a function becomes null', { list: [1, () => 1] }],
    ['at .of.call a function becomes nothing', { of: { call: () => 1 } }],
    ['at .price a value of Money becomes a value of Object', { price: new Money() }],
    ['cannot be stored (a function has no JSON)', () => 1],
  ])('"%s" is refused, with operator, table and key', async (what, value) => {
    const driver = await TestDriver.start(build);
    await driver.push(() => value);
    expect(() => driver.commit()).toThrow(
      expect.objectContaining({ code: 'state_not_kept', message: expect.stringContaining(what) as unknown }),
    );
    expect(() => driver.commit()).toThrow('operator "holder", table "held", key "k" of "acme"');
  });

  it('what is changed in place and not set is refused, at once', async () => {
    const driver = await TestDriver.start(build);
    await driver.push(() => ({ n: 1 }));
    driver.commit();
    const inPlace: Change = (value) => void Object.assign(value ?? {}, { n: 2 });
    await expect(driver.push(inPlace)).rejects.toMatchObject({
      code: 'state_changed_in_place',
      message: expect.stringContaining('operator "holder", table "held", key "k" of "acme"') as unknown,
    });
    // What is set after it was changed is kept.
    const again = await TestDriver.start(build);
    await again.push(
      () => ({ n: 1 }),
      (value) => Object.assign(value ?? {}, { n: 2 }),
    );
    again.commit();
    expect(again.out).toEqual([{ n: 2 }]);
  });

  it('so is what is emitted and changed behind the operator', async () => {
    const driver = await TestDriver.start<Change, unknown>((input, t) => {
      const given = input.pipe(holder('holder', undefined));
      const spoil = defineOperator<unknown, unknown>({
        kind: 'spoil',
        summary: 'Changes items',
        start: ({ emit }) => ({
          onBatch: (items) => {
            for (const item of items) if (typeof item === 'object') Object.assign(item ?? {}, { n: 9 });
            emit(items);
          },
        }),
      });
      return t.merge('all', given.pipe(spoil('spoil', undefined)));
    });
    await expect(driver.push(() => ({ n: 1 }))).rejects.toMatchObject({ code: 'state_changed_in_place' });
  });

  it('in production the first rows of each table are looked at', () => {
    const rows = (checks: StateChecks, before: number): (() => void) => {
      const disk = new MemoryDisk();
      const store = disk.open();
      const { held: table } = openTables(store, 'op', tables(), checks);
      const scope = table.scope('');
      for (let row = 0; row < before; row++) scope.set(`k${row}`, row);
      scope.set('last', new Date(0));
      return () => store.transaction(() => table.flush(0));
    };
    expect(rows('first', 0)).toThrow('operator "op", table "held", key "last"');
    expect(rows('first', 99)).toThrow('a value of Date becomes a text');
    expect(rows('first', 100)).not.toThrow();
    expect(rows('always', 100)).toThrow('a value of Date becomes a text');
  });

  it('a codec of its own has to read what it writes', () => {
    const store = new MemoryDisk().open();
    const half = { ...bigintCodec, read: () => 0n };
    const { t } = openTables(store, 'op', { t: mapTable({ key: stringKey, value: half, version: 1 }) });
    t.scope('').set('a', 5n);
    expect(() => store.transaction(() => t.flush(0))).toThrow('does not read what it writes');
  });
});

/** -0 is 0, and a member that is undefined is none. */
function normal(value: unknown): unknown {
  return typeof value === 'object' && value !== null && 'zero' in value ? { zero: 0 } : value;
}
