/** Of an entry: the words of a hash, then the furthest step. */
const ENTRY_WORDS = 3;
const INITIAL_ENTRIES = 1 << 12;
/** Entries are in the order of the first bits of their hashes: those of `EntityEvents`'s slices. */
const SLICE_BITS = 8;
const SLICES = 1 << SLICE_BITS;

/** The furthest step by hash, each hash once, slice by slice. */
export class FurthestEntries {
  #words = new Int32Array(INITIAL_ENTRIES * ENTRY_WORDS);
  #size = 0;

  /** `step` from 1. */
  add(hi: number, lo: number, step: number): void {
    if (this.#size === this.#words.length) {
      const words = this.#words;
      this.#words = new Int32Array(words.length * 2);
      this.#words.set(words);
    }
    const words = this.#words;
    words[this.#size++] = hi;
    words[this.#size++] = lo;
    words[this.#size++] = step;
  }

  bytes(): Uint8Array {
    return new Uint8Array(this.#words.slice(0, this.#size).buffer);
  }
}

/**
 * Entities by their furthest step, of what parts gave one after the other in `bytes`: index k has those whose
 * furthest is step k + 1.
 */
export function countFurthest(bytes: Uint8Array, steps: number): Float64Array {
  const words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  const ends = sliceEnds(words);
  const counts = new Float64Array(steps + 1);
  let slots = new Int32Array(0);
  for (let slice = 0; slice < SLICES; slice++) {
    let entries = 0;
    for (const list of ends) entries += (list[slice + 1] as number) - (list[slice] as number);
    entries /= ENTRY_WORDS;
    const size = 2 << (32 - Math.clz32(entries));
    if (slots.length < size) slots = new Int32Array(size);
    else slots.fill(0, 0, size);
    for (const list of ends)
      countSlice(words, list[slice] as number, list[slice + 1] as number, { slots, size, counts });
  }
  return counts.subarray(1);
}

/** Of each part: where in `words` each slice begins; the last place is where the part ends. */
function sliceEnds(words: Int32Array): Int32Array[] {
  const lists: Int32Array[] = [];
  let list = new Int32Array(SLICES + 1);
  let slice = 0;
  for (let at = 0; at < words.length; at += ENTRY_WORDS) {
    const own = (words[at] as number) >>> (32 - SLICE_BITS);
    if (own < slice) {
      list.fill(at, slice + 1);
      lists.push(list);
      list = new Int32Array(SLICES + 1).fill(at);
      slice = 0;
    }
    while (slice < own) list[++slice] = at;
  }
  list.fill(words.length, slice + 1);
  lists.push(list);
  return lists;
}

interface Counted {
  /** Places of entries + 1 by hash, open addressing, at most half full; 0 is empty. */
  readonly slots: Int32Array;
  readonly size: number;
  readonly counts: Float64Array;
}

/** Counts each hash at its furthest: one that goes further than it did before leaves its place. */
function countSlice(words: Int32Array, from: number, end: number, { slots, size, counts }: Counted): void {
  const mask = size - 1;
  for (let at = from; at < end; at += ENTRY_WORDS) {
    const [hi, lo, step] = [words[at] as number, words[at + 1] as number, words[at + 2] as number];
    let slot = lo & mask;
    let place = (slots[slot] as number) - 1;
    while (place >= 0 && (words[place + 1] !== lo || words[place] !== hi)) {
      slot = (slot + 1) & mask;
      place = (slots[slot] as number) - 1;
    }
    const before = place < 0 ? 0 : (words[place + 2] as number);
    if (step <= before) continue;
    slots[slot] = at + 1;
    counts[step] = (counts[step] as number) + 1;
    counts[before] = (counts[before] as number) - 1;
  }
}
