import { describe, expect, it } from 'vitest';
import { type KvStore, MemoryDisk, SeededRandom } from '../../engine/index.ts';
import { fc } from '../../test/property.ts';
import { OldIds, storedIds } from './old-ids.ts';
import { ID_WORDS } from './recent-ids.ts';

const DAY_S = 86_400;
type Entry = readonly [id0: number, id1: number, id2: number, payload: number, time_s: number];

const open = (store: KvStore): OldIds => new OldIds(store.table('blocks'), store.table('directory'));
const put = (store: KvStore, ids: OldIds, entries: readonly Entry[], stored_s = 0): void =>
  store.transaction(() => ids.store(Uint32Array.from(entries.flat()), stored_s));
const rows = (store: KvStore): number => [...store.table('blocks').scan()].length;

describe('OldIds', () => {
  it('finds every stored id by id and time, and no other, after any number of stores and restarts', () => {
    const word = fc.oneof(fc.integer({ min: 0, max: 3 }), fc.constant(0xffff_ffff), fc.nat(0xffff_ffff));
    const entry = fc.tuple(
      word,
      word,
      fc.nat(2),
      fc.nat(0xffff_ffff),
      fc.integer({ min: 0, max: 3 * DAY_S }),
    );
    fc.assert(
      fc.property(
        fc.array(
          fc.uniqueArray(entry, { minLength: 1, maxLength: 10, selector: (e) => e.slice(0, 3).join() }),
          { maxLength: 25 },
        ),
        (batches) => {
          const disk = new MemoryDisk();
          const store = disk.open();
          const ids = open(store);
          const known = new Map<string, Entry>();
          for (const batch of batches) {
            const fresh = batch.filter((e) => !known.has(e.slice(0, 3).join()));
            if (fresh.length === 0) continue;
            put(store, ids, fresh);
            for (const e of fresh) known.set(e.slice(0, 3).join(), e);
          }
          for (const reader of [ids, open(disk.open())]) {
            for (const [id0, id1, id2, payload, time_s] of known.values()) {
              expect(reader.find(id0, id1, id2, time_s)).toBe(payload);
              expect(reader.find(id0, id1, id2 + 3, time_s)).toBe(-1);
              expect(reader.find(id0, id1, id2, time_s + 10 * DAY_S)).toBe(-1);
            }
          }
          expect([...storedIds(store.table('blocks'))].map((id) => id.join()).sort()).toEqual(
            [...known.values()]
              .map(([id0, id1, id2, , time_s]) => [id0, id1, id2, Math.floor(time_s / DAY_S)].join())
              .sort(),
          );
        },
      ),
      { numRuns: 40 },
    );
  });

  const random = new SeededRandom(1);
  const many = (count: number, time_s = 1_000): Entry[] =>
    Array.from({ length: count }, (_, index) => [
      random.int(0, 0xffff_ffff),
      index,
      0,
      index % 7,
      time_s + (index % 100),
    ]);

  it('spreads a large run over blocks, reads one of them for a lookup', () => {
    const store = new MemoryDisk().open();
    const ids = open(store);
    const entries = many(20_000);
    put(store, ids, entries);
    expect(rows(store)).toBe(16);
    for (const [id0, id1, id2, payload, time_s] of entries.slice(0, 500))
      expect(ids.find(id0, id1, id2, time_s)).toBe(payload);
    expect(ids.blocksRead).toBe(500);
  });

  it('costs no read for times that no run covers', () => {
    const store = new MemoryDisk().open();
    const ids = open(store);
    put(store, ids, many(100));
    ids.find(1, 2, 3, 999);
    ids.find(1, 2, 3, 1_100);
    ids.find(1, 2, 3, 5 * DAY_S);
    expect(ids.blocksRead).toBe(0);
  });

  it('merges runs of a similar size, so that their number stays small', () => {
    const store = new MemoryDisk().open();
    const ids = open(store);
    const all: Entry[] = [];
    for (let index = 0; index < 300; index++) {
      const batch = many(10).map((e): Entry => [e[0], index * 100 + e[1], e[2], e[3], e[4]]);
      put(store, ids, batch);
      all.push(...batch);
    }
    expect(ids.runCount).toBeLessThan(25);
    for (const [id0, id1, id2, payload, time_s] of all) expect(ids.find(id0, id1, id2, time_s)).toBe(payload);
    expect([...store.table('directory').scan()].length).toBe(ids.runCount);
  });

  it('forgets what was stored too long ago, a day a commit, and leaves no row of it', () => {
    const disk = new MemoryDisk();
    const store = disk.open();
    const ids = open(store);
    put(store, ids, [...many(10), ...many(10, DAY_S)], 100);
    put(store, ids, many(10, 2 * DAY_S), 200);
    store.transaction(() => ids.expire(100));
    expect(ids.runCount).toBe(3);
    for (let left = 4; left > 0; left--) store.transaction(() => ids.expire(200));
    expect([ids.runCount, rows(store), open(disk.open()).runCount]).toEqual([1, 1, 1]);
  });

  it('entries are of the width that memory has', () => {
    expect(ID_WORDS).toBe(5);
  });
});
