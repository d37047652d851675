import { describe, expect, it } from 'vitest';
import { fc } from '../../test/property.ts';
import { ItemLines, LineGroups } from './item-lines.ts';

const MAX = Number.MAX_SAFE_INTEGER;

/** Lines of one piece each. */
function linesOf(values: readonly number[]): ItemLines {
  const lines = new ItemLines();
  const quantity = new Float64Array(values.length + 3).fill(1);
  lines.load(quantity, Float64Array.of(5, 5, 5, ...values), 3, values.length);
  return lines;
}

/** Hamilton's method, word for word. */
function bruteForce(amount: number, values: readonly number[]): number[] {
  const weights = values.map((value) => BigInt(Math.abs(value)));
  const total = weights.reduce((sum, weight) => sum + weight, 0n);
  if (total === 0n) return values.map((_, at) => (at === 0 ? amount : 0));
  const whole = BigInt(Math.abs(amount));
  const parts = weights.map((weight, at) => ({
    at,
    part: (whole * weight) / total,
    rest: (whole * weight) % total,
  }));
  const left = Number(whole - parts.reduce((sum, { part }) => sum + part, 0n));
  const byRest = parts.toSorted((a, b) => (a.rest === b.rest ? a.at - b.at : a.rest > b.rest ? -1 : 1));
  for (const entry of byRest.slice(0, left)) entry.part += 1n;
  return parts.map(({ part }) => Number(amount < 0 ? -part : part));
}

const split = (amount: number, values: readonly number[]): number[] =>
  Array.from(linesOf(values).split(amount).subarray(0, values.length), (part) => part + 0);

const amount = fc.oneof(fc.integer(), fc.maxSafeInteger(), fc.constantFrom(0, 1, -1, 100, MAX, -MAX));
const values = (maxLength: number) =>
  fc.array(fc.oneof(fc.integer({ min: -50, max: 50 }), fc.integer({ min: -1e12, max: 1e12 })), {
    minLength: 1,
    maxLength,
  });

describe('an amount split over the lines of a row', () => {
  it.each([
    [100, [1, 1, 1], [34, 33, 33]],
    [-100, [1, 1, 1], [-34, -33, -33]],
    [5, [0, 10, 0], [0, 5, 0]],
    [7, [0, 0], [7, 0]],
    [10, [1, -2, 4], [1, 3, 6]],
    [MAX, [MAX - 1, 1], [MAX - 1, 1]],
  ])('%i by %j is %j', (whole, given, expected) => {
    expect(split(whole, given)).toEqual(expected);
  });

  it.each([8, 60])('is what Hamilton’s method gives, and adds up, for up to %i lines', (maxLength) => {
    fc.assert(
      fc.property(amount, values(maxLength), (whole, given) => {
        const parts = split(whole, given);
        expect(parts).toEqual(bruteForce(whole, given).map((part) => part + 0));
        expect(parts.reduce((sum, part) => sum + BigInt(part), 0n)).toBe(BigInt(whole));
      }),
      { numRuns: 400 },
    );
  });

  it('has no part of a line that says nothing', () => {
    const lines = new ItemLines();
    lines.load(Float64Array.of(2, Number.NaN, 3), Float64Array.of(10, 10, Number.NaN), 0, 3);
    expect([...lines.value.subarray(0, 3)]).toEqual([20, 0, 0]);
    expect([...lines.quantity.subarray(0, 3)]).toEqual([2, 0, 3]);
    expect([...lines.split(7).subarray(0, 3)]).toEqual([7, 0, 0]);
  });

  it('of values beyond 2^53 stops the task: the event schema lets none through', () => {
    expect(() => linesOf([MAX, 1])).toThrow('safe integer');
  });
});

describe('groups of lines', () => {
  it('are those of a map, in the order of their first line, for any number of lines and columns', () => {
    const code = fc.oneof(fc.nat(3), fc.nat(2 ** 31 - 1));
    fc.assert(
      fc.property(fc.array(fc.tuple(code, code), { minLength: 1, maxLength: 80 }), (pairs) => {
        const groups = new LineGroups();
        for (const width of [1, 2, 0]) {
          const columns = [0, 1]
            .slice(0, width)
            .map((at) => Int32Array.from([9, ...pairs.map((pair) => pair[at] as number)]));
          groups.load(columns, 1, pairs.length);
          const keys = pairs.map((pair) => pair.slice(0, width).join());
          const expected = [...new Set(keys)];
          expect(groups.count).toBe(expected.length);
          expect([...groups.groupOf.subarray(0, pairs.length)]).toEqual(
            keys.map((key) => expected.indexOf(key)),
          );
          const codes = expected.map((_, group) =>
            groups.codes.subarray(group * width, (group + 1) * width).join(),
          );
          expect(codes).toEqual(expected);
        }
      }),
      { numRuns: 200 },
    );
  });
});
