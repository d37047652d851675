import { expect, it } from 'vitest';
import { narrow } from '../../operators/index.ts';
import { fc } from '../../test/property.ts';
import { SumTable } from './sums.ts';

it('SumTable adds exactly, through 2^53 and back', () => {
  const amount = fc.oneof(
    fc.maxSafeInteger(),
    fc.integer(),
    fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }),
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(3), amount), { maxLength: 40 }), (additions) => {
      const table = new SumTable();
      const expected = [0n, 0n, 0n, 0n];
      for (const [slot, value] of additions) {
        table.add(slot, value);
        expected[slot] = (expected[slot] ?? 0n) + BigInt(value);
      }
      // What is kept survives growing.
      table.reserve(100_000);
      for (const [slot, sum] of expected.entries()) expect(table.get(slot)).toBe(narrow(sum));
      expect(table.get(99_999)).toBe(0);
    }),
  );
});
