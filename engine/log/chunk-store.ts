import { invariant, MillraceError } from '../base/index.ts';
import type { KvTable, KvView } from '../state/index.ts';
import { ChunkKeys, EXTERNAL, INLINE_MAX_BYTES, NONE, PACKED_MAX_ROWS } from './layout.ts';

/** Memory that values are copied into, so that their arrays begin where the machine wants them. */
export class Reusable {
  #bytes = new Uint8Array(0);

  copyOf(value: Uint8Array): Uint8Array {
    const { length } = value;
    if (this.#bytes.length < length) this.#bytes = new Uint8Array(Math.max(length, this.#bytes.length * 2));
    this.#bytes.set(value);
    return this.#bytes.subarray(0, length);
  }
}

/** A segment was merged or dropped since the plan: the state has moved on. */
export function segmentGone(): MillraceError {
  return new MillraceError(
    'log_segment_gone',
    'A segment of the event log that was to be read is no longer there: it was merged or dropped after the plan was made. Plan and read in one snapshot, or plan again.',
    { retriable: true },
  );
}

/**
 * A chunk as it lies: a head with a directory of its columns and the small ones themselves, and a row for each
 * large column.
 */
export class StoredChunkBytes {
  readonly #chunks: KvView;
  readonly #keys = new ChunkKeys();
  readonly #segment: Uint8Array;
  readonly #chunk: number;
  readonly #head: Uint8Array;
  readonly #directory: Uint32Array;

  constructor(chunks: KvView, segment: Uint8Array, chunk: number, memory: Reusable) {
    this.#chunks = chunks;
    this.#segment = segment;
    this.#chunk = chunk;
    const value = chunks.get(this.#keys.head(segment, chunk));
    if (value === undefined) throw segmentGone();
    this.#head = memory.copyOf(value);
    invariant(value.length >= 8, 'the head of a chunk has a directory');
    const { buffer, byteOffset } = this.#head;
    const columns = new Uint32Array(buffer, byteOffset, 1)[0] as number;
    invariant(4 + columns * 4 <= value.length, "a chunk's directory has all its columns");
    this.#directory = new Uint32Array(buffer, byteOffset + 4, columns);
  }

  /** The bytes of a column, or undefined when all its values are none; a large one is copied into `memory`. */
  column(place: number, memory: Reusable): Uint8Array | undefined {
    const at = this.#directory[place] ?? NONE;
    if (at === NONE) return undefined;
    if (at !== EXTERNAL) return this.#head.subarray(at);
    const value = this.#chunks.get(this.#keys.column(this.#segment, this.#chunk, place));
    if (value === undefined) throw segmentGone();
    return memory.copyOf(value);
  }

  has(place: number): boolean {
    return (this.#directory[place] ?? NONE) !== NONE;
  }

  /** Places of the columns with rows of their own. */
  externals(): number[] {
    return [...this.#directory.keys()].filter((place) => this.#directory[place] === EXTERNAL);
  }

  /** Removes the chunk; inside a commit. */
  remove(chunks: KvTable): void {
    for (const place of this.externals()) chunks.remove(this.#keys.column(this.#segment, this.#chunk, place));
    chunks.remove(this.#keys.head(this.#segment, this.#chunk));
  }
}

/** Puts a chunk together from its columns, in any order. */
export class ChunkBuilder {
  readonly #chunks: KvTable;
  readonly #keys = new ChunkKeys();
  readonly #segment: Uint8Array;
  readonly #chunk: number;
  readonly #inlineMax: number;
  readonly #directory: Uint32Array;
  readonly #inline: Uint8Array[] = [];
  #headBytes: number;
  #bytes = 0;

  constructor(chunks: KvTable, segment: Uint8Array, chunk: number, columns: number, rows: number) {
    this.#chunks = chunks;
    this.#segment = segment;
    this.#chunk = chunk;
    this.#inlineMax = rows <= PACKED_MAX_ROWS ? Number.POSITIVE_INFINITY : INLINE_MAX_BYTES;
    this.#directory = new Uint32Array(columns);
    this.#headBytes = (4 + columns * 4 + 7) & ~7;
  }

  /** `encoded` has a multiple of 8 bytes, none when all values are none; it is copied. */
  add(place: number, encoded: Uint8Array): void {
    if (encoded.length === 0) return;
    if (encoded.length > this.#inlineMax) {
      this.#chunks.put(this.#keys.column(this.#segment, this.#chunk, place), encoded);
      this.#directory[place] = EXTERNAL;
      this.#bytes += encoded.length;
      return;
    }
    this.#directory[place] = this.#headBytes;
    this.#headBytes += encoded.length;
    this.#inline.push(encoded.slice());
  }

  /** Writes the head; the chunk's bytes. */
  finish(): number {
    const head = new Uint8Array(this.#headBytes);
    const columns = this.#directory.length;
    const words = new Uint32Array(head.buffer, 0, columns + 1);
    words[0] = columns;
    words.set(this.#directory, 1);
    let at = (4 + columns * 4 + 7) & ~7;
    for (const encoded of this.#inline) {
      head.set(encoded, at);
      at += encoded.length;
    }
    this.#chunks.put(this.#keys.head(this.#segment, this.#chunk), head);
    return this.#bytes + head.length;
  }
}
