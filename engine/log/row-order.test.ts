import { describe, expect, it } from 'vitest';
import { fc } from '../../test/property.ts';
import { CHUNK_MAX_ROWS } from '../columns/index.ts';
import { DAY_MS } from './layout.ts';
import { sortRows } from './row-order.ts';

const each = (length: number): Uint32Array => Uint32Array.from({ length }, (_unused, row) => row);

describe('the order of sorted rows', () => {
  it('is by day, hash and time, and keeps what is equal as it came', () => {
    const row = fc.tuple(fc.integer({ min: -300, max: 300 }), fc.nat(4));
    const hi = Int32Array.of(0, 5, 5, -1, 7);
    const lo = Int32Array.of(0, -9, 9, 1, 7);
    fc.assert(
      fc.property(fc.array(row, { minLength: 1, maxLength: 60 }), (rows) => {
        const time_ms = Float64Array.from(rows, ([step]) => step * 10_000_000);
        const ids = Int32Array.from(rows, ([, id]) => id);
        const day = (at: number): number => Math.floor((time_ms[at] as number) / DAY_MS);
        const firstDay = Math.min(...rows.map((_unused, at) => day(at)));
        const unsigned = (at: number, words: Int32Array): number =>
          (words[ids[at] as number] as number) >>> 0;
        const [chunk] = sortRows(each(rows.length), time_ms, firstDay, { ids, hi, lo, count: 5 });
        const expected = [...rows.keys()].sort(
          (a, b) =>
            day(a) - day(b) ||
            unsigned(a, hi) - unsigned(b, hi) ||
            unsigned(a, lo) - unsigned(b, lo) ||
            (time_ms[a] as number) - (time_ms[b] as number) ||
            a - b,
        );
        expect([...(chunk?.order ?? [])]).toEqual(expected);
      }),
    );
  });

  it('is cut where a chunk is full, and at a day only where it has enough rows', () => {
    const cut = (daysOf: (row: number) => number, rows: number): number[] => {
      const time_ms = Float64Array.from({ length: rows }, (_unused, row) => daysOf(row) * DAY_MS);
      return sortRows(each(rows), time_ms, 0, null).map(({ from, to }) => to - from);
    };
    expect(cut((row) => Math.floor(row / 4_000), 100_000)).toEqual([36_000, 36_000, 28_000]);
    expect(cut(() => 3, CHUNK_MAX_ROWS * 2 + 1)).toEqual([CHUNK_MAX_ROWS, CHUNK_MAX_ROWS, 1]);
    expect(cut((row) => (row < 40_000 ? 0 : 1), 100_000)).toEqual([40_000, 60_000]);
  });
});
