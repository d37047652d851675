import { MappingError } from './mapping-error.ts';
import type { ItemsSpec } from './mapping-schema.ts';
import type { Scope } from './scope.ts';
import { integer, type MoneyOf, moneyOf, textOf } from './values.ts';

export interface MappedItem {
  readonly sku: string;
  readonly name?: string;
  readonly category?: string;
  readonly quantity: number;
  /** Minor units. */
  readonly unit_price: number;
}

/** The lines of an order. @throws MappingError */
export function itemsOf(spec: ItemsSpec, scope: Scope, money: MoneyOf): readonly MappedItem[] {
  return scope.each(spec.each).flatMap((line, index) => linesOf(`items.${index}`, spec, line, money));
}

export function sumOfItems(items: readonly MappedItem[]): number {
  return items.reduce((sum, { quantity, unit_price }) => sum + quantity * unit_price, 0);
}

function linesOf(field: string, spec: ItemsSpec, line: Scope, money: MoneyOf): readonly MappedItem[] {
  const sku = line.first(spec.sku);
  if (sku === undefined) throw new MappingError(field, `has no sku at ${String(spec.sku)}`);
  const quantity = integer(`${field}.quantity`, line.at(spec.quantity) ?? 1);
  const path = spec.unit_price ?? spec.line_total;
  const price = path === undefined ? undefined : line.at(path);
  if (price === undefined) throw new MappingError(field, 'has no price');
  const units = moneyOf(`${field}.unit_price`, price, 'money', money);
  const name = spec.name === undefined ? undefined : line.at(spec.name);
  const category = spec.category === undefined ? undefined : line.at(spec.category);
  const item = {
    sku: textOf(field, sku),
    ...(name === undefined ? {} : { name: textOf(field, name) }),
    ...(category === undefined ? {} : { category: textOf(field, category) }),
  };
  if (spec.unit_price !== undefined) return [{ ...item, quantity, unit_price: units }];
  return divided(field, units, quantity).map((part) => ({ ...item, ...part }));
}

/** A line's total as unit prices in whole minor units: 1000 for 3 is 2 of 333 and 1 of 334. */
function divided(
  field: string,
  total: number,
  quantity: number,
): readonly { readonly quantity: number; readonly unit_price: number }[] {
  if (quantity <= 0) {
    if (total === 0) return [];
    throw new MappingError(field, `has a total, and the quantity ${quantity}`);
  }
  const unit_price = Math.floor(total / quantity);
  const rest = total - unit_price * quantity;
  const dearer = rest === 0 ? [] : [{ quantity: rest, unit_price: unit_price + 1 }];
  return [{ quantity: quantity - rest, unit_price }, ...dearer];
}
