const INITIAL_SERIES = 64;

/** Numbers tuples of codes in order of appearance. Open addressing with linear probing, at most half full. */
export class SeriesTable {
  /** Codes of a tuple. */
  readonly width: number;
  count = 0;
  #codes: Int32Array;
  #slots: Int32Array;

  constructor(width: number) {
    this.width = width;
    this.#codes = new Int32Array(INITIAL_SERIES * width);
    this.#slots = new Int32Array(INITIAL_SERIES * 2).fill(-1);
  }

  codeOf(series: number, column: number): number {
    return this.#codes[series * this.width + column] as number;
  }

  /** The number of a tuple, a new one where it was not seen. */
  find(tuple: Int32Array): number {
    const mask = this.#slots.length - 1;
    let slot = this.#hash(tuple, 0) & mask;
    for (; ; slot = (slot + 1) & mask) {
      const series = this.#slots[slot] as number;
      if (series < 0) break;
      if (this.#equals(series, tuple)) return series;
    }
    const series = this.count++;
    if (this.count * this.width > this.#codes.length) {
      const grown = new Int32Array(this.#codes.length * 2);
      grown.set(this.#codes);
      this.#codes = grown;
    }
    for (let at = 0; at < this.width; at++) this.#codes[series * this.width + at] = tuple[at] as number;
    if (this.count * 2 > this.#slots.length) this.#grow();
    else this.#slots[slot] = series;
    return series;
  }

  #equals(series: number, tuple: Int32Array): boolean {
    const from = series * this.width;
    for (let at = 0; at < this.width; at++) if (this.#codes[from + at] !== tuple[at]) return false;
    return true;
  }

  /** Of a tuple that begins at `from`; the finalizer is that of MurmurHash3. */
  #hash(tuple: Int32Array, from: number): number {
    let hash = 0x9e3779b9 | 0;
    for (let at = 0; at < this.width; at++) {
      hash = Math.imul(hash ^ (tuple[from + at] as number), 0x85ebca6b);
      hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
      hash ^= hash >>> 16;
    }
    return hash;
  }

  #grow(): void {
    const slots = new Int32Array(this.#slots.length * 2).fill(-1);
    const mask = slots.length - 1;
    for (let series = 0; series < this.count; series++) {
      let slot = this.#hash(this.#codes, series * this.width) & mask;
      while (slots[slot] !== -1) slot = (slot + 1) & mask;
      slots[slot] = series;
    }
    this.#slots = slots;
  }
}
