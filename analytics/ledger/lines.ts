import { ABSENT, type Amount, type Line, type OrderEvent } from '../events/index.ts';
import { BY_CATEGORY, BY_SKU, BY_SKU_AND_CATEGORY, X } from '../model/index.ts';

/** A way to tell an order's items apart: by sku, by category, or by both. */
export interface LineGroup {
  /** Of the cubes that take its rows (model.ts). */
  readonly mask: number;
  readonly bySku: boolean;
  readonly byCategory: boolean;
}

export const LINE_GROUPS: readonly LineGroup[] = [
  { mask: BY_SKU, bySku: true, byCategory: false },
  { mask: BY_CATEGORY, bySku: false, byCategory: true },
  { mask: BY_SKU_AND_CATEGORY, bySku: true, byCategory: true },
];

/** The items of one sku or category of an order. */
export interface Group {
  readonly dimensions: readonly string[];
  readonly quantity: number;
  /** Σ quantity × unit_price, minor units. */
  readonly value: number;
  /** This group's part of an amount of the whole order; the parts of all groups add up to it exactly. */
  share(amount: Amount): Amount;
}

interface Sum {
  readonly sku: string;
  readonly category: string;
  quantity: number;
  value: number;
}

function keyed(
  dimensions: readonly string[],
  group: LineGroup,
  sku: string,
  category: string,
): readonly string[] {
  const placed = dimensions.slice();
  if (group.bySku) placed[X.sku] = sku;
  if (group.byCategory) placed[X.category] = category;
  return placed;
}

/** The order's lines by group, each sku or category once. */
export function groupLines(group: LineGroup, event: OrderEvent, lines: readonly Line[]): Group[] {
  const byKey = new Map<string, Sum>();
  for (const { sku, category, quantity, unit_price } of lines) {
    const key = group.bySku ? (group.byCategory ? `${sku}\0${category}` : sku) : category;
    const known = byKey.get(key);
    if (known === undefined) byKey.set(key, { sku, category, quantity, value: quantity * unit_price });
    else {
      known.quantity += quantity;
      known.value += quantity * unit_price;
    }
  }
  const sums = [...byKey.values()];
  const shares = new Map<number, readonly number[]>();
  return sums.map(({ sku, category, quantity, value }, index) => ({
    dimensions: keyed(event.dimensions, group, sku, category),
    quantity,
    value,
    share: (amount) => {
      if (amount === ABSENT) return ABSENT;
      let parts = shares.get(amount);
      if (parts === undefined) {
        parts = allocate(
          amount,
          sums.map((sum) => Math.abs(sum.value)),
        );
        shares.set(amount, parts);
      }
      return parts[index] as number;
    },
  }));
}

/** Where a fact of an order with items counts: each sku or category once. */
export function groupPlace(
  group: LineGroup,
  dimensions: readonly string[],
  items: readonly (readonly [sku: string, category: string])[],
): (readonly string[])[] {
  const seen = new Map<string, readonly [sku: string, category: string]>();
  for (const item of items) {
    const key = group.bySku ? (group.byCategory ? item.join('\0') : item[0]) : item[1];
    if (!seen.has(key)) seen.set(key, item);
  }
  return [...seen.values()].map(([sku, category]) => keyed(dimensions, group, sku, category));
}

/**
 * Splits an integer amount in proportion to weights ≥ 0, exactly: each part is rounded toward zero and
 * the units left over go to the largest remainders, the first of equals first (Hamilton's method).
 * All weights zero: the first part takes everything.
 */
export function allocate(amount: number, weights: readonly number[]): number[] {
  const total = weights.reduce((sum, weight) => sum + BigInt(weight), 0n);
  if (total === 0n) return weights.map((_, index) => (index === 0 ? amount : 0));
  const sign = amount < 0 ? -1n : 1n;
  const whole = BigInt(Math.abs(amount));
  const parts = weights.map((weight, index) => {
    const product = whole * BigInt(weight);
    return { index, part: product / total, rest: product % total };
  });
  let left = whole - parts.reduce((sum, { part }) => sum + part, 0n);
  const byRest = parts.toSorted((a, b) => (a.rest === b.rest ? a.index - b.index : a.rest > b.rest ? -1 : 1));
  for (const entry of byRest) {
    if (left === 0n) break;
    entry.part += 1n;
    left--;
  }
  return parts.map(({ part }) => Number(sign * part));
}
