import { ByteReader, ByteWriter } from '../../engine/index.ts';
import { readPlaces, writePlaces } from '../entity-rows/index.ts';
import type { EventPlace } from '../events-query/index.ts';
import type { PurchaseHistory } from './bg-nbd.ts';
import type { SpendHistory } from './gamma-gamma.ts';

const DAYS_A_WEEK = 7;

/** The days on which a customer bought, since 1970 and rising, and what each brought, minor units. */
export interface PurchaseDays {
  readonly hi: number;
  readonly lo: number;
  readonly days: readonly number[];
  readonly values: readonly number[];
  readonly places: readonly EventPlace[];
}

/** What had been seen of a customer at the end of a day. */
export interface CustomerAt {
  readonly history: PurchaseHistory;
  /** Of purchases after the first; none where their mean is not above 0. */
  readonly spend: SpendHistory;
  /** Mean of all purchases, minor units. */
  readonly mean: number;
}

/** undefined: the customer had not bought yet. */
export function customerAt({ days, values }: PurchaseDays, end_day: number): CustomerAt | undefined {
  const bought = days.findLastIndex((day) => day <= end_day) + 1;
  const first = days[0];
  if (bought === 0 || first === undefined) return undefined;
  const total = values.slice(0, bought).reduce((sum, value) => sum + value, 0);
  const again = total - (values[0] as number);
  const repeats = bought - 1;
  return {
    history: {
      repeats,
      last: ((days[bought - 1] as number) - first) / DAYS_A_WEEK,
      seen: (end_day - first) / DAYS_A_WEEK,
    },
    spend: repeats > 0 && again > 0 ? { repeats, mean: again / repeats } : { repeats: 0, mean: 0 },
    mean: total / bought,
  };
}

/** What a customer did after a day, up to the end of another. */
export function broughtBetween(
  { days, values }: PurchaseDays,
  after_day: number,
  end_day: number,
): { readonly purchases: number; readonly value: number } {
  let [purchases, value] = [0, 0];
  for (const [at, day] of days.entries()) {
    if (day <= after_day || day > end_day) continue;
    purchases++;
    value += values[at] as number;
  }
  return { purchases, value };
}

/** As bytes, with the currency of the money; `readPurchaseDays` takes several of these one after the other. */
export function writePurchaseDays(
  customers: readonly PurchaseDays[],
  currency: string | undefined,
): Uint8Array {
  const writer = new ByteWriter().string(currency ?? '\0').varint(customers.length);
  for (const { hi, lo, days, values, places } of customers) {
    writer
      .u32(hi >>> 0)
      .u32(lo >>> 0)
      .varint(days.length);
    for (const [at, day] of days.entries())
      writer.varint(day - (days[at - 1] ?? 0)).f64(values[at] as number);
    writePlaces(writer, places);
  }
  return writer.copy();
}

export interface ReadPurchaseDays {
  /** In order of hashes. */
  readonly customers: readonly PurchaseDays[];
  readonly currencies: readonly (string | undefined)[];
}

export function readPurchaseDays(bytes: Uint8Array | undefined): ReadPurchaseDays {
  const customers: PurchaseDays[] = [];
  const currencies: (string | undefined)[] = [];
  if (bytes === undefined) return { customers, currencies };
  const reader = new ByteReader(bytes);
  while (reader.position < bytes.length) {
    const currency = reader.string();
    currencies.push(currency === '\0' ? undefined : currency);
    for (let left = reader.varint(); left > 0; left--) customers.push(readCustomer(reader));
  }
  customers.sort((a, b) => (a.hi >>> 0) - (b.hi >>> 0) || (a.lo >>> 0) - (b.lo >>> 0));
  return { customers, currencies };
}

function readCustomer(reader: ByteReader): PurchaseDays {
  const [hi, lo] = [reader.u32() | 0, reader.u32() | 0];
  const days: number[] = [];
  const values: number[] = [];
  let day = 0;
  for (let left = reader.varint(); left > 0; left--) {
    day += reader.varint();
    days.push(day);
    values.push(reader.f64());
  }
  return { hi, lo, days, values, places: readPlaces(reader) };
}
