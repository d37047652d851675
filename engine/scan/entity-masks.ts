/** Of an entry: the words of a hash, then those of a mask. */
export const ENTRY_WORDS = 4;
/** Entries go by the first bits of their hash, so that what is joined at once is in the processor's cache. */
const SLICE_BITS = 8;
const SLICES = 1 << SLICE_BITS;
/** Of a slice. */
const INITIAL_ENTRIES = 1_024;

/**
 * Bit masks of two words by 64-bit hash, to be joined. Entries are appended to their slice; when that has no room left,
 * those of one hash become one. So memory is that of the distinct hashes, and no large table is looked into at random.
 */
export class EntityMasks {
  /** Entries that a slice has room for. */
  #capacity = INITIAL_ENTRIES;
  /** Entries of each slice. */
  readonly #counts = new Int32Array(SLICES);
  #words = new Int32Array(SLICES * INITIAL_ENTRIES * ENTRY_WORDS);
  #slots = new Int32Array(0);

  add(hi: number, lo: number, low: number, high: number): void {
    const slice = hi >>> (32 - SLICE_BITS);
    let count = this.#counts[slice] as number;
    if (count === this.#capacity) count = this.#makeRoom(slice);
    const words = this.#words;
    const at = (slice * this.#capacity + count) * ENTRY_WORDS;
    words[at] = hi;
    words[at + 1] = lo;
    words[at + 2] = low;
    words[at + 3] = high;
    this.#counts[slice] = count + 1;
  }

  /** One entry a hash, one after the other. */
  joined(): Int32Array<ArrayBuffer> {
    let total = 0;
    for (let slice = 0; slice < SLICES; slice++) total += this.#join(slice);
    const all = new Int32Array(total * ENTRY_WORDS);
    let at = 0;
    for (let slice = 0; slice < SLICES; slice++) {
      const first = slice * this.#capacity * ENTRY_WORDS;
      const size = (this.#counts[slice] as number) * ENTRY_WORDS;
      all.set(this.#words.subarray(first, first + size), at);
      at += size;
    }
    return all;
  }

  /** Adds the entries that others have, as bytes of what they joined. */
  addBytes(bytes: Uint8Array): void {
    const own = bytes.byteOffset % 4 === 0 ? bytes : new Uint8Array(bytes);
    const words = new Int32Array(own.buffer, own.byteOffset, own.length / 4);
    for (let at = 0; at < words.length; at += ENTRY_WORDS)
      this.add(
        words[at] as number,
        words[at + 1] as number,
        words[at + 2] as number,
        words[at + 3] as number,
      );
  }

  /** Returns the entries of the slice then. A half has to be free, or entries would be joined too often. */
  #makeRoom(slice: number): number {
    const count = this.#join(slice);
    if (count * 2 > this.#capacity) this.#grow();
    return count;
  }

  #grow(): void {
    const [words, size] = [this.#words, this.#capacity * ENTRY_WORDS];
    this.#words = new Int32Array(words.length * 2);
    for (let slice = 0; slice < SLICES; slice++) {
      const used = (this.#counts[slice] as number) * ENTRY_WORDS;
      this.#words.set(words.subarray(slice * size, slice * size + used), slice * size * 2);
    }
    this.#capacity *= 2;
  }

  /** Makes the entries of one hash one; returns how many there are then. */
  #join(slice: number): number {
    const before = this.#counts[slice] as number;
    const mask = this.#clearSlots(before);
    const [words, slots] = [this.#words, this.#slots];
    const first = slice * this.#capacity * ENTRY_WORDS;
    const end = first + before * ENTRY_WORDS;
    let kept = first;
    for (let at = first; at < end; at += ENTRY_WORDS) {
      const hi = words[at] as number;
      const lo = words[at + 1] as number;
      let slot = lo & mask;
      let place = (slots[slot] as number) - 1;
      while (place >= 0 && (words[place + 1] !== lo || words[place] !== hi)) {
        slot = (slot + 1) & mask;
        place = (slots[slot] as number) - 1;
      }
      if (place < 0) {
        slots[slot] = kept + 1;
        words[kept] = hi;
        words[kept + 1] = lo;
        words[kept + 2] = words[at + 2] as number;
        words[kept + 3] = words[at + 3] as number;
        kept += ENTRY_WORDS;
      } else {
        words[place + 2] = (words[place + 2] as number) | (words[at + 2] as number);
        words[place + 3] = (words[place + 3] as number) | (words[at + 3] as number);
      }
    }
    this.#counts[slice] = (kept - first) / ENTRY_WORDS;
    return (kept - first) / ENTRY_WORDS;
  }

  /** Open addressing, at most half full: places in words + 1, 0 is empty. Returns the mask. */
  #clearSlots(entries: number): number {
    const size = 2 << (32 - Math.clz32(entries));
    if (this.#slots.length < size) this.#slots = new Int32Array(size);
    else this.#slots.fill(0, 0, size);
    return size - 1;
  }
}
