import { describe, expect, it } from 'vitest';
import { ByteReader, ByteWriter, SeededRandom } from '../../engine/index.ts';
import { fc } from '../../test/property.ts';
import {
  countDistinct,
  type Distinct,
  distinctOf,
  EMPTY_DISTINCT,
  EXACT_LIMIT,
  HLL_RELATIVE_ERROR,
  readDistinct,
  unionDistinct,
  writeDistinct,
} from './distinct.ts';

const MAX_HASH = 2 ** 53 - 1;
const hash = fc.oneof(fc.maxSafeNat(), fc.constantFrom(0, 1, MAX_HASH, 2 ** 39, 2 ** 39 - 1, 2 ** 32));

function hashes(count: number, seed: number): number[] {
  const random = new SeededRandom(seed);
  return Array.from(
    { length: count },
    () => random.int(0, 2 ** 21 - 1) * 2 ** 32 + random.int(0, 2 ** 32 - 1),
  );
}

function bytes(distinct: Distinct): Buffer {
  const writer = new ByteWriter();
  writeDistinct(writer, distinct);
  return writer.copy();
}

describe('few members', () => {
  it('are counted exactly, repeats and order make no difference', () => {
    fc.assert(
      fc.property(fc.array(hash, { maxLength: 50 }), (members) => {
        const distinct = distinctOf([...members, ...members.toReversed()]);
        expect(countDistinct(distinct)).toEqual({ count: new Set(members).size, approximate: false });
        expect(bytes(distinct).equals(bytes(distinctOf(members)))).toBe(true);
      }),
    );
    expect(countDistinct(EMPTY_DISTINCT).count).toBe(0);
  });

  it('stay exact up to the limit and not beyond', () => {
    const members = Array.from({ length: EXACT_LIMIT + 1 }, (_, index) => index * 1_000_003);
    expect(countDistinct(distinctOf(members.slice(1)))).toEqual({ count: EXACT_LIMIT, approximate: false });
    expect(countDistinct(distinctOf(members)).approximate).toBe(true);
    const [first, second] = [distinctOf(members.slice(0, 6_000)), distinctOf(members.slice(3_000))];
    expect(unionDistinct(first, second).kind).toBe('hll');
  });
});

describe('many members', () => {
  it.each([10_001, 20_000, 100_000, 500_000])('%i are within four standard errors', (count) => {
    for (const seed of [1, 2]) {
      const { count: found, approximate } = countDistinct(distinctOf(hashes(count, seed + count)));
      expect(approximate).toBe(true);
      expect(Math.abs(found - count) / count).toBeLessThan(4 * HLL_RELATIVE_ERROR);
    }
  });
});

describe('a union', () => {
  const set = fc
    .tuple(fc.constantFrom(0, 3, 6_000, 12_000), fc.integer({ min: 1, max: 3 }))
    .map(([count, seed]) => hashes(count, seed));

  it('is that of the members, in any order and grouping', () => {
    fc.assert(
      fc.property(set, set, set, (a, b, c) => {
        const [x, y, z] = [distinctOf(a), distinctOf(b), distinctOf(c)];
        const whole = bytes(distinctOf([...a, ...b, ...c]));
        expect(bytes(unionDistinct(unionDistinct(x, y), z)).equals(whole)).toBe(true);
        expect(bytes(unionDistinct(z, unionDistinct(y, x))).equals(whole)).toBe(true);
      }),
      { numRuns: 15 },
    );
  });

  it('with itself or with nothing is itself', () => {
    for (const members of [hashes(20, 1), hashes(15_000, 1)]) {
      const distinct = distinctOf(members);
      expect(bytes(unionDistinct(distinct, distinct)).equals(bytes(distinct))).toBe(true);
      expect(bytes(unionDistinct(EMPTY_DISTINCT, distinct)).equals(bytes(distinct))).toBe(true);
    }
  });
});

describe('bytes', () => {
  it('give back either form, also from an odd place in a buffer', () => {
    for (const members of [[], [0, MAX_HASH], hashes(300, 4), hashes(11_000, 4)]) {
      const distinct = distinctOf(members);
      const writer = new ByteWriter().u8(1);
      writeDistinct(writer, distinct);
      const reader = new ByteReader(writer.u8(2).copy());
      reader.u8();
      const again = readDistinct(reader);
      expect(bytes(again).equals(bytes(distinct))).toBe(true);
      expect(countDistinct(again)).toEqual(countDistinct(distinct));
      expect(reader.u8()).toBe(2);
    }
  });
});
