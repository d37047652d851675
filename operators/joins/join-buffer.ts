import {
  ByteReader,
  ByteWriter,
  type Codec,
  intCodec,
  invariant,
  type KvView,
  type MapSpec,
  type MapTable,
  MillraceError,
  mapTable,
  type ScopedMap,
  stringKey,
  type TablesOf,
} from '../../engine/index.ts';

/** Rows of a key that are written together. A commit rewrites at most the open chunk of a key. */
const CHUNK_ENTRIES = 64;

export interface BufferEntry<V> {
  readonly time_ms: number;
  readonly value: V;
  /** It has met a row of the other side. */
  matched: boolean;
}

/** Rows of a key in a bucket: those of the open chunk, and how many full ones lie in rows of their own. */
interface Chunk<V> {
  sealed: number;
  entries: BufferEntry<V>[];
}

/** The tables of both sides. In each a bucket has a scope for the open chunks and one for the full ones. */
export function joinState<L, R>(left: Codec<L>, right: Codec<R>, cacheRows: number | undefined) {
  const cache = cacheRows === undefined ? {} : { cacheRows };
  const rows = <V>(codec: Codec<V>): MapSpec<string, Chunk<V>> =>
    mapTable({
      key: stringKey,
      value: chunkCodec(codec),
      version: 1,
      logicalRows: (view) => logicalEntries(view, codec),
      ...cache,
    });
  return {
    left: rows(left),
    right: rows(right),
    /** The buckets that hold rows, by side; and the layout with the time up to which rows have gone. */
    control: mapTable<string, number>({
      key: stringKey,
      value: intCodec,
      version: 1,
      // Whether there are full chunks the rows say themselves; how far time has come is the way, not the content.
      logical: () => 0,
    }),
  };
}

export type JoinState<L, R> = ReturnType<typeof joinState<L, R>>;

/** Those whose rows a join's definition is of: while they are empty another one may take its place. */
export const JOIN_ROWS = ['left', 'right'] as const;

export interface JoinBuffers<L, R> {
  readonly left: JoinBuffer<L>;
  readonly right: JoinBuffer<R>;
  readonly reached: Reached;
}

/**
 * How far the watermark less the allowed lateness has come, in the commit: a start that allows more does not
 * take rows whose matches have gone.
 */
export class Reached {
  readonly #row: ScopedMap<string, number>;
  readonly #layout: string;
  #time_ms: number;

  constructor(row: ScopedMap<string, number>, layout: string) {
    this.#row = row;
    this.#layout = layout;
    this.#time_ms = row.get(layout) ?? 0;
  }

  get time_ms(): number {
    return this.#time_ms;
  }

  /** Gives the later one. */
  advance(time_ms: number): number {
    const whole_ms = Math.min(Math.floor(time_ms), Number.MAX_SAFE_INTEGER);
    if (whole_ms > this.#time_ms) {
      this.#time_ms = whole_ms;
      this.#row.set(this.#layout, whole_ms);
    }
    return this.#time_ms;
  }
}

/**
 * `layout` says in words what the rows in the state depend on: rows of another layout would be taken for
 * what they are not. Throws `join_changed` when there are such rows.
 */
export function joinBuffers<L, R>(
  state: TablesOf<JoinState<L, R>>,
  operator: string,
  max_entries_per_key: number,
  layout: string,
): JoinBuffers<L, R> {
  const { left, right, control } = state;
  const limits = { operator, max_entries_per_key };
  const buffers = {
    left: new JoinBuffer(left, control.scope('left'), limits),
    right: new JoinBuffer(right, control.scope('right'), limits),
  };
  const known = control.scope('layout');
  const [stored, reached_ms] = known.entries()[0] ?? [undefined, 0];
  if (stored !== undefined && stored !== layout) {
    if (buffers.left.buckets + buffers.right.buckets > 0) {
      throw new MillraceError(
        'join_changed',
        `Operator "${operator}" is to run with ${layout}, but the rows in its state were kept with ` +
          `${stored}. Give it another name, under which it begins with no rows, or set it back.`,
      );
    }
    known.delete(stored);
  }
  if (stored !== layout) known.set(layout, reached_ms);
  return { ...buffers, reached: new Reached(known, layout) };
}

interface Bucket<V> {
  readonly open: ScopedMap<string, Chunk<V>>;
  readonly full: ScopedMap<string, Chunk<V>>;
  hasFull: boolean;
}

/**
 * Rows of one side of a join by time bucket and key. Appending costs the same for a key with a million
 * rows as for one with a single row: full chunks are written once and left alone. A bucket goes as a
 * whole; nothing is ever looked for in buckets that are not due. In memory: a handle a bucket, and the
 * bounded caches of the tables.
 */
export class JoinBuffer<V> {
  readonly #table: MapTable<string, Chunk<V>>;
  /** Buckets that hold rows: 1 where some of them lie in full chunks, else 0. */
  readonly #registry: ScopedMap<string, number>;
  readonly #limit: number;
  readonly #operator: string;
  readonly #live = new Map<number, Bucket<V>>();
  /** Their numbers in order, while none comes or goes: a restart must not change the order of matches. */
  #sorted: readonly number[] | undefined;
  #oldest = Number.POSITIVE_INFINITY;

  constructor(
    table: MapTable<string, Chunk<V>>,
    registry: ScopedMap<string, number>,
    limits: { readonly operator: string; readonly max_entries_per_key: number },
  ) {
    this.#table = table;
    this.#operator = limits.operator;
    this.#limit = limits.max_entries_per_key;
    this.#registry = registry;
    for (const [bucket, full] of registry.entries()) this.#open(Number(bucket), full === 1);
  }

  #open(bucket: number, hasFull: boolean): Bucket<V> {
    const open = this.#table.scope(openScope(bucket));
    const rows = { open, full: this.#table.scope(fullScope(bucket)), hasFull };
    this.#live.set(bucket, rows);
    this.#sorted = undefined;
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
      rows = this.#open(bucket, false);
      this.#registry.set(String(bucket), 0);
    }
    const chunk = rows.open.get(key);
    if (chunk === undefined) {
      rows.open.set(key, { sealed: 0, entries: [entry] });
      return;
    }
    const { length } = chunk.entries;
    if (chunk.sealed * CHUNK_ENTRIES + length >= this.#limit) this.#full(key);
    if (length < CHUNK_ENTRIES) {
      chunk.entries.push(entry);
    } else {
      rows.full.set(fullKey(chunk.sealed, key), { sealed: 0, entries: chunk.entries });
      chunk.sealed++;
      if (!rows.hasFull) {
        rows.hasFull = true;
        this.#registry.set(String(bucket), 1);
      }
      chunk.entries = [entry];
    }
    rows.open.set(key, chunk);
  }

  #full(key: string): never {
    throw new MillraceError(
      'join_buffer_full',
      `Operator "${this.#operator}" holds ${this.#limit} rows of the key "${key}" in one time bucket, ` +
        'its limit. Nothing is lost: raise max_entries_per_key and start again, or keep rows without a ' +
        'real key (empty, "unknown") away from the join.',
    );
  }

  /** Rows of a key in a bucket: the place of the next one. */
  count(bucket: number, key: string): number {
    const chunk = this.#live.get(bucket)?.open.get(key);
    return chunk === undefined ? 0 : chunk.sealed * CHUNK_ENTRIES + chunk.entries.length;
  }

  /** Whether a key has rows in a bucket. */
  has(bucket: number, key: string): boolean {
    return this.#live.get(bucket)?.open.get(key) !== undefined;
  }

  /** Shows each row of a key in some buckets to `visit`, which says whether it changed the row. */
  visit(first: number, last: number, key: string, visit: Visit<V>): void {
    if (this.#live.size === 0) return;
    if (last - first >= this.#live.size) {
      this.#sorted ??= [...this.#live.keys()].sort((a, b) => a - b);
      for (const bucket of this.#sorted) {
        const rows = this.#live.get(bucket);
        if (rows !== undefined && bucket >= first && bucket <= last) visitKey(rows, key, visit);
      }
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
    for (const [key, { sealed, entries }] of rows.open.entries()) {
      if (sealed === 0) {
        yield [key, entries];
        continue;
      }
      const all: BufferEntry<V>[] = [];
      for (let number = 0; number < sealed; number++) {
        for (const entry of fullChunk(rows, number, key).entries) all.push(entry);
      }
      for (const entry of entries) all.push(entry);
      yield [key, all];
    }
  }

  /** Removes a bucket, which must never be written to again. */
  drop(bucket: number): void {
    const rows = this.#live.get(bucket);
    if (rows === undefined) return;
    this.#live.delete(bucket);
    this.#sorted = undefined;
    this.#registry.delete(String(bucket));
    this.#table.drop(openScope(bucket));
    if (rows.hasFull) this.#table.drop(fullScope(bucket));
    if (bucket === this.#oldest) {
      this.#oldest = Number.POSITIVE_INFINITY;
      for (const other of this.#live.keys()) if (other < this.#oldest) this.#oldest = other;
    }
  }
}

function openScope(bucket: number): string {
  return `${bucket}`;
}

const FULL = ' full';

function fullScope(bucket: number): string {
  return `${bucket}${FULL}`;
}

function fullKey(number: number, key: string): string {
  return `${number}|${key}`;
}

function fullChunk<V>(rows: Bucket<V>, number: number, key: string): Chunk<V> {
  const chunk = rows.full.get(fullKey(number, key));
  invariant(chunk !== undefined, 'every full chunk of a join buffer is there');
  return chunk;
}

/** Is shown a row and its place among those of its key and bucket; says whether it changed the row. */
type Visit<V> = (entry: BufferEntry<V>, place: number) => boolean;

function visitKey<V>(rows: Bucket<V>, key: string, visit: Visit<V>): void {
  const open = rows.open.get(key);
  if (open === undefined) return;
  for (let number = 0; number < open.sealed; number++) {
    const full = fullChunk(rows, number, key);
    if (visitAll(full.entries, number * CHUNK_ENTRIES, visit)) rows.full.set(fullKey(number, key), full);
  }
  if (visitAll(open.entries, open.sealed * CHUNK_ENTRIES, visit)) rows.open.set(key, open);
}

function visitAll<V>(entries: readonly BufferEntry<V>[], first: number, visit: Visit<V>): boolean {
  let changed = false;
  let place = first;
  for (const entry of entries) if (visit(entry, place++)) changed = true;
  return changed;
}

/** Twice the time, plus one when it is matched; then the value. */
function writeEntry<V>(
  writer: ByteWriter,
  { time_ms, value, matched }: BufferEntry<V>,
  codec: Codec<V>,
): void {
  writer.varint(time_ms * 2 + (matched ? 1 : 0));
  codec.write(writer, value);
}

function chunkCodec<V>(codec: Codec<V>): Codec<Chunk<V>> {
  return {
    write: (writer: ByteWriter, { sealed, entries }) => {
      writer.varint(sealed).varint(entries.length);
      for (const entry of entries) writeEntry(writer, entry, codec);
    },
    read: (reader: ByteReader) => {
      const sealed = reader.varint();
      const entries = new Array<BufferEntry<V>>(reader.varint());
      for (let index = 0; index < entries.length; index++) {
        const stamp = reader.varint();
        const matched = stamp % 2 === 1;
        entries[index] = { time_ms: (stamp - (matched ? 1 : 0)) / 2, value: codec.read(reader), matched };
      }
      return { sealed, entries };
    },
  };
}

/** Each entry of each bucket and key, sorted: which chunk it lies in, and where, is due to its arrival. */
function* logicalEntries<V>(view: KvView, codec: Codec<V>): Iterable<Uint8Array> {
  const chunks = chunkCodec(codec);
  let bucket = '';
  let rows: Buffer[] = [];
  for (const { key, value } of view.scan()) {
    const reader = new ByteReader(key);
    const scope = reader.orderedString();
    const isFull = scope.endsWith(FULL);
    const of = isFull ? scope.slice(0, -FULL.length) : scope;
    // The scopes of one bucket lie one after the other.
    if (of !== bucket) yield* rows.sort(Buffer.compare);
    if (of !== bucket) rows = [];
    bucket = of;
    const stored = stringKey.read(reader);
    const name = isFull ? stored.slice(stored.indexOf('|') + 1) : stored;
    for (const entry of chunks.read(new ByteReader(value)).entries) {
      const writer = new ByteWriter().orderedString(bucket).orderedString(name);
      writeEntry(writer, entry, codec);
      rows.push(writer.copy());
    }
  }
  yield* rows.sort(Buffer.compare);
}
