import { createHash } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import { fc } from '../../test/property.ts';
import { STORE_KINDS, StoreFixture } from '../state/fixture-stores.ts';
import { type KvStore, type KvTable, type KvView, MemoryDisk } from '../state/index.ts';
import { RecordArena, type RunLimits, RunTable, RunView, runRows } from './index.ts';

/** So small that a few records make many runs, and merges take several commits. */
const SMALL: Partial<RunLimits> = {
  fanout_runs: 3,
  small_run_bytes: 200,
  merge_bytes: 300,
  merge_ratio: 2,
  superseded_bytes: 500,
  removed_rows: 2,
};

const fixture = new StoreFixture();
afterEach(() => fixture.close());

const tableOf = (store: KvStore): KvTable => store.table('records');
const word = (key: number): number => Math.imul(key + 1, 0x9e3779b1);

/** A record's bytes say its key and version. */
function put(arena: RecordArena, key: number, version: number, length: number): void {
  const bytes = new Uint8Array(length).fill(version);
  arena.put(word(key), key, bytes);
}

function commit(store: KvStore, table: RunTable, write: (arena: RecordArena) => void): void {
  const arena = new RecordArena();
  write(arena);
  store.transaction(() => table.commit(arena));
}

const text = (bytes: Uint8Array | undefined): string | undefined =>
  bytes === undefined ? undefined : Buffer.from(bytes).toString('hex');

function digest(view: KvView): string {
  const hash = createHash('sha256');
  for (const row of runRows(view)) hash.update(`${row.length}:`).update(row);
  return hash.digest('hex');
}

interface Step {
  readonly kind: 'commit' | 'abort' | 'restart' | 'compact';
  readonly changes: readonly { readonly key: number; readonly length: number }[];
}

const change = fc.record({
  key: fc.integer({ min: 0, max: 40 }),
  // -1 removes; a few are longer than a block.
  length: fc.oneof(
    { weight: 8, arbitrary: fc.integer({ min: 0, max: 60 }) },
    { weight: 3, arbitrary: fc.constant(-1) },
    { weight: 1, arbitrary: fc.constantFrom(16_000, 40_000) },
  ),
});
const step: fc.Arbitrary<Step> = fc.record({
  kind: fc.oneof(
    { weight: 8, arbitrary: fc.constant('commit' as const) },
    { weight: 1, arbitrary: fc.constant('abort' as const) },
    { weight: 1, arbitrary: fc.constant('restart' as const) },
    { weight: 1, arbitrary: fc.constant('compact' as const) },
  ),
  changes: fc.array(change, { maxLength: 12 }),
});

function check(table: RunTable, view: RunView, model: ReadonlyMap<number, string>): void {
  for (let key = -2; key <= 42; key++) {
    expect(text(table.find(word(key), key))).toBe(model.get(key));
    expect(text(view.find(word(key), key))).toBe(model.get(key));
  }
  const wanted = [...model].sort(([a], [b]) => (word(a) >>> 0) - (word(b) >>> 0));
  const seen: [number, string][] = [];
  const visit = (_: number, lo: number, bytes: Uint8Array, start: number, end: number) =>
    void seen.push([lo, text(bytes.subarray(start, end)) as string]);
  // In two halves, so that a range ends where the next one begins.
  view.scan(visit, 0, 0x7000_0000);
  table.scan(visit, 0x7000_0000);
  expect(seen).toEqual(wanted);
}

describe.each(STORE_KINDS)('RunTable over %s', (kind) => {
  it('is a map, whatever is put, removed, aborted, merged and restarted', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
        const opened = fixture.open(kind);
        const { store } = opened;
        let table = new RunTable(tableOf(store), SMALL);
        const reader = opened.reader();
        // Follows from commit to commit, as a reader in another thread does.
        const views: RunView[] = [];
        let model = new Map<number, string>();
        for (const [version, { kind: what, changes }] of steps.entries()) {
          if (what === 'restart') table = new RunTable(tableOf(store), SMALL);
          if (what === 'compact') store.transaction(() => table.compact(500));
          if (what !== 'commit' && what !== 'abort') continue;
          const next = new Map(model);
          const arena = new RecordArena();
          for (const { key, length } of changes) {
            if (length < 0) {
              arena.remove(word(key), key);
              next.delete(key);
            } else {
              put(arena, key, version, length);
              next.set(key, text(new Uint8Array(length).fill(version)) as string);
            }
          }
          if (what === 'commit') {
            store.transaction(() => table.commit(arena));
            model = next;
          } else {
            expect(() =>
              store.transaction(() => {
                table.commit(arena);
                throw new Error('no');
              }),
            ).toThrow('no');
            table.restore();
          }
          reader.snapshot((view) => {
            if (views.length === 0) views.push(new RunView(view('records')));
            views[0]?.follow(view('records'));
            if (views[0] !== undefined) check(table, views[0], model);
          });
        }
        await reader.close();
      }),
      { numRuns: kind === 'memory' ? 300 : 40 },
    );
  });

  it('has the same rows in its digest however they came, and after every merge only the newest', () => {
    const one = fixture.open(kind).store;
    const many = fixture.open(kind).store;
    const oneTable = new RunTable(tableOf(one), SMALL);
    const manyTable = new RunTable(tableOf(many), SMALL);
    commit(one, oneTable, (arena) => {
      for (let key = 0; key < 500; key++) if (key % 5 !== 0) put(arena, key, key, 30);
    });
    for (let key = 499; key >= 0; key--) {
      commit(many, manyTable, (arena) => {
        put(arena, (key * 7) % 500, 99, 50);
        put(arena, key, 1, 10);
      });
    }
    for (let key = 0; key < 500; key++) {
      commit(many, manyTable, (arena) => {
        if (key % 5 === 0) arena.remove(word(key), key);
        else put(arena, key, key, 30);
      });
    }
    expect(digest(tableOf(many))).toBe(digest(tableOf(one)));
    while (!many.transaction(() => manyTable.compact(1_000))) {}
    expect(digest(tableOf(many))).toBe(digest(tableOf(one)));
    expect(manyTable.recordCount).toBe(400);
    // Manifest, one block: nothing of what was merged is left.
    expect([...tableOf(many).scan()].length).toBe([...tableOf(one).scan()].length);
  });
});

describe('RunTable', () => {
  it('keeps few runs, and each commit writes a bounded part of what is there', () => {
    const store = new MemoryDisk().open();
    const limits = { fanout_runs: 4, small_run_bytes: 1_000, merge_bytes: 40_000, superseded_bytes: 4_000 };
    let written = 0;
    const counting: KvTable = {
      ...tableOf(store),
      put: (key, value) => {
        written += value.length;
        tableOf(store).put(key, value);
      },
    };
    const table = new RunTable(counting, limits);
    let mostRuns = 0;
    let mostWritten = 0;
    for (let round = 0; round < 800; round++) {
      written = 0;
      commit(store, table, (arena) => {
        for (let index = 0; index < 10; index++) put(arena, round * 10 + index, 1, 40);
      });
      mostRuns = Math.max(mostRuns, table.runs);
      mostWritten = Math.max(mostWritten, written);
    }
    expect(mostRuns).toBeLessThanOrEqual(20);
    expect(table.stored_bytes).toBeGreaterThan(350_000);
    // The limit, the ratio's part, a block, fences and filter.
    expect(mostWritten).toBeLessThan(120_000);
    expect(table.recordCount).toBe(8_000);
    const blocks = [...tableOf(store).scan()].reduce((sum, { value }) => sum + value.length, 0);
    expect(blocks).toBeLessThan(2.5 * table.stored_bytes);
  });

  it('writes nothing where nothing changed and no merge is due', () => {
    const store = new MemoryDisk().open();
    const table = new RunTable(tableOf(store));
    commit(store, table, (arena) => put(arena, 1, 1, 10));
    const before = [...tableOf(store).scan()].map(({ value }) => text(value));
    commit(store, table, () => {});
    expect([...tableOf(store).scan()].map(({ value }) => text(value))).toEqual(before);
    expect(before).toHaveLength(2);
  });

  it('removes what a merge cut short by a restart has left behind', () => {
    const disk = new MemoryDisk();
    let store = disk.open();
    const limits: Partial<RunLimits> = { merge_bytes: 20_000, merge_ratio: 0, fanout_runs: 2 };
    let table = new RunTable(tableOf(store), limits);
    for (let run = 0; run < 2; run++) {
      commit(store, table, (arena) => {
        for (let key = 0; key < 3_000; key++) put(arena, key, run, 40);
      });
    }
    const building = [...tableOf(store).scan()].length;
    store = disk.open();
    table = new RunTable(tableOf(store), limits);
    expect(table.runs).toBe(2);
    for (let round = 0; round < 60; round++) commit(store, table, () => {});
    expect(table.runs).toBe(1);
    expect(table.recordCount).toBe(3_000);
    // Two runs of 10 blocks with fences and filter, and the beginning of a third; now one, and the manifest.
    expect([building > 24, [...tableOf(store).scan()].length]).toEqual([true, 13]);
    expect(text(table.find(word(7), 7))).toBe('01'.repeat(40));
  });

  it('takes the last of a key within a commit, and words of any sign in unsigned order', () => {
    const store = new MemoryDisk().open();
    const table = new RunTable(tableOf(store));
    commit(store, table, (arena) => {
      for (const hi of [-1, 0, 1, -2_147_483_648, 2_147_483_647])
        for (const lo of [-1, 0, 5]) arena.put(hi, lo, Uint8Array.of(1));
      arena.remove(0, 5);
      arena.put(1, 5, Uint8Array.of(1, 2, 3), 1, 3);
      arena.put(0, 0, Uint8Array.of(9));
      arena.put(0, 0, new Uint8Array(0));
    });
    const keys: string[] = [];
    table.scan((hi, lo, _, start, end) => void keys.push(`${hi}/${lo}/${end - start}`));
    expect(keys.slice(0, 5)).toEqual(['0/0/0', '0/-1/1', '1/0/1', '1/5/2', '1/-1/1']);
    expect(keys.slice(-3)).toEqual(['-1/0/1', '-1/5/1', '-1/-1/1']);
    expect(keys).toHaveLength(14);
    expect(text(table.find(1, 5))).toBe('0203');
    expect(table.find(0, 5)).toBeUndefined();
  });

  it('refuses a record that is too long, limits that are none, and another format', () => {
    const store = new MemoryDisk().open();
    const table = new RunTable(tableOf(store), { record_bytes: 10 });
    const withLong = (arena: RecordArena): void => {
      put(arena, 0, 1, 5);
      put(arena, 1, 1, 11);
    };
    expect(() => commit(store, table, withLong)).toThrow(
      expect.objectContaining({ code: 'record_too_long' }),
    );
    table.restore();
    commit(store, table, (arena) => put(arena, 2, 2, 10));
    expect([table.recordCount, text(table.find(word(2), 2))]).toEqual([1, '02'.repeat(10)]);
    expect(() => new RunTable(tableOf(store), { fanout_runs: 1 })).toThrow(
      expect.objectContaining({ code: 'bad_config' }),
    );
    store.transaction(() => tableOf(store).put(Uint8Array.of(0), Uint8Array.of(7)));
    expect(() => new RunTable(tableOf(store))).toThrow(expect.objectContaining({ code: 'runs_format' }));
  });
});
