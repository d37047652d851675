import { invariant } from '../base/index.ts';

/** Words of a filter's block: 256 bits, half a cache line. */
const BLOCK_WORDS = 8;
/** Keeps the product of a 31-bit hash and a block number exact: 128 MiB, enough for 100 million keys. */
const MAX_BLOCKS = 1 << 22;
/** A filter made for more keys than came is folded by one of these. */
const FOLDS = [4, 3, 2] as const;
const FOLDABLE = 12;
/** By number of keys: a small filter is cheap, and a run of every size is asked for an absent key. */
const BITS_A_KEY = [
  { keys: 1 << 16, bits: 20 },
  { keys: 1 << 20, bits: 14 },
  { keys: Number.POSITIVE_INFINITY, bits: 10 },
] as const;

function bitsFor(keys: number): number {
  for (const size of BITS_A_KEY) if (keys <= size.keys) return size.bits;
  return 0;
}

/**
 * A split block Bloom filter as in Apache Parquet (Putze, Sanders, Singler: Cache-, Hash- and Space-Efficient Bloom
 * Filters, 2007): one bit in each of eight words of one block. The high word of the hash chooses the block, and
 * rises with it, so that sorted keys fill a filter from its beginning to its end; the low word chooses the bits.
 * About 1 false positive in 100 with 10 bits a key, 1 in 6,000 with 20. More bits for the smaller runs: Dayan,
 * Athanassoulis, Idreos: Monkey, 2017.
 */
export class Filter {
  readonly words: Int32Array;
  readonly #blocks: number;
  /** Blocks for each step of the 31 high bits; exact, as it is divided by a power of two. */
  readonly #scale: number;

  constructor(words: Int32Array) {
    this.words = words;
    this.#blocks = words.length / BLOCK_WORDS;
    this.#scale = this.#blocks / 2 ** 31;
  }

  /** An empty one for so many keys at most. */
  static for(keys: number): Filter {
    const wanted = Math.ceil((keys * bitsFor(keys)) / (BLOCK_WORDS * 32));
    const blocks = Math.min(MAX_BLOCKS, Math.max(1, Math.ceil(wanted / FOLDABLE)) * FOLDABLE);
    return new Filter(new Int32Array(blocks * BLOCK_WORDS));
  }

  add(hi: number, lo: number): void {
    const at = (((hi >>> 1) * this.#scale) | 0) * BLOCK_WORDS;
    const words = this.words;
    words[at] = (words[at] as number) | (1 << (Math.imul(lo, 0x47b6137b) >>> 27));
    words[at + 1] = (words[at + 1] as number) | (1 << (Math.imul(lo, 0x44974d91) >>> 27));
    words[at + 2] = (words[at + 2] as number) | (1 << (Math.imul(lo, 0x8824ad5b) >>> 27));
    words[at + 3] = (words[at + 3] as number) | (1 << (Math.imul(lo, 0xa2b7289d) >>> 27));
    words[at + 4] = (words[at + 4] as number) | (1 << (Math.imul(lo, 0x705495c7) >>> 27));
    words[at + 5] = (words[at + 5] as number) | (1 << (Math.imul(lo, 0x2df1424b) >>> 27));
    words[at + 6] = (words[at + 6] as number) | (1 << (Math.imul(lo, 0x9efc4947) >>> 27));
    words[at + 7] = (words[at + 7] as number) | (1 << (Math.imul(lo, 0x5c6bfb31) >>> 27));
  }

  /** false: the key was never added. Four bits at once: whether one is set cannot be guessed, whether four are can. */
  has(hi: number, lo: number): boolean {
    const at = (((hi >>> 1) * this.#scale) | 0) * BLOCK_WORDS;
    const words = this.words;
    const first =
      ((words[at] as number) >>> (Math.imul(lo, 0x47b6137b) >>> 27)) &
      ((words[at + 1] as number) >>> (Math.imul(lo, 0x44974d91) >>> 27)) &
      ((words[at + 2] as number) >>> (Math.imul(lo, 0x8824ad5b) >>> 27)) &
      ((words[at + 3] as number) >>> (Math.imul(lo, 0xa2b7289d) >>> 27));
    if ((first & 1) === 0) return false;
    const second =
      ((words[at + 4] as number) >>> (Math.imul(lo, 0x705495c7) >>> 27)) &
      ((words[at + 5] as number) >>> (Math.imul(lo, 0x2df1424b) >>> 27)) &
      ((words[at + 6] as number) >>> (Math.imul(lo, 0x9efc4947) >>> 27)) &
      ((words[at + 7] as number) >>> (Math.imul(lo, 0x5c6bfb31) >>> 27));
    return (second & 1) === 1;
  }

  /** The same keys in less room, where `keys` of them came and more were expected. */
  fold(keys: number): Filter {
    const wanted = (keys * bitsFor(keys)) / (BLOCK_WORDS * 32);
    const blocks = this.#blocks;
    const by = FOLDS.find((fold) => blocks % fold === 0 && blocks / fold >= wanted);
    if (by === undefined) return this;
    const folded = new Int32Array(this.words.length / by);
    for (let block = 0; block < blocks; block++) {
      // Block numbers rise with the hash, so neighbours fall together.
      const target = Math.floor(block / by) * BLOCK_WORDS;
      for (let word = 0; word < BLOCK_WORDS; word++) {
        const at = target + word;
        folded[at] = (folded[at] as number) | (this.words[block * BLOCK_WORDS + word] as number);
      }
    }
    return new Filter(folded);
  }

  /** From the bytes that `words` has in memory. */
  static fromBytes(pages: readonly Uint8Array[]): Filter {
    const size = pages.reduce((sum, page) => sum + page.length, 0);
    invariant(size > 0 && size % (BLOCK_WORDS * 4) === 0, 'a filter has whole blocks');
    const words = new Int32Array(size / 4);
    const bytes = new Uint8Array(words.buffer);
    let at = 0;
    for (const page of pages) {
      bytes.set(page, at);
      at += page.length;
    }
    return new Filter(words);
  }
}
