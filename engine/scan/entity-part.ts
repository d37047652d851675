import { DenseIds } from './dense-ids.ts';

/** A share of the entities, for several threads: `part` of `parts`, a power of two. */
export interface PartOf {
  readonly part: number;
  readonly parts: number;
}

/** The entities of a part: those whose hash begins so. Chunks are sorted by hash, so their rows lie together. */
export class EntityPart {
  readonly ids: DenseIds;
  readonly #part: number;
  readonly #bits: number;

  constructor({ part, parts }: PartOf) {
    this.#bits = 31 - Math.clz32(parts);
    this.#part = part;
    this.ids = new DenseIds(this.#bits);
  }

  /** Both words 0 is no entity. */
  has(hi: number, lo: number): boolean {
    return firstBits(hi, this.#bits) === this.#part && (hi | lo) !== 0;
  }

  /** The next `bits` of a hash behind those that its part has in common. */
  sliceOf(hi: number, bits: number): number {
    return firstBits(hi << this.#bits, bits);
  }
}

/** Shifted by all 32 bits a number would not be shifted at all. */
function firstBits(hi: number, bits: number): number {
  return bits === 0 ? 0 : hi >>> (32 - bits);
}
