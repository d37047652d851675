import { describe, expect, it } from 'vitest';
import { fc } from '../../test/property.ts';
import { dueMerge, type TierEntry } from './tiers.ts';

const LIMITS = { fanout: 8, sealed_min_rows: 524_288, segment_max_rows: 1_048_576 };

function settle(segments: TierEntry[]): number {
  let written = 0;
  for (let due = dueMerge(segments, LIMITS); due !== undefined; due = dueMerge(segments, LIMITS)) {
    const rows = segments.slice(due.from, due.to).reduce((sum, each) => sum + each.rows, 0);
    expect(rows).toBe(due.rows);
    expect(due.to - due.from).toBeGreaterThan(1);
    segments.splice(due.from, due.to - due.from, { rows, liveRows: rows });
    written += rows;
  }
  return written;
}

describe('merges', () => {
  it('leave few segments of one row each, and write a row a few times', () => {
    const segments: TierEntry[] = [];
    let [written, most] = [0, 0];
    for (let row = 0; row < 40_000; row++) {
      segments.push({ rows: 1, liveRows: 1 });
      written += settle(segments);
      most = Math.max(most, segments.length);
    }
    // 7 of each of the tiers 8^0 to 8^5.
    expect(most).toBeLessThanOrEqual(42);
    expect(most).toBeGreaterThan(20);
    expect(written / 40_000).toBeLessThan(6);
  });

  it('leave few segments whatever the sizes of the commits', () => {
    const size = fc.oneof(fc.constantFrom(1, 2, 50_000), fc.integer({ min: 1, max: 200_000 }));
    fc.assert(
      fc.property(fc.array(size, { minLength: 100, maxLength: 300 }), (sizes) => {
        const segments: TierEntry[] = [];
        for (const rows of sizes) {
          segments.push({ rows, liveRows: rows });
          settle(segments);
        }
        const open = segments.filter(({ rows }) => rows < LIMITS.sealed_min_rows).length;
        const sealed = segments.length - open;
        expect(open).toBeLessThanOrEqual(42 + 6 * sealed);
        for (const { rows } of segments) expect(rows).toBeLessThanOrEqual(LIMITS.segment_max_rows);
      }),
      { numRuns: 50 },
    );
  });

  it('write a sealed segment anew when most of it is behind the cut', () => {
    const sealed = { rows: 600_000, liveRows: 300_000 };
    expect(dueMerge([sealed], LIMITS)).toBeUndefined();
    expect(dueMerge([{ ...sealed, liveRows: 299_999 }], LIMITS)).toEqual({ from: 0, to: 1, rows: 600_000 });
  });
});
