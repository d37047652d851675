import { ByteReader, ByteWriter, invariant } from '../base/index.ts';
import { prefixEnd } from '../state/index.ts';

/** Chunks of so many rows lie in one row of the store with all their columns. */
export const PACKED_MAX_ROWS = 1_024;
/** In larger chunks a column of more bytes has a row of its own: half a page, where LMDB begins to round up. */
export const INLINE_MAX_BYTES = 2_048;
export const DAY_MS = 86_400_000;

/** What a directory says of a column: nothing is stored, all its values are none. */
export const NONE = 0;
/** It has a row of its own. Any other number is its place in the head, in bytes. */
export const EXTERNAL = 1;

const SCHEMA_KEY = 0;
export const SCOPE_KEY = 1;
/** Order of the first segment: below it lies the scope's state. */
export const FIRST_ORDER = 1;

export function schemaKey(id: number): Uint8Array {
  return new ByteWriter().u8(SCHEMA_KEY).u32(id).copy();
}

export const SCHEMA_RANGE = { start: schemaKey(0), end: Uint8Array.of(SCOPE_KEY) };
export const SCOPES_RANGE = { start: Uint8Array.of(SCOPE_KEY) };

export function scopePrefix(scope: string): Uint8Array {
  return new ByteWriter().u8(SCOPE_KEY).orderedString(scope).copy();
}

export function scopeRange(scope: string): { readonly start: Uint8Array; readonly end: Uint8Array } {
  const start = scopePrefix(scope);
  const end = prefixEnd(start);
  invariant(end !== undefined, 'a prefix of a scope can rise');
  return { start, end };
}

/** Of the row with a scope's state. */
export function scopeKey(scope: string): Uint8Array {
  return new ByteWriter().bytes(scopePrefix(scope)).u48(0).copy();
}

/** Of a manifest, and what the keys of its chunks begin with. `order` is the place among the scope's segments. */
export function segmentKey(scope: string, order: number, id: number): Uint8Array {
  return new ByteWriter().bytes(scopePrefix(scope)).u48(order).u48(id).copy();
}

export interface ParsedKey {
  readonly scope: string;
  /** Absent in the key of a scope's state. */
  readonly order?: number;
  readonly id?: number;
}

/** Of a key in the range of scopes, or of a chunk, which begins with its segment's. */
export function parseKey(key: Uint8Array): ParsedKey {
  const reader = new ByteReader(key);
  reader.u8();
  const scope = reader.orderedString();
  const order = reader.u48();
  return reader.remaining === 0 ? { scope } : { scope, order, id: reader.u48() };
}

/** Writes keys of chunks without a new buffer for each; a key is valid until the next. */
export class ChunkKeys {
  readonly #writer = new ByteWriter();

  head(segment: Uint8Array, chunk: number): Uint8Array {
    return this.#chunk(segment, chunk).view();
  }

  column(segment: Uint8Array, chunk: number, column: number): Uint8Array {
    return this.#chunk(segment, chunk)
      .u8(column >> 8)
      .u8(column & 0xff)
      .view();
  }

  #chunk(segment: Uint8Array, chunk: number): ByteWriter {
    return this.#writer
      .reset()
      .bytes(segment)
      .u8(chunk >> 8)
      .u8(chunk & 0xff);
  }
}
