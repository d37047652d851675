import type { HashColumn, RowBatch } from '../../engine/index.ts';
import type { EventBatch } from '../events/index.ts';
import { CODE, HASH, ITEM_CODE, ITEM_NUMBER, NUMBER } from '../rows/index.ts';
import type { RecordReader, RecordWriter } from './record-bytes.ts';

const HAS_CUSTOMER = 1;
const HAS_SESSION = 2;
const HAS_AMOUNT = 4;
const HAS_DISCOUNT = 8;
const HAS_SHIPPING = 16;
const HAS_TAX = 32;
const HAS_ITEMS = 64;
const HAS_ORDER = 128;
const INITIAL_ITEMS = 16;

/** Place of `source` among the dimensions: it says who sent an event, so no event has it from another. */
export const SOURCE = 12;

/** The columns that an order gives to its events, and those of an event. One is used again and again. */
export class OwnRow {
  /** Index in EVENT_TYPES, or -1. */
  kind = -1;
  time_ms = 0;
  event = 0;
  sequence = 0;
  part = 0;
  type = 0;
  currency = 0;
  readonly dimensions: Int32Array;
  order_hi = 0;
  order_lo = 0;
  customer_hi = 0;
  customer_lo = 0;
  session_hi = 0;
  session_lo = 0;
  /** Of an event that was found in the log; records do not have it. */
  ticket_hi = 0;
  ticket_lo = 0;
  amount = Number.NaN;
  discount = Number.NaN;
  shipping = Number.NaN;
  tax = Number.NaN;
  /** -1: there is no list of items. */
  items = -1;
  sku = new Int32Array(INITIAL_ITEMS);
  category = new Int32Array(INITIAL_ITEMS);
  quantity = new Float64Array(INITIAL_ITEMS);
  unit_price = new Float64Array(INITIAL_ITEMS);

  constructor(dimensions: number) {
    this.dimensions = new Int32Array(dimensions);
  }

  reserveItems(count: number): void {
    if (count <= this.sku.length) return;
    const size = Math.max(count, this.sku.length * 2);
    this.sku = new Int32Array(size);
    this.category = new Int32Array(size);
    this.quantity = new Float64Array(size);
    this.unit_price = new Float64Array(size);
  }

  copyItems(from: OwnRow): void {
    this.items = from.items;
    if (from.items <= 0) return;
    this.reserveItems(from.items);
    for (let item = 0; item < from.items; item++) {
      this.sku[item] = from.sku[item] as number;
      this.category[item] = from.category[item] as number;
      this.quantity[item] = from.quantity[item] as number;
      this.unit_price[item] = from.unit_price[item] as number;
    }
  }
}

/** Bytes of an entry before its body: kind (1), length of the body (2). */
export const ENTRY_HEAD_BYTES = 3;

/** Writes an event of a batch as it was sent: kind + 1 (u8), its length in bytes (u16), then what `readOwn` reads. */
export function writeOwn(writer: RecordWriter, batch: EventBatch, row: number): void {
  const at = writer.length;
  writer.u8((batch.kind[row] as number) + 1);
  writer.u16(0);
  writeBody(writer, batch, row);
  writer.setU16(at + 1, writer.length - at - ENTRY_HEAD_BYTES);
}

function writeBody(writer: RecordWriter, batch: EventBatch, row: number): void {
  const { own } = batch;
  const { codes, hashes, numbers } = own.columns;
  writer.u48(own.time_ms[row] as number);
  writer.u32((codes[CODE.event] as Int32Array)[row] as number);
  writer.varint(own.sequence[row] as number);
  writer.varint(own.part[row] as number);
  writer.varint((codes[CODE.type] as Int32Array)[row] as number);
  const order = hashes[HASH.order] as HashColumn;
  const customer = hashes[HASH.customer] as HashColumn;
  const session = hashes[HASH.session] as HashColumn;
  const amount = (numbers[NUMBER.amount] as Float64Array)[row] as number;
  const discount = (numbers[NUMBER.discount] as Float64Array)[row] as number;
  const shipping = (numbers[NUMBER.shipping] as Float64Array)[row] as number;
  const tax = (numbers[NUMBER.tax] as Float64Array)[row] as number;
  const hasOrder = order.hi[row] !== 0 || order.lo[row] !== 0;
  const hasCustomer = customer.hi[row] !== 0 || customer.lo[row] !== 0;
  const hasSession = session.hi[row] !== 0 || session.lo[row] !== 0;
  const items = own.itemCount[row] as number;
  writer.u8(
    (hasCustomer ? HAS_CUSTOMER : 0) |
      (hasSession ? HAS_SESSION : 0) |
      (Number.isNaN(amount) ? 0 : HAS_AMOUNT) |
      (Number.isNaN(discount) ? 0 : HAS_DISCOUNT) |
      (Number.isNaN(shipping) ? 0 : HAS_SHIPPING) |
      (Number.isNaN(tax) ? 0 : HAS_TAX) |
      (items > 0 ? HAS_ITEMS : 0) |
      (hasOrder ? HAS_ORDER : 0),
  );
  writer.varint((codes[CODE.currency] as Int32Array)[row] as number);
  writeDimensions(writer, codes, row);
  if (hasOrder) writeHash(writer, order, row);
  if (hasCustomer) writeHash(writer, customer, row);
  if (hasSession) writeHash(writer, session, row);
  if (!Number.isNaN(amount)) writer.zigzag(amount);
  if (!Number.isNaN(discount)) writer.zigzag(discount);
  if (!Number.isNaN(shipping)) writer.zigzag(shipping);
  if (!Number.isNaN(tax)) writer.zigzag(tax);
  if (items > 0) writeItems(writer, own, own.itemStart[row] as number, items);
}

/** In fields of 7 dimensions, each a mask and the codes that are there. */
function writeDimensions(writer: RecordWriter, codes: readonly Int32Array[], row: number): void {
  const first = CODE.dimensions;
  for (let from = first; from < codes.length; from += 7) {
    let mask = 0;
    const to = Math.min(codes.length, from + 7);
    for (let index = from; index < to; index++) {
      if ((codes[index] as Int32Array)[row] !== 0) mask |= 1 << (index - from);
    }
    writer.u8(mask);
    for (let index = from; index < to; index++) {
      const code = (codes[index] as Int32Array)[row] as number;
      if (code !== 0) writer.varint(code);
    }
  }
}

function writeHash(writer: RecordWriter, { hi, lo }: HashColumn, row: number): void {
  writer.u32(hi[row] as number);
  writer.u32(lo[row] as number);
}

function writeItems(writer: RecordWriter, own: RowBatch, start: number, count: number): void {
  const { codes, numbers } = own.items;
  const sku = codes[ITEM_CODE.sku] as Int32Array;
  const category = codes[ITEM_CODE.category] as Int32Array;
  const quantity = numbers[ITEM_NUMBER.quantity] as Float64Array;
  const price = numbers[ITEM_NUMBER.unit_price] as Float64Array;
  writer.varint(count);
  for (let item = start; item < start + count; item++) {
    writer.varint(sku[item] as number);
    writer.varint(category[item] as number);
    writer.zigzag(quantity[item] as number);
    writer.zigzag(price[item] as number);
  }
}

/** Reads the body that `writeOwn` wrote, the reader being at its begin. The kind is the caller's. */
export function readOwn(reader: RecordReader, own: OwnRow): void {
  own.time_ms = reader.u48();
  own.event = reader.u32();
  own.sequence = reader.varint();
  own.part = reader.varint();
  own.type = reader.varint();
  const has = reader.u8();
  own.currency = reader.varint();
  const { dimensions } = own;
  for (let from = 0; from < dimensions.length; from += 7) {
    const mask = reader.u8();
    const to = Math.min(dimensions.length, from + 7);
    for (let index = from; index < to; index++)
      dimensions[index] = (mask & (1 << (index - from))) === 0 ? 0 : reader.varint();
  }
  const order = (has & HAS_ORDER) !== 0;
  own.order_hi = order ? reader.u32() : 0;
  own.order_lo = order ? reader.u32() : 0;
  const customer = (has & HAS_CUSTOMER) !== 0;
  own.customer_hi = customer ? reader.u32() : 0;
  own.customer_lo = customer ? reader.u32() : 0;
  const session = (has & HAS_SESSION) !== 0;
  own.session_hi = session ? reader.u32() : 0;
  own.session_lo = session ? reader.u32() : 0;
  own.amount = (has & HAS_AMOUNT) === 0 ? Number.NaN : reader.zigzag();
  own.discount = (has & HAS_DISCOUNT) === 0 ? Number.NaN : reader.zigzag();
  own.shipping = (has & HAS_SHIPPING) === 0 ? Number.NaN : reader.zigzag();
  own.tax = (has & HAS_TAX) === 0 ? Number.NaN : reader.zigzag();
  own.ticket_hi = 0;
  own.ticket_lo = 0;
  own.items = -1;
  if ((has & HAS_ITEMS) === 0) return;
  const count = reader.varint();
  own.reserveItems(count);
  own.items = count;
  for (let item = 0; item < count; item++) {
    own.sku[item] = reader.varint();
    own.category[item] = reader.varint();
    own.quantity[item] = reader.zigzag();
    own.unit_price[item] = reader.zigzag();
  }
}
