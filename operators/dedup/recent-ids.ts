/** One remembered event: 96 bits of its id's hash, 32 bits of its payload's, its event time in seconds. */
export const ID_WORDS = 5;
/** What memory has of it: the id and the payload's hash. */
const SLOT_WORDS = 4;
/** Ids to touch at once: as many loads as a core has under way. */
export const TOUCHED_IDS = 32;
const PART_BITS = 6;
const PARTS = 1 << PART_BITS;
const INITIAL_SLOTS = 64;
/** A part that is fuller grows to the other share. */
const FULLEST = 0.8;
const AFTER_GROWTH = 0.5;
const NOT_FOUND = -1;
/** An odd multiplier spreads the first word over its high bits: Knuth, TAOCP vol. 3, 6.4, Fibonacci hashing. */
const SPREAD = 0x9e3779b1;

/**
 * A set of ids, each with a word: open addressing with linear probing, deletion by backward shift (Knuth, TAOCP
 * vol. 3, 6.4 algorithm R). 64 parts that grow one at a time, so that no growth takes long; a slot has the whole
 * entry, so that a look-up touches one or two cache lines. 20 to 32 bytes an id. The high bits of the first word's
 * hash choose the slot, so a part grows in one pass through memory.
 */
export class RecentIds {
  readonly #parts: Int32Array[] = [];
  readonly #counts = new Int32Array(PARTS);
  /** Entries at which a part grows. */
  readonly #fullest = new Int32Array(PARTS);
  /** Slots for each step of a part's 31 bits of hash. */
  readonly #scales = new Float64Array(PARTS);
  /** An empty slot is all zero, so the id of three zeros has its place here: its payload's hash. */
  #zero: number | undefined;
  /** The slot that the last `find` ended at in vain. */
  #missPart = -1;
  #missSlot = 0;
  /** Without meaning: a load that nobody uses would not be made. */
  #touched = 0;
  size = 0;

  constructor() {
    for (let part = 0; part < PARTS; part++) this.#resize(part, INITIAL_SLOTS);
  }

  get memory_bytes(): number {
    let bytes = 0;
    for (const part of this.#parts) bytes += part.byteLength;
    return bytes;
  }

  #resize(part: number, slots: number): void {
    const from = this.#parts[part] ?? new Int32Array(0);
    const to = new Int32Array(slots * SLOT_WORDS);
    const scale = slots / 2 ** 31;
    for (let at = 0; at < from.length; at += SLOT_WORDS) {
      const id0 = from[at] as number;
      const id1 = from[at + 1] as number;
      const id2 = from[at + 2] as number;
      if ((id0 | id1 | id2) === 0) continue;
      let target = homeOf(id0, scale) * SLOT_WORDS;
      while (((to[target] as number) | (to[target + 1] as number) | (to[target + 2] as number)) !== 0) {
        target += SLOT_WORDS;
        if (target === to.length) target = 0;
      }
      to[target] = id0;
      to[target + 1] = id1;
      to[target + 2] = id2;
      to[target + 3] = from[at + 3] as number;
    }
    this.#parts[part] = to;
    this.#scales[part] = scale;
    this.#fullest[part] = Math.floor(slots * FULLEST);
  }

  /** Makes room for so many ids, so that no part grows before. */
  reserve(ids: number): void {
    const slots = Math.ceil(ids / PARTS / AFTER_GROWTH);
    for (let part = 0; part < PARTS; part++)
      if (slots * SLOT_WORDS > (this.#parts[part] as Int32Array).length) this.#resize(part, slots);
  }

  /**
   * Loads the slots of `count` ids before they are asked for: words[from], words[from + stride] and so on are their
   * first words. Independent loads wait for memory together, where look-ups would wait one after the other.
   */
  touch(words: Int32Array, from: number, count: number, stride: number): void {
    let touched = this.#touched;
    for (let left = count, at = from; left > 0; left--, at += stride) {
      const id0 = words[at] as number;
      const part = partOf(id0);
      const home = homeOf(id0, this.#scales[part] as number) * SLOT_WORDS;
      touched ^= (this.#parts[part] as Int32Array)[home] as number;
    }
    this.#touched = touched;
  }

  /** The payload's hash of an id, 0..2^32-1, or -1. Words may be signed or not. */
  find(word0: number, word1: number, word2: number): number {
    const id0 = word0 | 0;
    const id1 = word1 | 0;
    const id2 = word2 | 0;
    if ((id0 | id1 | id2) === 0) return this.#zero ?? NOT_FOUND;
    const part = partOf(id0);
    const slots = this.#parts[part] as Int32Array;
    let at = homeOf(id0, this.#scales[part] as number) * SLOT_WORDS;
    for (;;) {
      const found0 = slots[at] as number;
      if (found0 === id0 && slots[at + 1] === id1 && slots[at + 2] === id2)
        return (slots[at + 3] as number) >>> 0;
      if (found0 === 0 && ((slots[at + 1] as number) | (slots[at + 2] as number)) === 0) break;
      at += SLOT_WORDS;
      if (at === slots.length) at = 0;
    }
    this.#missPart = part;
    this.#missSlot = at;
    return NOT_FOUND;
  }

  /** Remembers the id that the last call of `find` did not know. */
  addMissed(id0: number, id1: number, id2: number, payload: number): void {
    this.size++;
    if ((id0 | id1 | id2) === 0) {
      this.#zero = payload >>> 0;
      return;
    }
    const part = this.#missPart;
    const slots = this.#parts[part] as Int32Array;
    const at = this.#missSlot;
    slots[at] = id0;
    slots[at + 1] = id1;
    slots[at + 2] = id2;
    slots[at + 3] = payload;
    const count = (this.#counts[part] as number) + 1;
    this.#counts[part] = count;
    if (count >= (this.#fullest[part] as number)) this.#resize(part, Math.ceil(count / AFTER_GROWTH));
  }

  /** Remembers an id that is not known. */
  add(id0: number, id1: number, id2: number, payload: number): void {
    this.find(id0, id1, id2);
    this.addMissed(id0, id1, id2, payload);
  }

  /** Forgets an id that is known. */
  remove(word0: number, word1: number, word2: number): void {
    const id0 = word0 | 0;
    const id1 = word1 | 0;
    const id2 = word2 | 0;
    this.size--;
    if ((id0 | id1 | id2) === 0) {
      this.#zero = undefined;
      return;
    }
    const part = partOf(id0);
    const slots = this.#parts[part] as Int32Array;
    let at = homeOf(id0, this.#scales[part] as number) * SLOT_WORDS;
    while (slots[at] !== id0 || slots[at + 1] !== id1 || slots[at + 2] !== id2) {
      at += SLOT_WORDS;
      if (at === slots.length) at = 0;
    }
    this.#close(part, slots, at);
    const count = (this.#counts[part] as number) - 1;
    this.#counts[part] = count;
    // What a burst has taken goes back.
    const slotCount = slots.length / SLOT_WORDS;
    if (slotCount > INITIAL_SLOTS && count * 4 < slotCount)
      this.#resize(part, Math.max(INITIAL_SLOTS, Math.ceil(count / AFTER_GROWTH)));
  }

  /** Moves entries back over a hole, so that none is cut off from its home. */
  #close(part: number, slots: Int32Array, from: number): void {
    const { length } = slots;
    const scale = this.#scales[part] as number;
    let hole = from;
    for (let at = (hole + SLOT_WORDS) % length; ; at = (at + SLOT_WORDS) % length) {
      const id0 = slots[at] as number;
      if ((id0 | (slots[at + 1] as number) | (slots[at + 2] as number)) === 0) break;
      const home = homeOf(id0, scale) * SLOT_WORDS;
      // An entry may move into the hole unless its home lies cyclically after the hole.
      if ((at - home + length) % length < (at - hole + length) % length) continue;
      slots.copyWithin(hole, at, at + SLOT_WORDS);
      hole = at;
    }
    slots.fill(0, hole, hole + SLOT_WORDS);
  }
}

function partOf(id0: number): number {
  return Math.imul(id0, SPREAD) >>> (32 - PART_BITS);
}

function homeOf(id0: number, scale: number): number {
  return (((Math.imul(id0, SPREAD) << PART_BITS) >>> 1) * scale) | 0;
}
