import { describe, expect, it } from 'vitest';
import { fc } from '../../test/property.ts';
import { planFetch } from './fetch-plan.ts';

describe('planFetch', () => {
  it('reaches each sequence in one way at least, for no more than single requests cost', () => {
    const steps = fc.array(
      fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 3_000 })),
      {
        maxLength: 2_000,
      },
    );
    fc.assert(
      fc.property(steps, (gaps) => {
        let at = 0;
        const sequences = gaps.map((gap) => {
          at += gap;
          return at;
        });
        const { singles, ranges, cost } = planFetch(sequences);
        const single = new Set(singles);
        const isIn = (sequence: number): boolean =>
          ranges.some(({ from, to }) => sequence >= from && sequence <= to);
        for (const sequence of sequences) expect(single.has(sequence) || isIn(sequence)).toBe(true);
        expect(singles.length + ranges.reduce((sum, { wanted }) => sum + wanted, 0)).toBe(sequences.length);
        expect(cost).toBeLessThanOrEqual(8 * sequences.length);
      }),
      { seed: 3, numRuns: 200 },
    );
  });

  it('reads what lies together as a range, and what is strewn one by one', () => {
    const dense = Array.from({ length: 1_000 }, (_, index) => 10 + 2 * index);
    expect(planFetch(dense)).toEqual({
      singles: [],
      ranges: [{ from: 10, to: 2_008, wanted: 1_000 }],
      cost: 2_499,
    });
    const strewn = Array.from({ length: 1_000 }, (_, index) => 100 * index + 1);
    expect(planFetch(strewn)).toEqual({ singles: strewn, ranges: [], cost: 8_000 });
    expect(planFetch([]).cost).toBe(0);
  });
});
