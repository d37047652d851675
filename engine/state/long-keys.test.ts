import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { open } from 'lmdb';
import { afterEach, describe, expect, it } from 'vitest';
import { fc } from '../../test/property.ts';
import { MillraceError } from '../base/index.ts';
import { STORE_KINDS, StoreFixture } from './fixture-stores.ts';
import { type KvRange, type KvStore, type KvTable, type KvView, MAX_KEY_BYTES } from './kv.ts';
import { HEAD_BYTES } from './long-keys.ts';
import { openLmdbStore } from './store-lmdb.ts';

const stores = new StoreFixture();
afterEach(() => stores.close());

const bytes = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'latin1'));
const text = (value: Uint8Array): string => Buffer.from(value).toString('latin1');
const keysOf = (view: KvView, range?: KvRange): string[] =>
  Array.from(view.scan(range), ({ key }) => text(key));

/** Around every length at which a key is cut, and far from them. */
const LENGTHS = [0, 1, 2, 7, 1_970, 1_971, 1_972, 1_976, 1_977, 1_978, 1_979, 1_984, 3_000];
const DEEP_LENGTHS = [3_949, 3_950, 3_951, 5_000];
const edge = fc
  .uint8Array({ maxLength: 3 })
  .map((tail) => tail.map((byte) => [0, 0x61, 0xff][byte % 3] as number));
/** Latin-1, so that strings sort as their bytes do. Most share a prefix that is longer than any cut. */
const longKey = fc
  .tuple(fc.constantFrom('a', 'a', 'a', '\0', '\xff'), fc.constantFrom(...LENGTHS, ...DEEP_LENGTHS), edge)
  .map(([fill, length, tail]) => (fill.repeat(length) + text(tail)).slice(0, 5_000));
const anyRange = fc.record({
  start: fc.option(longKey, { nil: undefined }),
  end: fc.option(longKey, { nil: undefined }),
  reverse: fc.boolean(),
  limit: fc.option(fc.integer({ min: 0, max: 5 }), { nil: undefined }),
});
type AnyRange = typeof anyRange extends fc.Arbitrary<infer T> ? T : never;

const storeRange = ({ start, end, reverse, limit }: AnyRange): KvRange => ({
  reverse,
  ...(start === undefined ? {} : { start: bytes(start) }),
  ...(end === undefined ? {} : { end: bytes(end) }),
  ...(limit === undefined ? {} : { limit }),
});

function expectedOf(rows: ReadonlyMap<string, string>, { start, end, reverse, limit }: AnyRange): string[] {
  const found = [...rows]
    .filter(([key]) => (start === undefined || key >= start) && (end === undefined || key < end))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${value}`);
  return (reverse ? found.reverse() : found).slice(0, limit);
}

const change = fc.oneof(
  { weight: 4, arbitrary: fc.record({ put: longKey.filter((key) => key.length > 0) }) },
  { weight: 2, arbitrary: fc.record({ remove: longKey }) },
  { weight: 1, arbitrary: fc.record({ from: longKey, to: longKey }) },
);
type Change = typeof change extends fc.Arbitrary<infer T> ? T : never;

function apply(table: KvTable, rows: Map<string, string>, change: Change, value: string): void {
  if ('put' in change) {
    table.put(bytes(change.put), bytes(value));
    rows.set(change.put, value);
  } else if ('remove' in change) {
    table.remove(bytes(change.remove));
    rows.delete(change.remove);
  } else {
    table.removeRange({ start: bytes(change.from), end: bytes(change.to) });
    for (const key of rows.keys()) if (key >= change.from && key < change.to) rows.delete(key);
  }
}

describe.each(STORE_KINDS)('long keys in the %s store', (kind) => {
  it('are put, got, removed and scanned as in a sorted map, across aborts, for the writer and readers', () => {
    const { store, reader: openReader } = stores.open(kind);
    const table = store.table('t');
    const other = store.table('other');
    store.transaction(() => other.put(bytes('b'.repeat(4_000)), bytes('kept')));
    const reader = openReader();
    // Opens the tables, for which it waits until nothing is written.
    expect(reader.snapshot((view) => keysOf(view('t')))).toEqual([]);
    let run = 0;
    const commits = fc.array(
      fc.record({
        changes: fc.array(change, { maxLength: 10 }),
        aborts: fc.boolean(),
        range: anyRange,
        key: longKey,
      }),
      { minLength: 1, maxLength: 6 },
    );
    fc.assert(
      fc.property(commits, (transactions) => {
        let rows = new Map<string, string>();
        store.transaction(() => table.removeRange({}));
        for (const { changes, aborts, range, key } of transactions) {
          const next = new Map(rows);
          const check = (view: KvView, expected: ReadonlyMap<string, string>): void => {
            const pairs = Array.from(
              view.scan(storeRange(range)),
              (row) => `${text(row.key)}=${text(row.value)}`,
            );
            expect(pairs).toEqual(expectedOf(expected, range));
            const value = view.get(bytes(key));
            expect(value === undefined ? undefined : text(value)).toBe(expected.get(key));
          };
          const work = (): void => {
            for (const one of changes) apply(table, next, one, String(++run));
            check(table, next);
            reader.snapshot((view) => check(view('t'), rows));
            if (aborts) throw new MillraceError('aborted', 'aborted');
          };
          if (aborts) expect(() => store.transaction(work)).toThrow('aborted');
          else store.transaction(work);
          if (!aborts) rows = next;
          check(table, rows);
          reader.snapshot((view) => check(view('t'), rows));
        }
        expect(keysOf(other)).toEqual(['b'.repeat(4_000)]);
      }),
      { numRuns: 150 },
    );
  });

  it('leave nothing when they are removed, and take a megabyte', async () => {
    const opened = stores.open(kind);
    const put = (store: KvStore, key: string): void =>
      store.transaction(() => store.table('t').put(bytes(key), bytes('v')));
    const key = 'k'.repeat(MAX_KEY_BYTES - 1);
    put(opened.store, key);
    put(opened.store, `${key}l`);
    expect(() => put(opened.store, `${key}lm`)).toThrow(expect.objectContaining({ code: 'key_too_long' }));
    const again = await opened.reopen();
    expect(keysOf(again.table('t')).map(({ length }) => length)).toEqual([MAX_KEY_BYTES - 1, MAX_KEY_BYTES]);
    expect(again.tableNames()).toEqual(['t']);
    again.transaction(() => again.table('t').remove(bytes(key)));
    expect(text(again.table('t').get(bytes(`${key}l`)) ?? bytes(''))).toBe('v');
    again.transaction(() => again.table('t').removeRange({ start: bytes('k') }));
    expect([...again.table('t').scan()]).toEqual([]);
  });

  it('entries of a scan stay good when the next ones are read', () => {
    const { store } = stores.open(kind);
    const table = store.table('t');
    const keys = Array.from({ length: 300 }, (_, index) => `${'k'.repeat(1_975)}-${1_000 + index}`);
    store.transaction(() => {
      for (const key of keys) table.put(bytes(key), bytes(key.slice(-4)));
    });
    const entries = [...table.scan()];
    expect(entries.map(({ key }) => text(key))).toEqual(keys);
    expect(entries.every(({ key, value }) => text(value) === text(key).slice(-4))).toBe(true);
  });

  it('take a value as it was read', () => {
    const { store } = stores.open(kind);
    const table = store.table('t');
    const key = bytes('k'.repeat(3_000));
    store.transaction(() => {
      table.put(bytes('a'), bytes('the value of a'));
      table.put(key, bytes('old'));
      table.put(key, table.get(bytes('a')) ?? bytes(''));
    });
    expect(text(table.get(key) ?? bytes(''))).toBe('the value of a');
  });

  it('a key has at least one byte', () => {
    const { store } = stores.open(kind);
    const table = store.table('t');
    const none = new Uint8Array(0);
    expect(() => store.transaction(() => table.put(none, none))).toThrow(/at least one byte/);
    store.transaction(() => {
      table.put(bytes('a'), none);
      table.remove(none);
    });
    expect(table.get(none)).toBeUndefined();
    expect([keysOf(table, { start: none }), keysOf(table, { end: none })]).toEqual([['a'], []]);
    expect([keysOf(table, { start: none, reverse: true }), keysOf(table, { limit: 0 })]).toEqual([['a'], []]);
  });
});

describe('a state of before long keys', () => {
  it('is read as it is, but for a row whose key has the length of a head: it is refused, not misread', async () => {
    const path = mkdtempSync(join(tmpdir(), 'millrace-old-'));
    const binary = { encoding: 'binary', keyEncoding: 'binary', cache: false } as const;
    const root = open<Buffer, Buffer>({ path, maxDbs: 128, overlappingSync: false, noSync: true, ...binary });
    const longest = 'x'.repeat(HEAD_BYTES - 1);
    await root.openDB<Buffer, Buffer>('good', binary).put(Buffer.from(longest), Buffer.from('ordinary'));
    await root.openDB<Buffer, Buffer>('bad', binary).put(Buffer.from(`${longest}x`), Buffer.from('no head'));
    const store = openLmdbStore(path, { durable: false });
    const good = store.table('good');
    expect([keysOf(good), text(good.get(bytes(longest)) ?? bytes(''))]).toEqual([[longest], 'ordinary']);
    expect(() => keysOf(store.table('bad'))).toThrow(/head of long keys/);
    expect(() => store.table('bad').get(bytes(`${longest}xx`))).toThrow(/head of long keys/);
    await store.close();
    await root.close();
    rmSync(path, { recursive: true });
  });
});
