import { describe, expect, it } from 'vitest';
import { fc } from '../../test/property.ts';
import { ByteReader, intCodec, stringCodec, stringKey, uintKey } from '../base/index.ts';
import type { KvStore } from './kv.ts';
import { MemoryDisk } from './store-memory.ts';
import { mapTable, rawTable, type TableSpecs } from './table-specs.ts';
import { MapTable, openTables, scopeRange } from './tables.ts';

const counts = mapTable<string, number>({ key: stringKey, value: intCodec, version: 1 });
const DAY_MS = 86_400_000;
const aging = mapTable<string, number>({
  key: stringKey,
  value: intCodec,
  version: 1,
  ttl: { retain_ms: 10 * DAY_MS },
});

function commit(store: KvStore, table: MapTable<string, number>, watermark_ms = 0): void {
  store.transaction(() => table.flush(watermark_ms));
}

function rows(store: KvStore, name = 'op/t'): number {
  return [...store.table(name).scan()].length;
}

describe('MapTable', () => {
  it('gives back what was set, before and after the commit and after a restart', () => {
    const disk = new MemoryDisk();
    const store = disk.open();
    const { t } = openTables(store, 'op', { t: counts });
    const scope = t.scope('acme');
    scope.set('a', 1);
    expect(scope.get('a')).toBe(1);
    expect(rows(store)).toBe(0);
    commit(store, t);
    expect(scope.get('a')).toBe(1);
    const restarted = openTables(disk.open(), 'op', { t: counts }).t.scope('acme');
    expect([restarted.get('a'), restarted.get('b')]).toEqual([1, undefined]);
  });

  it('writes a row once a commit, however often it changed', () => {
    const store = new MemoryDisk().open();
    let writes = 0;
    const table = store.table('op/t');
    const { put } = table;
    const counting = {
      ...table,
      put: (key: Uint8Array, value: Uint8Array) => {
        writes++;
        put(key, value);
      },
    };
    const map = new MapTable(counts, counting, { id: 'op/t', checks: 'first' });
    for (let value = 0; value < 1_000; value++) map.scope('').set('hot', value);
    expect(map.dirtyRows).toBe(1);
    commit(store, map);
    commit(store, map);
    expect(writes).toBe(1);
    expect(map.dirtyRows).toBe(0);
  });

  it('scopes keep the same key apart, also where one scope begins with the other', () => {
    const disk = new MemoryDisk();
    const store = disk.open();
    const { t } = openTables(store, 'op', { t: counts });
    for (const [index, name] of ['a', 'ab', 'a\0', ''].entries()) t.scope(name).set('key', index);
    commit(store, t);
    const again = openTables(disk.open(), 'op', { t: counts }).t;
    expect(['a', 'ab', 'a\0', ''].map((name) => again.scope(name).get('key'))).toEqual([0, 1, 2, 3]);
    const values = [...store.table('op/t').scan(scopeRange('ab'))].map(({ value }) =>
      intCodec.read(new ByteReader(value)),
    );
    expect(values).toEqual([1]);
  });

  it('a deleted key is gone, also from the store', () => {
    const disk = new MemoryDisk();
    const store = disk.open();
    const { t } = openTables(store, 'op', { t: counts });
    t.scope('s').set('a', 1);
    commit(store, t);
    t.scope('s').delete('a');
    expect(t.scope('s').get('a')).toBeUndefined();
    commit(store, t);
    expect(rows(store)).toBe(0);
  });

  it('is a map, whatever the order of changes, commits and restarts, with a cache of any size', () => {
    const step = fc.oneof(
      {
        weight: 8,
        arbitrary: fc.record({
          kind: fc.constantFrom('set' as const, 'get' as const, 'delete' as const),
          key: fc.integer({ min: 0, max: 30 }),
          scope: fc.constantFrom('x', 'y'),
        }),
      },
      {
        weight: 1,
        arbitrary: fc.record({
          kind: fc.constantFrom('commit' as const, 'restart' as const),
          key: fc.constant(0),
          scope: fc.constant('x'),
        }),
      },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), fc.integer({ min: 1, max: 12 }), (steps, cacheRows) => {
        const disk = new MemoryDisk();
        const spec = mapTable<number, number>({ key: uintKey, value: intCodec, version: 1, cacheRows });
        let store = disk.open();
        let { t } = openTables(store, 'op', { t: spec });
        let committed = new Map<string, number>();
        let model = new Map<string, number>();
        for (const [index, { kind, key, scope }] of steps.entries()) {
          const id = `${scope}${key}`;
          const map = t.scope(scope);
          if (kind === 'set') {
            map.set(key, index);
            model.set(id, index);
          } else if (kind === 'delete') {
            map.delete(key);
            model.delete(id);
          } else if (kind === 'get') expect(map.get(key)).toBe(model.get(id));
          else if (kind === 'commit') {
            store.transaction(() => t.flush(0));
            committed = new Map(model);
          } else {
            store = disk.open();
            ({ t } = openTables(store, 'op', { t: spec }));
            model = new Map(committed);
          }
        }
        for (let key = 0; key <= 30; key++) {
          for (const scope of ['x', 'y']) expect(t.scope(scope).get(key)).toBe(model.get(`${scope}${key}`));
        }
      }),
    );
  });

  it('keeps no more clean rows than the cache is meant to hold', () => {
    const store = new MemoryDisk().open();
    const { t } = openTables(store, 'op', {
      t: mapTable<string, number>({ key: stringKey, value: intCodec, version: 1, cacheRows: 10 }),
    });
    for (let index = 0; index < 500; index++) {
      t.scope('s').set(`k${index}`, index);
      if (index % 5 === 0) commit(store, t);
    }
    commit(store, t);
    expect(t.cachedRows).toBeLessThanOrEqual(20);
    for (let index = 0; index < 500; index++) expect(t.scope('s').get(`k${index}`)).toBe(index);
  });
});

describe('expiry', () => {
  it('hides a row from its time plus the retention on, by the watermark', () => {
    const store = new MemoryDisk().open();
    const { t } = openTables(store, 'op', { t: aging });
    t.scope('s').set('a', 50);
    // Written on day 3: kept until ten days after that day's end.
    commit(store, t, 3 * DAY_MS);
    t.advance(14 * DAY_MS);
    expect(t.scope('s').get('a')).toBe(50);
    t.advance(14 * DAY_MS + 1);
    expect(t.scope('s').get('a')).toBeUndefined();
    t.scope('s').set('a', 60);
    expect(t.scope('s').get('a')).toBe(60);
  });

  it('a row that is written again lives on, whatever it says', () => {
    const store = new MemoryDisk().open();
    const { t } = openTables(store, 'op', { t: aging });
    t.scope('s').set('a', 50);
    commit(store, t, 0);
    t.scope('s').set('a', 50);
    commit(store, t, 9 * DAY_MS);
    t.advance(19 * DAY_MS);
    expect(t.scope('s').get('a')).toBe(50);
  });

  it('hides rows that were read before they expired, and rows on disk', () => {
    const disk = new MemoryDisk();
    const store = disk.open();
    const { t } = openTables(store, 'op', { t: aging });
    t.scope('s').set('a', 50);
    commit(store, t, 0);
    const { t: again } = openTables(disk.open(), 'op', { t: aging });
    expect(again.scope('s').get('a')).toBe(50);
    again.advance(20 * DAY_MS);
    t.advance(20 * DAY_MS);
    expect([t.scope('s').get('a'), again.scope('s').get('a')]).toEqual([undefined, undefined]);
  });

  it('the sweep removes every expired row within some commits and no other', () => {
    const disk = new MemoryDisk();
    const store = disk.open();
    const { t } = openTables(store, 'op', { t: aging });
    const key = (index: number): string => `k${String(index).padStart(4, '0')}`;
    for (let index = 0; index < 1_000; index++) t.scope('s').set(key(index), index);
    commit(store, t, 0);
    for (let index = 1_000; index < 2_000; index++) t.scope('s').set(key(index), index);
    commit(store, t, 5 * DAY_MS);
    for (let left = 60; left > 0; left--) commit(store, t, 12 * DAY_MS);
    expect(rows(store)).toBe(1_000);
    expect(t.scope('s').get('k0999')).toBeUndefined();
    expect(t.scope('s').get('k1000')).toBe(1_000);
  });
});

describe('schema versions', () => {
  const seeded = (specs: TableSpecs): KvStore => {
    const store = new MemoryDisk().open();
    openTables(store, 'op', specs);
    store.transaction(() => store.table('op/t').put(Buffer.from('s\0k\0'), Buffer.from([4])));
    return store;
  };

  it.each([
    ['newer', mapTable<string, number>({ key: stringKey, value: intCodec, version: 2 })],
    ['raw and newer', rawTable({ version: 2 })],
  ])('a program that is %s refuses the table, and names it', (_, spec) => {
    const store = seeded({ t: counts });
    expect(() => openTables(store, 'op', { t: spec })).toThrow(
      expect.objectContaining({ code: 'state_schema_mismatch', message: expect.stringContaining('op/t') }),
    );
  });

  it('a program that is older refuses the table, also when it could migrate', () => {
    const newer = mapTable<string, number>({ key: stringKey, value: intCodec, version: 3 });
    const older = mapTable<string, number>({ key: stringKey, value: intCodec, version: 2, migrate: () => 0 });
    expect(() => openTables(seeded({ t: newer }), 'op', { t: older })).toThrow(/version 3/);
  });

  it('a migration turns every row into the new form, once', () => {
    const store = seeded({ t: counts });
    let migrated = 0;
    const spec = mapTable<string, string>({
      key: stringKey,
      value: stringCodec,
      version: 2,
      migrate: (bytes, from) => {
        migrated++;
        return `${from}:${intCodec.read(new ByteReader(bytes))}`;
      },
    });
    expect(openTables(store, 'op', { t: spec }).t.scope('s').get('k')).toBe('1:2');
    expect(openTables(store, 'op', { t: spec }).t.scope('s').get('k')).toBe('1:2');
    expect(migrated).toBe(1);
  });
});
