import { ByteReader, ByteWriter, type Codec, invariant } from '../base/index.ts';
import { type KvEntry, type KvView, prefixEnd } from '../state/index.ts';
import type { PrefixQuery, RangeQuery, WindowQuery, WindowRangeQuery } from './interactive.ts';
import { MAX_QUERY_ROWS } from './interactive-check.ts';
import {
  type KeyedValue,
  keyPrefix,
  keysPrefix,
  readRowKey,
  readWindowKey,
  WINDOW_START_END_MS,
  type WindowedValue,
  type WindowKey,
} from './interactive-layout.ts';

/**
 * Rows outside the time asked for that a `windows` query reads one after the other before it jumps over the rest of
 * their key: a jump costs about as much as reading so many.
 */
export const MAX_SKIPPED_ROWS = 4;
/** Neither a key nor the start of a window begins with this byte; a NUL in a string goes on with it. */
const ABOVE_ALL = 0xff;

/** A row is not what the layout or the codec says; what the store itself throws is none. */
export class UnreadableRow extends Error {}

interface Bounds {
  /** Inclusive. */
  readonly start: Uint8Array;
  /** Exclusive. */
  readonly end: Uint8Array;
}

/** The rows of one scope of a table, in one snapshot. */
export class ScopeRows<V> {
  readonly #view: KvView;
  readonly #scope: string;
  readonly #whole: Bounds;
  readonly #decode: (bytes: Uint8Array) => V | undefined;

  /** `decode` gives undefined for a row that stands for none. */
  constructor(view: KvView, scope: string, decode: (bytes: Uint8Array) => V | undefined) {
    this.#view = view;
    this.#scope = scope;
    const start = new ByteWriter().orderedString(scope).copy();
    this.#whole = { start, end: above(start) };
    this.#decode = decode;
  }

  get(key: string): { readonly value: V | undefined } {
    const bytes = this.#view.get(keyPrefix(this.#scope, key));
    return { value: bytes === undefined ? undefined : decoded(this.#decode, bytes) };
  }

  keys(query: RangeQuery | PrefixQuery) {
    const { from, to, limit, reverse = false } = query;
    const whole = query.kind === 'prefix' ? this.#prefix(query.prefix) : this.#whole;
    const bounds: Bounds = {
      start: from === undefined ? whole.start : latter(whole.start, keyPrefix(this.#scope, from)),
      end: to === undefined ? whole.end : former(whole.end, keyPrefix(this.#scope, to)),
    };
    const decode = this.#decode;
    const values: KeyedValue<V>[] = [];
    for (const row of this.#view.scan({ ...bounds, reverse })) {
      const value = decoded(decode, row.value);
      if (value === undefined) continue;
      const key = decoded(readRowKey, row.key);
      if (values.length === limit) return { values, next: reverse ? values.at(-1)?.key : key };
      values.push({ key, value });
    }
    return { values, next: undefined };
  }

  #prefix(prefix: string): Bounds {
    if (prefix === '') return this.#whole;
    const start = keysPrefix(this.#scope, prefix);
    return { start, end: prefixEnd(start) ?? this.#whole.end };
  }

  windows(query: WindowQuery) {
    const { key, start_ms, end_ms, reverse = false } = query;
    const bounds = {
      start: this.#windowAt(key, start_ms, query.first_end_ms ?? 0),
      end: this.#windowAt(key, end_ms, query.before_end_ms ?? 0),
    };
    const limit = query.limit ?? MAX_QUERY_ROWS;
    const values: WindowedValue<V>[] = [];
    for (const row of this.#view.scan({ ...bounds, reverse })) {
      const window = this.#windowOf(row);
      if (values.length === limit) {
        const next = reverse ? values.at(-1) : window;
        return { values, next_ms: next?.start_ms, next_end_ms: next?.end_ms };
      }
      this.#push(values, window, row);
    }
    return { values, next_ms: undefined, next_end_ms: undefined };
  }

  /** A skip scan: of the windows of a key outside the time it reads a few, whatever their number. */
  windowRange(query: WindowRangeQuery) {
    const { start_ms, end_ms, from, to, limit, reverse = false } = query;
    let { start, end } = this.#whole;
    if (from !== undefined) start = this.#windowAt(from.key, from.start_ms, from.end_ms);
    if (to !== undefined) end = this.#windowAt(to.key, to.start_ms, to.end_ms);
    const values: WindowedValue<V>[] = [];
    for (let isDone = start_ms >= end_ms; !isDone; ) {
      isDone = true;
      let skipped = 0;
      for (const row of this.#view.scan({ start, end, reverse })) {
        const window = this.#windowOf(row);
        const isBefore = window.start_ms < start_ms;
        if (isBefore || window.start_ms >= end_ms) {
          if (++skipped <= MAX_SKIPPED_ROWS) continue;
          if (reverse) end = this.#lastBelow(window.key, isBefore, end_ms);
          else start = this.#firstAbove(window.key, isBefore, start_ms);
          isDone = false;
          break;
        }
        skipped = 0;
        if (values.length === limit) return { values, next: reverse ? keyOf(values.at(-1)) : window };
        this.#push(values, window, row);
      }
    }
    return { values, next: undefined };
  }

  /** Where the windows go on behind one that is not asked for. */
  #firstAbove(key: string, isBefore: boolean, start_ms: number): Uint8Array {
    return isBefore ? this.#windowAt(key, start_ms, 0) : above(keyPrefix(this.#scope, key));
  }

  /** The same downwards; exclusive. */
  #lastBelow(key: string, isBefore: boolean, end_ms: number): Uint8Array {
    return isBefore ? keyPrefix(this.#scope, key) : this.#windowAt(key, end_ms, 0);
  }

  #push(values: WindowedValue<V>[], window: WindowKey, row: KvEntry): void {
    const value = decoded(this.#decode, row.value);
    if (value !== undefined) values.push({ ...window, value });
  }

  #windowOf(row: KvEntry): WindowKey {
    return decoded(readKey, row.key.subarray(this.#whole.start.length));
  }

  /** Where a window lies, or would lie. */
  #windowAt(key: string, start_ms: number, end_ms: number): Uint8Array {
    const prefix = keyPrefix(this.#scope, key);
    // Behind the windows of this key, and before those of the keys that go on with a NUL.
    if (start_ms >= WINDOW_START_END_MS) return above(prefix);
    return new ByteWriter().bytes(prefix).u48(start_ms).u48(end_ms).copy();
  }
}

function readKey(bytes: Uint8Array): WindowKey {
  const reader = new ByteReader(bytes);
  const window = readWindowKey(reader);
  invariant(reader.remaining === 0, 'the row is of a table of windows');
  return window;
}

/** Reads all of a value, as a codec that fits does. */
export function readWhole<T>(codec: Codec<T>, bytes: Uint8Array): T {
  const reader = new ByteReader(bytes);
  const value = codec.read(reader);
  invariant(reader.remaining === 0, 'a codec reads the whole of a row');
  return value;
}

function decoded<T>(read: (bytes: Uint8Array) => T, bytes: Uint8Array): T {
  try {
    return read(bytes);
  } catch (error) {
    throw new UnreadableRow(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

function keyOf(window: WindowKey | undefined): WindowKey | undefined {
  if (window === undefined) return undefined;
  const { key, start_ms, end_ms } = window;
  return { key, start_ms, end_ms };
}

function above(prefix: Uint8Array): Uint8Array {
  return new ByteWriter().bytes(prefix).u8(ABOVE_ALL).copy();
}

function latter(a: Uint8Array, b: Uint8Array): Uint8Array {
  return Buffer.compare(a, b) < 0 ? b : a;
}

function former(a: Uint8Array, b: Uint8Array): Uint8Array {
  return Buffer.compare(a, b) < 0 ? a : b;
}
