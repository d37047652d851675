import { describe, expect, it } from 'vitest';
import { ByteReader, ByteWriter } from '../../engine/index.ts';
import { fc } from '../../test/property.ts';
import {
  binOf,
  distributionOf,
  emptyDistribution,
  mergeDistribution,
  quantile,
  readDistribution,
  SKETCH_RELATIVE_ERROR,
  valueOfBin,
  writeDistribution,
} from './sketch.ts';

const value = fc.oneof(
  fc.integer({ min: -1_000, max: 1_000 }),
  fc.maxSafeInteger(),
  fc.constantFrom(0, 1, -1, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER),
);
const values = fc.array(value, { maxLength: 60 });

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

describe('a distribution', () => {
  it('quantiles are within the relative error of the exact ones', () => {
    fc.assert(
      fc.property(
        fc.array(value, { minLength: 1, maxLength: 60 }),
        fc.constantFrom(0, 0.25, 0.5, 0.9, 0.99, 1),
        (numbers, q) => {
          const exact = numbers.toSorted((a, b) => a - b)[Math.floor(q * (numbers.length - 1))] as number;
          const found = quantile(distributionOf(numbers), q) as number;
          expect(Math.abs(found - exact)).toBeLessThanOrEqual(
            SKETCH_RELATIVE_ERROR * Math.abs(exact) * (1 + 1e-9),
          );
        },
      ),
      { numRuns: 500 },
    );
    expect(quantile(emptyDistribution(), 0.5)).toBeNull();
  });

  it('of all values is the merge of the distributions of any parts, in any order', () => {
    fc.assert(
      fc.property(fc.array(values, { maxLength: 6 }), (parts) => {
        const whole = distributionOf(parts.flat());
        for (const order of [parts, parts.toReversed()]) {
          const merged = emptyDistribution();
          for (const part of order) mergeDistribution(merged, distributionOf(part));
          expect(merged).toEqual(whole);
        }
      }),
    );
  });

  it('a merge leaves the merged-in one as it was', () => {
    const [a, b] = [distributionOf([1, 2]), distributionOf([2, 3])];
    mergeDistribution(a, b);
    mergeDistribution(a, b);
    expect(b).toEqual(distributionOf([2, 3]));
    expect(a.count).toBe(6);
  });

  it('counts exactly, and knows the extremes', () => {
    expect(distributionOf([5, -7, 5, 0])).toMatchObject({ count: 4, min: -7, max: 5 });
  });

  it('comes back from its bytes', () => {
    fc.assert(
      fc.property(values, (numbers) => {
        const writer = new ByteWriter();
        writeDistribution(writer, distributionOf(numbers));
        const reader = new ByteReader(writer.view());
        expect(readDistribution(reader)).toEqual(distributionOf(numbers));
        expect(reader.remaining).toBe(0);
      }),
    );
  });
});
