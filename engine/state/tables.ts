import { ByteReader, ByteWriter, stringKey } from '../base/index.ts';
import { type KvRange, type KvStore, type KvTable, prefixEnd } from './kv.ts';
import { migrateRows } from './migration.ts';
import { checkVersion } from './schema-version.ts';
import { type StateChecks, TableChecks } from './table-checks.ts';
import type { MapSpec, RawSpec, TableSpecs } from './table-specs.ts';
import { expiryOf, expiryOfDay, TTL_PREFIX_BYTES, TtlSweep, ttlDay } from './ttl.ts';

/** The tables that an operator gets for what its spec names. */
export type TablesOf<S> = {
  readonly [N in keyof S]: S[N] extends MapSpec<infer K, infer V>
    ? MapTable<K, V>
    : S[N] extends RawSpec
      ? RawTable
      : never;
};

export const DEFAULT_CACHE_ROWS = 100_000;
interface Row<K, V> {
  readonly scope: Scope<K, V>;
  readonly key: K;
  value: V | undefined;
  dirty: boolean;
  /** The store may have a row of the key. */
  stored: boolean;
  /** Watermark beyond which the value has expired. */
  until_ms: number;
  /** Of the watermark when it was set, where that counts. */
  day: number;
}

interface MapTableOptions {
  readonly id: string;
  readonly checks: StateChecks;
  readonly ordered?: boolean;
}

interface Scope<K, V> {
  readonly name: string;
  readonly prefix: Uint8Array;
  /** Let go of with its cache: who holds it takes the one that is in its place now. */
  gone: boolean;
  /** Dropped: what the store holds of it counts no more, and is removed at the flush. */
  dropped: boolean;
  young: Map<K, Row<K, V>>;
  old: Map<K, Row<K, V>>;
}

/** State that the runner flushes inside the commit and refreshes after it. */
export interface Flushable {
  flush(watermark_ms: number): void;
  /** After each batch, where state is looked at closely: throws for what a restart would lose. */
  check?(): void;
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
  readonly #dropped = new Set<Scope<K, V>>();
  readonly #limit_rows: number;
  /** In one of the generations as long as it is here. */
  #last: Row<K, V> | undefined;
  #young_rows = 0;
  #watermark_ms = 0;
  readonly #sweep: TtlSweep | undefined;
  readonly #checks: TableChecks<V>;
  /** Rows are of the day on which they are set, and else of that on which they are written. */
  readonly #ordered: boolean;
  /** The day of what is set now, and until when it is there. */
  #day = 0;
  #until_ms = Number.POSITIVE_INFINITY;

  constructor(spec: MapSpec<K, V>, table: KvTable, { id, checks, ordered = false }: MapTableOptions) {
    this.#ordered = ordered;
    this.#checks = new TableChecks(id, spec.value, checks, spec.changesInPlace === true);
    this.#spec = spec;
    this.#table = table;
    this.#sweep = spec.ttl === undefined ? undefined : new TtlSweep(table, spec.ttl);
    this.#limit_rows = Math.max(1, Math.floor((spec.cacheRows ?? DEFAULT_CACHE_ROWS) / 2));
    this.#turnDay();
  }

  /** In an ordered task how long a row is there must not depend on the commit that writes it. */
  #turnDay(): void {
    const { ttl } = this.#spec;
    if (!this.#ordered || ttl === undefined) return;
    this.#day = ttlDay(this.#watermark_ms);
    this.#until_ms = expiryOfDay(this.#day, ttl);
  }

  /** The part of the table that belongs to `name`. A handle may be kept: it is good for the table's life. */
  scope(name: string): ScopedMap<K, V> {
    let held = this.#scope(name);
    const current = (): Scope<K, V> => {
      if (held.gone) held = this.#scope(name);
      return held;
    };
    return {
      get: (key) => this.#get(current(), key),
      set: (key, value) => this.#set(current(), key, value),
      delete: (key) => this.#set(current(), key, undefined),
      entries: () => this.#entries(current()),
    };
  }

  #scope(name: string): Scope<K, V> {
    let scope = this.#scopes.get(name);
    if (scope === undefined) {
      const prefix = new ByteWriter().orderedString(name).copy();
      scope = { name, prefix, gone: false, dropped: false, young: new Map(), old: new Map() };
      this.#scopes.set(name, scope);
    }
    return scope;
  }

  /** Deletes every row of a scope, and at the commit lets go of what is cached of it. */
  drop(name: string): void {
    const scope = this.#scope(name);
    // Without a look at the rows in the store: those of a large window would all have to be read first.
    for (const rows of [scope.old, scope.young]) for (const row of rows.values()) row.dirty = false;
    scope.old = new Map();
    scope.young = new Map();
    scope.dropped = true;
    this.#last = undefined;
    this.#dropped.add(scope);
  }

  #release(scope: Scope<K, V>): void {
    scope.gone = true;
    if (this.#scopes.get(scope.name) === scope) this.#scopes.delete(scope.name);
  }

  #entries(scope: Scope<K, V>): readonly (readonly [K, V])[] {
    const found = new Map<string, readonly [K, V]>();
    const put = (row: Row<K, V>): void => {
      const id = Buffer.from(this.#keyBytes(scope, row.key)).toString('latin1');
      if (row.value === undefined || row.until_ms < this.#watermark_ms) found.delete(id);
      else found.set(id, [row.key, row.value]);
    };
    for (const entry of scope.dropped ? [] : this.#table.scan(rangeOf(scope, this.#spec.key))) {
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

  get cachedScopes(): number {
    return this.#scopes.size;
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
      const bytes = scope.dropped ? undefined : this.#table.get(this.#keyBytes(scope, key));
      const value = bytes === undefined ? undefined : this.#decode(bytes);
      row = {
        scope,
        key,
        value,
        dirty: false,
        stored: bytes !== undefined,
        until_ms: bytes === undefined ? Number.POSITIVE_INFINITY : this.#until(bytes),
        day: 0,
      };
    } else {
      scope.old.delete(key);
    }
    scope.young.set(key, row);
    if (++this.#young_rows > this.#limit_rows) this.#turn();
    return row;
  }

  #get(scope: Scope<K, V>, key: K): V | undefined {
    const row = this.#row(scope, key);
    const { value, until_ms } = row;
    if (value === undefined || until_ms < this.#watermark_ms) return undefined;
    this.#checks.gave(row, value);
    return value;
  }

  #set(scope: Scope<K, V>, key: K, value: V | undefined): void {
    const row = this.#row(scope, key);
    row.value = value;
    this.#checks.set(row);
    row.until_ms = this.#until_ms;
    row.day = this.#day;
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
      // Without it a scope for each window or session would stay here for ever.
      if (young.size === 0 && !scope.dropped) this.#release(scope);
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
    this.#turnDay();
  }

  /** Throws `state_changed_in_place` for what was given out and changed, where that is looked at. */
  check(): void {
    this.#checks.look();
  }

  /** Writes what changed. In order of change: sorting costs as much as it saves, since each page is written once a commit anyway. */
  flush(watermark_ms: number): void {
    this.#checks.look();
    const dirty = this.#dirty;
    const valueWriter = new ByteWriter();
    const { ttl } = this.#spec;
    // The branches of a topology may be further than the task.
    this.#watermark_ms = Math.max(this.#watermark_ms, watermark_ms);
    this.#turnDay();
    const today = ttlDay(this.#watermark_ms);
    let oldest = today;
    for (const scope of this.#dropped) this.#table.removeRange(rangeOf(scope, this.#spec.key));
    for (const row of dirty) {
      // Of a scope that was dropped since.
      if (!row.dirty) continue;
      const keyBytes = this.#keyBytes(row.scope, row.key);
      if (row.value === undefined) {
        // What comes and goes between two commits never was there.
        if (row.stored) this.#table.remove(keyBytes);
        // That it is gone is no reason to stay in memory: keys that end are seldom asked for again.
        if (!row.scope.young.delete(row.key)) row.scope.old.delete(row.key);
      } else {
        valueWriter.reset();
        if (ttl !== undefined) {
          const day = this.#ordered ? row.day : today;
          if (day < oldest) oldest = day;
          valueWriter.u8(day >> 8).u8(day & 0xff);
        }
        this.#checks.write(valueWriter, row, row.value);
        const bytes = valueWriter.view();
        row.until_ms = this.#until(bytes);
        this.#table.put(keyBytes, bytes);
        row.stored = true;
      }
      row.dirty = false;
    }
    const written = dirty.length;
    dirty.length = 0;
    for (const scope of this.#dropped) this.#release(scope);
    this.#dropped.clear();
    this.#last = undefined;
    if (this.#sweep?.run(watermark_ms, written, oldest) === true) this.#forgetExpired();
  }

  /** What the sweep removes from the store goes from the cache too. */
  #forgetExpired(): void {
    for (const { young, old } of this.#scopes.values()) {
      for (const rows of [young, old]) {
        for (const [key, row] of rows) if (row.until_ms < this.#watermark_ms) rows.delete(key);
      }
    }
  }
}

/** The part of a map table below one scope. Reads see what was set since the last commit. */
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

/**
 * A scope ends with a 0; in the name of another one that goes on with a NUL there follows 0xff, with which no text
 * begins. (A number from 0xff * 2^40 on does: there two such scopes are not told apart.)
 */
function rangeOf({ prefix }: { readonly prefix: Uint8Array }, key?: unknown): KvRange {
  const end = key === stringKey ? Buffer.concat([prefix, Uint8Array.of(0xff)]) : prefixEnd(prefix);
  return end === undefined ? { start: prefix } : { start: prefix, end };
}

/** Opens an operator's tables, checking each one's stored schema version and migrating where it can. */
export function openTables<S extends TableSpecs>(
  store: KvStore,
  operator: string,
  specs: S,
  checks: StateChecks = 'first',
  ordered = false,
): TablesOf<S> {
  const tables: Record<string, unknown> = {};
  for (const [name, spec] of Object.entries(specs)) {
    const id = `${operator}/${name}`;
    const table = store.table(id);
    const map = spec.kind === 'map' ? (spec as MapSpec<string, unknown>) : undefined;
    const canMigrate = map?.migrate !== undefined;
    const migrate = canMigrate ? (from: number) => migrateRows(id, table, map, from) : undefined;
    checkVersion(store, id, spec.version, migrate);
    tables[name] = map === undefined ? table : new MapTable(map, table, { id, checks, ordered });
  }
  return tables as TablesOf<S>;
}

/** The range of keys of one scope of a map table, for readers. */
export function scopeRange(scope: string): KvRange & { prefix: Uint8Array } {
  const prefix = new ByteWriter().bytes(encodeScope(scope)).copy();
  return { prefix, ...rangeOf({ prefix }) };
}

function encodeScope(scope: string): Uint8Array {
  const writer = new ByteWriter();
  stringKey.write(writer, scope);
  return writer.copy();
}
