import { invariant } from '../../engine/errors.ts';

/** From here on remainders are sorted instead of searched. */
const SORTED_LINES = 32;
const INITIAL_LINES = 64;

/**
 * The lines (items) of one row: their values, and amounts of the row split over them. Its arrays are used again
 * for the next row. Σ |quantity × unit_price| of a row is a safe integer: the event schema refuses others.
 */
export class ItemLines {
  count = 0;
  /** quantity × unit_price of each line; none counts 0. */
  value = new Float64Array(INITIAL_LINES);
  quantity = new Float64Array(INITIAL_LINES);
  /** Σ |value|. */
  #weight = 0;
  #parts = new Float64Array(INITIAL_LINES);
  #rests = new Float64Array(INITIAL_LINES);

  /** The items [first, first + count) of these columns. */
  load(quantity: Float64Array, unitPrice: Float64Array, first: number, count: number): void {
    if (count > this.value.length) this.#grow(count);
    this.count = count;
    let weight = 0;
    for (let line = 0; line < count; line++) {
      const pieces = quantity[first + line] as number;
      const value = pieces * (unitPrice[first + line] as number);
      this.quantity[line] = Number.isNaN(pieces) ? 0 : pieces;
      this.value[line] = Number.isNaN(value) ? 0 : value;
      weight += Math.abs(this.value[line] as number);
    }
    invariant(weight <= Number.MAX_SAFE_INTEGER, 'the value of a row’s items is a safe integer');
    this.#weight = weight;
  }

  /**
   * Splits an integer amount over the lines in proportion to |value|, exactly: each part is rounded toward zero
   * and the units left over go to the largest remainders, the first of equals first (Hamilton's method). All
   * values zero: the first line takes everything. Valid until the next call.
   */
  split(amount: number): Float64Array {
    const { count, value } = this;
    const parts = this.#parts;
    const weight = this.#weight;
    if (weight === 0) {
      parts.fill(0, 0, count);
      parts[0] = amount;
      return parts;
    }
    const whole = Math.abs(amount);
    const rests = this.#rests;
    let left = whole;
    if (whole * weight <= Number.MAX_SAFE_INTEGER) {
      for (let line = 0; line < count; line++) {
        const product = whole * Math.abs(value[line] as number);
        const rest = product % weight;
        rests[line] = rest;
        parts[line] = (product - rest) / weight;
        left -= parts[line] as number;
      }
    } else {
      const [total, all] = [BigInt(weight), BigInt(whole)];
      for (let line = 0; line < count; line++) {
        const product = all * BigInt(Math.abs(value[line] as number));
        rests[line] = Number(product % total);
        parts[line] = Number(product / total);
        left -= parts[line] as number;
      }
    }
    this.#giveOut(left);
    if (amount < 0) for (let line = 0; line < count; line++) parts[line] = -(parts[line] as number);
    return parts;
  }

  /** One unit to each of the `left` lines with the largest remainders; there are fewer than lines. */
  #giveOut(left: number): void {
    const parts = this.#parts;
    const rests = this.#rests;
    if (this.count > SORTED_LINES) {
      const lines = Array.from({ length: this.count }, (_, line) => line);
      lines.sort((a, b) => (rests[b] as number) - (rests[a] as number) || a - b);
      for (let at = 0; at < left; at++) (parts[lines[at] as number] as number)++;
      return;
    }
    for (let units = left; units > 0; units--) {
      let best = 0;
      for (let line = 1; line < this.count; line++) {
        if ((rests[line] as number) > (rests[best] as number)) best = line;
      }
      (parts[best] as number)++;
      rests[best] = -1;
    }
  }

  #grow(count: number): void {
    const size = 2 ** Math.ceil(Math.log2(count));
    this.value = new Float64Array(size);
    this.quantity = new Float64Array(size);
    this.#parts = new Float64Array(size);
    this.#rests = new Float64Array(size);
  }
}

/** Up to so many lines, a line's group is searched among the others one by one. */
const SEARCHED_LINES = 16;

/** The lines of one row by the codes of item columns; groups are numbered in the order in which they first occur. */
export class LineGroups {
  count = 0;
  /** Of each line. */
  groupOf = new Int32Array(INITIAL_LINES);
  /** Codes of the groups, as many each as there are columns. */
  codes = new Int32Array(INITIAL_LINES * 2);
  #slots = new Int32Array(INITIAL_LINES * 4);

  /** `columns` are the code columns by which to group; lines are the items [first, first + lines). */
  load(columns: readonly Int32Array[], first: number, lines: number): void {
    const width = columns.length;
    if (lines > this.groupOf.length) this.groupOf = new Int32Array(lines * 2);
    if (lines * width > this.codes.length) this.codes = new Int32Array(lines * width * 2);
    const slotCount = lines > SEARCHED_LINES ? 2 ** Math.ceil(Math.log2(lines * 2)) : 0;
    if (slotCount > this.#slots.length) this.#slots = new Int32Array(slotCount);
    else this.#slots.fill(0, 0, slotCount);
    this.count = 0;
    for (let line = 0; line < lines; line++) {
      const at = this.count * width;
      for (let column = 0; column < width; column++)
        this.codes[at + column] = (columns[column] as Int32Array)[first + line] as number;
      const group = slotCount > 0 ? this.#probe(at, width, slotCount) : this.#search(at, width);
      if (group === this.count) this.count++;
      this.groupOf[line] = group;
    }
  }

  /** The group with the codes at `at`, or the number of groups: they are a new one's. */
  #search(at: number, width: number): number {
    let group = 0;
    while (group < this.count && !this.#equal(group * width, at, width)) group++;
    return group;
  }

  #probe(at: number, width: number, slotCount: number): number {
    let hash = 0;
    for (let column = 0; column < width; column++)
      hash = Math.imul(hash ^ (this.codes[at + column] as number), 0x9e3779b1);
    const mask = slotCount - 1;
    for (let slot = (hash ^ (hash >>> 15)) & mask; ; slot = (slot + 1) & mask) {
      const group = (this.#slots[slot] as number) - 1;
      if (group >= 0 && !this.#equal(group * width, at, width)) continue;
      if (group < 0) this.#slots[slot] = this.count + 1;
      return group < 0 ? this.count : group;
    }
  }

  #equal(a: number, b: number, width: number): boolean {
    for (let column = 0; column < width; column++)
      if (this.codes[a + column] !== this.codes[b + column]) return false;
    return true;
  }
}
