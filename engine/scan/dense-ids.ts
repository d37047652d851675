const INITIAL_IDS = 1 << 14;

/** Numbers 64-bit hashes from 0 in order of appearance: open addressing, linear probing, at most half full. */
export class DenseIds {
  hi = new Int32Array(INITIAL_IDS);
  lo = new Int32Array(INITIAL_IDS);
  count = 0;
  /** Number + 1; 0 is empty. */
  #slots = new Int32Array(INITIAL_IDS * 2);

  idOf(hi: number, lo: number): number {
    const slots = this.#slots;
    const mask = slots.length - 1;
    for (let slot = lo & mask; ; slot = (slot + 1) & mask) {
      const id = (slots[slot] as number) - 1;
      if (id < 0) return this.#add(hi, lo, slot);
      if (this.lo[id] === lo && this.hi[id] === hi) return id;
    }
  }

  #add(hi: number, lo: number, slot: number): number {
    if (this.count === this.hi.length) {
      this.#grow();
      return this.idOf(hi, lo);
    }
    const id = this.count++;
    this.hi[id] = hi;
    this.lo[id] = lo;
    this.#slots[slot] = id + 1;
    return id;
  }

  #grow(): void {
    const size = this.hi.length * 2;
    const hi = new Int32Array(size);
    hi.set(this.hi);
    this.hi = hi;
    const lo = new Int32Array(size);
    lo.set(this.lo);
    this.lo = lo;
    const slots = new Int32Array(size * 2);
    const mask = slots.length - 1;
    for (let id = 0; id < this.count; id++) {
      let slot = (lo[id] as number) & mask;
      while (slots[slot] !== 0) slot = (slot + 1) & mask;
      slots[slot] = id + 1;
    }
    this.#slots = slots;
  }
}
