import type { DetailBudget } from './detail-budget.ts';

const INITIAL_SLOTS = 8;
const ENTRY_BYTES = 16;

/** Net counts by number (no NaN). Open addressing with linear probing, at most half full. */
export class NetTable {
  /** Slots in use, those whose net count came back to 0 included. */
  used = 0;
  readonly #budget: DetailBudget;
  #keys: Float64Array;
  #nets: Float64Array;

  constructor(budget: DetailBudget) {
    this.#budget = budget;
    budget.take(INITIAL_SLOTS * ENTRY_BYTES);
    this.#keys = new Float64Array(INITIAL_SLOTS).fill(Number.NaN);
    this.#nets = new Float64Array(INITIAL_SLOTS);
  }

  add(key: number, net: number): void {
    const keys = this.#keys;
    const mask = keys.length - 1;
    for (let slot = hashOf(key) & mask; ; slot = (slot + 1) & mask) {
      const known = keys[slot] as number;
      if (known === key) {
        (this.#nets[slot] as number) += net;
        return;
      }
      if (!Number.isNaN(known)) continue;
      keys[slot] = key;
      this.#nets[slot] = net;
      if (++this.used * 2 > keys.length)
        this.#rebuild(keys.length * 2, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY);
      return;
    }
  }

  /** Calls `visit` for each entry whose net count is not 0, in no order. */
  forEach(visit: (key: number, net: number) => void): void {
    for (let slot = 0; slot < this.#keys.length; slot++) {
      const key = this.#keys[slot] as number;
      const net = this.#nets[slot] as number;
      if (!Number.isNaN(key) && net !== 0) visit(key, net);
    }
  }

  /** The keys whose net count is not 0, ascending. */
  sortedKeys(): Float64Array {
    const keys = new Float64Array(this.used);
    let count = 0;
    this.forEach((key) => {
      keys[count++] = key;
    });
    return keys.subarray(0, count).sort();
  }

  /** Keeps what is not 0 and lies in [min, max]. */
  keep(min: number, max: number): void {
    this.#rebuild(this.#keys.length, min, max);
  }

  #rebuild(slots: number, min: number, max: number): void {
    if (slots > this.#keys.length) this.#budget.take((slots - this.#keys.length) * ENTRY_BYTES);
    const [keys, nets] = [this.#keys, this.#nets];
    this.#keys = new Float64Array(slots).fill(Number.NaN);
    this.#nets = new Float64Array(slots);
    this.used = 0;
    for (let slot = 0; slot < keys.length; slot++) {
      const key = keys[slot] as number;
      if (key >= min && key <= max && nets[slot] !== 0) this.add(key, nets[slot] as number);
    }
  }
}

/** Integers of any size and fractions; the finalizer is that of MurmurHash3. */
function hashOf(key: number): number {
  let hash = Math.imul(key | 0, 0x85ebca6b) ^ Math.imul((key / 4_294_967_296) | 0, 0xc2b2ae35);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
