/** One remembered event: 96 bits of its id's hash, 32 bits of its payload's, its event time in seconds. */
export const ID_WORDS = 5;
export const ID_BYTES = ID_WORDS * 4;
const CHUNK_IDS = 65_536;
const INITIAL_SLOTS = 1 << 16;
const NOT_FOUND = -1;

/**
 * The newest ids in arrival order with constant-time lookup: entries in a ring of chunks, and an
 * open-addressing index of their ordinals (linear probing, deletion by backward shift: Knuth, TAOCP
 * vol. 3, 6.4 algorithm R). 20 bytes an entry plus 4 bytes a slot at a load of at most a half.
 */
export class RecentIds {
  readonly #chunks = new Map<number, Int32Array>();
  /** Ordinal + 1 of an entry, modulo 2^32; 0 is empty. */
  #index: Uint32Array = new Uint32Array(INITIAL_SLOTS);
  #mask = INITIAL_SLOTS - 1;
  #first = 0;
  #next = 0;
  /** Of the chunk looked at last: most lookups stay near. */
  #chunkNumber = -1;
  #chunk: Int32Array = new Int32Array(0);

  /** Ordinal of the oldest entry. */
  get first(): number {
    return this.#first;
  }

  /** Ordinal that the next entry will have. */
  get next(): number {
    return this.#next;
  }

  get size(): number {
    return this.#next - this.#first;
  }

  get memory_bytes(): number {
    return this.#chunks.size * CHUNK_IDS * ID_BYTES + this.#index.byteLength;
  }

  /** Begins at an ordinal; only while empty. */
  startAt(ordinal: number): void {
    this.#first = ordinal;
    this.#next = ordinal;
  }

  #at(ordinal: number): number {
    const number = Math.floor(ordinal / CHUNK_IDS);
    if (number !== this.#chunkNumber) {
      let chunk = this.#chunks.get(number);
      if (chunk === undefined) {
        chunk = new Int32Array(CHUNK_IDS * ID_WORDS);
        this.#chunks.set(number, chunk);
      }
      this.#chunkNumber = number;
      this.#chunk = chunk;
    }
    return (ordinal - number * CHUNK_IDS) * ID_WORDS;
  }

  /** The payload hash of an id, 0..2^32-1, or -1. Words may be signed or not. */
  find(word0: number, word1: number, word2: number): number {
    const id0 = word0 | 0;
    const id1 = word1 | 0;
    const id2 = word2 | 0;
    for (let slot = id0 & this.#mask; ; slot = (slot + 1) & this.#mask) {
      const entry = this.#index[slot] as number;
      if (entry === 0) return NOT_FOUND;
      const at = this.#at(this.#ordinalOf(entry));
      const chunk = this.#chunk;
      if (chunk[at] === id0 && chunk[at + 1] === id1 && chunk[at + 2] === id2)
        return (chunk[at + 3] as number) >>> 0;
    }
  }

  /** Ordinals are unbounded, entries 32 bits: the high part follows from the ring's place. */
  #ordinalOf(entry: number): number {
    const low = entry - 1;
    const base = this.#first - (this.#first % 0xffff_ffff);
    const ordinal = base + low;
    return ordinal >= this.#first ? ordinal : ordinal + 0xffff_ffff;
  }

  /** Remembers an id that `find` does not know. */
  add(id0: number, id1: number, id2: number, payload: number, time_s: number): void {
    if ((this.size + 1) * 2 > this.#index.length) this.#grow();
    const ordinal = this.#next++;
    const at = this.#at(ordinal);
    const chunk = this.#chunk;
    chunk[at] = id0;
    chunk[at + 1] = id1;
    chunk[at + 2] = id2;
    chunk[at + 3] = payload;
    chunk[at + 4] = time_s;
    this.#insert(id0, ordinal);
  }

  #insert(id0: number, ordinal: number): void {
    let slot = id0 & this.#mask;
    while (this.#index[slot] !== 0) slot = (slot + 1) & this.#mask;
    this.#index[slot] = (ordinal % 0xffff_ffff) + 1;
  }

  #grow(): void {
    this.#index = new Uint32Array(this.#index.length * 2);
    this.#mask = this.#index.length - 1;
    for (let ordinal = this.#first; ordinal < this.#next; ordinal++) {
      const at = this.#at(ordinal);
      this.#insert(this.#chunk[at] as number, ordinal);
    }
  }

  /** Copies entries [from, to) as ID_WORDS words each. */
  copy(from: number, to: number): Uint32Array {
    const out = new Int32Array((to - from) * ID_WORDS);
    for (let ordinal = from; ordinal < to; ) {
      const at = this.#at(ordinal);
      const run = Math.min(to - ordinal, CHUNK_IDS - at / ID_WORDS);
      out.set(this.#chunk.subarray(at, at + run * ID_WORDS), (ordinal - from) * ID_WORDS);
      ordinal += run;
    }
    return new Uint32Array(out.buffer);
  }

  /** Forgets the oldest entries, up to ordinal `to`. */
  forget(to: number): void {
    for (; this.#first < to; this.#first++) {
      const at = this.#at(this.#first);
      this.#remove(this.#chunk[at] as number, (this.#first % 0xffff_ffff) + 1);
      if ((this.#first + 1) % CHUNK_IDS === 0) {
        this.#chunks.delete(Math.floor(this.#first / CHUNK_IDS));
        this.#chunkNumber = -1;
      }
    }
  }

  #remove(id0: number, entry: number): void {
    const index = this.#index;
    const mask = this.#mask;
    let hole = id0 & mask;
    while (index[hole] !== entry) hole = (hole + 1) & mask;
    for (let slot = (hole + 1) & mask; index[slot] !== 0; slot = (slot + 1) & mask) {
      const at = this.#at(this.#ordinalOf(index[slot] as number));
      const home = (this.#chunk[at] as number) & mask;
      // An entry may move into the hole unless its home lies cyclically after the hole.
      if (((slot - home) & mask) >= ((slot - hole) & mask)) {
        index[hole] = index[slot] as number;
        hole = slot;
      }
    }
    index[hole] = 0;
  }
}
