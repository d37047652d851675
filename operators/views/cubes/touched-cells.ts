import { invariant } from '../../../engine/index.ts';

/** Few: there may be a thousand cubes, most of which no row of a commit touches. */
const INITIAL_CELLS = 16;
/** Words of a key before the dimension codes: scope, bucket, currency. */
export const KEY_WORDS = 3;

/**
 * The cells of one cube that were added to since the last commit: an open-addressing table (linear probing, at most
 * half full) over typed arrays. A key is words: code of the scope, bucket, code of the currency, dimension codes.
 * Sums are doubles while they are safe integers; what goes beyond lies in `beyond`, as a bigint to be added.
 */
export class TouchedCells {
  readonly words: number;
  readonly measures: number;
  count = 0;
  /** Keys, `words` each, in the order of their first addition. */
  keys: Int32Array;
  /** `measures` each. */
  sums: Float64Array;
  /** What does not fit into a sum, by its index. */
  readonly beyond = new Map<number, bigint>();
  /** Where the key of the next `add` is put. */
  readonly key: Int32Array;
  #hashes = new Int32Array(INITIAL_CELLS);
  #slots = new Int32Array(INITIAL_CELLS * 2);

  constructor(dimensions: number, measures: number) {
    this.words = KEY_WORDS + dimensions;
    this.measures = measures;
    this.key = new Int32Array(this.words);
    this.keys = new Int32Array(INITIAL_CELLS * this.words);
    this.sums = new Float64Array(INITIAL_CELLS * measures);
  }

  /** Adds `value[i]` to the sum `measure[i]`, i < additions, of the cell with the key in `key`. */
  add(additions: number, measure: Int32Array, value: Float64Array): void {
    const base = this.#cell() * this.measures;
    const sums = this.sums;
    for (let index = 0; index < additions; index++) {
      const at = base + (measure[index] as number);
      const added = value[index] as number;
      const sum = (sums[at] as number) + added;
      // Of two safe integers the rounded sum is unsafe just when the true one is.
      if (sum <= Number.MAX_SAFE_INTEGER && sum >= -Number.MAX_SAFE_INTEGER) sums[at] = sum;
      else this.#addBeyond(at, added);
    }
  }

  /** Adds another table's cell to the cell with the key in `key`. */
  addCell(from: TouchedCells, cell: number): void {
    const [to, base] = [this.#cell() * this.measures, cell * this.measures];
    for (let measure = 0; measure < this.measures; measure++) {
      const sum = (this.sums[to + measure] as number) + (from.sums[base + measure] as number);
      if (Number.isSafeInteger(sum)) this.sums[to + measure] = sum;
      else this.#addBeyond(to + measure, from.sums[base + measure] as number);
      const beyond = from.beyond.get(base + measure);
      if (beyond !== undefined) this.beyond.set(to + measure, (this.beyond.get(to + measure) ?? 0n) + beyond);
    }
  }

  #addBeyond(at: number, added: number): void {
    invariant(Number.isSafeInteger(added), 'a cell adds up safe integers');
    this.beyond.set(at, (this.beyond.get(at) ?? 0n) + BigInt(added));
  }

  /** The index of the cell of `key`, a new one if there is none. */
  #cell(): number {
    const { key, words } = this;
    let hash = 0;
    for (let word = 0; word < words; word++) {
      hash = Math.imul(hash ^ (key[word] as number), 0x9e3779b1);
      hash ^= hash >>> 15;
    }
    const mask = this.#slots.length - 1;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const cell = (this.#slots[slot] as number) - 1;
      if (cell < 0) return this.#append(slot, hash);
      if (this.#hashes[cell] === hash && this.#has(cell)) return cell;
    }
  }

  #has(cell: number): boolean {
    const { key, keys, words } = this;
    const base = cell * words;
    for (let word = 0; word < words; word++) if (keys[base + word] !== key[word]) return false;
    return true;
  }

  #append(slot: number, hash: number): number {
    let free = slot;
    if (this.count === this.#hashes.length) {
      this.#grow();
      free = this.#freeSlot(hash);
    }
    const cell = this.count++;
    this.#slots[free] = cell + 1;
    this.#hashes[cell] = hash;
    this.keys.set(this.key, cell * this.words);
    this.sums.fill(0, cell * this.measures, (cell + 1) * this.measures);
    return cell;
  }

  #freeSlot(hash: number): number {
    const mask = this.#slots.length - 1;
    let slot = hash & mask;
    while (this.#slots[slot] !== 0) slot = (slot + 1) & mask;
    return slot;
  }

  #grow(): void {
    const size = this.#hashes.length * 2;
    const hashes = new Int32Array(size);
    hashes.set(this.#hashes);
    this.#hashes = hashes;
    const keys = new Int32Array(size * this.words);
    keys.set(this.keys);
    this.keys = keys;
    const sums = new Float64Array(size * this.measures);
    sums.set(this.sums);
    this.sums = sums;
    this.#slots = new Int32Array(size * 2);
    for (let cell = 0; cell < this.count; cell++)
      this.#slots[this.#freeSlot(hashes[cell] as number)] = cell + 1;
  }

  clear(): void {
    this.count = 0;
    this.#slots.fill(0);
    this.beyond.clear();
  }

  /** Indices of the cells, sorted by key word by word. */
  sorted(): Uint32Array {
    const { keys, words } = this;
    const order = new Uint32Array(this.count);
    for (let cell = 0; cell < order.length; cell++) order[cell] = cell;
    return order.sort((a, b) => {
      for (let word = 0; word < words; word++) {
        const less = (keys[a * words + word] as number) - (keys[b * words + word] as number);
        if (less !== 0) return less;
      }
      return 0;
    });
  }
}
