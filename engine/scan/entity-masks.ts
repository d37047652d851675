/** Of an entry: the words of a hash, then those of a mask. */
export const ENTRY_WORDS = 4;
const INITIAL_ENTRIES = 1 << 18;
/** Entries of one hash are found slice by slice of the hashes, of about so many: what is touched is in the cache. */
const SLICE_ENTRIES = 8_192;
const MAX_SLICE_BITS = 16;

/**
 * Bit masks of two words by 64-bit hash, to be joined. Entries are appended; when there is no room left, those of one
 * hash become one. So memory is that of the distinct hashes, and no large table is looked into at random.
 */
export class EntityMasks {
  count = 0;
  words = new Int32Array(INITIAL_ENTRIES * ENTRY_WORDS);
  #other = new Int32Array(0);
  #slots = new Int32Array(0);

  /** Room for so many entries more. */
  reserve(more: number): void {
    if ((this.count + more) * ENTRY_WORDS <= this.words.length) return;
    this.join();
    // A half has to be free, or entries would be joined too often.
    const needed = Math.max(this.count + more, this.count * 2) * ENTRY_WORDS;
    if (needed <= this.words.length) return;
    const words = new Int32Array(needed);
    words.set(this.words.subarray(0, this.count * ENTRY_WORDS));
    this.words = words;
  }

  add(hi: number, lo: number, low: number, high: number): void {
    if ((this.count + 1) * ENTRY_WORDS > this.words.length) this.reserve(1);
    const { words } = this;
    const at = this.count++ * ENTRY_WORDS;
    words[at] = hi;
    words[at + 1] = lo;
    words[at + 2] = low;
    words[at + 3] = high;
  }

  /** One entry a hash, as bytes for `addBytes`. */
  bytes(): Uint8Array {
    this.join();
    return new Uint8Array(this.words.slice(0, this.count * ENTRY_WORDS).buffer);
  }

  /** Adds the entries that another one has, as bytes. */
  addBytes(bytes: Uint8Array): void {
    const words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
    this.reserve(words.length / ENTRY_WORDS);
    this.words.set(words, this.count * ENTRY_WORDS);
    this.count += words.length / ENTRY_WORDS;
  }

  /** Makes the entries of one hash one. */
  join(): void {
    const { count, words } = this;
    if (count === 0) return;
    const bits = Math.min(MAX_SLICE_BITS, Math.max(0, 32 - Math.clz32(count / SLICE_ENTRIES)));
    const starts = this.#slice(bits);
    const from = this.#other;
    let kept = 0;
    for (let slice = 0; slice + 1 < starts.length; slice++) {
      const [first, end] = [starts[slice] as number, starts[slice + 1] as number];
      if (first < end) kept = this.#joinSlice(from, first, end, words, kept);
    }
    this.count = kept;
  }

  /** The entries slice by slice in `#other`; slice s is [starts[s], starts[s + 1]). */
  #slice(bits: number): Int32Array {
    const { count, words } = this;
    if (this.#other.length < count * ENTRY_WORDS) this.#other = new Int32Array(count * ENTRY_WORDS);
    const starts = new Int32Array((1 << bits) + 1);
    const shift = 32 - bits;
    // Shifted by all 32 bits a number would not be shifted at all.
    const mask = bits === 0 ? 0 : -1;
    for (let at = 0; at < count; at++) {
      const next = (((words[at * ENTRY_WORDS] as number) & mask) >>> shift) + 1;
      starts[next] = (starts[next] as number) + 1;
    }
    for (let slice = 1; slice < starts.length; slice++)
      starts[slice] = (starts[slice] as number) + (starts[slice - 1] as number);
    const next = starts.slice();
    const to = this.#other;
    for (let at = 0; at < count * ENTRY_WORDS; at += ENTRY_WORDS) {
      const slice = ((words[at] as number) & mask) >>> shift;
      const place = (next[slice] as number) * ENTRY_WORDS;
      next[slice] = (next[slice] as number) + 1;
      to[place] = words[at] as number;
      to[place + 1] = words[at + 1] as number;
      to[place + 2] = words[at + 2] as number;
      to[place + 3] = words[at + 3] as number;
    }
    return starts;
  }

  /** Writes the joined entries of a slice behind the `kept` ones; returns how many there are then. */
  #joinSlice(from: Int32Array, first: number, end: number, to: Int32Array, kept: number): number {
    const mask = this.#clearSlots(end - first);
    const slots = this.#slots;
    let count = kept;
    for (let at = first * ENTRY_WORDS; at < end * ENTRY_WORDS; at += ENTRY_WORDS) {
      const [hi, lo] = [from[at] as number, from[at + 1] as number];
      let slot = lo & mask;
      let place = (slots[slot] as number) - ENTRY_WORDS;
      while (place >= 0 && (to[place + 1] !== lo || to[place] !== hi)) {
        slot = (slot + 1) & mask;
        place = (slots[slot] as number) - ENTRY_WORDS;
      }
      if (place < 0) {
        place = count++ * ENTRY_WORDS;
        slots[slot] = place + ENTRY_WORDS;
        to[place] = hi;
        to[place + 1] = lo;
        to[place + 2] = from[at + 2] as number;
        to[place + 3] = from[at + 3] as number;
      } else {
        to[place + 2] = (to[place + 2] as number) | (from[at + 2] as number);
        to[place + 3] = (to[place + 3] as number) | (from[at + 3] as number);
      }
    }
    return count;
  }

  /** Open addressing, at most half full: places in words + those of an entry, 0 is empty. Returns the mask. */
  #clearSlots(entries: number): number {
    const size = 2 << (32 - Math.clz32(entries));
    if (this.#slots.length < size) this.#slots = new Int32Array(size);
    else this.#slots.fill(0, 0, size);
    return size - 1;
  }
}
