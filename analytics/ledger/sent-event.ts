import type { HashColumn } from '../../engine/index.ts';
import type { EventBatch } from '../events/index.ts';
import type { HeldRate } from '../exchange/index.ts';
import { CODE, FLAG, HASH, ITEM_CODE, ITEM_NUMBER, NUMBER } from '../rows/index.ts';
import { ENTRY_HEAD_BYTES, OwnRow, readOwn, writeOwn } from './own-row.ts';
import { RecordReader, RecordWriter } from './record-bytes.ts';

const TICKET_BYTES = 8;

/** Makes an event the only one of a batch, as it came from the decoder. */
export function fillEvent(batch: EventBatch, own: OwnRow, scope: number): void {
  batch.clear([]);
  const row = batch.append();
  const { columns } = batch;
  for (const codes of columns.codes) codes[row] = 0;
  for (const numbers of columns.numbers) numbers[row] = Number.NaN;
  const set = (column: number, code: number): void => {
    (columns.codes[column] as Int32Array)[row] = code;
  };
  set(CODE.flags, FLAG.original);
  set(CODE.type, own.type);
  set(CODE.currency, own.currency);
  set(CODE.event, own.event);
  for (let index = 0; index < own.dimensions.length; index++)
    set(CODE.dimensions + index, own.dimensions[index] as number);
  const rows = batch.own;
  rows.time_ms[row] = own.time_ms;
  rows.sequence[row] = own.sequence;
  rows.part[row] = own.part;
  rows.scope[row] = scope;
  const setHash = (column: number, hi: number, lo: number): void => {
    const hashes = columns.hashes[column] as HashColumn;
    hashes.hi[row] = hi;
    hashes.lo[row] = lo;
  };
  setHash(HASH.order, own.order_hi, own.order_lo);
  setHash(HASH.customer, own.customer_hi, own.customer_lo);
  setHash(HASH.session, own.session_hi, own.session_lo);
  setHash(HASH.ticket, 0, 0);
  batch.ticket_hi[row] = own.ticket_hi;
  batch.ticket_lo[row] = own.ticket_lo;
  for (const name of ['amount', 'discount', 'shipping', 'tax'] as const)
    (columns.numbers[NUMBER[name]] as Float64Array)[row] = own[name];
  batch.kind[row] = own.kind;
  fillItems(batch, row, own);
}

function fillItems({ own: rows }: EventBatch, row: number, own: OwnRow): void {
  const count = Math.max(0, own.items);
  const first = rows.appendItems(count);
  rows.itemStart[row] = first;
  rows.itemCount[row] = count;
  const { codes, numbers } = rows.items;
  for (let item = 0; item < count; item++) {
    (codes[ITEM_CODE.sku] as Int32Array)[first + item] = own.sku[item] as number;
    (codes[ITEM_CODE.category] as Int32Array)[first + item] = own.category[item] as number;
    (numbers[ITEM_NUMBER.quantity] as Float64Array)[first + item] = own.quantity[item] as number;
    (numbers[ITEM_NUMBER.unit_price] as Float64Array)[first + item] = own.unit_price[item] as number;
  }
}

/** An event of a batch as bytes: its ticket (two u32), as `writeOwn` writes it, then the rate that it announces. */
export function storeOwn(batch: EventBatch, row: number): Uint8Array {
  const writer = new RecordWriter();
  writer.u32(batch.ticket_hi[row] as number);
  writer.u32(batch.ticket_lo[row] as number);
  writeOwn(writer, batch, row);
  const own = writer.bytes.slice(0, writer.length);
  const rate = batch.rates.find((announced) => announced.row === row);
  if (rate === undefined) return own;
  return Buffer.concat([own, Buffer.from([rate.base, rate.quote, rate.rate].join(' '))]);
}

/** The rate that stored bytes of an event say it announces. */
export function loadRate(bytes: Uint8Array, dimensions: number): HeldRate {
  const reader = new RecordReader();
  reader.open(bytes, TICKET_BYTES + ENTRY_HEAD_BYTES);
  readOwn(reader, new OwnRow(dimensions));
  const [base = '', quote = '', rate = ''] = Buffer.from(bytes.subarray(reader.at)).toString().split(' ');
  return { base, quote, rate };
}

export function loadOwn(bytes: Uint8Array, dimensions: number): OwnRow {
  const own = new OwnRow(dimensions);
  const reader = new RecordReader();
  reader.open(bytes, TICKET_BYTES);
  own.kind = reader.u8() - 1;
  reader.open(bytes, TICKET_BYTES + ENTRY_HEAD_BYTES);
  readOwn(reader, own);
  reader.open(bytes, 0);
  own.ticket_hi = reader.u32() | 0;
  own.ticket_lo = reader.u32() | 0;
  return own;
}
