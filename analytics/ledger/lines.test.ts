import { describe, expect, it } from 'vitest';
import { fc } from '../../test/property.ts';
import { eventOf } from '../events/fixture-events.ts';
import { X } from '../model/index.ts';
import { allocate, groupLines, groupPlace, LINE_GROUPS, type LineGroup } from './lines.ts';

const [bySku, byCategory, byBoth] = LINE_GROUPS as readonly [LineGroup, LineGroup, LineGroup];
const MAX = Number.MAX_SAFE_INTEGER;

describe('allocate', () => {
  const amount = fc.oneof(fc.integer(), fc.maxSafeInteger(), fc.constantFrom(0, MAX, -MAX));
  const weights = fc.array(fc.oneof(fc.nat(1_000), fc.maxSafeNat(), fc.constant(0)), {
    minLength: 1,
    maxLength: 8,
  });

  it('the parts add up exactly, have the sign of the amount and are next to their proportion', () => {
    fc.assert(
      fc.property(amount, weights, (whole, given) => {
        const parts = allocate(whole, given);
        expect(parts.reduce((sum, part) => sum + BigInt(part), 0n)).toBe(BigInt(whole));
        const total = given.reduce((sum, weight) => sum + BigInt(weight), 0n);
        for (const [index, part] of parts.entries()) {
          expect(Number.isSafeInteger(part) && part * Math.sign(whole) >= 0).toBe(true);
          if (total === 0n) continue;
          const exact = BigInt(whole) * BigInt(given[index] as number);
          const off = BigInt(part) * total - exact;
          expect(off > -total && off < total).toBe(true);
        }
      }),
      { numRuns: 500 },
    );
  });

  it.each([
    [100, [1, 1, 1], [34, 33, 33]],
    [-100, [1, 1, 1], [-34, -33, -33]],
    [5, [0, 10, 0], [0, 5, 0]],
    [7, [0, 0], [7, 0]],
    [10, [1, 2, 4], [1, 3, 6]],
  ])('%i by %j is %j', (whole, given, expected) => {
    expect(allocate(whole, given)).toEqual(expected);
  });
});

describe('groups of lines', () => {
  const event = eventOf({
    sku: 'of the order',
    category: 'of the order',
    country: 'DE',
    items: [
      { sku: 'a', category: 'x', quantity: 2, unit_price: 10 },
      { sku: 'b', category: 'x', quantity: 1, unit_price: 30 },
      { sku: 'a', category: 'y', quantity: 3, unit_price: 10 },
      { sku: 'a', category: 'x', quantity: -1, unit_price: 5 },
    ],
  });
  const described = (group: LineGroup): unknown[] =>
    groupLines(group, event, event.items ?? []).map(({ dimensions, quantity, value }) => [
      dimensions[X.sku],
      dimensions[X.category],
      quantity,
      value,
    ]);

  it('by sku, by category and by both have each once, with quantity and value', () => {
    expect(described(bySku)).toEqual([
      ['a', 'of the order', 4, 45],
      ['b', 'of the order', 1, 30],
    ]);
    expect(described(byCategory)).toEqual([
      ['of the order', 'x', 2, 45],
      ['of the order', 'y', 3, 30],
    ]);
    expect(described(byBoth)).toEqual([
      ['a', 'x', 1, 15],
      ['b', 'x', 1, 30],
      ['a', 'y', 3, 30],
    ]);
  });

  it('share an amount of the order in proportion to their value, exactly', () => {
    const groups = groupLines(bySku, event, event.items ?? []);
    expect(groups.map(({ share }) => share(100))).toEqual([60, 40]);
    expect(groups.map(({ share }) => share(-1))).toEqual([-1, 0].map((part) => part + 0));
    expect(groups[0]?.share(null)).toBeNull();
  });

  it('the places of a fact are those of the groups, in the same cells', () => {
    const items = (event.items ?? []).map(({ sku, category }) => [sku, category] as const);
    for (const group of LINE_GROUPS) {
      expect(groupPlace(group, event.dimensions, items)).toEqual(
        groupLines(group, event, event.items ?? []).map(({ dimensions }) => dimensions),
      );
    }
  });
});
