const INITIAL_IDS = 1 << 14;
/** Of a slot: number + 1 (0 is empty), then the words of the hash, so that a look-up reads one place of memory. */
const SLOT_WORDS = 4;

/** Numbers 64-bit hashes from 0 in order of appearance: open addressing, linear probing, at most half full. */
export class DenseIds {
  count = 0;
  #slots = new Int32Array(INITIAL_IDS * 2 * SLOT_WORDS);

  idOf(hi: number, lo: number): number {
    const slots = this.#slots;
    const mask = slots.length - 1;
    for (let slot = (lo * SLOT_WORDS) & mask; ; slot = (slot + SLOT_WORDS) & mask) {
      const id = (slots[slot] as number) - 1;
      if (id < 0) return this.#add(hi, lo, slot);
      if (slots[slot + 1] === lo && slots[slot + 2] === hi) return id;
    }
  }

  /** Calls `visit` for each hash, in no order. */
  forEach(visit: (id: number, hi: number, lo: number) => void): void {
    const slots = this.#slots;
    for (let slot = 0; slot < slots.length; slot += SLOT_WORDS) {
      const id = (slots[slot] as number) - 1;
      if (id >= 0) visit(id, slots[slot + 2] as number, slots[slot + 1] as number);
    }
  }

  #add(hi: number, lo: number, slot: number): number {
    const id = this.count++;
    const slots = this.#slots;
    slots[slot] = id + 1;
    slots[slot + 1] = lo;
    slots[slot + 2] = hi;
    if (this.count * 2 * SLOT_WORDS > slots.length) this.#grow();
    return id;
  }

  #grow(): void {
    const from = this.#slots;
    const to = new Int32Array(from.length * 2);
    const mask = to.length - 1;
    for (let slot = 0; slot < from.length; slot += SLOT_WORDS) {
      if (from[slot] === 0) continue;
      const lo = from[slot + 1] as number;
      let free = (lo * SLOT_WORDS) & mask;
      while (to[free] !== 0) free = (free + SLOT_WORDS) & mask;
      to[free] = from[slot] as number;
      to[free + 1] = lo;
      to[free + 2] = from[slot + 2] as number;
    }
    this.#slots = to;
  }
}
