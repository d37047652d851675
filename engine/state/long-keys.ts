import { ByteReader, ByteWriter, invariant } from '../base/index.ts';
import type { KvEntry, KvRange } from './kv.ts';

/**
 * Longest key that LMDB takes at lmdb's default page size, in bytes. Ordinary rows have shorter keys, so that
 * a stored key of exactly this length always is the head of long ones.
 */
export const HEAD_BYTES = 1_978;

/** Bounds of at most `HEAD_BYTES` each. */
export interface RowRange {
  readonly start: Uint8Array | undefined;
  readonly end: Uint8Array | undefined;
  readonly inclusiveEnd: boolean;
  readonly reverse: boolean;
}

/** A table of the underlying store, which takes keys of 1 to `HEAD_BYTES` bytes. */
export interface Rows {
  get(key: Uint8Array): Uint8Array | undefined;
  range(range: RowRange): Iterable<KvEntry>;
}

export interface WritableRows extends Rows {
  put(key: Uint8Array, value: Uint8Array): void;
  remove(key: Uint8Array): void;
}

const ID_BYTES = 6;
/** In front of the id in a head's value, so that a row of another kind is not taken for one. */
const HEAD_MARK = 0x4c4b4559;
/** Under the id that no head has: the last id given. */
const COUNTER_KEY = encodeId(0);

/**
 * Keys of `HEAD_BYTES` and more in a store that has no room for them, as a trie: the first `HEAD_BYTES` of a
 * key are a row of the table, whose value is the id of all keys that begin so; id and rest of the key are the
 * key of a row of `rest`, where a rest that is too long is split again. The order of the bytes is kept exactly
 * and nothing is hashed or held in memory: a scan meets a head where its keys belong and goes through them.
 */
export class LongKeys<R extends Rows = Rows> {
  protected readonly rest: R;

  /** `rest` is one for all tables of an environment. */
  constructor(rest: R) {
    this.rest = rest;
  }

  get(rows: Rows, key: Uint8Array): Uint8Array | undefined {
    let [level, left] = [rows, key];
    while (left.length >= HEAD_BYTES) {
      const head = level.get(left.subarray(0, HEAD_BYTES));
      if (head === undefined) return undefined;
      left = join(idOf(head), left.subarray(HEAD_BYTES));
      level = this.rest;
    }
    return level.get(left);
  }

  *scan(rows: Rows, range: KvRange): Generator<KvEntry> {
    const { start, end, reverse = false } = range;
    let left = range.limit ?? Number.POSITIVE_INFINITY;
    if (left <= 0 || end?.length === 0) return;
    const cut: RowRange = {
      start: headOf(start),
      end: headOf(end),
      // Some of the keys under the end's head lie below the end.
      inclusiveEnd: end !== undefined && end.length > HEAD_BYTES,
      reverse,
    };
    for (const entry of rows.range(cut)) {
      if (entry.key.length < HEAD_BYTES) {
        yield entry;
        left--;
      } else {
        for (const found of this.#under(entry, range, left)) {
          yield found;
          left--;
        }
      }
      if (left <= 0) return;
    }
  }

  /** Rows in the range whose keys begin with a head. */
  *#under(
    { key: head, value }: KvEntry,
    { start, end, reverse }: KvRange,
    limit: number,
  ): Generator<KvEntry> {
    const id = idOf(value);
    const range = {
      start: start !== undefined && isHeadOf(head, start) ? join(id, start.subarray(HEAD_BYTES)) : id,
      end: end !== undefined && isHeadOf(head, end) ? join(id, end.subarray(HEAD_BYTES)) : after(id),
      reverse: reverse ?? false,
      ...(limit === Number.POSITIVE_INFINITY ? {} : { limit }),
    };
    for (const found of this.scan(this.rest, range)) {
      yield { key: join(head, found.key.subarray(ID_BYTES)), value: found.value };
    }
  }
}

/** The writer's side. */
export class WritableLongKeys extends LongKeys<WritableRows> {
  put(rows: WritableRows, key: Uint8Array, value: Uint8Array): void {
    // Copies: they may be views of what was read last, which reading heads overwrites.
    const row = Uint8Array.from(value);
    let level = rows;
    let left: Uint8Array = Uint8Array.from(key);
    while (left.length >= HEAD_BYTES) {
      const head = left.subarray(0, HEAD_BYTES);
      const known = level.get(head);
      const id = known === undefined ? this.#addHead(level, head) : idOf(known);
      left = join(id, left.subarray(HEAD_BYTES));
      level = this.rest;
    }
    level.put(left, row);
  }

  #addHead(level: WritableRows, head: Uint8Array): Uint8Array {
    const last = this.rest.get(COUNTER_KEY);
    const id = last === undefined ? encodeId(1) : after(last);
    this.rest.put(COUNTER_KEY, id);
    level.put(head, new ByteWriter().u32(HEAD_MARK).bytes(id).copy());
    return id;
  }

  remove(rows: WritableRows, key: Uint8Array): void {
    const heads: { readonly level: WritableRows; readonly head: Uint8Array; readonly id: Uint8Array }[] = [];
    let level = rows;
    let left: Uint8Array = Uint8Array.from(key);
    while (left.length >= HEAD_BYTES) {
      const head = left.subarray(0, HEAD_BYTES);
      const known = level.get(head);
      if (known === undefined) return;
      const id = idOf(known);
      heads.push({ level, head, id });
      left = join(id, left.subarray(HEAD_BYTES));
      level = this.rest;
    }
    level.remove(left);
    // A head goes with the last of its keys, the deepest first: it is a key of the one above it.
    for (const { level, head, id } of heads.reverse()) {
      if (this.#isUsed(id)) return;
      level.remove(head);
    }
  }

  #isUsed(id: Uint8Array): boolean {
    for (const _ of this.scan(this.rest, { start: id, end: after(id), limit: 1 })) return true;
    return false;
  }
}

function encodeId(id: number): Uint8Array {
  return new ByteWriter().u48(id).copy();
}

/** The id that follows, and the end of the range of all keys that begin with `id`. */
function after(id: Uint8Array): Uint8Array {
  return encodeId(new ByteReader(id).u48() + 1);
}

/** A copy: the value is a view that the next call on the store overwrites. */
function idOf(value: Uint8Array): Uint8Array {
  const reader = new ByteReader(value);
  const isHead = value.length === 4 + ID_BYTES && reader.u32() === HEAD_MARK;
  invariant(isHead, `a row with a key of ${HEAD_BYTES} bytes is the head of long keys`);
  return Uint8Array.from(reader.bytes(ID_BYTES));
}

function join(start: Uint8Array, rest: Uint8Array): Uint8Array {
  const joined = new Uint8Array(start.length + rest.length);
  joined.set(start);
  joined.set(rest, start.length);
  return joined;
}

function headOf(bound: Uint8Array | undefined): Uint8Array | undefined {
  return bound === undefined || bound.length <= HEAD_BYTES ? bound : bound.subarray(0, HEAD_BYTES);
}

function isHeadOf(head: Uint8Array, key: Uint8Array): boolean {
  return key.length > HEAD_BYTES && Buffer.compare(head, key.subarray(0, HEAD_BYTES)) === 0;
}
