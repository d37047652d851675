import type { Chunk, ChunkCodes } from '../../engine/index.ts';
import { ITEM_CODE, ITEM_NUMBER } from '../rows/index.ts';

/** The items of one row. */
export interface ItemList {
  /** Code columns of items by their place: sku, category. */
  readonly codes: readonly Int32Array[];
  readonly quantity: Float64Array;
  readonly unit_price: Float64Array;
}

/** Gives equal lists of items one code, so that rows carry their items as a code: 0 is a row without any. */
export class ItemLists {
  readonly #codes = new Map<string, number>();
  readonly #lists: ItemList[] = [];

  listOf(code: number): ItemList | undefined {
    return this.#lists[code - 1];
  }

  /** As `DerivedCode` of entity rows. */
  readonly write = (chunk: Chunk, rows: Uint32Array, target: Int32Array, from: number): void => {
    if (!chunk.hasItems) {
      target.fill(0, from, from + rows.length);
      return;
    }
    const items = chunk.items();
    const columns = [items.code(ITEM_CODE.sku), items.code(ITEM_CODE.category)];
    const quantity = items.number(ITEM_NUMBER.quantity);
    const price = items.number(ITEM_NUMBER.unit_price);
    for (let at = 0; at < rows.length; at++) {
      const row = rows[at] as number;
      const [start, count] = [items.start[row] as number, items.count[row] as number];
      target[from + at] = count === 0 ? 0 : this.#codeOf(columns, quantity, price, start, start + count);
    }
  };

  #codeOf(
    columns: readonly ChunkCodes[],
    quantity: Float64Array,
    price: Float64Array,
    start: number,
    end: number,
  ): number {
    let key = '';
    for (let item = start; item < end; item++) {
      for (const column of columns) key += `${codeAt(column, item)},`;
      key += `${quantity[item]},${price[item]};`;
    }
    const known = this.#codes.get(key);
    if (known !== undefined) return known;
    const length = end - start;
    this.#lists.push({
      codes: columns.map((column) => Int32Array.from({ length }, (_, at) => codeAt(column, start + at))),
      quantity: quantity.slice(start, end),
      unit_price: price.slice(start, end),
    });
    this.#codes.set(key, this.#lists.length);
    return this.#lists.length;
  }
}

function codeAt({ index, values }: ChunkCodes, at: number): number {
  return values[index === null ? 0 : (index[at] as number)] as number;
}
