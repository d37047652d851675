const INITIAL = 128;
const GOLDEN = 0x9e3779b1;

/** Numbers distinct hashes; 0 is the one of two zero words, which stands for none. Reused from column to column. */
export class HashIds {
  hi = new Int32Array(INITIAL);
  lo = new Int32Array(INITIAL);
  count = 1;
  /** Open addressing, at most half full. */
  #slots = new Int32Array(INITIAL * 2);

  clear(): void {
    // What a large column needed is not cleared for a small one.
    if (this.count * 16 < this.#slots.length && this.#slots.length > INITIAL * 2) {
      this.#slots = new Int32Array(INITIAL * 2);
      this.hi = new Int32Array(INITIAL);
      this.lo = new Int32Array(INITIAL);
    } else this.#slots.fill(0);
    this.count = 1;
  }

  idOf(hi: number, lo: number): number {
    if ((hi | lo) === 0) return 0;
    const slots = this.#slots;
    const mask = slots.length - 1;
    const mixed = Math.imul(lo ^ Math.imul(hi, GOLDEN), GOLDEN);
    for (let slot = (mixed ^ (mixed >>> 15)) & mask; ; slot = (slot + 1) & mask) {
      const id = slots[slot] as number;
      if (id === 0) return this.#add(hi, lo, slot);
      if (this.lo[id] === lo && this.hi[id] === hi) return id;
    }
  }

  #add(hi: number, lo: number, slot: number): number {
    const id = this.count;
    if (id === this.hi.length) {
      this.#grow();
      return this.idOf(hi, lo);
    }
    this.hi[id] = hi;
    this.lo[id] = lo;
    this.#slots[slot] = id;
    this.count++;
    return id;
  }

  #grow(): void {
    const { hi, lo, count } = this;
    this.hi = new Int32Array(count * 2);
    this.lo = new Int32Array(count * 2);
    this.#slots = new Int32Array(count * 4);
    this.count = 1;
    for (let id = 1; id < count; id++) this.idOf(hi[id] as number, lo[id] as number);
  }
}
