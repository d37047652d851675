import type { Dictionary, HashColumn } from '../../engine/index.ts';
import { murmur128 } from '../../operators/index.ts';
import { CODE, HASH, ITEM_CODE, ITEM_NUMBER, NUMBER, ROW_DIMENSIONS } from '../rows/index.ts';
import type { EventBatch } from './event-batch.ts';
import type { EventScan } from './event-scan.ts';
import { SLOT, scalarNames } from './fields.ts';
import { hiOf, loOf } from './identity.ts';
import { isTicket, isVersion, newRow, type RowPlace, setIdentity, setTicket } from './row.ts';
import type { TypeCodes } from './type-codes.ts';

const LETTERS = 26;
const A = 0x41;
/** The bit by which small letters differ. */
const SMALL = 0x20;
const TICKET = 0;

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
    const { codes } = batch.columns;
    (codes[CODE.type] as Int32Array)[row] = this.#types.codeAt(type);
    if (currency >= 0) (codes[CODE.currency] as Int32Array)[row] = this.#currencyCode(currency);
    const { seed } = place;
    this.#present(b, scan, batch, row, seed);
    const custom = this.#custom;
    for (let index = 0; index < custom.length; index++) {
      const slot = scan.scalarSlot(custom[index] as number);
      if (slot >= 0)
        (codes[CODE.dimensions + ROW_DIMENSIONS.length + index] as Int32Array)[row] = this.#code(
          b,
          scan,
          slot,
        );
    }
    murmur128(b, scan.start[SLOT.event_id] as number, scan.stop[SLOT.event_id] as number, seed, this.#words);
    setIdentity(batch, row, this.#words);
    if (isVersion(kind))
      batch.setId(row, b, scan.start[SLOT.event_id] as number, scan.stop[SLOT.event_id] as number);
    if (isTicket(kind)) this.#ticket(b, scan, batch, row, seed);
    this.#items(b, scan, batch, row);
  }

  /** What the event has of dimensions, ids and amounts; the columns of what it has not are empty already. */
  #present(b: Uint8Array, scan: EventScan, batch: EventBatch, row: number, seed: number): void {
    const { present, presentCount } = scan;
    const { codes, numbers, hashes } = batch.columns;
    for (let index = 0; index < presentCount; index++) {
      const slot = present[index] as number;
      if (slot >= SLOT.dimensions)
        (codes[CODE.dimensions + slot - SLOT.dimensions] as Int32Array)[row] = this.#code(b, scan, slot);
      else if (slot >= SLOT.amount) {
        const amount = slot - SLOT.amount;
        (numbers[NUMBER.amount + amount] as Float64Array)[row] = scan.amounts[amount] as number;
      } else if (slot >= SLOT.order_id && this.#hash(b, scan, slot, seed)) {
        const column = hashes[HASH.order + slot - SLOT.order_id] as HashColumn;
        column.hi[row] = hiOf(this.#words);
        column.lo[row] = loOf(this.#words);
      }
    }
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
    const code = this.#dictionary.ownCodeOf(text);
    this.#currencies[place] = code;
    return code;
  }

  #ticket(b: Uint8Array, scan: EventScan, batch: EventBatch, row: number, seed: number): void {
    const scalar = scan.scalarSlot(TICKET);
    const slot = scalar < 0 ? SLOT.order_id : scalar;
    if (scan.has(slot) && this.#hash(b, scan, slot, seed)) setTicket(batch, row, this.#words);
  }

  /** Hashes an id into `#words`; false for an empty one, which is none. */
  #hash(b: Uint8Array, scan: EventScan, slot: number, seed: number): boolean {
    const from = scan.start[slot] as number;
    const to = scan.stop[slot] as number;
    if (to === from) return false;
    murmur128(b, from, to, seed, this.#words);
    return true;
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
