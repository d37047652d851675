import { describe, expect, it } from 'vitest';
import type { KvStore, KvTable } from './kv.ts';
import { MemoryDisk } from './store-memory.ts';
import { expiryOf, oldestDay, TTL_DAY_MS, TtlSweep, ttlDay } from './ttl.ts';

const ttl = { retain_ms: 10 * TTL_DAY_MS };

/** A table of rows by the day of their last write, and how many rows a sweep has looked at. */
class Fixture {
  readonly store: KvStore = new MemoryDisk().open();
  readonly table: KvTable = this.store.table('t');
  looked = 0;
  readonly sweep = new TtlSweep(
    {
      ...this.table,
      scan: (range) =>
        [...this.table.scan(range)].map((entry) => {
          this.looked++;
          return entry;
        }),
    },
    ttl,
  );

  write(first: number, count: number, day: number): void {
    this.store.transaction(() => {
      for (let index = first; index < first + count; index++) {
        // Neighbours in time are none in the table.
        const key = Buffer.from(`${(index * 7_919) % 100_003} ${index}`);
        this.table.put(key, Buffer.from([day >> 8, day & 0xff, 1]));
      }
    });
  }

  commit(day: number, written = 0): void {
    this.looked = 0;
    this.store.transaction(() => this.sweep.run(day * TTL_DAY_MS + 1, written));
  }

  get rows(): number {
    return [...this.table.scan()].length;
  }
}

describe('rows with a TTL', () => {
  it('are forgotten when the watermark is past the end of their day by the retention', () => {
    const row = Buffer.from([0, 3, 1]);
    expect(expiryOf(row, ttl)).toBe(14 * TTL_DAY_MS);
    for (const at_ms of [13.5, 14, 14.01, 15].map((days) => days * TTL_DAY_MS)) {
      expect(3 < oldestDay(at_ms, ttl)).toBe(expiryOf(row, ttl) < at_ms);
    }
  });

  it('stay from the last day on that is told apart, in 2149, and are as good as new before the first', () => {
    const after_ms = Date.UTC(3000, 0, 1);
    const row = Buffer.alloc(2);
    row.writeUInt16BE(ttlDay(after_ms));
    expect(expiryOf(row, ttl)).toBe(Number.POSITIVE_INFINITY);
    expect(ttlDay(after_ms) < oldestDay(10 * after_ms, ttl)).toBe(false);
    expect(ttlDay(Date.UTC(2149, 0, 1)) < oldestDay(after_ms, ttl)).toBe(true);
    expect([-1, Number.NEGATIVE_INFINITY].map(ttlDay)).toEqual([0, 0]);
  });

  it('are never forgotten with an endless retention', () => {
    expect(oldestDay(1e15, { retain_ms: Number.POSITIVE_INFINITY })).toBe(Number.NEGATIVE_INFINITY);
  });
});

describe('the sweep', () => {
  it('looks at 1,000 rows a commit until a pass is over, and at none until the oldest row left is forgotten', () => {
    const f = new Fixture();
    f.write(0, 2_500, 0);
    f.write(2_500, 1_000, 5);
    const looked: number[] = [];
    for (let commit = 0; commit < 7; commit++) {
      f.commit(12);
      looked.push(f.looked);
    }
    expect(f.rows).toBe(1_000);
    expect(looked.filter((rows) => rows > 0).length).toBeLessThanOrEqual(4);
    expect(Math.max(...looked)).toBe(1_000);
    expect(looked.slice(-2)).toEqual([0, 0]);
    f.commit(15);
    expect(f.looked).toBe(0);
    f.commit(17);
    expect([f.looked, f.rows]).toEqual([1_000, 0]);
  });

  it('does not look at a large table again while it is younger than the retention', () => {
    const f = new Fixture();
    f.commit(0);
    let looked = 0;
    for (let day = 0; day < 9; day++) {
      f.write(day * 2_000, 2_000, day);
      f.commit(day, 2_000);
      looked += f.looked;
    }
    expect(looked).toBe(0);
    // After a start it has to find out, and goes slowly about it.
    const again = new TtlSweep(f.table, ttl);
    let passes = 0;
    for (let commit = 0; commit < 40; commit++) {
      if (f.store.transaction(() => again.run(9 * TTL_DAY_MS, 50_000))) passes++;
    }
    expect([passes, f.rows]).toEqual([1, 18_000]);
  });

  it('keeps up with rows that come in faster than 1,000 a commit, however fast days go', () => {
    const f = new Fixture();
    let peak = 0;
    for (let day = 0; day < 60; day++) {
      f.write(day * 2_000, 2_000, day);
      f.commit(day, 2_000);
      peak = Math.max(peak, f.rows);
    }
    // Eleven or twelve days of rows live; a third of that may wait for the sweep.
    expect(peak).toBeLessThan(12 * 2_000 * 1.5);
    for (let commit = 0; commit < 60; commit++) f.commit(80);
    expect(f.rows).toBe(0);
  }, 300_000);
});
