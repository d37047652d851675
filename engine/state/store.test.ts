import { afterEach, describe, expect, it } from 'vitest';
import { fc } from '../../test/property.ts';
import { MillraceError } from '../base/index.ts';
import { STORE_KINDS, StoreFixture } from './fixture-stores.ts';
import { type KvEntry, type KvRange, type KvStore, prefixEnd } from './kv.ts';
import { MemoryDisk } from './store-memory.ts';

const stores = new StoreFixture();
afterEach(() => stores.close());

const bytes = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'latin1'));
const text = (value: Uint8Array | undefined): string | undefined =>
  value === undefined ? undefined : Buffer.from(value).toString('latin1');
const pairs = (entries: Iterable<KvEntry>): string[] =>
  [...entries].map(({ key, value }) => `${text(key)}=${text(value)}`);

function fill(store: KvStore, name: string, keys: readonly string[]): void {
  store.transaction(() => {
    for (const key of keys) store.table(name).put(bytes(key), bytes(key.toUpperCase()));
  });
}

describe.each(STORE_KINDS)('the %s store', (kind) => {
  const open = () => stores.open(kind);

  it('gives back what was put, and nothing for what was not', () => {
    const { store } = open();
    fill(store, 'one', ['a', 'b']);
    expect(text(store.table('one').get(bytes('a')))).toBe('A');
    expect(store.table('one').get(bytes('c'))).toBeUndefined();
    expect(store.table('two').get(bytes('a'))).toBeUndefined();
  });

  it('sees its own writes inside the transaction', () => {
    const { store } = open();
    const table = store.table('t');
    fill(store, 't', ['b']);
    store.transaction(() => {
      table.put(bytes('a'), bytes('new'));
      table.remove(bytes('b'));
      expect(text(table.get(bytes('a')))).toBe('new');
      expect(table.get(bytes('b'))).toBeUndefined();
      expect(pairs(table.scan())).toEqual(['a=new']);
    });
    expect(pairs(table.scan())).toEqual(['a=new']);
  });

  it('copies keys and values at the put', () => {
    const { store } = open();
    const table = store.table('t');
    const [key, value] = [bytes('key'), bytes('value')];
    store.transaction(() => {
      table.put(key, value);
      key.fill(0x78);
      value.fill(0x78);
    });
    expect(pairs(table.scan())).toEqual(['key=value']);
  });

  it('keeps empty values, and large keys and values', () => {
    const { store } = open();
    const table = store.table('t');
    const large = 'v'.repeat(3_000_000);
    store.transaction(() => {
      table.put(bytes('empty'), new Uint8Array(0));
      table.put(bytes('k'.repeat(1_900)), bytes(large));
    });
    expect(table.get(bytes('empty'))?.length).toBe(0);
    expect(text(table.get(bytes('k'.repeat(1_900))))).toBe(large);
    expect([...table.scan()].map(({ value }) => value.length)).toEqual([0, large.length]);
  });

  it('writes nothing when the work throws, and throws that error', () => {
    const { store } = open();
    fill(store, 't', ['a', 'b']);
    const error = new MillraceError('told_so', 'told so');
    const work = (): void => {
      const table = store.table('t');
      table.put(bytes('a'), bytes('changed'));
      table.put(bytes('a'), bytes('twice'));
      table.put(bytes('c'), bytes('new'));
      table.remove(bytes('b'));
      throw error;
    };
    expect(() => store.transaction(work)).toThrow(error);
    expect(pairs(store.table('t').scan())).toEqual(['a=A', 'b=B']);
    fill(store, 't', ['d']);
    expect(pairs(store.table('t').scan())).toEqual(['a=A', 'b=B', 'd=D']);
  });

  it('writes only inside a transaction, and transactions do not nest', () => {
    const { store } = open();
    const table = store.table('t');
    expect(() => table.put(bytes('a'), bytes('b'))).toThrow(/inside a commit/);
    expect(() => table.remove(bytes('a'))).toThrow(/inside a commit/);
    expect(() => store.transaction(() => store.transaction(() => 0))).toThrow(/do not nest/);
    expect(store.transaction(() => 7)).toBe(7);
  });

  it('removes half-open ranges, however many rows they have', () => {
    const { store } = open();
    const table = store.table('t');
    const keys = Array.from({ length: 4_500 }, (_unused, index) => `k${10_000 + index}`);
    fill(store, 't', keys);
    const range = { start: bytes('k10002'), end: bytes('k14498') };
    store.transaction(() => {
      table.removeRange(range);
      expect([...table.scan()].length).toBe(4);
    });
    const left = ['k10000', 'k10001', 'k14498', 'k14499'];
    expect([...table.scan()].map(({ key }) => text(key))).toEqual(left);
    const aborted = (): void => {
      table.removeRange({});
      throw new MillraceError('aborted', 'aborted');
    };
    expect(() => store.transaction(aborted)).toThrow('aborted');
    expect([...table.scan()].length).toBe(4);
    expect(() => table.removeRange(range)).toThrow(/inside a commit/);
    store.transaction(() => table.removeRange({ start: bytes('k2'), end: bytes('k1') }));
    store.transaction(() => table.removeRange({ start: bytes('k10001') }));
    expect([...table.scan()].map(({ key }) => text(key))).toEqual(['k10000']);
  });

  it('scans half-open ranges in byte order, either way, up to a limit', () => {
    const { store } = open();
    const table = store.table('t');
    fill(store, 't', ['a', 'ab', 'b', '\xff', 'c', 'a\0']);
    const keys = (range: KvRange): (string | undefined)[] =>
      [...table.scan(range)].map(({ key }) => text(key));
    expect(keys({})).toEqual(['a', 'a\0', 'ab', 'b', 'c', '\xff']);
    expect(keys({ start: bytes('a\0'), end: bytes('c') })).toEqual(['a\0', 'ab', 'b']);
    expect(keys({ reverse: true })).toEqual(['\xff', 'c', 'b', 'ab', 'a\0', 'a']);
    expect(keys({ start: bytes('a\0'), end: bytes('c'), reverse: true })).toEqual(['b', 'ab', 'a\0']);
    expect(keys({ end: bytes('bb'), reverse: true, limit: 2 })).toEqual(['b', 'ab']);
    expect(keys({ start: bytes('b'), limit: 2 })).toEqual(['b', 'c']);
    expect(keys({ start: bytes('c'), end: bytes('a') })).toEqual([]);
    expect(keys({ start: bytes('b'), end: bytes('b'), reverse: true })).toEqual([]);
  });

  it('scans as a sorted map does, for any keys and range', () => {
    const key = fc
      .uint8Array({ minLength: 1, maxLength: 4 })
      .map((value) => Buffer.from(value).toString('latin1'));
    const { store } = open();
    let run = 0;
    fc.assert(
      fc.property(
        fc.uniqueArray(key, { maxLength: 12 }),
        fc.record({
          start: fc.option(key, { nil: undefined }),
          end: fc.option(key, { nil: undefined }),
          reverse: fc.boolean(),
          limit: fc.option(fc.integer({ min: 1, max: 5 }), { nil: undefined }),
        }),
        (keys, { start, end, reverse, limit }) => {
          const table = store.table('t');
          run++;
          store.transaction(() => {
            for (const { key: old } of [...table.scan()]) table.remove(Uint8Array.from(old));
            for (const name of keys) table.put(bytes(name), bytes(String(run)));
          });
          const range: KvRange = {
            reverse,
            ...(start === undefined ? {} : { start: bytes(start) }),
            ...(end === undefined ? {} : { end: bytes(end) }),
            ...(limit === undefined ? {} : { limit }),
          };
          let expected = keys
            .filter((name) => (start === undefined || name >= start) && (end === undefined || name < end))
            .sort();
          if (reverse) expected = expected.reverse();
          expect([...table.scan(range)].map((entry) => text(entry.key))).toEqual(expected.slice(0, limit));
        },
      ),
      { numRuns: 60 },
    );
  });

  it('entries of a scan stay good when the next ones are read', () => {
    const { store } = open();
    fill(
      store,
      't',
      Array.from({ length: 300 }, (_unused, index) => `key-${index}`),
    );
    const entries = [...store.table('t').scan()];
    expect(entries.every(({ key, value }) => text(value) === text(key)?.toUpperCase())).toBe(true);
  });

  it('scans of one snapshot may be left early, begun again elsewhere, and lie within each other', () => {
    const { store, reader: openReader } = open();
    const keys = Array.from({ length: 50 }, (_unused, index) => `k${100 + index}`);
    fill(store, 't', keys);
    const reader = openReader();
    const found = reader.snapshot((table) => {
      const seen: string[] = [];
      let high = 'k150';
      // From both ends to the middle, with a new scan from above for each key.
      for (const { key } of table('t').scan()) {
        const low = text(key) as string;
        if (low >= high) break;
        seen.push(low);
        const range = { start: bytes(`${low}\0`), end: bytes(high), reverse: true };
        for (const last of table('t').scan(range)) {
          high = text(last.key) as string;
          seen.push(high);
          break;
        }
      }
      return seen;
    });
    expect(found.toSorted()).toEqual(keys);
    expect(found.slice(0, 4)).toEqual(['k100', 'k149', 'k101', 'k148']);
  });

  it('readers see one committed state', () => {
    const { store, reader: openReader } = open();
    fill(store, 't', ['a', 'b']);
    const reader = openReader();
    const seen = (): string[] => reader.snapshot((table) => pairs(table('t').scan()));
    expect(seen()).toEqual(['a=A', 'b=B']);
    store.transaction(() => {
      const table = store.table('t');
      table.put(bytes('c'), bytes('C'));
      table.remove(bytes('a'));
      table.put(bytes('b'), bytes('changed'));
      expect(seen()).toEqual(['a=A', 'b=B']);
    });
    expect(seen()).toEqual(['b=changed', 'c=C']);
    expect(reader.snapshot((table) => text(table('t').get(bytes('b'))))).toBe('changed');
  });

  it('a reader finds nothing in a table that is not there, and finds it once it is', () => {
    const { store, reader: openReader } = open();
    fill(store, 'first', ['a']);
    const reader = openReader();
    const count = (): number => reader.snapshot((table) => [...table('later').scan()].length);
    expect(count()).toBe(0);
    expect(reader.snapshot((table) => table('later').get(bytes('a')))).toBeUndefined();
    fill(store, 'later', ['a', 'b']);
    expect(count()).toBe(2);
    expect(reader.tableNames()).toEqual(['first', 'later']);
    const sizes = reader.tableSizes?.();
    if (sizes !== undefined) {
      expect([...sizes].map(([name, { rows }]) => [name, rows])).toEqual([
        ['first', 1],
        ['later', 2],
      ]);
      expect(sizes.get('later')?.size_bytes).toBeGreaterThan(0);
    }
  });

  it('keeps what was committed when it is opened again', async () => {
    const { store, reopen } = open();
    fill(store, 't', ['a', 'b']);
    const again = await reopen();
    expect(again.tableNames()).toEqual(['t']);
    expect(pairs(again.table('t').scan())).toEqual(['a=A', 'b=B']);
    expect(again.sizeBytes()).toBeGreaterThan(0);
  });
});

describe('a snapshot of an lmdb reader', () => {
  it('stays one state when it meets a table for the first time', () => {
    const { store, reader: openReader } = stores.open('lmdb');
    fill(store, 'first', ['a']);
    fill(store, 'second', ['a']);
    const reader = openReader();
    const seen = reader.snapshot((table) => {
      const first = pairs(table('first').scan());
      fill(store, 'first', ['b']);
      fill(store, 'second', ['b']);
      fill(store, 'third', ['b']);
      return [first, pairs(table('second').scan()), pairs(table('third').scan())];
    });
    expect(seen).toEqual([['a=A'], ['a=A'], []]);
    expect(reader.snapshot((table) => pairs(table('third').scan()))).toEqual(['b=B']);
  });
});

describe('a simulated crash', () => {
  it.each(['begin', 'end'] as const)('at the %s of a commit leaves the last state', (step) => {
    const disk = new MemoryDisk();
    fill(disk.open(), 't', ['a']);
    disk.fault = (at) => {
      if (at === step) throw new Error('crash');
    };
    expect(() => fill(disk.open(), 't', ['b'])).toThrow('crash');
    disk.fault = undefined;
    expect(pairs(disk.open().table('t').scan())).toEqual(['a=A']);
  });
});

describe('prefixEnd', () => {
  it('is above every key with the prefix and not above any other', () => {
    const key = fc.uint8Array({ maxLength: 4 });
    fc.assert(
      fc.property(key, key, (prefix, other) => {
        const end = prefixEnd(prefix);
        const hasPrefix =
          Buffer.compare(other.subarray(0, prefix.length), prefix) === 0 && other.length >= prefix.length;
        const inRange =
          Buffer.compare(other, prefix) >= 0 && (end === undefined || Buffer.compare(other, end) < 0);
        expect(inRange).toBe(hasPrefix);
      }),
    );
  });

  it('is nothing for bytes that cannot rise', () => {
    expect(prefixEnd(new Uint8Array([0xff, 0xff]))).toBeUndefined();
    expect(prefixEnd(new Uint8Array([1, 0xff]))).toEqual(new Uint8Array([2]));
  });
});
