import { describe, expect, it } from 'vitest';
import { fc } from '../../test/property.ts';
import { binOf, SKETCH_RELATIVE_ERROR, valueOfBin } from './sketch.ts';

const value = fc.oneof(
  fc.integer({ min: -1_000, max: 1_000 }),
  fc.maxSafeInteger(),
  fc.constantFrom(0, 1, -1, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER),
);

describe('bins', () => {
  it('the value that stands for a bin is within the relative error of every value in it', () => {
    fc.assert(
      fc.property(value, (number) => {
        expect(Math.abs(valueOfBin(binOf(number)) - number)).toBeLessThanOrEqual(
          SKETCH_RELATIVE_ERROR * Math.abs(number) * (1 + 1e-9),
        );
      }),
      { numRuns: 1_000 },
    );
  });

  it('sort as their values do, with zero and the signs apart', () => {
    fc.assert(fc.property(value, value, (a, b) => a > b || binOf(a) <= binOf(b)));
    expect([binOf(-1), binOf(0), binOf(1)]).toEqual([-1, 0, 1]);
  });
});
