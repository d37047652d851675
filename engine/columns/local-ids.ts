/** Values below it are looked up by themselves; larger ones by a hash. */
const DIRECT_LIMIT = 1 << 21;
/** Marks of the direct table before it is cleared. */
const MAX_BASE = 2 ** 30;
const GOLDEN = 0x9e3779b1;
const INITIAL_ROWS = 4_096;
const NUMBER_SLOTS = 1_024;
const TWO_32 = 2 ** 32;

/**
 * Numbers the distinct values of a column in the order of their first row: `distinct[ids[row]]` is the row's
 * value. Reused from column to column.
 */
export class LocalIds {
  ids = new Int32Array(INITIAL_ROWS);
  distinct = new Int32Array(INITIAL_ROWS);
  readonly numbers = new Float64Array(NUMBER_SLOTS);
  /** By value: base + id of values of this column, less for all others. */
  #direct = new Int32Array(INITIAL_ROWS);
  #base = 1;
  #slots = new Int32Array(INITIAL_ROWS);
  readonly #numberSlots = new Int32Array(NUMBER_SLOTS);

  /** Distinct values, or 0 when there are so many that listing them saves nothing. Values are not negative. */
  of(values: Int32Array, rows: number): number {
    if (this.ids.length < rows) {
      this.ids = new Int32Array(rows);
      this.distinct = new Int32Array(rows);
    }
    let max = 0;
    for (let row = 0; row < rows; row++) if ((values[row] as number) > max) max = values[row] as number;
    return max < DIRECT_LIMIT ? this.#byValue(values, rows, max) : this.#byHash(values, rows);
  }

  #byValue(values: Int32Array, rows: number, max: number): number {
    if (this.#base + rows > MAX_BASE) {
      this.#direct.fill(0);
      this.#base = 1;
    }
    if (max >= this.#direct.length) {
      let size = this.#direct.length;
      while (size <= max) size *= 2;
      this.#direct = new Int32Array(size);
      this.#base = 1;
    }
    const { ids, distinct } = this;
    const direct = this.#direct;
    const base = this.#base;
    let count = 0;
    for (let row = 0; row < rows; row++) {
      const value = values[row] as number;
      let id = (direct[value] as number) - base;
      if (id < 0) {
        id = count++;
        direct[value] = base + id;
        distinct[id] = value;
      }
      ids[row] = id;
    }
    this.#base = base + count;
    return count;
  }

  #byHash(values: Int32Array, rows: number): number {
    const limit = Math.max(2, rows >> 1);
    let size = INITIAL_ROWS;
    while (size < limit * 2) size *= 2;
    if (this.#slots.length < size) this.#slots = new Int32Array(size);
    const slots = this.#slots;
    slots.fill(0, 0, size);
    const mask = size - 1;
    const { ids, distinct } = this;
    let count = 0;
    for (let row = 0; row < rows; row++) {
      const value = values[row] as number;
      let slot = (Math.imul(value, GOLDEN) >>> 11) & mask;
      while (slots[slot] !== 0 && distinct[(slots[slot] as number) - 1] !== value) slot = (slot + 1) & mask;
      if (slots[slot] === 0) {
        if (count === limit) return 0;
        distinct[count++] = value;
        slots[slot] = count;
      }
      ids[row] = (slots[slot] as number) - 1;
    }
    return count;
  }

  /** Distinct numbers, NaN among them, or 0 when there are more than `limit` (at most half the slots). */
  ofNumbers(values: Float64Array, rows: number, limit: number): number {
    if (this.ids.length < rows) {
      this.ids = new Int32Array(rows);
      this.distinct = new Int32Array(rows);
    }
    const { ids, numbers } = this;
    const slots = this.#numberSlots;
    slots.fill(0);
    let count = 0;
    let none = -1;
    for (let row = 0; row < rows; row++) {
      const value = values[row] as number;
      if (Number.isNaN(value) && none >= 0) {
        ids[row] = none;
        continue;
      }
      let slot = Math.imul((value | 0) ^ ((value / TWO_32) | 0), GOLDEN) >>> 22;
      while (slots[slot] !== 0 && numbers[(slots[slot] as number) - 1] !== value)
        slot = (slot + 1) & (NUMBER_SLOTS - 1);
      if (slots[slot] === 0) {
        if (count === limit) return 0;
        if (Number.isNaN(value)) none = count;
        numbers[count++] = value;
        slots[slot] = count;
      }
      ids[row] = (slots[slot] as number) - 1;
    }
    return count;
  }
}
