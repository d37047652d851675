import { ByteReader, ByteWriter } from '../../engine/index.ts';
import { type CohortRules, periodOf } from '../cohorts/index.ts';
import {
  type EntityRows,
  type RowTable,
  type RowTest,
  readPlaces,
  writePlaces,
} from '../entity-rows/index.ts';
import type { EventPlace } from '../events-query/index.ts';
import type { RowMoney } from '../exchange/index.ts';
import { bucketAt, type Zone } from '../query/index.ts';
import { CODE, HASH, MARK, NUMBER } from '../rows/index.ts';
import type { PurchaseDays } from './purchase-days.ts';

const BIT = { order: 1, refund: 2, first: 4 } as const;

/** Rows that lifetime value is made of. `filters` are on the first order of a customer. */
export function ltvTests(filters: RowTest): readonly RowTest[] {
  const marked = (mark: number): RowTest => [{ code: CODE.marks, accepts: (marks) => (marks & mark) !== 0 }];
  return [marked(MARK.orders), marked(MARK.refund), [...marked(MARK.customers_new), ...filters]];
}

/** Columns that `EntityRows` carries: the currency, then those of `groups`. */
export function ltvColumns(groups: readonly number[]) {
  return {
    codes: [CODE.currency, ...groups],
    numbers: [NUMBER.amount, NUMBER.discount],
    hashes: [HASH.order],
  };
}

/** A row in the visit of a customer. */
interface MoneyRow {
  readonly row: number;
  readonly time_ms: number;
  readonly bits: number;
}

/** The first order within [start, end) of the range; undefined: the customer is older, younger or filtered out. */
function firstOf(
  { time_ms, bits }: RowTable,
  order: Uint32Array,
  from: number,
  to: number,
  { start_ms, end_ms }: { readonly start_ms: number; readonly end_ms: number },
): number | undefined {
  for (let at = from; at < to; at++) {
    const row = order[at] as number;
    const time = time_ms[row] as number;
    if (((bits[row] as number) & BIT.first) !== 0 && time >= start_ms && time < end_ms) return row;
  }
  return undefined;
}

function* moneyRows(table: RowTable, order: Uint32Array, from: number, to: number): Generator<MoneyRow> {
  for (let at = from; at < to; at++) {
    const row = order[at] as number;
    const bits = table.bits[row] as number;
    if ((bits & (BIT.order | BIT.refund)) !== 0) yield { row, time_ms: table.time_ms[row] as number, bits };
  }
}

/** Amount less discount of an order; a refund the other way. */
function addMoney({ codes, numbers }: RowTable, { row, time_ms, bits }: MoneyRow, money: RowMoney): void {
  const currency = (codes[0] as Int32Array)[row] as number;
  const [amount, discount] = numbers as [Float64Array, Float64Array];
  if ((bits & BIT.order) !== 0) {
    money.add(currency, time_ms, amount[row] as number);
    money.add(currency, time_ms, -(discount[row] as number));
  }
  if ((bits & BIT.refund) !== 0) money.add(currency, time_ms, -(amount[row] as number));
}

/** Customers of a cohort, and their net revenue by age, minor units. */
export interface CohortValue {
  readonly cohort: number;
  /** Of the first order, by the dimensions of `group_by`. */
  readonly values: readonly string[];
  size: number;
  readonly revenue: number[];
}

/** The net revenue of the customers of each cohort, by age. */
export function cohortValues(
  rows: EntityRows,
  rules: CohortRules,
  money: RowMoney,
  textOf: (code: number) => string,
  check: () => void,
): CohortValue[] {
  const found = new Map<string, CohortValue>();
  rows.visit((table, order, from, to) => {
    const first = firstOf(table, order, from, to, rules.range);
    if (first === undefined) return;
    const first_ms = table.time_ms[first] as number;
    const cohort = bucketAt(rules.cohorts, first_ms);
    const values = table.codes.slice(1).map((codes) => textOf(codes[first] as number));
    const key = JSON.stringify([cohort, values]);
    let value = found.get(key);
    if (value === undefined) {
      value = { cohort, values, size: 0, revenue: new Array<number>(rules.periods).fill(0) };
      found.set(key, value);
    }
    value.size++;
    // Rows come by time, so those of an age come together.
    let age = 0;
    for (const each of moneyRows(table, order, from, to)) {
      const own = periodOf(rules, first_ms, each.time_ms);
      if (own === undefined) continue;
      if (own !== age) (value.revenue[age] as number) += money.take();
      age = own;
      addMoney(table, each, money);
    }
    (value.revenue[age] as number) += money.take();
  }, check);
  return [...found.values()];
}

/** What a customer did up to the end of what was seen. Days are those of the query's zone, since 1970. */
export interface CustomerPast {
  readonly hi: number;
  readonly lo: number;
  readonly first_day: number;
  readonly last_day: number;
  /** Days with an order. */
  readonly days: number;
  /** Net revenue of the orders after the first day. */
  readonly repeat_value: number;
  /** Net revenue of all orders. */
  readonly value: number;
  readonly places: readonly EventPlace[];
}

/** The past of each customer whose first order lies in the range, in order of hashes. */
export function customerPasts(
  rows: EntityRows,
  range: { readonly start_ms: number; readonly end_ms: number },
  zone: Zone,
  money: RowMoney,
  check: () => void,
): CustomerPast[] {
  const all: CustomerPast[] = [];
  rows.visit((table, order, from, to) => {
    const first = firstOf(table, order, from, to, range);
    if (first === undefined) return;
    const first_day = zone.localDay(table.time_ms[first] as number);
    const days = new Set<number>();
    const dayOfOrder = new Map<string, number>();
    let last = first;
    for (const { row, time_ms, bits } of moneyRows(table, order, from, to)) {
      if ((bits & BIT.order) === 0) continue;
      const day = zone.localDay(time_ms);
      days.add(day);
      dayOfOrder.set(orderOf(table, row), day);
      last = row;
    }
    let [value, repeat_value] = [0, 0];
    for (const each of moneyRows(table, order, from, to)) {
      // A refund goes with its order: whenever it came, it says what that purchase was worth.
      const day = dayOfOrder.get(orderOf(table, each.row));
      if (day === undefined) continue;
      addMoney(table, each, money);
      const own = money.take();
      value += own;
      if (day > first_day) repeat_value += own;
    }
    const { entity, time_ms } = table;
    all.push({
      ...{
        hi: entity.hi[last] as number,
        lo: entity.lo[last] as number,
        days: days.size,
        value,
        repeat_value,
      },
      ...{ first_day, last_day: zone.localDay(time_ms[last] as number) },
      places: table.placesOf(last),
    });
  }, check);
  return all;
}

/** The days with an order of each customer whose first order lies in the range, in order of hashes. */
export function purchaseDays(
  rows: EntityRows,
  range: { readonly start_ms: number; readonly end_ms: number },
  zone: Zone,
  money: RowMoney,
  check: () => void,
): PurchaseDays[] {
  const all: PurchaseDays[] = [];
  rows.visit((table, order, from, to) => {
    if (firstOf(table, order, from, to, range) === undefined) return;
    const byDay = new Map<number, number>();
    const dayOfOrder = new Map<string, number>();
    let last = from;
    for (const { row, time_ms, bits } of moneyRows(table, order, from, to)) {
      if ((bits & BIT.order) === 0) continue;
      const day = zone.localDay(time_ms);
      byDay.set(day, 0);
      dayOfOrder.set(orderOf(table, row), day);
      last = row;
    }
    for (const each of moneyRows(table, order, from, to)) {
      // A refund goes with its order: whenever it came, it says what that purchase was worth.
      const day = dayOfOrder.get(orderOf(table, each.row));
      if (day === undefined) continue;
      addMoney(table, each, money);
      byDay.set(day, (byDay.get(day) ?? 0) + money.take());
    }
    if (byDay.size === 0) return;
    const days = [...byDay.keys()].sort((a, b) => a - b);
    all.push({
      ...{ hi: table.entity.hi[last] as number, lo: table.entity.lo[last] as number },
      ...{ days, values: days.map((day) => byDay.get(day) ?? 0), places: table.placesOf(last) },
    });
  }, check);
  return all;
}

function orderOf({ hashes }: RowTable, row: number): string {
  const [{ hi, lo }] = hashes as [{ readonly hi: Int32Array; readonly lo: Int32Array }];
  return `${hi[row]}/${lo[row]}`;
}

/** Pasts as bytes, with the currency of their money; `readPasts` takes several of these one after the other. */
export function writePasts(pasts: readonly CustomerPast[], currency: string | undefined): Uint8Array {
  const writer = new ByteWriter().string(currency ?? '\0').varint(pasts.length);
  for (const { hi, lo, first_day, last_day, days, repeat_value, value, places } of pasts) {
    writer
      .u32(hi >>> 0)
      .u32(lo >>> 0)
      .varint(first_day)
      .varint(last_day)
      .varint(days);
    writePlaces(writer.f64(repeat_value).f64(value), places);
  }
  return writer.copy();
}

export interface ReadPasts {
  /** In order of hashes. */
  readonly pasts: readonly CustomerPast[];
  readonly currencies: readonly (string | undefined)[];
}

export function readPasts(bytes: Uint8Array | undefined): ReadPasts {
  const pasts: CustomerPast[] = [];
  const currencies: (string | undefined)[] = [];
  if (bytes === undefined) return { pasts, currencies };
  const reader = new ByteReader(bytes);
  while (reader.position < bytes.length) {
    const currency = reader.string();
    currencies.push(currency === '\0' ? undefined : currency);
    for (let left = reader.varint(); left > 0; left--) {
      pasts.push({
        ...{ hi: reader.u32() | 0, lo: reader.u32() | 0 },
        ...{ first_day: reader.varint(), last_day: reader.varint(), days: reader.varint() },
        ...{ repeat_value: reader.f64(), value: reader.f64() },
        places: readPlaces(reader),
      });
    }
  }
  return {
    pasts: pasts.sort((a, b) => (a.hi >>> 0) - (b.hi >>> 0) || (a.lo >>> 0) - (b.lo >>> 0)),
    currencies,
  };
}
