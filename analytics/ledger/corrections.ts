import type { HashColumn, RowBatch } from '../../engine/index.ts';
import { CODE, FLAG, HASH, ITEM_CODE, ITEM_NUMBER, NUMBER, ROW_DIMENSIONS } from '../rows/index.ts';
import { type OwnRow, SOURCE } from './own-row.ts';

const SKU = ROW_DIMENSIONS.indexOf('sku');
const CATEGORY = ROW_DIMENSIONS.indexOf('category');

/** Whether an event without items of its own takes its order's: one that names a sku or category speaks of that. */
function takesItems(own: OwnRow): boolean {
  return own.items <= 0 && own.dimensions[SKU] === 0 && own.dimensions[CATEGORY] === 0;
}

/** Categories of an order's lines by sku; of several lines of a sku the first that has one. */
function categoriesOf(order: OwnRow): ReadonlyMap<number, number> {
  const categories = new Map<number, number>();
  for (let item = 0; item < order.items; item++) {
    const sku = order.sku[item] as number;
    const category = order.category[item] as number;
    if (sku !== 0 && category !== 0 && !categories.has(sku)) categories.set(sku, category);
  }
  return categories;
}

/** Gives lines that name a sku and no category that of the order's line of this sku. */
function inheritCategories(
  sku: Int32Array,
  category: Int32Array,
  first: number,
  count: number,
  order: OwnRow,
): void {
  const categories = categoriesOf(order);
  for (let item = first; item < first + count; item++) {
    if (category[item] === 0) category[item] = categories.get(sku[item] as number) ?? 0;
  }
}

function lacksCategory(sku: Int32Array, category: Int32Array, first: number, count: number): boolean {
  for (let item = first; item < first + count; item++) {
    if (category[item] === 0 && sku[item] !== 0) return true;
  }
  return false;
}

/** Gives an event what it lacks and its order has. */
export function inherit(own: OwnRow, order: OwnRow): void {
  if (takesItems(own)) own.copyItems(order);
  else if (order.items > 0) {
    const { dimensions, sku, category } = own;
    if (own.items > 0) inheritCategories(sku, category, 0, own.items, order);
    else if (dimensions[CATEGORY] === 0)
      dimensions[CATEGORY] = categoriesOf(order).get(dimensions[SKU] as number) ?? 0;
  }
  for (let index = 0; index < own.dimensions.length; index++) {
    if (index !== SOURCE && own.dimensions[index] === 0)
      own.dimensions[index] = order.dimensions[index] as number;
  }
  if (own.currency === 0) own.currency = order.currency;
  if (own.customer_hi === 0 && own.customer_lo === 0) {
    own.customer_hi = order.customer_hi;
    own.customer_lo = order.customer_lo;
  }
}

/** Gives an event's row in a batch what it lacks and its order has. */
export function inheritInPlace(rows: RowBatch, row: number, order: OwnRow): void {
  const { codes, hashes } = rows.columns;
  const { dimensions } = order;
  const sku = (codes[CODE.dimensions + SKU] as Int32Array)[row] as number;
  const category = codes[CODE.dimensions + CATEGORY] as Int32Array;
  if (order.items > 0) {
    if (rows.itemCount[row] !== 0) inheritCategoriesInPlace(rows, row, order);
    else if (category[row] === 0) {
      if (sku !== 0) category[row] = categoriesOf(order).get(sku) ?? 0;
      else {
        rows.itemStart[row] = rows.itemLength;
        rows.itemCount[row] = order.items;
        appendItems(rows, order, order.items);
      }
    }
  }
  for (let index = 0; index < dimensions.length; index++) {
    const column = codes[CODE.dimensions + index] as Int32Array;
    if (column[row] === 0 && index !== SOURCE) column[row] = dimensions[index] as number;
  }
  const currency = codes[CODE.currency] as Int32Array;
  if (currency[row] === 0) currency[row] = order.currency;
  const customer = hashes[HASH.customer] as HashColumn;
  if (customer.hi[row] !== 0 || customer.lo[row] !== 0) return;
  customer.hi[row] = order.customer_hi;
  customer.lo[row] = order.customer_lo;
}

/** The row gets lines of its own: those that it has may be another row's as well. */
function inheritCategoriesInPlace(rows: RowBatch, row: number, order: OwnRow): void {
  const from = rows.itemStart[row] as number;
  const count = rows.itemCount[row] as number;
  const { codes } = rows.items;
  if (
    !lacksCategory(codes[ITEM_CODE.sku] as Int32Array, codes[ITEM_CODE.category] as Int32Array, from, count)
  )
    return;
  const first = rows.appendItems(count);
  // The columns may have grown.
  const { codes: grown, numbers } = rows.items;
  for (const column of [...grown, ...numbers]) column.copyWithin(first, from, from + count);
  rows.itemStart[row] = first;
  const [sku, category] = [grown[ITEM_CODE.sku], grown[ITEM_CODE.category]] as [Int32Array, Int32Array];
  inheritCategories(sku, category, first, count, order);
}

/** Gives the counted event of an order what the order is now. */
export function become(own: OwnRow, order: OwnRow): void {
  for (let index = 0; index < own.dimensions.length; index++) {
    if (index !== SOURCE) own.dimensions[index] = order.dimensions[index] as number;
  }
  own.currency = order.currency;
  own.customer_hi = order.customer_hi;
  own.customer_lo = order.customer_lo;
  own.session_hi = order.session_hi;
  own.session_lo = order.session_lo;
  own.amount = order.amount;
  own.discount = order.discount;
  own.shipping = order.shipping;
  own.tax = order.tax;
  own.copyItems(order);
}

/** What of an event's columns a row gets beside its own: what it counts for, and the place of its cause. */
export interface RowPlace {
  readonly scope: number;
  readonly sequence: number;
  readonly part: number;
}

/** Appends a row that takes an event's row back, or says it anew. */
export function appendCorrection(
  out: RowBatch,
  own: OwnRow,
  place: RowPlace,
  isRetraction: boolean,
  marks: number,
  value: number,
): void {
  const row = out.append();
  out.time_ms[row] = own.time_ms;
  out.sequence[row] = place.sequence;
  out.part[row] = place.part;
  out.scope[row] = place.scope;
  const { codes, hashes, numbers } = out.columns;
  (codes[CODE.retraction] as Int32Array)[row] = isRetraction ? 1 : 0;
  (codes[CODE.flags] as Int32Array)[row] = FLAG.restated;
  (numbers[NUMBER.origin] as Float64Array)[row] = own.sequence;
  (numbers[NUMBER.origin_part] as Float64Array)[row] = Number.NaN;
  setHash(hashes[HASH.ticket], row, 0, 0);
  (codes[CODE.marks] as Int32Array)[row] = marks;
  (numbers[NUMBER.value] as Float64Array)[row] = value;
  (codes[CODE.type] as Int32Array)[row] = own.type;
  (codes[CODE.event] as Int32Array)[row] = own.event;
  setHash(hashes[HASH.order], row, own.order_hi, own.order_lo);
  setHash(hashes[HASH.session], row, own.session_hi, own.session_lo);
  setInherited(out, row, own);
  (numbers[NUMBER.amount] as Float64Array)[row] = own.amount;
  (numbers[NUMBER.discount] as Float64Array)[row] = own.discount;
  (numbers[NUMBER.shipping] as Float64Array)[row] = own.shipping;
  (numbers[NUMBER.tax] as Float64Array)[row] = own.tax;
}

/** Appends the one row of a batch, as one that `place` causes. */
export function appendRow(out: RowBatch, from: RowBatch, place: RowPlace): void {
  const row = out.append();
  out.time_ms[row] = from.time_ms[0] as number;
  out.sequence[row] = place.sequence;
  out.part[row] = place.part;
  out.scope[row] = place.scope;
  for (const [index, column] of out.columns.codes.entries())
    column[row] = (from.columns.codes[index] as Int32Array)[0] as number;
  for (const [index, column] of out.columns.numbers.entries())
    column[row] = (from.columns.numbers[index] as Float64Array)[0] as number;
  for (const [index, { hi, lo }] of out.columns.hashes.entries()) {
    const source = from.columns.hashes[index];
    hi[row] = source?.hi[0] ?? 0;
    lo[row] = source?.lo[0] ?? 0;
  }
  (out.columns.numbers[NUMBER.origin] as Float64Array)[row] = from.sequence[0] as number;
  const [start, count] = [from.itemStart[0] as number, from.itemCount[0] as number];
  const first = out.appendItems(count);
  out.itemStart[row] = first;
  out.itemCount[row] = count;
  for (const [index, column] of out.items.codes.entries())
    for (let item = 0; item < count; item++)
      column[first + item] = (from.items.codes[index] as Int32Array)[start + item] as number;
  for (const [index, column] of out.items.numbers.entries())
    for (let item = 0; item < count; item++)
      column[first + item] = (from.items.numbers[index] as Float64Array)[start + item] as number;
}

/** Says of the row appended last that it takes an event itself back, or puts it back. */
export function markDisplaced(out: RowBatch, own: OwnRow): void {
  const row = out.length - 1;
  const flags = out.columns.codes[CODE.flags] as Int32Array;
  flags[row] =
    FLAG.displaced | ((out.columns.codes[CODE.retraction] as Int32Array)[row] === 1 ? 0 : FLAG.restated);
  (out.columns.numbers[NUMBER.origin_part] as Float64Array)[row] = own.part;
  // So that it is found where the event is.
  setHash(out.columns.hashes[HASH.ticket], row, own.ticket_hi, own.ticket_lo);
}

function setHash(
  column: { hi: Int32Array; lo: Int32Array } | undefined,
  row: number,
  hi: number,
  lo: number,
): void {
  if (column === undefined) return;
  column.hi[row] = hi;
  column.lo[row] = lo;
}

/** Sets the columns that an event may have from its order. */
export function setInherited(out: RowBatch, row: number, own: OwnRow): void {
  const { codes, hashes } = out.columns;
  (codes[CODE.currency] as Int32Array)[row] = own.currency;
  for (let index = 0; index < own.dimensions.length; index++)
    (codes[CODE.dimensions + index] as Int32Array)[row] = own.dimensions[index] as number;
  setHash(hashes[HASH.customer], row, own.customer_hi, own.customer_lo);
  const count = own.items > 0 ? own.items : 0;
  out.itemCount[row] = count;
  out.itemStart[row] = out.itemLength;
  if (count > 0) appendItems(out, own, count);
}

function appendItems(out: RowBatch, own: OwnRow, count: number): void {
  const first = out.appendItems(count);
  const { codes, numbers } = out.items;
  for (let item = 0; item < count; item++) {
    (codes[ITEM_CODE.sku] as Int32Array)[first + item] = own.sku[item] as number;
    (codes[ITEM_CODE.category] as Int32Array)[first + item] = own.category[item] as number;
    (numbers[ITEM_NUMBER.quantity] as Float64Array)[first + item] = own.quantity[item] as number;
    (numbers[ITEM_NUMBER.unit_price] as Float64Array)[first + item] = own.unit_price[item] as number;
  }
}

/** Sets the columns of an order's counted row that come from its newest version. */
export function setOrder(out: RowBatch, row: number, own: OwnRow): void {
  setInherited(out, row, own);
  const { hashes, numbers } = out.columns;
  setHash(hashes[HASH.session], row, own.session_hi, own.session_lo);
  (numbers[NUMBER.amount] as Float64Array)[row] = own.amount;
  (numbers[NUMBER.discount] as Float64Array)[row] = own.discount;
  (numbers[NUMBER.shipping] as Float64Array)[row] = own.shipping;
  (numbers[NUMBER.tax] as Float64Array)[row] = own.tax;
}
