import type { ItemLists } from './row-source.ts';

const INITIAL = 64;
const PRIME = 0x01000193;
const TWO_32 = 2 ** 32;

/** Columns of items, by place among their kind. */
export interface ItemColumns {
  readonly codes: readonly Int32Array[];
  readonly numbers: readonly Float64Array[];
}

/** Finds the distinct lists among those of rows, by content. List 0 is the empty one. */
export class ItemListTable {
  readonly #columns: ItemColumns;
  count = 1;
  start = new Int32Array(INITIAL);
  size = new Int32Array(INITIAL);
  #slots = new Int32Array(INITIAL * 2);

  constructor(columns: ItemColumns) {
    this.#columns = columns;
  }

  /** The list with the content of the items [start, start + size). */
  listOf(start: number, size: number): number {
    if (size === 0) return 0;
    const mask = this.#slots.length - 1;
    for (let slot = this.#hash(start, size) & mask; ; slot = (slot + 1) & mask) {
      const list = this.#slots[slot] as number;
      if (list === 0) return this.#add(start, size, slot);
      if (this.#equals(list, start, size)) return list;
    }
  }

  lists(list: Int32Array): ItemLists {
    const { codes, numbers } = this.#columns;
    return {
      list,
      count: this.count,
      start: this.start,
      size: this.size,
      codes: (column) => codes[column] as Int32Array,
      numbers: (column) => numbers[column] as Float64Array,
    };
  }

  #add(start: number, size: number, slot: number): number {
    const list = this.count;
    if (list === this.start.length) {
      this.#grow();
      return this.listOf(start, size);
    }
    this.start[list] = start;
    this.size[list] = size;
    this.#slots[slot] = list;
    this.count++;
    return list;
  }

  #grow(): void {
    const { start, size, count } = this;
    this.start = new Int32Array(count * 2);
    this.size = new Int32Array(count * 2);
    this.#slots = new Int32Array(count * 4);
    this.count = 1;
    for (let list = 1; list < count; list++) this.listOf(start[list] as number, size[list] as number);
  }

  #hash(start: number, size: number): number {
    const { codes, numbers } = this.#columns;
    const end = start + size;
    let hash = size;
    for (const column of codes)
      for (let item = start; item < end; item++) hash = Math.imul(hash ^ (column[item] as number), PRIME);
    for (const column of numbers) {
      for (let item = start; item < end; item++) {
        const value = column[item] as number;
        hash = Math.imul(hash ^ value ^ (value / TWO_32), PRIME);
      }
    }
    return hash ^ (hash >>> 15);
  }

  #equals(list: number, start: number, size: number): boolean {
    const from = this.start[list] as number;
    if (this.size[list] !== size) return false;
    if (from === start) return true;
    const { codes, numbers } = this.#columns;
    for (const column of codes)
      for (let k = 0; k < size; k++) if (column[from + k] !== column[start + k]) return false;
    for (const column of numbers)
      for (let k = 0; k < size; k++)
        // Unlike ===, NaN is the same as NaN.
        if (!Object.is(column[from + k], column[start + k])) return false;
    return true;
  }
}
