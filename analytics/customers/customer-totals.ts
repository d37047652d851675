import { ByteReader, ByteWriter } from '../../engine/index.ts';
import { type EntityRows, type RowTest, readPlaces, writePlaces } from '../entity-rows/index.ts';
import type { EventPlace } from '../events-query/index.ts';
import type { RowMoney } from '../exchange/index.ts';
import { type LogTexts, SEGMENT_COLUMN } from '../filters/index.ts';
import { CODE, MARK, NUMBER } from '../rows/index.ts';

/** What a range of time says of one customer. */
export interface CustomerTotals {
  /** The customer's hash. */
  readonly hi: number;
  readonly lo: number;
  /** Distinct orders. */
  readonly orders: number;
  /** Times of the first and the last order. */
  readonly first_ms: number;
  readonly last_ms: number;
  /** Σ amount − discount of orders − refunds, minor units. */
  readonly net: number;
  /** The segments of the customer, as `segmentText`; '' where nobody asks for them. */
  readonly segments: string;
  /** Where the customer's id may be read. */
  readonly places: readonly EventPlace[];
}

/** Columns that `EntityRows` carries for totals, in this order. */
export const totalsColumns = (withSegments: boolean) => ({
  codes: [CODE.currency, ...(withSegments ? [SEGMENT_COLUMN] : [])],
  numbers: [NUMBER.amount, NUMBER.discount],
});
const ORDER_BIT = 1;
const REFUND_BIT = 2;

/** Rows that totals are made of; `conditions` of the query go for each. */
export function totalsTests(conditions: RowTest): readonly RowTest[] {
  const marked = (mark: number): RowTest => [
    { code: CODE.marks, accepts: (marks) => (marks & mark) !== 0 },
    ...conditions,
  ];
  return [marked(MARK.orders), marked(MARK.refund)];
}

/** The totals of each entity with an order, in order of hashes. `check` may throw. */
export function totalsOf(
  rows: EntityRows,
  money: RowMoney,
  texts: LogTexts,
  check: () => void,
): CustomerTotals[] {
  const all: CustomerTotals[] = [];
  rows.visit((table, order, from, to) => {
    const { time_ms, bits, entity } = table;
    const [currency, segments] = table.codes as [Int32Array, Int32Array?];
    const [amount, discount] = table.numbers as [Float64Array, Float64Array];
    let [orders, first, last] = [0, 0, 0];
    for (let at = from; at < to; at++) {
      const row = order[at] as number;
      const own = currency[row] as number;
      const at_ms = time_ms[row] as number;
      if (((bits[row] as number) & ORDER_BIT) !== 0) {
        if (orders++ === 0) first = row;
        last = row;
        money.add(own, at_ms, amount[row] as number);
        money.add(own, at_ms, -(discount[row] as number));
      }
      if (((bits[row] as number) & REFUND_BIT) !== 0) money.add(own, at_ms, -(amount[row] as number));
    }
    const net = money.take();
    if (orders === 0) return;
    all.push({
      ...{ hi: entity.hi[last] as number, lo: entity.lo[last] as number, orders, net },
      ...{ first_ms: time_ms[first] as number, last_ms: time_ms[last] as number },
      segments: segments === undefined ? '' : texts.textOf(segments[last] as number),
      places: table.placesOf(last),
    });
  }, check);
  return all;
}

/** Totals as bytes, with the currency of their money; `readTotals` takes several of these one after the other. */
export function writeTotals(totals: readonly CustomerTotals[], currency: string | undefined): Uint8Array {
  const writer = new ByteWriter().string(currency ?? '\0').varint(totals.length);
  for (const { hi, lo, orders, first_ms, last_ms, net, segments, places } of totals) {
    writer
      .u32(hi >>> 0)
      .u32(lo >>> 0)
      .varint(orders)
      .u48(first_ms)
      .u48(last_ms);
    writePlaces(writer.f64(net).string(segments), places);
  }
  return writer.copy();
}

export interface ReadTotals {
  readonly totals: readonly CustomerTotals[];
  /** Of each part; undefined where it had no money. */
  readonly currencies: readonly (string | undefined)[];
}

export function readTotals(bytes: Uint8Array | undefined): ReadTotals {
  const totals: CustomerTotals[] = [];
  const currencies: (string | undefined)[] = [];
  if (bytes === undefined) return { totals, currencies };
  const reader = new ByteReader(bytes);
  while (reader.position < bytes.length) {
    const currency = reader.string();
    currencies.push(currency === '\0' ? undefined : currency);
    for (let left = reader.varint(); left > 0; left--) {
      totals.push({
        ...{ hi: reader.u32() | 0, lo: reader.u32() | 0, orders: reader.varint() },
        ...{ first_ms: reader.u48(), last_ms: reader.u48(), net: reader.f64(), segments: reader.string() },
        places: readPlaces(reader),
      });
    }
  }
  // Parts come in any order.
  return { totals: totals.sort((a, b) => (a.hi >>> 0) - (b.hi >>> 0) || a.lo - b.lo), currencies };
}
