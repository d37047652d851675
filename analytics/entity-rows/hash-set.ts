interface Words {
  readonly hi: number;
  readonly lo: number;
}

/** A set of 64-bit hashes that is asked about every row: open addressing, at most half full. Both words 0 are none. */
export class HashSet {
  readonly #hi: Int32Array;
  readonly #lo: Int32Array;
  readonly #mask: number;
  #size = 0;

  constructor(hashes: readonly Words[]) {
    const slots = 2 ** Math.ceil(Math.log2(2 * hashes.length + 2));
    this.#mask = slots - 1;
    this.#hi = new Int32Array(slots);
    this.#lo = new Int32Array(slots);
    for (const { hi, lo } of hashes) this.#add(hi | 0, lo | 0);
  }

  get size(): number {
    return this.#size;
  }

  has(hi: number, lo: number): boolean {
    const [high, low] = [hi | 0, lo | 0];
    if ((high | low) === 0) return false;
    const at = this.#slotOf(high, low);
    return this.#hi[at] === high && this.#lo[at] === low;
  }

  #add(hi: number, lo: number): void {
    if ((hi | lo) === 0 || this.has(hi, lo)) return;
    const at = this.#slotOf(hi, lo);
    this.#hi[at] = hi;
    this.#lo[at] = lo;
    this.#size++;
  }

  /** Where a hash is, or would be. */
  #slotOf(hi: number, lo: number): number {
    const mask = this.#mask;
    // The words are of a hash: any bits do.
    let at = lo & mask;
    while (((this.#hi[at] as number) | (this.#lo[at] as number)) !== 0) {
      if (this.#hi[at] === hi && this.#lo[at] === lo) break;
      at = (at + 1) & mask;
    }
    return at;
  }
}
