import { type Dictionary, NO_TEXT } from '../../engine/log/index.ts';
import { murmur128 } from '../../operators/index.ts';
import { CODE, HASH, ITEM_CODE, ITEM_NUMBER, NUMBER, ROW_DIMENSIONS } from '../rows/index.ts';
import type { EventBatch } from './event-batch.ts';
import type { EventScan } from './event-scan.ts';
import { SLOT, scalarNames } from './fields.ts';
import { isTicket, newRow, type RowPlace, setHash, setIdentity, setTicket } from './row.ts';
import type { TypeCodes } from './type-codes.ts';

const LETTERS = 26;
const A = 0x41;
/** The bit by which small letters differ. */
const SMALL = 0x20;
const TICKET = 0;
const AMOUNTS = [NUMBER.amount, NUMBER.discount, NUMBER.shipping, NUMBER.tax];

/** Puts what an EventScan found into a batch. */
export class ScanWriter {
  readonly #dictionary: Dictionary;
  readonly #types: TypeCodes;
  /** Of the declared dimensions, in the order of their columns: their places among the scalars. */
  readonly #custom: Int32Array;
  /** Codes of currencies by their letters; 0: not known yet. */
  readonly #currencies = new Int32Array(LETTERS ** 3);
  readonly #words = new Uint32Array(4);

  constructor(dictionary: Dictionary, types: TypeCodes, custom: readonly string[]) {
    this.#dictionary = dictionary;
    this.#types = types;
    const scalars = scalarNames(custom);
    this.#custom = Int32Array.from(custom, (name) => scalars.indexOf(name));
  }

  /** Where the currency's code is; -1 when its three bytes are no letters. */
  currencyPlace(b: Uint8Array, from: number): number {
    let place = 0;
    for (let at = from; at < from + 3; at++) {
      const letter = ((b[at] as number) & ~SMALL) - A;
      if (letter < 0 || letter >= LETTERS) return -1;
      place = place * LETTERS + letter;
    }
    return place;
  }

  /** `type` and `currency` are their places (TypeCodes, `currencyPlace`; -1: none). */
  write(
    b: Uint8Array,
    scan: EventScan,
    type: number,
    currency: number,
    batch: EventBatch,
    place: RowPlace,
  ): void {
    const row = newRow(batch, place, scan.time_ms[0] as number, scan.payload);
    const kind = this.#types.kindAt(type);
    batch.kind[row] = kind;
    const { codes, numbers } = batch.columns;
    (codes[CODE.type] as Int32Array)[row] = this.#types.codeAt(type);
    (codes[CODE.currency] as Int32Array)[row] = currency < 0 ? NO_TEXT : this.#currencyCode(currency);
    for (let index = 0; index < ROW_DIMENSIONS.length; index++) {
      const slot = SLOT.dimensions + index;
      (codes[CODE.dimensions + index] as Int32Array)[row] = scan.has(slot)
        ? this.#code(b, scan, slot)
        : NO_TEXT;
    }
    const custom = this.#custom;
    for (let index = 0; index < custom.length; index++) {
      const slot = scan.scalarSlot(custom[index] as number);
      (codes[CODE.dimensions + ROW_DIMENSIONS.length + index] as Int32Array)[row] =
        slot < 0 ? NO_TEXT : this.#code(b, scan, slot);
    }
    for (let index = 0; index < AMOUNTS.length; index++) {
      (numbers[AMOUNTS[index] as number] as Float64Array)[row] = scan.has(SLOT.amount + index)
        ? (scan.amounts[index] as number)
        : Number.NaN;
    }
    this.#ids(b, scan, kind, batch, row, place.seed);
    this.#items(b, scan, batch, row);
  }

  #code(b: Uint8Array, scan: EventScan, slot: number): number {
    const { start, stop, fnvs } = scan;
    return this.#dictionary.codeOfBytes(b, start[slot] as number, stop[slot] as number, fnvs[slot] as number);
  }

  #currencyCode(place: number): number {
    const known = this.#currencies[place] as number;
    if (known !== 0) return known;
    const first = Math.floor(place / LETTERS ** 2);
    const second = Math.floor(place / LETTERS) % LETTERS;
    const text = String.fromCharCode(A + first, A + second, A + (place % LETTERS));
    const code = this.#dictionary.codeOf(text);
    this.#currencies[place] = code;
    return code;
  }

  #ids(b: Uint8Array, scan: EventScan, kind: number, batch: EventBatch, row: number, seed: number): void {
    const words = this.#words;
    const { start, stop } = scan;
    murmur128(b, start[SLOT.event_id] as number, stop[SLOT.event_id] as number, seed, words);
    setIdentity(batch, row, words);
    setHash(batch, row, HASH.customer, this.#hash(b, scan, SLOT.customer_id, seed));
    setHash(batch, row, HASH.session, this.#hash(b, scan, SLOT.session_id, seed));
    const order = this.#hash(b, scan, SLOT.order_id, seed);
    setHash(batch, row, HASH.order, order);
    if (!isTicket(kind)) return;
    const slot = scan.scalarSlot(TICKET);
    const ticket = slot < 0 ? order : this.#hash(b, scan, slot, seed);
    if (ticket !== undefined) setTicket(batch, row, ticket);
  }

  /** The hash of an id; undefined where there is none. Valid until the next. */
  #hash(b: Uint8Array, scan: EventScan, slot: number, seed: number): Uint32Array | undefined {
    const from = scan.start[slot] as number;
    const to = scan.stop[slot] as number;
    if (!scan.has(slot) || to === from) return undefined;
    murmur128(b, from, to, seed, this.#words);
    return this.#words;
  }

  #items(b: Uint8Array, scan: EventScan, batch: EventBatch, row: number): void {
    const { own } = batch;
    const count = scan.has(SLOT.items) ? scan.itemCount : 0;
    own.itemCount[row] = count;
    own.itemStart[row] = own.itemLength;
    if (count === 0) return;
    const first = own.appendItems(count);
    const { codes, numbers } = own.items;
    const dictionary = this.#dictionary;
    const { itemFrom, itemTo, itemFnv } = scan;
    for (let text = 0; text < 2; text++) {
      const column = codes[text === 0 ? ITEM_CODE.sku : ITEM_CODE.category] as Int32Array;
      for (let item = 0; item < count; item++) {
        const at = 2 * item + text;
        column[first + item] = dictionary.codeOfBytes(
          b,
          itemFrom[at] as number,
          itemTo[at] as number,
          itemFnv[at] as number,
        );
      }
    }
    (numbers[ITEM_NUMBER.quantity] as Float64Array).set(scan.quantity.subarray(0, count), first);
    (numbers[ITEM_NUMBER.unit_price] as Float64Array).set(scan.unit_price.subarray(0, count), first);
  }
}
