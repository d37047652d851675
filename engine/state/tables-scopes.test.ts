import { describe, expect, it } from 'vitest';
import { fc } from '../../test/property.ts';
import { intCodec, stringKey } from '../base/index.ts';
import type { KvStore } from './kv.ts';
import { MemoryDisk } from './store-memory.ts';
import { type MapSpec, mapTable } from './table-specs.ts';
import { type MapTable, openTables } from './tables.ts';

const DAY_MS = 86_400_000;
const spec = (options: { cacheRows?: number; ttl?: { retain_ms: number } } = {}) =>
  mapTable<string, number>({ key: stringKey, value: intCodec, version: 1, ...options });

class Fixture {
  readonly disk = new MemoryDisk();
  store!: KvStore;
  table!: MapTable<string, number>;
  readonly #spec: MapSpec<string, number>;

  constructor(of: MapSpec<string, number> = spec()) {
    this.#spec = of;
    this.restart();
  }

  restart(): void {
    this.store = this.disk.open();
    this.table = openTables(this.store, 'op', { t: this.#spec }).t;
  }

  commit(watermark_ms = 0): void {
    this.store.transaction(() => this.table.flush(watermark_ms));
  }

  rows(): number {
    return [...this.store.table('op/t').scan()].length;
  }
}

describe('the entries of a scope', () => {
  it('are not those of one whose name goes on with a NUL, nor go with them', () => {
    const f = new Fixture();
    const names = ['a', 'a\0', 'a\0b', 'a\0\0', '', '\0'];
    for (const name of names) f.table.scope(name).set(`of ${name}`, 1);
    f.commit();
    for (const name of names) expect(f.table.scope(name).entries()).toEqual([[`of ${name}`, 1]]);
    f.table.drop('a');
    f.table.drop('');
    f.commit();
    f.restart();
    const left = names.filter((name) => f.table.scope(name).entries().length > 0);
    expect(left).toEqual(['a\0', 'a\0b', 'a\0\0', '\0']);
  });

  it('are in key order, whether they are committed or not, and only of the scope', () => {
    const f = new Fixture();
    const scope = f.table.scope('s');
    for (const [index, key] of ['b', 'é', 'a\0', 'a'].entries()) scope.set(key, index);
    f.table.scope('s2').set('other', 9);
    const all = [
      ['a', 3],
      ['a\0', 2],
      ['b', 0],
      ['é', 1],
    ];
    expect(scope.entries()).toEqual(all);
    f.commit();
    expect(scope.entries()).toEqual(all);
    scope.set('c', 7);
    scope.delete('a');
    scope.set('b', 5);
    const mixed = [
      ['a\0', 2],
      ['b', 5],
      ['c', 7],
      ['é', 1],
    ];
    expect(scope.entries()).toEqual(mixed);
    f.commit();
    f.restart();
    expect(f.table.scope('s').entries()).toEqual(mixed);
    expect(f.table.scope('none').entries()).toEqual([]);
  });

  it('do not have what a restart has undone', () => {
    const f = new Fixture();
    f.table.scope('s').set('a', 1);
    f.commit();
    f.table.scope('s').set('b', 2);
    f.table.scope('s').delete('a');
    f.restart();
    expect(f.table.scope('s').entries()).toEqual([['a', 1]]);
  });

  it('do not have expired rows, cached or not, and have those that were written again', () => {
    const f = new Fixture(spec({ ttl: { retain_ms: 10 * DAY_MS } }));
    f.table.scope('s').set('old', 1);
    f.table.scope('s').set('again', 2);
    f.commit(0);
    f.table.advance(5 * DAY_MS);
    f.table.scope('s').set('again', 3);
    f.commit(5 * DAY_MS);
    f.table.advance(12 * DAY_MS);
    expect(f.table.scope('s').entries()).toEqual([['again', 3]]);
    f.restart();
    f.table.advance(12 * DAY_MS);
    expect(f.table.scope('s').entries()).toEqual([['again', 3]]);
  });
});

describe('a dropped scope', () => {
  it.each([
    ['uncommitted', (f: Fixture) => f.table.scope('s').set('a', 1)],
    [
      'committed',
      (f: Fixture) => {
        f.table.scope('s').set('a', 1);
        f.commit();
      },
    ],
    [
      'partly committed',
      (f: Fixture) => {
        f.table.scope('s').set('a', 1);
        f.commit();
        f.table.scope('s').set('b', 2);
      },
    ],
    [
      'committed before a restart and never looked at since',
      (f: Fixture) => {
        f.table.scope('s').set('a', 1);
        f.commit();
        f.restart();
      },
    ],
  ] as const)('that was %s is empty at once, and gone with the commit', (_, prepare) => {
    const f = new Fixture();
    f.table.scope('kept').set('k', 1);
    prepare(f);
    f.table.drop('s');
    expect(f.table.scope('s').entries()).toEqual([]);
    expect(f.table.scope('s').get('a')).toBeUndefined();
    f.commit();
    expect(f.rows()).toBe(1);
    expect(f.table.cachedRows).toBeLessThanOrEqual(1);
    f.restart();
    expect(f.table.scope('s').entries()).toEqual([]);
    expect(f.table.scope('kept').entries()).toEqual([['k', 1]]);
  });

  it('is back when the drop was not committed', () => {
    const f = new Fixture();
    f.table.scope('s').set('a', 1);
    f.commit();
    f.table.drop('s');
    f.restart();
    expect(f.table.scope('s').entries()).toEqual([['a', 1]]);
  });

  it('may be written to again before and after the commit, through any handle', () => {
    const f = new Fixture();
    const before = f.table.scope('s');
    before.set('a', 1);
    f.commit();
    f.table.drop('s');
    f.table.scope('s').set('b', 2);
    f.commit();
    expect(before.entries()).toEqual([['b', 2]]);
    before.set('c', 3);
    expect(f.table.scope('s').get('c')).toBe(3);
    f.table.scope('s').set('c', 4);
    expect(before.get('c')).toBe(4);
    f.commit();
    f.restart();
    expect(f.table.scope('s').entries()).toEqual([
      ['b', 2],
      ['c', 4],
    ]);
  });

  it('leaves nothing in memory, however many there were', () => {
    const f = new Fixture();
    for (let window = 0; window < 2_000; window++) {
      f.table.scope(`w${window}`).set('a', window);
      if (window % 10 === 9) f.commit();
      if (window >= 5) f.table.drop(`w${window - 5}`);
    }
    for (let window = 1_995; window < 2_000; window++) f.table.drop(`w${window}`);
    f.commit();
    expect([f.rows(), f.table.cachedRows, f.table.cachedScopes]).toEqual([0, 0, 0]);
  });
});

describe('scopes', () => {
  it('that nobody uses any more leave the cache with their rows', () => {
    const f = new Fixture(spec({ cacheRows: 10 }));
    for (let index = 0; index < 1_000; index++) {
      f.table.scope(`user-${index}`).set('a', index);
      if (index % 3 === 0) f.commit();
    }
    f.commit();
    expect(f.table.cachedScopes).toBeLessThanOrEqual(20);
    for (let index = 0; index < 1_000; index++) expect(f.table.scope(`user-${index}`).get('a')).toBe(index);
  });

  it('are maps under any mixture of changes, drops, commits, restarts and evictions', () => {
    const keys = ['a', 'b', 'c'];
    const names = ['x', 'y', 'z'];
    const step = fc.record({
      kind: fc.constantFrom('set', 'set', 'set', 'delete', 'get', 'entries', 'drop', 'commit', 'restart'),
      key: fc.constantFrom(...keys),
      name: fc.constantFrom(...names),
      held: fc.boolean(),
    });
    type Model = Map<string, Map<string, number>>;
    const copy = (model: Model): Model => new Map([...model].map(([name, rows]) => [name, new Map(rows)]));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), fc.constantFrom(1, 2, 4, 100), (steps, cacheRows) => {
        const f = new Fixture(spec({ cacheRows }));
        let model: Model = new Map(names.map((name) => [name, new Map()]));
        let committed = copy(model);
        let handles = new Map(names.map((name) => [name, f.table.scope(name)]));
        for (const [index, { kind, key, name, held }] of steps.entries()) {
          const rows = model.get(name) as Map<string, number>;
          const map = held ? (handles.get(name) ?? f.table.scope(name)) : f.table.scope(name);
          if (kind === 'set') {
            map.set(key, index);
            rows.set(key, index);
          } else if (kind === 'delete') {
            map.delete(key);
            rows.delete(key);
          } else if (kind === 'get') expect(map.get(key)).toBe(rows.get(key));
          else if (kind === 'entries')
            expect(map.entries()).toEqual([...rows].sort(([a], [b]) => (a < b ? -1 : 1)));
          else if (kind === 'drop') {
            f.table.drop(name);
            rows.clear();
          } else if (kind === 'commit') {
            f.commit();
            committed = copy(model);
          } else {
            f.restart();
            model = copy(committed);
            handles = new Map(names.map((of) => [of, f.table.scope(of)]));
          }
        }
        f.commit();
        for (const name of names) {
          const wanted = [...(model.get(name) ?? [])].sort(([a], [b]) => (a < b ? -1 : 1));
          expect(f.table.scope(name).entries()).toEqual(wanted);
        }
        expect(f.rows()).toBe([...model.values()].reduce((sum, rows) => sum + rows.size, 0));
      }),
      { numRuns: 300 },
    );
  });
});
