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

/** A value that is copied at once, so that the store need not. */
function large(chunks: KvView, key: Uint8Array): Uint8Array | undefined {
  return chunks.getShared === undefined ? chunks.get(key) : chunks.getShared(key);
}

/** A segment was merged or dropped since the plan: the state has moved on. */
export function segmentGone(): MillraceError {
  return new MillraceError(
    'log_segment_gone',
    'A segment of the event log that was to be read is no longer there: it was merged or ' +
      'dropped after the plan was made. Plan and read in one snapshot, or plan again.',
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
    const value = large(chunks, this.#keys.head(segment, chunk));
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
    const value = large(this.#chunks, this.#keys.column(this.#segment, this.#chunk, place));
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

/** Room in a head to begin with, bytes a column: what a segment of one row needs. */
const INITIAL_COLUMN_BYTES = 16;

/** Puts a chunk together from its columns, in any order. */
export class ChunkBuilder {
  readonly #chunks: KvTable;
  readonly #keys = new ChunkKeys();
  readonly #segment: Uint8Array;
  readonly #chunk: number;
  readonly #columns: number;
  readonly #inlineMax: number;
  /** Number of columns, their directory, then the small ones. */
  #head: Uint8Array;
  #directory: Uint32Array;
  #headBytes: number;
  #bytes = 0;

  constructor(chunks: KvTable, segment: Uint8Array, chunk: number, columns: number, rows: number) {
    this.#chunks = chunks;
    this.#segment = segment;
    this.#chunk = chunk;
    this.#columns = columns;
    this.#inlineMax = rows <= PACKED_MAX_ROWS ? Number.POSITIVE_INFINITY : INLINE_MAX_BYTES;
    this.#headBytes = (4 + columns * 4 + 7) & ~7;
    this.#head = new Uint8Array(this.#headBytes + columns * INITIAL_COLUMN_BYTES);
    this.#directory = new Uint32Array(this.#head.buffer, 0, columns + 1);
    this.#directory[0] = columns;
  }

  /** `encoded` has a multiple of 8 bytes, none when all values are none; it is copied. */
  add(place: number, encoded: Uint8Array): void {
    const { length } = encoded;
    if (length === 0) return;
    if (length > this.#inlineMax) {
      this.#chunks.put(this.#keys.column(this.#segment, this.#chunk, place), encoded);
      this.#directory[place + 1] = EXTERNAL;
      this.#bytes += length;
      return;
    }
    const at = this.#headBytes;
    if (at + length > this.#head.length) this.#grow(at + length);
    this.#head.set(encoded, at);
    this.#directory[place + 1] = at;
    this.#headBytes = at + length;
  }

  #grow(needed: number): void {
    const head = new Uint8Array(Math.max(needed, this.#head.length * 2));
    head.set(this.#head);
    this.#head = head;
    this.#directory = new Uint32Array(head.buffer, 0, this.#columns + 1);
  }

  /** Writes the head; the chunk's bytes. */
  finish(): number {
    const head = this.#head.subarray(0, this.#headBytes);
    this.#chunks.put(this.#keys.head(this.#segment, this.#chunk), head);
    return this.#bytes + head.length;
  }
}
