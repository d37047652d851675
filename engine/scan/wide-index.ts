import { type ChunkIndex, roomFor } from '../columns/index.ts';

/**
 * Local indexes of a chunk as one kind of array, so that loops over them compile to a few instructions a row; to
 * copy narrower ones costs a quarter of a nanosecond each. Used again for each chunk: one a column in use.
 */
export class WideIndex {
  #scratch = new Uint32Array(0);
  #zeros = new Uint32Array(0);

  /** `null`, as chunks say that all rows have their first value, is 0 for each row. */
  of(index: ChunkIndex | null, rows: number): Uint32Array {
    if (index === null) {
      if (this.#zeros.length < rows) this.#zeros = new Uint32Array(roomFor(rows));
      return this.#zeros;
    }
    if (index instanceof Uint32Array) return index;
    if (this.#scratch.length < rows) this.#scratch = new Uint32Array(roomFor(rows));
    this.#scratch.set(rows === index.length ? index : index.subarray(0, rows));
    return this.#scratch;
  }
}
