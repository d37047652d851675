import { ByteWriter } from '../../../engine/index.ts';
import { mix32 } from '../../core/index.ts';
import { Scratch } from './fact-bytes.ts';

const INITIAL_BYTES = 512;
const HASH_MULTIPLIER = 0x01000193;

/**
 * The key of one row as bytes and as a hash, made in place of the one before: the scope, then the key within
 * it, both as `ByteWriter.orderedString` writes them. No object and no string is made for a key.
 */
export class FactKey {
  length = 0;
  /** Signed 32 bits. */
  hash = 0;
  readonly #scratch = new Scratch(INITIAL_BYTES);
  readonly #writer = new ByteWriter();
  #scope: string | undefined;
  #scopeLength = 0;
  #scopeHash = 0;

  /** Keys from here on are of this scope. */
  scope(name: string): void {
    if (name === this.#scope) return;
    this.#scope = name;
    this.#scopeLength = this.#write(name, 0, 0);
    this.#scopeHash = this.hash;
  }

  /** Makes it the key of a row of the scope. */
  set(key: string): void {
    this.length = this.#write(key, this.#scopeLength, this.#scopeHash);
  }

  /** The key is the first `length` of these. */
  get bytes(): Buffer {
    return this.#scratch.bytes;
  }

  get view(): DataView {
    return this.#scratch.view;
  }

  /** The key, until the next `set`. */
  whole(): Buffer {
    return this.#scratch.first(this.length);
  }

  /** Writes `text` at `start`, and leaves `seed` with its bytes hashed in; the end. */
  #write(text: string, start: number, seed: number): number {
    const { length } = text;
    this.#scratch.reserve(start + length + 1);
    const { bytes } = this.#scratch;
    let hash = seed;
    let at = start;
    for (let index = 0; index < length; index++) {
      const code = text.charCodeAt(index);
      if (code > 127 || code === 0) return this.#writeAny(text, start, seed);
      bytes[at++] = code;
      hash = Math.imul(hash ^ code, HASH_MULTIPLIER);
    }
    bytes[at++] = 0;
    this.hash = mix32(hash);
    return at;
  }

  /** Text that is not plain ASCII. */
  #writeAny(text: string, start: number, seed: number): number {
    const written = this.#writer.reset().orderedString(text).view();
    const end = start + written.length;
    this.#scratch.reserve(end);
    this.#scratch.bytes.set(written, start);
    let hash = seed;
    for (let index = 0; index < written.length - 1; index++) {
      hash = Math.imul(hash ^ (written[index] as number), HASH_MULTIPLIER);
    }
    this.hash = mix32(hash);
    return end;
  }
}
