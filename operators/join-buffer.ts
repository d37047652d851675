import {
  type ByteReader,
  type ByteWriter,
  type Codec,
  intCodec,
  type MapSpec,
  type MapTable,
  MillraceError,
  mapTable,
  type ScopedMap,
  stringKey,
  type TablesOf,
  uintKey,
} from '../engine/index.ts';

/** Rows of a key that are written together. A commit rewrites at most the open chunk of a key. */
const CHUNK_ENTRIES = 64;

export interface BufferEntry<V> {
  readonly time_ms: number;
  readonly value: V;
  /** It has met a row of the other side. */
  matched: boolean;
}

/** What is known of a key in a bucket: full chunks lie in rows of their own. */
interface BufferHead<V> {
  sealed: number;
  open: BufferEntry<V>[];
}

/** The tables of one side of a join, in the operator's state. */
export interface BufferTables<V> {
  readonly heads: MapTable<string, BufferHead<V>>;
  readonly chunks: MapTable<string, BufferEntry<V>[]>;
  /** The buckets that hold rows. */
  readonly buckets: MapTable<number, number>;
}

/** The tables of both sides. */
export function joinState<L, R>(left: Codec<L>, right: Codec<R>, cacheRows: number | undefined) {
  const cache = cacheRows === undefined ? {} : { cacheRows };
  const heads = <V>(codec: Codec<V>): MapSpec<string, BufferHead<V>> =>
    mapTable({ key: stringKey, value: headCodec(entriesCodec(codec)), version: 1, ...cache });
  const chunks = <V>(codec: Codec<V>): MapSpec<string, BufferEntry<V>[]> =>
    mapTable({ key: stringKey, value: entriesCodec(codec), version: 1, ...cache });
  const buckets: MapSpec<number, number> = mapTable({ key: uintKey, value: intCodec, version: 1 });
  return {
    left: heads(left),
    leftChunks: chunks(left),
    leftBuckets: buckets,
    right: heads(right),
    rightChunks: chunks(right),
    rightBuckets: buckets,
  };
}

export type JoinState<L, R> = ReturnType<typeof joinState<L, R>>;

export interface JoinBuffers<L, R> {
  readonly left: JoinBuffer<L>;
  readonly right: JoinBuffer<R>;
}

export function joinBuffers<L, R>(
  state: TablesOf<JoinState<L, R>>,
  operator: string,
  max_entries_per_key: number,
): JoinBuffers<L, R> {
  const { left, leftChunks, leftBuckets, right, rightChunks, rightBuckets } = state;
  return {
    left: new JoinBuffer(
      { heads: left, chunks: leftChunks, buckets: leftBuckets },
      operator,
      max_entries_per_key,
    ),
    right: new JoinBuffer(
      { heads: right, chunks: rightChunks, buckets: rightBuckets },
      operator,
      max_entries_per_key,
    ),
  };
}

interface Bucket<V> {
  readonly heads: ScopedMap<string, BufferHead<V>>;
  readonly chunks: ScopedMap<string, BufferEntry<V>[]>;
}

/**
 * Rows of one side of a join by time bucket and key. Appending costs the same for a key with a million
 * rows as for one with a single row: full chunks are written once and left alone. A bucket goes as a
 * whole; nothing is ever looked for in buckets that are not due. In memory: a handle a bucket, and the
 * bounded caches of the tables.
 */
export class JoinBuffer<V> {
  readonly #tables: BufferTables<V>;
  readonly #registry: ScopedMap<number, number>;
  readonly #limit: number;
  readonly #operator: string;
  readonly #live = new Map<number, Bucket<V>>();
  #oldest = Number.POSITIVE_INFINITY;

  constructor(tables: BufferTables<V>, operator: string, max_entries_per_key: number) {
    this.#tables = tables;
    this.#operator = operator;
    this.#limit = max_entries_per_key;
    this.#registry = tables.buckets.scope('live');
    for (const [bucket] of this.#registry.entries()) this.#open(bucket);
  }

  #open(bucket: number): Bucket<V> {
    const rows = {
      heads: this.#tables.heads.scope(String(bucket)),
      chunks: this.#tables.chunks.scope(String(bucket)),
    };
    this.#live.set(bucket, rows);
    if (bucket < this.#oldest) this.#oldest = bucket;
    return rows;
  }

  /** Buckets that hold rows. */
  get buckets(): number {
    return this.#live.size;
  }

  /** The smallest bucket that holds rows; infinite when there is none. */
  get oldest(): number {
    return this.#oldest;
  }

  /** Buckets below `end` that hold rows, ascending. */
  before(end: number): number[] {
    if (this.#oldest >= end) return [];
    return [...this.#live.keys()].filter((bucket) => bucket < end).sort((a, b) => a - b);
  }

  append(bucket: number, key: string, entry: BufferEntry<V>): void {
    let rows = this.#live.get(bucket);
    if (rows === undefined) {
      rows = this.#open(bucket);
      this.#registry.set(bucket, 0);
    }
    const head = rows.heads.get(key);
    if (head === undefined) {
      rows.heads.set(key, { sealed: 0, open: [entry] });
      return;
    }
    const { length } = head.open;
    if (head.sealed * CHUNK_ENTRIES + length >= this.#limit) this.#full(key);
    if (length < CHUNK_ENTRIES) {
      head.open.push(entry);
    } else {
      rows.chunks.set(chunkKey(head.sealed, key), head.open);
      head.sealed++;
      head.open = [entry];
    }
    rows.heads.set(key, head);
  }

  #full(key: string): never {
    throw new MillraceError(
      'join_buffer_full',
      `Operator "${this.#operator}" holds ${this.#limit} rows of the key "${key}" in one time bucket, its limit. Nothing is lost: raise max_entries_per_key and start again, or keep rows without a real key (empty, "unknown") away from the join.`,
    );
  }

  /** Whether a key has rows in a bucket. */
  has(bucket: number, key: string): boolean {
    return this.#live.get(bucket)?.heads.get(key) !== undefined;
  }

  /** Shows each row of a key in some buckets to `visit`, which says whether it changed the row. */
  visit(first: number, last: number, key: string, visit: (entry: BufferEntry<V>) => boolean): void {
    if (this.#live.size === 0) return;
    if (last - first >= this.#live.size) {
      for (const [bucket, rows] of this.#live)
        if (bucket >= first && bucket <= last) visitKey(rows, key, visit);
      return;
    }
    for (let bucket = first; bucket <= last; bucket++) {
      const rows = this.#live.get(bucket);
      if (rows !== undefined) visitKey(rows, key, visit);
    }
  }

  /** All rows of a bucket by key, in no order that means anything. */
  *keys(bucket: number): Iterable<readonly [string, readonly BufferEntry<V>[]]> {
    const rows = this.#live.get(bucket);
    if (rows === undefined) return;
    for (const [key, { sealed, open }] of rows.heads.entries()) {
      if (sealed === 0) {
        yield [key, open];
        continue;
      }
      const all: BufferEntry<V>[] = [];
      for (let chunk = 0; chunk < sealed; chunk++) {
        for (const entry of rows.chunks.get(chunkKey(chunk, key)) ?? []) all.push(entry);
      }
      for (const entry of open) all.push(entry);
      yield [key, all];
    }
  }

  /** Removes a bucket, which must never be written to again. */
  drop(bucket: number): void {
    if (!this.#live.delete(bucket)) return;
    this.#registry.delete(bucket);
    this.#tables.heads.drop(String(bucket));
    this.#tables.chunks.drop(String(bucket));
    if (bucket === this.#oldest) {
      this.#oldest = Number.POSITIVE_INFINITY;
      for (const other of this.#live.keys()) if (other < this.#oldest) this.#oldest = other;
    }
  }
}

function chunkKey(chunk: number, key: string): string {
  return `${chunk}|${key}`;
}

function visitKey<V>(rows: Bucket<V>, key: string, visit: (entry: BufferEntry<V>) => boolean): void {
  const head = rows.heads.get(key);
  if (head === undefined) return;
  for (let chunk = 0; chunk < head.sealed; chunk++) {
    const id = chunkKey(chunk, key);
    const entries = rows.chunks.get(id) ?? [];
    if (visitAll(entries, visit)) rows.chunks.set(id, entries);
  }
  if (visitAll(head.open, visit)) rows.heads.set(key, head);
}

function visitAll<V>(entries: readonly BufferEntry<V>[], visit: (entry: BufferEntry<V>) => boolean): boolean {
  let changed = false;
  for (const entry of entries) if (visit(entry)) changed = true;
  return changed;
}

/** Each: twice the time, plus one when it is matched; then the value. */
function entriesCodec<V>(codec: Codec<V>): Codec<BufferEntry<V>[]> {
  return {
    write: (writer: ByteWriter, entries) => {
      writer.varint(entries.length);
      for (const { time_ms, value, matched } of entries) {
        writer.varint(time_ms * 2 + (matched ? 1 : 0));
        codec.write(writer, value);
      }
    },
    read: (reader: ByteReader) => {
      const entries = new Array<BufferEntry<V>>(reader.varint());
      for (let index = 0; index < entries.length; index++) {
        const stamp = reader.varint();
        const matched = stamp % 2 === 1;
        entries[index] = { time_ms: (stamp - (matched ? 1 : 0)) / 2, value: codec.read(reader), matched };
      }
      return entries;
    },
  };
}

function headCodec<V>(entries: Codec<BufferEntry<V>[]>): Codec<BufferHead<V>> {
  return {
    write: (writer, { sealed, open }) => {
      writer.varint(sealed);
      entries.write(writer, open);
    },
    read: (reader) => ({ sealed: reader.varint(), open: entries.read(reader) }),
  };
}
