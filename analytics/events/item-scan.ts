import { fnv1aOfString, hashInteger, hashMember, mix32 } from '../../operators/index.ts';
import { MAX_ITEM_NAME_CHARS, MAX_ITEMS, MAX_QUANTITY, MAX_TEXT_CHARS } from './event-schema.ts';
import type { Field } from './fields.ts';
import { Layout } from './layout.ts';
import {
  CLOSE,
  CLOSE_LIST,
  COMMA,
  EMPTY_LIST_HASH,
  EMPTY_OBJECT_HASH,
  hashOfText,
  listHash,
  OPEN,
  OPEN_LIST,
  QUOTE,
  ValueScan,
} from './value-scan.ts';

/** Slots of an item's fields. */
const SKU = 0;
const CATEGORY = 1;
const NAME = 2;
const QUANTITY = 3;
const UNIT_PRICE = 4;
const REQUIRED = (1 << SKU) | (1 << QUANTITY) | (1 << UNIT_PRICE);
/** The event, its list of items, an item, the value of one of its members. */
const ITEM_DEPTH = 3;

function field(name: string, slot: number, max_chars: number): readonly [string, Field] {
  return [name, { name, kind: 0, slot, max_chars, hash: fnv1aOfString(name) }];
}

const FIELDS: ReadonlyMap<string, Field> = new Map([
  field('sku', SKU, MAX_TEXT_CHARS),
  field('category', CATEGORY, MAX_TEXT_CHARS),
  field('name', NAME, MAX_ITEM_NAME_CHARS),
  field('quantity', QUANTITY, 0),
  field('unit_price', UNIT_PRICE, 0),
]);

/** Reads the items of an event where they lie; texts as places of their bytes. */
export class ItemScan extends ValueScan {
  itemCount = 0;
  /** Two texts an item, sku and category; empty where there is none. */
  readonly itemFrom = new Int32Array(2 * MAX_ITEMS);
  readonly itemTo = new Int32Array(2 * MAX_ITEMS);
  readonly itemFnv = new Int32Array(2 * MAX_ITEMS);
  readonly quantity = new Float64Array(MAX_ITEMS);
  readonly unit_price = new Float64Array(MAX_ITEMS);
  readonly #itemLayout = new Layout(FIELDS, []);

  /** A list of items; false to give up. */
  items(b: Uint8Array, from: number, end: number): boolean {
    this.itemCount = 0;
    if (b[from] !== OPEN_LIST) return false;
    let hash = EMPTY_LIST_HASH;
    let weight = 0;
    let at = this.skipSpace(b, from + 1);
    if (b[at] === CLOSE_LIST) return this.#end(at, end, hash);
    for (;;) {
      const item = this.itemCount;
      if (item === MAX_ITEMS || b[at] !== OPEN || !this.#item(b, at, end, item)) return false;
      this.itemCount = item + 1;
      weight += Math.abs((this.quantity[item] as number) * (this.unit_price[item] as number));
      hash = listHash(hash, this.hash);
      at = this.skipSpace(b, this.at);
      const byte = b[at];
      if (byte === CLOSE_LIST) break;
      if (byte !== COMMA) return false;
      at = this.skipSpace(b, at + 1);
    }
    return weight <= Number.MAX_SAFE_INTEGER && this.#end(at, end, hash);
  }

  #end(at: number, end: number, hash: number): boolean {
    this.at = at + 1;
    this.hash = hash;
    return at < end;
  }

  #item(b: Uint8Array, open: number, end: number, item: number): boolean {
    this.itemFrom[2 * item] = this.itemTo[2 * item] = 0;
    this.itemFrom[2 * item + 1] = this.itemTo[2 * item + 1] = 0;
    const base = this.openNames();
    const taken = this.#itemMembers(b, open, end, item, base);
    this.closeNames(base);
    return taken;
  }

  #itemMembers(b: Uint8Array, open: number, end: number, item: number, base: number): boolean {
    let node = this.#itemLayout.root;
    let seen = 0;
    let sum = 0;
    let at = open + 1;
    for (;;) {
      const next = this.#itemLayout.next(node, b, this.view, at, end);
      if (next === undefined) return false;
      node = next;
      at += node.key.length;
      // Another producer writes the same name with a space behind its colon.
      if ((b[at] as number) <= 0x20) at = this.skipSpace(b, at);
      const { field } = node;
      if (!this.remember(node.name, base)) return false;
      if (field === undefined) {
        if (!this.value(b, at, end, ITEM_DEPTH + 1)) return false;
      } else {
        seen |= 1 << field.slot;
        if (!this.#itemMember(b, at, end, field, item)) return false;
      }
      sum = (sum + hashMember(node.name, this.hash)) | 0;
      at = this.skipSpace(b, this.at);
      const byte = b[at];
      if (byte === CLOSE) break;
      if (byte !== COMMA) return false;
      at++;
    }
    this.at = at + 1;
    this.hash = mix32((EMPTY_OBJECT_HASH + sum) | 0);
    return (seen & REQUIRED) === REQUIRED;
  }

  #itemMember(b: Uint8Array, at: number, end: number, { slot, max_chars }: Field, item: number): boolean {
    if (slot >= QUANTITY) {
      if (!this.whole(b, at)) return false;
      const value = this.integer[0] as number;
      this.hash = hashInteger(value);
      if (slot === UNIT_PRICE) this.unit_price[item] = value;
      else {
        if (Math.abs(value) > MAX_QUANTITY) return false;
        this.quantity[item] = value;
      }
      return true;
    }
    if (b[at] !== QUOTE) return slot !== SKU && b[at] === 0x6e && this.word(b, at);
    if (!this.text(b, at, end) || this.to - this.from > max_chars) return false;
    this.hash = hashOfText(this.fnv);
    if (slot === NAME) return true;
    const place = 2 * item + slot;
    this.itemFrom[place] = this.from;
    this.itemTo[place] = this.to;
    this.itemFnv[place] = this.fnv;
    return true;
  }
}
