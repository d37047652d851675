import { ByteReader, ByteWriter } from './bytes.ts';
import type { Codec, KeyCodec } from './codec.ts';
import { stringKey } from './codec.ts';
import { invariant, MillraceError } from './errors.ts';
import type { KvEntry, KvRange, KvStore, KvTable, KvView } from './kv.ts';
import { prefixEnd } from './kv.ts';

/**
 * A row is forgotten this long after it was last written, both by the watermark, to the day. Not by the
 * time of what it says: events from years ago are remembered as long as any others.
 */
export interface Ttl {
  readonly retain_ms: number;
}

const DAY_MS = 86_400_000;
/** In front of the value of a row with a TTL: the day of the watermark when it was written. */
export const TTL_PREFIX_BYTES = 2;

/** The watermark beyond which a stored row with a TTL is forgotten. */
export function expiryOf(row: Uint8Array, { retain_ms }: Ttl): number {
  const day = ((row[0] as number) << 8) | (row[1] as number);
  return (day + 1) * DAY_MS + retain_ms;
}

export interface MapSpec<K extends string | number, V> {
  readonly kind: 'map';
  readonly key: KeyCodec<K>;
  readonly value: Codec<V>;
  /** Raise it when the value's bytes change meaning. */
  readonly version: number;
  /** Turns a value of an older version into this one's; without it an older table is refused. */
  readonly migrate?: (bytes: Uint8Array, fromVersion: number) => V;
  readonly ttl?: Ttl;
  /** Clean rows kept in memory, in rows. */
  readonly cacheRows?: number;
}

export interface RawSpec {
  readonly kind: 'raw';
  readonly version: number;
  /**
   * The table's logical rows as bytes, in an order that depends on content only. Without it the rows
   * are taken as they lie: right for a table whose layout is a function of its content.
   */
  readonly logicalRows?: (
    view: KvView,
    watermark_ms: number,
    /** Another table of the same operator. */
    sibling: (table: string) => KvView,
  ) => Iterable<Uint8Array>;
}

// The variance of codecs needs a wide constraint; `TablesOf` gives each table its exact type.
export type TableSpecs = Readonly<Record<string, { readonly kind: 'map' | 'raw'; readonly version: number }>>;

export type TablesOf<S> = {
  readonly [N in keyof S]: S[N] extends MapSpec<infer K, infer V>
    ? MapTable<K, V>
    : S[N] extends RawSpec
      ? RawTable
      : never;
};

export function mapTable<K extends string | number, V>(spec: Omit<MapSpec<K, V>, 'kind'>): MapSpec<K, V> {
  return { kind: 'map', ...spec };
}

/** A table whose operator lays out bytes itself: bulk data, composite ranges. */
export function rawTable(spec: Omit<RawSpec, 'kind'>): RawSpec {
  return { kind: 'raw', ...spec };
}

export const DEFAULT_CACHE_ROWS = 100_000;
const SWEEP_ROWS_PER_COMMIT = 100;

interface Row<K, V> {
  readonly scope: Scope<K, V>;
  readonly key: K;
  value: V | undefined;
  dirty: boolean;
  /** Watermark beyond which the value has expired. */
  until_ms: number;
}

interface Scope<K, V> {
  readonly prefix: Uint8Array;
  young: Map<K, Row<K, V>>;
  old: Map<K, Row<K, V>>;
}

/** State that the runner flushes inside the commit and refreshes after it. */
export interface Flushable {
  flush(watermark_ms: number): void;
}

/**
 * Keyed state with a write-back cache: a row that changes a thousand times between two commits is
 * encoded and written once. Rows live in scopes (one per tenant, say), so that a key needs no prefix.
 * The cache is two generations: when the young one is full it becomes the old one, and clean rows of
 * the former old one go. Rows changed since the last commit are never dropped.
 */
export class MapTable<K extends string | number, V> implements Flushable {
  readonly #spec: MapSpec<K, V>;
  readonly #table: KvTable;
  readonly #writer = new ByteWriter();
  readonly #scopes = new Map<string, Scope<K, V>>();
  readonly #dirty: Row<K, V>[] = [];
  readonly #dropped = new Set<string>();
  readonly #limit_rows: number;
  /** In one of the generations as long as it is here. */
  #last: Row<K, V> | undefined;
  #young_rows = 0;
  #watermark_ms = 0;
  #sweepFrom: Uint8Array | undefined;

  constructor(spec: MapSpec<K, V>, table: KvTable) {
    this.#spec = spec;
    this.#table = table;
    this.#limit_rows = Math.max(1, Math.floor((spec.cacheRows ?? DEFAULT_CACHE_ROWS) / 2));
  }

  /** The part of the table that belongs to `name`. */
  scope(name: string): ScopedMap<K, V> {
    let scope = this.#scopes.get(name);
    if (scope === undefined) {
      const prefix = new ByteWriter().orderedString(name).copy();
      scope = { prefix, young: new Map(), old: new Map() };
      this.#scopes.set(name, scope);
    }
    const held = scope;
    return {
      get: (key) => this.#get(held, key),
      set: (key, value) => this.#set(held, key, value),
      delete: (key) => this.#set(held, key, undefined),
      entries: () => this.#entries(held),
    };
  }

  /** Deletes every row of a scope and lets go of its cache: handles of it must not be used any more. */
  drop(name: string): void {
    const scope = this.#scopes.get(name);
    for (const [key] of this.scope(name).entries()) this.scope(name).delete(key);
    if (scope !== undefined) this.#dropped.add(name);
  }

  #entries(scope: Scope<K, V>): readonly (readonly [K, V])[] {
    const found = new Map<string, readonly [K, V]>();
    const put = (row: Row<K, V>): void => {
      const id = Buffer.from(this.#keyBytes(scope, row.key)).toString('latin1');
      if (row.value === undefined || row.until_ms < this.#watermark_ms) found.delete(id);
      else found.set(id, [row.key, row.value]);
    };
    const end = prefixEnd(scope.prefix);
    for (const entry of this.#table.scan({ start: scope.prefix, ...(end === undefined ? {} : { end }) })) {
      if (this.#until(entry.value) < this.#watermark_ms) continue;
      const key = this.#spec.key.read(new ByteReader(entry.key.subarray(scope.prefix.length)));
      found.set(Buffer.from(entry.key).toString('latin1'), [key, this.#decode(entry.value)]);
    }
    for (const rows of [scope.old, scope.young]) for (const row of rows.values()) put(row);
    return [...found].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, entry]) => entry);
  }

  get dirtyRows(): number {
    return this.#dirty.length;
  }

  get cachedRows(): number {
    let rows = 0;
    for (const scope of this.#scopes.values()) rows += scope.young.size + scope.old.size;
    return rows;
  }

  #row(scope: Scope<K, V>, key: K): Row<K, V> {
    // What is read is often written next.
    const last = this.#last;
    if (last !== undefined && last.key === key && last.scope === scope) return last;
    const row = this.#find(scope, key);
    this.#last = row;
    return row;
  }

  #find(scope: Scope<K, V>, key: K): Row<K, V> {
    let row = scope.young.get(key);
    if (row !== undefined) return row;
    row = scope.old.get(key);
    if (row === undefined) {
      const bytes = this.#table.get(this.#keyBytes(scope, key));
      const value = bytes === undefined ? undefined : this.#decode(bytes);
      row = {
        scope,
        key,
        value,
        dirty: false,
        until_ms: bytes === undefined ? Number.POSITIVE_INFINITY : this.#until(bytes),
      };
    } else {
      scope.old.delete(key);
    }
    scope.young.set(key, row);
    if (++this.#young_rows > this.#limit_rows) this.#turn();
    return row;
  }

  #get(scope: Scope<K, V>, key: K): V | undefined {
    const { value, until_ms } = this.#row(scope, key);
    return until_ms < this.#watermark_ms ? undefined : value;
  }

  #set(scope: Scope<K, V>, key: K, value: V | undefined): void {
    const row = this.#row(scope, key);
    row.value = value;
    row.until_ms = Number.POSITIVE_INFINITY;
    if (!row.dirty) {
      row.dirty = true;
      this.#dirty.push(row);
    }
  }

  #turn(): void {
    this.#young_rows = 0;
    this.#last = undefined;
    for (const scope of this.#scopes.values()) {
      const young = scope.young;
      for (const [key, row] of scope.old) {
        if (row.dirty) {
          young.set(key, row);
        }
      }
      scope.old = young;
      scope.young = new Map();
    }
  }

  #until(row: Uint8Array): number {
    return this.#spec.ttl === undefined ? Number.POSITIVE_INFINITY : expiryOf(row, this.#spec.ttl);
  }

  #keyBytes(scope: Scope<K, V>, key: K): Uint8Array {
    const writer = this.#writer.reset().bytes(scope.prefix);
    this.#spec.key.write(writer, key);
    return writer.view();
  }

  #decode(row: Uint8Array): V {
    return this.#spec.value.read(
      new ByteReader(this.#spec.ttl === undefined ? row : row.subarray(TTL_PREFIX_BYTES)),
    );
  }

  /** Time moves before the operator's next batch, never within one: expiry must not depend on arrival. */
  advance(watermark_ms: number): void {
    this.#watermark_ms = watermark_ms;
  }

  /** Writes what changed. In order of change: sorting costs as much as it saves, since each page is written once a commit anyway. */
  flush(watermark_ms: number): void {
    const dirty = this.#dirty;
    const valueWriter = new ByteWriter();
    const { ttl } = this.#spec;
    const day = Math.floor(watermark_ms / DAY_MS);
    for (const row of dirty) {
      const keyBytes = this.#keyBytes(row.scope, row.key);
      if (row.value === undefined) this.#table.remove(keyBytes);
      else {
        valueWriter.reset();
        if (ttl !== undefined) valueWriter.u8(day >> 8).u8(day & 0xff);
        this.#spec.value.write(valueWriter, row.value);
        const bytes = valueWriter.view();
        row.until_ms = this.#until(bytes);
        this.#table.put(keyBytes, bytes);
      }
      row.dirty = false;
    }
    dirty.length = 0;
    for (const name of this.#dropped) this.#scopes.delete(name);
    this.#dropped.clear();
    this.#last = undefined;
    this.#watermark_ms = watermark_ms;
    if (this.#spec.ttl !== undefined) this.#sweep();
  }

  /** Looks at a bounded number of rows each commit and removes the expired: cost stays flat. */
  #sweep(): void {
    const range: KvRange = this.#sweepFrom === undefined ? {} : { start: this.#sweepFrom };
    const gone: Uint8Array[] = [];
    let seen = 0;
    let last: Uint8Array | undefined;
    for (const entry of this.#table.scan({ ...range, limit: SWEEP_ROWS_PER_COMMIT })) {
      seen++;
      last = entry.key;
      if (this.#until(entry.value) < this.#watermark_ms) gone.push(Uint8Array.from(entry.key));
    }
    this.#sweepFrom = seen < SWEEP_ROWS_PER_COMMIT || last === undefined ? undefined : Uint8Array.from(last);
    for (const key of gone) this.#table.remove(key);
  }
}

export interface ScopedMap<K, V> {
  get(key: K): V | undefined;
  /** Marks the row changed, also when `value` is the object that `get` gave. */
  set(key: K, value: V): void;
  delete(key: K): void;
  /** Every row of the scope, committed or not, in key order: reads all of them. */
  entries(): readonly (readonly [K, V])[];
}

/** Bytes in, bytes out; writes only while a barrier passes (inside the commit's transaction). */
export type RawTable = KvTable;

const SCHEMA_TABLE = 'meta';

/** Opens an operator's tables, checking each one's stored schema version and migrating where it can. */
export function openTables<S extends TableSpecs>(store: KvStore, operator: string, specs: S): TablesOf<S> {
  const tables: Record<string, unknown> = {};
  for (const [name, spec] of Object.entries(specs)) {
    const id = `${operator}/${name}`;
    const table = store.table(id);
    checkVersion(store, id, spec, table);
    tables[name] = spec.kind === 'raw' ? table : new MapTable(spec as MapSpec<string, unknown>, table);
  }
  return tables as TablesOf<S>;
}

function checkVersion(store: KvStore, id: string, spec: TableSpecs[string], table: KvTable): void {
  const meta = store.table(SCHEMA_TABLE);
  const key = new ByteWriter().orderedString('schema').orderedString(id).copy();
  const stored = meta.get(key);
  const found = stored === undefined ? undefined : new ByteReader(stored).varint();
  if (found === spec.version) return;
  const migrate = spec.kind === 'map' ? (spec as MapSpec<string, unknown>).migrate : undefined;
  if (found !== undefined && (migrate === undefined || found > spec.version)) {
    throw new MillraceError(
      'state_schema_mismatch',
      `State table "${id}" was written with schema version ${found}; this program reads version ${spec.version} and has no migration. Run the version that wrote it, or rebuild the state from the stream by moving the state folder away.`,
    );
  }
  store.transaction(() => {
    if (found !== undefined && migrate !== undefined) rewrite(table, spec as MapSpec<string, unknown>, found);
    store.table(SCHEMA_TABLE).put(key, new ByteWriter().varint(spec.version).copy());
  });
}

function rewrite(table: KvTable, spec: MapSpec<string, unknown>, from: number): void {
  invariant(spec.migrate !== undefined, 'a migration is needed here');
  const rows: KvEntry[] = [];
  const writer = new ByteWriter();
  for (const entry of table.scan()) {
    rows.push({ key: Uint8Array.from(entry.key), value: Uint8Array.from(entry.value) });
  }
  const prefix = spec.ttl === undefined ? 0 : TTL_PREFIX_BYTES;
  for (const row of rows) {
    writer.reset().bytes(row.value.subarray(0, prefix));
    spec.value.write(writer, spec.migrate(row.value.subarray(prefix), from));
    table.put(row.key, writer.view());
  }
}

/** The range of keys of one scope of a map table, for readers. */
export function scopeRange(scope: string): KvRange & { prefix: Uint8Array } {
  const prefix = new ByteWriter().bytes(encodeScope(scope)).copy();
  const end = prefixEnd(prefix);
  return end === undefined ? { prefix, start: prefix } : { prefix, start: prefix, end };
}

function encodeScope(scope: string): Uint8Array {
  const writer = new ByteWriter();
  stringKey.write(writer, scope);
  return writer.copy();
}
