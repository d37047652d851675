import { describe, expect, it } from 'vitest';
import { fc } from '../../test/property.ts';
import { addExact, type ExactSum, narrow } from './exact-sum.ts';

describe('addExact', () => {
  it('adds any safe integers exactly, in any order', () => {
    const numbers = fc.array(
      fc.oneof(fc.maxSafeInteger(), fc.constantFrom(Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER)),
    );
    fc.assert(
      fc.property(numbers, (values) => {
        const exact = values.reduce((sum, value) => sum + BigInt(value), 0n);
        for (const order of [values, values.toReversed()]) {
          expect(order.reduce<ExactSum>((sum, value) => addExact(sum, value), 0)).toBe(narrow(exact));
        }
      }),
    );
  });

  it('is a number while that is exact, a bigint beyond, and a number again', () => {
    const beyond = addExact(Number.MAX_SAFE_INTEGER, 1);
    expect(beyond).toBe(2n ** 53n);
    expect(addExact(beyond, -1)).toBe(Number.MAX_SAFE_INTEGER);
    expect(addExact(beyond, -beyond)).toBe(0);
  });
});
