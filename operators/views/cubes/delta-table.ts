import { invariant } from '../../../engine/index.ts';

const INITIAL_SLOTS = 4_096;
/** Words of a slot: its key (4), the mask of measures added to, the head of its list; one cache line holds two. */
const KEY_WORDS = 8;
const TOUCHED = 4;
const HEAD = 5;
const NONE = -1;
/** Beyond this an accumulator leaves its double for an exact bigint: two of them still add exactly. */
export const SPILL = 2 ** 52;

/**
 * What the rows since the last commit add to each cell: an open-addressing table from
 * (frame, cube, first code, second code) to a slot of dense accumulators. Reused from commit to commit.
 */
export class DeltaTable {
  readonly #width: number;
  #keys: Int32Array;
  #index: Int32Array;
  #mask: number;
  #sums: Float64Array;
  /** The lists: row number and next link. */
  #listRow: Int32Array;
  #listNext: Int32Array;
  #listLength = 0;
  #count = 0;

  /** `width` is the number of accumulators of a slot, `slots` (a power of two) the room to begin with. */
  constructor(width: number, slots = INITIAL_SLOTS) {
    invariant(width <= 31, 'a slot has at most 31 accumulators: which of them were used is a 32-bit mask');
    this.#width = width;
    this.#keys = new Int32Array(slots * KEY_WORDS);
    this.#index = new Int32Array(slots * 2).fill(NONE);
    this.#mask = slots * 2 - 1;
    this.#sums = new Float64Array(slots * width);
    this.#listRow = new Int32Array(slots);
    this.#listNext = new Int32Array(slots);
  }

  get count(): number {
    return this.#count;
  }

  get sums(): Float64Array {
    return this.#sums;
  }

  /** The slot of a key, made where it is new. */
  slot(frame: number, cube: number, first: number, second: number): number {
    const probe = this.#probe(frame, cube, first, second);
    const slot = this.#index[probe] as number;
    return slot === NONE ? this.#add(probe, frame, cube, first, second) : slot;
  }

  /** The slot of a key, or -1. */
  find(frame: number, cube: number, first: number, second: number): number {
    return this.#index[this.#probe(frame, cube, first, second)] as number;
  }

  /** Where the index has a key, or has room for it. */
  #probe(frame: number, cube: number, first: number, second: number): number {
    let hash = Math.imul(frame, 0x9e3779b1) ^ Math.imul(cube + 1, 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d) ^ Math.imul(first, 0x297a2d39);
    hash = Math.imul(hash ^ (hash >>> 13), 0x7feb352d) ^ Math.imul(second, 0x165667b1);
    hash ^= hash >>> 16;
    const keys = this.#keys;
    for (let probe = hash & this.#mask; ; probe = (probe + 1) & this.#mask) {
      const slot = this.#index[probe] as number;
      if (slot === NONE) return probe;
      const at = slot * KEY_WORDS;
      if (keys[at + 2] === first && keys[at + 3] === second && keys[at] === frame && keys[at + 1] === cube)
        return probe;
    }
  }

  #add(probe: number, frame: number, cube: number, first: number, second: number): number {
    if (this.#count * KEY_WORDS === this.#keys.length) {
      this.#grow();
      return this.slot(frame, cube, first, second);
    }
    const slot = this.#count++;
    this.#index[probe] = slot;
    const at = slot * KEY_WORDS;
    this.#keys[at] = frame;
    this.#keys[at + 1] = cube;
    this.#keys[at + 2] = first;
    this.#keys[at + 3] = second;
    this.#keys[at + TOUCHED] = 0;
    this.#keys[at + HEAD] = NONE;
    return slot;
  }

  #grow(): void {
    const slots = this.#count * 2;
    this.#keys = grown(this.#keys, slots * KEY_WORDS);
    const sums = new Float64Array(slots * this.#width);
    sums.set(this.#sums);
    this.#sums = sums;
    const old = this.#keys;
    const count = this.#count;
    this.#index = new Int32Array(slots * 2).fill(NONE);
    this.#mask = slots * 2 - 1;
    this.#count = 0;
    for (let slot = 0; slot < count; slot++) {
      const at = slot * KEY_WORDS;
      const head = old[at + HEAD] as number;
      const touched = old[at + TOUCHED] as number;
      this.slot(old[at] as number, old[at + 1] as number, old[at + 2] as number, old[at + 3] as number);
      this.#keys[at + HEAD] = head;
      this.#keys[at + TOUCHED] = touched;
    }
  }

  touch(slot: number, measures: number): void {
    const at = slot * KEY_WORDS + TOUCHED;
    this.#keys[at] = (this.#keys[at] as number) | measures;
  }

  touched(slot: number): number {
    return this.#keys[slot * KEY_WORDS + TOUCHED] as number;
  }

  frame(slot: number): number {
    return this.#keys[slot * KEY_WORDS] as number;
  }

  cube(slot: number): number {
    return this.#keys[slot * KEY_WORDS + 1] as number;
  }

  first(slot: number): number {
    return this.#keys[slot * KEY_WORDS + 2] as number;
  }

  second(slot: number): number {
    return this.#keys[slot * KEY_WORDS + 3] as number;
  }

  /** Notes that an observing row belongs to the slot. */
  link(slot: number, row: number): void {
    if (this.#listLength === this.#listRow.length) {
      this.#listRow = grown(this.#listRow, this.#listLength * 2);
      this.#listNext = grown(this.#listNext, this.#listLength * 2);
    }
    const at = this.#listLength++;
    this.#listRow[at] = row;
    const head = slot * KEY_WORDS + HEAD;
    this.#listNext[at] = this.#keys[head] as number;
    this.#keys[head] = at;
  }

  /** Forgets the links of a slot. */
  unlink(slot: number): void {
    this.#keys[slot * KEY_WORDS + HEAD] = NONE;
  }

  /** The slot's newest link, or -1. */
  firstLink(slot: number): number {
    return this.#keys[slot * KEY_WORDS + HEAD] as number;
  }

  /** The link before it, or -1. */
  nextLink(link: number): number {
    return this.#listNext[link] as number;
  }

  /** The observing row of a link. */
  linked(link: number): number {
    return this.#listRow[link] as number;
  }

  clear(): void {
    this.#sums.fill(0, 0, this.#count * this.#width);
    this.#index.fill(NONE);
    this.#count = 0;
    this.#listLength = 0;
  }
}

function grown(array: Int32Array, length: number): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(length);
  larger.set(array);
  return larger;
}
