import { invariant, MillraceError } from '../base/index.ts';

/**
 * What the engine needs of an ordered key-value store. Two implementations pass one contract suite:
 * LMDB (production) and memory (simulation). Keys have 1 to `MAX_KEY_BYTES` bytes and sort by them.
 */

/** As many as a message has by NATS' default. */
export const MAX_KEY_BYTES = 1_048_576;

/** A row of a table: bytes by bytes. Valid until the transaction or the snapshot ends. */
export interface KvEntry {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

/** A range of keys in the order of their bytes: [`start`, `end`), all by default. `limit` is rows. */
export interface KvRange {
  /** Inclusive. */
  readonly start?: Uint8Array;
  /** Exclusive. */
  readonly end?: Uint8Array;
  readonly reverse?: boolean;
  readonly limit?: number;
}

/** A table that is read: as it was committed, or, inside a commit, as it stands. */
export interface KvView {
  /** The value's bytes, valid only until the next call on any table of the store. */
  get(key: Uint8Array): Uint8Array | undefined;
  /**
   * As `get`, but without a copy of the store's own where a view has that: for large values that the caller copies
   * at once.
   */
  getShared?(key: Uint8Array): Uint8Array | undefined;
  scan(range?: KvRange): Iterable<KvEntry>;
}

/** A table that is written, inside a commit. Keys are of 1 byte to 1 MiB (`key_too_long`). */
export interface KvTable extends KvView {
  /** Only inside `KvStore.transaction`. Key and value are copied. Throws `key_too_long`. */
  put(key: Uint8Array, value: Uint8Array): void;
  /** Only inside `KvStore.transaction`. */
  remove(key: Uint8Array): void;
  /** Only inside `KvStore.transaction`. Takes time for each row, and memory for a fixed number of them. */
  removeRange(range: Pick<KvRange, 'start' | 'end'>): void;
}

/** The single writer's side. */
export interface KvStore {
  table(name: string): KvTable;
  tableNames(): readonly string[];
  /** All or nothing, durable when it returns. Throws what `work` throws, with nothing written. */
  transaction<T>(work: () => T): T;
  sizeBytes(): number;
  close(): Promise<void>;
}

/** How much of a table there is: its rows, and the pages of the file that they take, bytes. */
export interface TableSize {
  readonly rows: number;
  readonly size_bytes: number;
}

/** The readers' side: each snapshot is one committed state. */
export interface KvReader {
  /** `work` is synchronous and must not keep views of values beyond its return. */
  snapshot<T>(work: (table: (name: string) => KvView) => T): T;
  tableNames(): readonly string[];
  /** By table, without reading their rows. Not there where a store cannot tell. */
  tableSizes?(): ReadonlyMap<string, TableSize>;
  close(): Promise<void>;
}

/** Throws for a key that no store takes. */
export function checkKey(key: Uint8Array, table: string): void {
  invariant(key.length > 0, `a key of ${table} has at least one byte`);
  if (key.length <= MAX_KEY_BYTES) return;
  throw new MillraceError(
    'key_too_long',
    `A key of table "${table}" has ${key.length} bytes; ${MAX_KEY_BYTES} are possible.`,
  );
}

/** The smallest key above every key that begins with `prefix`, or undefined when there is none. */
export function prefixEnd(prefix: Uint8Array): Uint8Array | undefined {
  for (let last = prefix.length - 1; last >= 0; last--) {
    const byte = prefix[last] as number;
    if (byte < 0xff) {
      // Not slice: a Buffer's shares its memory.
      const end = Uint8Array.from(prefix.subarray(0, last + 1));
      end[last] = byte + 1;
      return end;
    }
  }
  return undefined;
}
