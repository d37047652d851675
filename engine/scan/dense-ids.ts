const SHARD_BITS = 6;
const SHARDS = 1 << SHARD_BITS;
const INITIAL_SLOTS = 64;
/** Of a slot: number + 1 (0 is empty), then the words of the hash, so that a look-up reads one place of memory. */
const SLOT_BITS = 2;
const SLOT_WORDS = 1 << SLOT_BITS;

/**
 * Numbers 64-bit hashes from 0 in order of appearance. Each shard of the hashes, by their first bits, has a table:
 * open addressing, linear probing, at most half full. Chunks are sorted by hash, so look-ups stay in one small
 * table for long.
 */
export class DenseIds {
  count = 0;
  readonly #shards: Int32Array[] = [];
  readonly #counts = new Int32Array(SHARDS);

  constructor() {
    for (let shard = 0; shard < SHARDS; shard++)
      this.#shards.push(new Int32Array(INITIAL_SLOTS * SLOT_WORDS));
  }

  idOf(hi: number, lo: number): number {
    const shard = hi >>> (32 - SHARD_BITS);
    const slots = this.#shards[shard] as Int32Array;
    const mask = slots.length - 1;
    for (let slot = (lo << SLOT_BITS) & mask; ; slot = (slot + SLOT_WORDS) & mask) {
      const id = (slots[slot] as number) - 1;
      if (id < 0) return this.#add(shard, hi, lo, slot);
      if (slots[slot + 1] === lo && slots[slot + 2] === hi) return id;
    }
  }

  /** Calls `visit` for each hash, shard by shard. */
  forEach(visit: (id: number, hi: number, lo: number) => void): void {
    for (const slots of this.#shards) {
      for (let slot = 0; slot < slots.length; slot += SLOT_WORDS) {
        const id = (slots[slot] as number) - 1;
        if (id >= 0) visit(id, slots[slot + 2] as number, slots[slot + 1] as number);
      }
    }
  }

  #add(shard: number, hi: number, lo: number, slot: number): number {
    const id = this.count++;
    const slots = this.#shards[shard] as Int32Array;
    slots[slot] = id + 1;
    slots[slot + 1] = lo;
    slots[slot + 2] = hi;
    const count = (this.#counts[shard] as number) + 1;
    this.#counts[shard] = count;
    if (count * 2 * SLOT_WORDS > slots.length) this.#shards[shard] = grown(slots);
    return id;
  }
}

function grown(from: Int32Array): Int32Array {
  const to = new Int32Array(from.length * 2);
  const mask = to.length - 1;
  for (let slot = 0; slot < from.length; slot += SLOT_WORDS) {
    if (from[slot] === 0) continue;
    const lo = from[slot + 1] as number;
    let free = (lo << SLOT_BITS) & mask;
    while (to[free] !== 0) free = (free + SLOT_WORDS) & mask;
    to[free] = from[slot] as number;
    to[free + 1] = lo;
    to[free + 2] = from[slot + 2] as number;
  }
  return to;
}
