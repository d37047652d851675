import { afterEach, describe, expect, it } from 'vitest';
import { fc } from '../../test/property.ts';
import { HEAD_BYTES, type KvReader } from '../state/index.ts';
import { asked, counting, QUERIED_STORES, QueriedWriter, ROWS, WINDOWS } from './fixture-interactive.ts';
import {
  MAX_QUERY_ROWS,
  MAX_SKIPPED_ROWS,
  queryTable,
  type WindowQuery,
  type WindowRangeAnswer,
  type WindowRangeQuery,
  type WindowsAnswer,
} from './interactive.ts';
import { WINDOW_START_END_MS, type WindowedValue, type WindowKey } from './interactive-layout.ts';

const opened: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const each of opened.splice(0)) await each.close();
});

/** UTF-8 in which halves of surrogate pairs are characters too: from the definition, a character at a time. */
function utf8(text: string): Buffer {
  return Buffer.concat(
    Array.from(text, (character) => {
      const code = character.codePointAt(0) as number;
      if (code < 0xd800 || code > 0xdfff) return Buffer.from(character);
      return Buffer.from([0xe0 | (code >> 12), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63)]);
    }),
  );
}
const order = (a: string, b: string): number => Buffer.compare(utf8(a), utf8(b));
const windowOrder = (a: WindowKey, b: WindowKey): number =>
  order(a.key, b.key) || a.start_ms - b.start_ms || a.end_ms - b.end_ms;

const LONG = 'l'.repeat(HEAD_BYTES - 4);
const part = fc.constantFrom(
  'a',
  'a',
  'b',
  'ü',
  '\0',
  '\0',
  '\ud83d',
  '\ude00',
  '\u{10ffff}',
  '\uffff',
  LONG,
);
const text = fc.array(part, { maxLength: 3 }).map((parts) => parts.join(''));
const option = <T>(of: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(of, { nil: undefined });
const defined = <T extends object>(members: T): { [N in keyof T]?: Exclude<T[N], undefined> } =>
  Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as never;

const LATE_MS = WINDOW_START_END_MS - 2;
const STARTS_MS = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, LATE_MS, LATE_MS + 1];
const LENGTHS_MS = [0, 1, 5];
const windowedKey = fc.constantFrom('a', 'a', 'a\0', 'a\0\u00ff', '', '\0', 'b', LONG, `${LONG}l`);
/** Many for a key, so that there are some to jump over. */
const windowsOfKey = fc
  .tuple(windowedKey, fc.subarray(STARTS_MS), fc.subarray(LENGTHS_MS, { minLength: 1 }))
  .map(([key, starts, lengths]): WindowKey[] =>
    starts.flatMap((start_ms) => lengths.map((more_ms) => ({ key, start_ms, end_ms: start_ms + more_ms }))),
  );
const someWindows = fc
  .array(windowsOfKey, { maxLength: 6 })
  .map((some) => [...new Map(some.flat().map((each) => [JSON.stringify(each), each])).values()]);
const time = fc.constantFrom(...STARTS_MS, WINDOW_START_END_MS, 2 ** 48 - 1);
const windowBound = fc.tuple(windowedKey, time, fc.constantFrom(...LENGTHS_MS)).map(
  ([key, start_ms, more_ms]): WindowKey => ({
    key,
    start_ms,
    end_ms: Math.min(2 ** 48 - 1, start_ms + more_ms),
  }),
);

/** All pages of a query, one after the other. */
function pagesOfAll(reader: KvReader, first: WindowRangeQuery): WindowedValue<string>[] {
  const found: WindowedValue<string>[] = [];
  for (let query = first; ; ) {
    const { values, next }: WindowRangeAnswer<string> = asked(reader, WINDOWS, query);
    expect(values.length).toBeLessThanOrEqual(first.limit);
    found.push(...values);
    if (next === undefined) return found;
    expect(values.length).toBe(first.limit);
    query = first.reverse === true ? { ...query, to: next } : { ...query, from: next };
  }
}

function pagesOfKey(reader: KvReader, first: WindowQuery): WindowedValue<string>[] {
  const found: WindowedValue<string>[] = [];
  for (let query = first; ; ) {
    const { values, next_ms, next_end_ms }: WindowsAnswer<string> = asked(reader, WINDOWS, query);
    found.push(...values);
    if (next_ms === undefined || next_end_ms === undefined) return found;
    expect(values.length).toBe(first.limit);
    query =
      first.reverse === true
        ? { ...query, end_ms: next_ms, before_end_ms: next_end_ms }
        : { ...query, start_ms: next_ms, first_end_ms: next_end_ms };
  }
}

describe.each(Object.entries(QUERIED_STORES))('queries either way on %s', (_, open) => {
  it('give the keys of ranges and prefixes as sorting does, page by page', () => {
    const { store, reader, close } = open();
    opened.push({ close });
    const writer = new QueriedWriter(store);
    fc.assert(
      fc.property(
        fc.record({
          keys: fc.uniqueArray(text, { maxLength: 14 }),
          deleted: fc.array(text, { maxLength: 4 }),
        }),
        fc.record({
          from: option(text),
          to: option(text),
          prefix: option(text),
          reverse: option(fc.boolean()),
        }),
        fc.integer({ min: 1, max: 4 }),
        ({ keys, deleted }, { from, to, prefix, reverse }, limit) => {
          for (const key of keys) writer.row(key, deleted.includes(key) ? undefined : `v${key}`);
          for (const scope of ['\0', '\0\0', 'a']) writer.row('a', 'of another scope', scope);
          writer.commitOnly();
          const expected = keys
            .filter((key) => !deleted.includes(key))
            .filter((key) => from === undefined || order(key, from) >= 0)
            .filter((key) => to === undefined || order(key, to) < 0)
            .filter((key) => prefix === undefined || utf8(key).indexOf(utf8(prefix)) === 0)
            .sort((a, b) => (reverse === true ? order(b, a) : order(a, b)));
          const kind =
            prefix === undefined ? { kind: 'range' as const } : { kind: 'prefix' as const, prefix };
          const found: string[] = [];
          for (let bounds = defined({ from, to }); ; ) {
            const page = asked(reader, ROWS, { ...kind, ...bounds, ...defined({ reverse }), limit });
            for (const { key, value } of page.values) expect(value).toBe(`v${key}`);
            found.push(...page.values.map(({ key }) => key));
            // A page is full but for the last, which is not empty.
            if (page.next === undefined) {
              expect(page.values.length > 0 || found.length === 0).toBe(true);
              break;
            }
            expect(page.values.length).toBe(limit);
            bounds = reverse === true ? { ...bounds, to: page.next } : { ...bounds, from: page.next };
          }
          expect(found).toEqual(expected);
        },
      ),
      { numRuns: 120 },
    );
  });

  it('give the windows of a key and of all keys as sorting does, page by page', () => {
    const { store, reader, close } = open();
    opened.push({ close });
    const writer = new QueriedWriter(store);
    fc.assert(
      fc.property(
        someWindows,
        fc.record({ start_ms: time, end_ms: time }),
        fc.record({ from: option(windowBound), to: option(windowBound), reverse: option(fc.boolean()) }),
        fc.integer({ min: 1, max: 5 }),
        (windows, times, { from, to, reverse }, limit) => {
          for (const each of windows) writer.window(each, `v${each.start_ms}`);
          const elsewhere = { key: 'a', start_ms: 1, end_ms: 2 };
          for (const scope of ['\0', 'a']) writer.window(elsewhere, 'of another scope', scope);
          writer.commitOnly();
          const expected = windows
            .filter(({ start_ms }) => start_ms >= times.start_ms && start_ms < times.end_ms)
            .sort((a, b) => (reverse === true ? windowOrder(b, a) : windowOrder(a, b)))
            .map((each): WindowedValue<string> => ({ ...each, value: `v${each.start_ms}` }));
          const how = { ...times, limit, ...defined({ reverse }) };
          const all = pagesOfAll(reader, { kind: 'windows', ...how, ...defined({ from, to }) });
          const inBounds = expected
            .filter((each) => from === undefined || windowOrder(each, from) >= 0)
            .filter((each) => to === undefined || windowOrder(each, to) < 0);
          expect(all).toEqual(inBounds);
          for (const key of ['a', 'a\0', '', LONG]) {
            const ofKey = pagesOfKey(reader, { kind: 'window', key, ...how });
            expect(ofKey).toEqual(expected.filter((each) => each.key === key));
          }
        },
      ),
      { numRuns: 120 },
    );
  });

  it('go on where they were when commits come between the pages', () => {
    const { store, reader, close } = open();
    opened.push({ close });
    const writer = new QueriedWriter(store);
    for (const key of ['b', 'd', 'f', 'h']) writer.row(key, key);
    writer.commit();
    const first = asked(reader, ROWS, { kind: 'range', limit: 2, reverse: true });
    expect([first.values.map(({ key }) => key), first.next]).toEqual([['h', 'f'], 'f']);
    // Behind where it goes on, before it, and the last one given.
    for (const key of ['e', 'g', 'i']) writer.row(key, 'new');
    writer.row('f', undefined);
    writer.row('d', undefined);
    writer.commit();
    const second = asked(reader, ROWS, { kind: 'range', limit: 9, reverse: true, to: first.next as string });
    expect(second.values.map(({ key }) => key)).toEqual(['e', 'b']);
    expect([first.position, second.position]).toEqual([{ S: { '0': 1 } }, { S: { '0': 2 } }]);
  });

  it('read only a few of the windows that are not asked for', () => {
    const { store, reader, close } = open();
    opened.push({ close });
    const writer = new QueriedWriter(store);
    const keys = Array.from({ length: 40 }, (_unused, index) => `key-${100 + index}`);
    const WINDOWS_OF_KEY = 200;
    for (const key of keys) {
      for (let at = 0; at < WINDOWS_OF_KEY; at++) writer.window({ key, start_ms: at, end_ms: at + 1 }, 'v');
    }
    writer.commit();
    const read = (query: Omit<WindowRangeQuery, 'kind'>): readonly [number, number] => {
      const counted = counting(reader, 'op/windows');
      const { values } = asked(counted.reader, WINDOWS, { kind: 'windows', ...query });
      return [values.length, counted.rows()];
    };
    const outside = MAX_SKIPPED_ROWS + 1;
    const limit = MAX_QUERY_ROWS;
    for (const reverse of [false, true]) {
      // In the middle: before and behind it a few rows of each key.
      const middle = { start_ms: 100, end_ms: 103, reverse };
      expect(read({ ...middle, limit })).toEqual([120, 40 * (3 + 2 * outside)]);
      // The limit is reached in the second key, whose first window beyond it is the last row read.
      expect(read({ ...middle, limit: 4 })).toEqual([4, 5 + 3 * outside]);
      // Outside of all: neither way more than a few of each key.
      const [none, rows] = read({ start_ms: WINDOWS_OF_KEY, end_ms: 10_000, reverse, limit });
      expect(none).toBe(0);
      expect(rows).toBeLessThanOrEqual(40 * outside);
      expect(read({ start_ms: 9, end_ms: 9, reverse, limit })).toEqual([0, 0]);
      // All of it: nothing twice.
      expect(read({ start_ms: 0, end_ms: 10_000, reverse, limit })).toEqual([8_000, 8_000]);
    }
    // Each of the others reads what it gives and the next.
    const counted = counting(reader, 'op/windows');
    const newest = {
      kind: 'window',
      key: 'key-120',
      start_ms: 0,
      end_ms: 10_000,
      limit: 1,
      reverse: true,
    } as const;
    expect(asked(counted.reader, WINDOWS, newest).values).toMatchObject([{ start_ms: WINDOWS_OF_KEY - 1 }]);
    expect(counted.rows()).toBe(2);
  });
});

describe('a key', () => {
  it('has none of the windows of another one, whatever time they are asked for', () => {
    const { store, reader } = QUERIED_STORES.memory();
    const writer = new QueriedWriter(store);
    writer.window({ key: 'a\0b', start_ms: 5, end_ms: 6 }, 'of another key');
    writer.commit();
    const query = { kind: 'window', key: 'a', start_ms: 0, end_ms: 2 ** 48 - 1 } as const;
    expect(queryTable(reader, WINDOWS, query)).toMatchObject({ ok: true, values: [] });
  });
});
