import { describe, expect, it } from 'vitest';
import { fc } from '../../test/property.ts';
import { divideHalfAway, FractionSum } from './rounding.ts';

describe('FractionSum', () => {
  it('rounds once, a half away from zero', () => {
    expect([divideHalfAway(5n, 2n), divideHalfAway(-5n, 2n), divideHalfAway(7n, 3n)]).toEqual([3n, -3n, 2n]);
    const halves = new FractionSum();
    for (const denominator of [3n, 7n, 42n]) halves.add(1n, denominator);
    // 1/3 + 1/7 + 1/42 = 1/2.
    expect(halves.round()).toBe(1n);
  });

  it('is exact over any denominators', () => {
    const term = fc.tuple(
      fc.bigInt({ min: -(10n ** 20n), max: 10n ** 20n }),
      fc.bigInt({ min: 1n, max: 10n ** 9n }),
    );
    fc.assert(
      fc.property(fc.array(term, { maxLength: 8 }), (terms) => {
        const sum = new FractionSum();
        let [above, below] = [0n, 1n];
        for (const [n, d] of terms) {
          sum.add(n, d);
          [above, below] = [above * d + n * below, below * d];
        }
        expect(sum.round()).toBe(divideHalfAway(above, below));
      }),
      { numRuns: 200 },
    );
  });
});
