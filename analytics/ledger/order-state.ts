import { CLASS, CLASS_OF } from './kinds.ts';
import type { OrderEntries } from './order-entries.ts';
import { OwnRow, readOwn, SOURCE } from './own-row.ts';
import { RecordReader } from './record-bytes.ts';

/** Members of a version behind its dimensions. */
const CURRENCY = 0;
const CUSTOMER = 1;
const SESSION = 2;
const AMOUNT = 3;
const DISCOUNT = 4;
const SHIPPING = 5;
const TAX = 6;
const ITEMS = 7;
const MEMBERS = 8;

/**
 * An order as it is now: each member is that of the newest version that has it, by event time, then by event id
 * (its UTF-8). `own` holds the members; its time, type and event mean nothing.
 */
export class OrderState {
  readonly own: OwnRow;
  hasVersion = false;
  /** 1 for versions whose every member a newer one has: they never matter again, unless counted. */
  shadowed = new Uint8Array(16);
  readonly #filled: Uint8Array;
  readonly #version: OwnRow;
  readonly #reader = new RecordReader();
  #order = new Int32Array(16);

  constructor(dimensions: number) {
    this.own = new OwnRow(dimensions);
    this.#version = new OwnRow(dimensions);
    this.#filled = new Uint8Array(dimensions + MEMBERS);
  }

  merge(entries: OrderEntries): void {
    if (this.#order.length < entries.count) {
      this.#order = new Int32Array(entries.count * 2);
      this.shadowed = new Uint8Array(entries.count * 2);
    }
    this.shadowed.fill(0, 0, entries.count);
    const versions = this.#sorted(entries);
    this.hasVersion = versions > 0;
    if (versions === 0) return;
    const reader = this.#reader;
    const newest = this.#order[0] as number;
    if (versions === 1) {
      reader.open(entries.bytes, entries.body[newest] as number);
      readOwn(reader, this.own);
      return;
    }
    this.#filled.fill(0);
    this.#clear();
    for (let rank = 0; rank < versions; rank++) {
      const entry = this.#order[rank] as number;
      reader.open(entries.bytes, entries.body[entry] as number);
      readOwn(reader, this.#version);
      if (!this.#fill(this.#version)) this.shadowed[entry] = 1;
    }
  }

  /** Puts the versions' entries into `#order`, the newest first. */
  #sorted(entries: OrderEntries): number {
    let count = 0;
    for (let entry = 0; entry < entries.count; entry++) {
      if (CLASS_OF[(entries.kind[entry] as number) + 1] !== CLASS.version) continue;
      let at = count++;
      while (at > 0 && isNewer(entries, entry, this.#order[at - 1] as number)) {
        this.#order[at] = this.#order[at - 1] as number;
        at--;
      }
      this.#order[at] = entry;
    }
    return count;
  }

  #clear(): void {
    const { own } = this;
    own.currency = 0;
    own.dimensions.fill(0);
    own.customer_hi = 0;
    own.customer_lo = 0;
    own.session_hi = 0;
    own.session_lo = 0;
    own.amount = Number.NaN;
    own.discount = Number.NaN;
    own.shipping = Number.NaN;
    own.tax = Number.NaN;
    own.items = -1;
  }

  /** Takes the members that no newer version has; whether there were any. */
  #fill(version: OwnRow): boolean {
    const { own } = this;
    const filled = this.#filled;
    let any = false;
    for (let index = 0; index < own.dimensions.length; index++) {
      const code = version.dimensions[index] as number;
      if (index === SOURCE || code === 0 || filled[index] === 1) continue;
      own.dimensions[index] = code;
      filled[index] = 1;
      any = true;
    }
    const base = own.dimensions.length;
    const take = (member: number, isThere: boolean): boolean => {
      if (!isThere || filled[base + member] === 1) return false;
      filled[base + member] = 1;
      any = true;
      return true;
    };
    if (take(CURRENCY, version.currency !== 0)) own.currency = version.currency;
    if (take(CUSTOMER, version.customer_hi !== 0 || version.customer_lo !== 0)) {
      own.customer_hi = version.customer_hi;
      own.customer_lo = version.customer_lo;
    }
    if (take(SESSION, version.session_hi !== 0 || version.session_lo !== 0)) {
      own.session_hi = version.session_hi;
      own.session_lo = version.session_lo;
    }
    if (take(AMOUNT, !Number.isNaN(version.amount))) own.amount = version.amount;
    if (take(DISCOUNT, !Number.isNaN(version.discount))) own.discount = version.discount;
    if (take(SHIPPING, !Number.isNaN(version.shipping))) own.shipping = version.shipping;
    if (take(TAX, !Number.isNaN(version.tax))) own.tax = version.tax;
    if (take(ITEMS, version.items > 0)) own.copyItems(version);
    return any;
  }

  equals(other: OrderState): boolean {
    if (this.hasVersion !== other.hasVersion) return false;
    if (!this.hasVersion) return true;
    const a = this.own;
    const b = other.own;
    for (let index = 0; index < a.dimensions.length; index++) {
      if (index !== SOURCE && a.dimensions[index] !== b.dimensions[index]) return false;
    }
    return (
      a.currency === b.currency &&
      a.customer_hi === b.customer_hi &&
      a.customer_lo === b.customer_lo &&
      a.session_hi === b.session_hi &&
      a.session_lo === b.session_lo &&
      Object.is(a.amount, b.amount) &&
      Object.is(a.discount, b.discount) &&
      Object.is(a.shipping, b.shipping) &&
      Object.is(a.tax, b.tax) &&
      sameItems(a, b)
    );
  }
}

function sameItems(a: OwnRow, b: OwnRow): boolean {
  if (a.items !== b.items) return false;
  for (let item = 0; item < a.items; item++) {
    const isSame =
      a.sku[item] === b.sku[item] &&
      a.category[item] === b.category[item] &&
      a.quantity[item] === b.quantity[item] &&
      a.unit_price[item] === b.unit_price[item];
    if (!isSame) return false;
  }
  return true;
}

/** By event time, then by event id. */
function isNewer(entries: OrderEntries, entry: number, than: number): boolean {
  const difference = (entries.time_ms[entry] as number) - (entries.time_ms[than] as number);
  if (difference !== 0) return difference > 0;
  return compareIds(entries, entry, than) > 0;
}

/** An entry ends with its event id and, behind it, the id's length as two bytes. */
function compareIds({ bytes, end }: OrderEntries, a: number, b: number): number {
  const aEnd = (end[a] as number) - 2;
  const bEnd = (end[b] as number) - 2;
  const aLength = (bytes[aEnd] as number) + (bytes[aEnd + 1] as number) * 256;
  const bLength = (bytes[bEnd] as number) + (bytes[bEnd + 1] as number) * 256;
  for (let index = 0; index < aLength && index < bLength; index++) {
    const difference = (bytes[aEnd - aLength + index] as number) - (bytes[bEnd - bLength + index] as number);
    if (difference !== 0) return difference;
  }
  return aLength - bLength;
}
