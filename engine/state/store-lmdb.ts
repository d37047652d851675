import { statfsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type Database, open, type RootDatabase } from 'lmdb';
import { asMillraceError, diskFull, invariant, MillraceError, PRIVATE_FILE_MODE } from '../base/index.ts';
import { RowChecksums } from './checksum.ts';
import {
  checkKey,
  type KvEntry,
  type KvReader,
  type KvStore,
  type KvTable,
  type KvView,
  type TableSize,
} from './kv.ts';
import { DATA_FILE, requireWholeFile } from './lmdb-file.ts';
import {
  HEAD_BYTES,
  LongKeys,
  type RowRange,
  type Rows,
  WritableLongKeys,
  type WritableRows,
} from './long-keys.ts';

const MAX_TABLES = 128;
/** Keys of a range that are held in memory while it is removed. */
const REMOVED_AT_ONCE = 1_000;
/** Where the rests of long keys lie; not one of the tables that the store shows. */
const REST_TABLE = '.long-keys';
/** It is there where each value has a checksum: in all states but those of versions that wrote none. */
const CHECKSUMS_TABLE = '.checksums';
const HIDDEN: readonly string[] = [REST_TABLE, CHECKSUMS_TABLE];

/** How a store is opened for writing. */
export interface LmdbOptions {
  /** false trades the fsync of each commit away: only for tests. */
  readonly durable?: boolean;
}

/**
 * Address space that the state's file is mapped into, bytes; the file is as large as it needs to be, and may grow
 * beyond it. With lmdb's small default each growth maps the file anew and keeps the old maps: every page that was
 * read then counts in resident memory once for each of them.
 */
const MAP_BYTES = 2 ** 38;

type Db = Database<Buffer, Buffer>;

/** Known to the library and not to its types: the mode of the files that it makes. */
const MODE = { permissionsMode: PRIVATE_FILE_MODE };

function openRoot(path: string, readOnly: boolean, durable: boolean): RootDatabase<Buffer, Buffer> {
  requireWholeFile(join(path, DATA_FILE));
  return open<Buffer, Buffer>({
    path,
    maxDbs: MAX_TABLES,
    encoding: 'binary',
    keyEncoding: 'binary',
    readOnly,
    noSubdir: false,
    ...MODE,
    compression: false,
    cache: false,
    mapSize: MAP_BYTES,
    // One commit is one fsync; the default's overlapping sync acknowledges before the disk has it.
    overlappingSync: false,
    noSync: !durable,
  });
}

const PROBE = Buffer.from([0]);
const TABLE_OPTIONS = { encoding: 'binary', keyEncoding: 'binary', cache: false } as const;

function rangeOf(db: Db, { start, end, inclusiveEnd, reverse }: RowRange): Iterable<KvEntry> {
  // lmdb's reverse ranges start at the upper bound, inclusive; ours are half-open at the top.
  const options: Record<string, unknown> = reverse
    ? { reverse, exclusiveStart: !inclusiveEnd, inclusiveEnd: true }
    : { reverse, inclusiveEnd };
  const [from, to] = reverse ? [end, start] : [start, end];
  if (from !== undefined) options.start = asBuffer(from);
  if (to !== undefined) options.end = asBuffer(to);
  return db.getRange(options);
}

/** What comes back is one shared buffer that only says it is as short as the value. */
function getFast(db: Db, key: Uint8Array): Buffer | undefined {
  const bytes = db.getBinaryFast(asBuffer(key));
  return bytes?.subarray(0, bytes.length);
}

/** `checksums` is undefined in a state without any. */
function rowsOf(db: Db, checksums: RowChecksums | undefined): WritableRows {
  const remove = (key: Uint8Array): void => void db.removeSync(asBuffer(key));
  if (checksums === undefined) {
    return {
      get: (key) => getFast(db, key),
      range: (range) => rangeOf(db, range),
      put: (key, value) => void db.putSync(asBuffer(key), asBuffer(value)),
      remove,
    };
  }
  return {
    get: (key) => {
      const row = db.getBinaryFast(asBuffer(key));
      return row === undefined ? undefined : checksums.valueOf(key, row);
    },
    range: (range) => checkedEntries(rangeOf(db, range), checksums),
    put: (key, value) => void db.putSync(asBuffer(key), checksums.add(key, value)),
    remove,
  };
}

function* checkedEntries(entries: Iterable<KvEntry>, checksums: RowChecksums): Generator<KvEntry> {
  for (const { key, value } of entries) yield { key, value: checksums.valueOf(key, value) };
}

function checksumsOf(table: string, stored: readonly string[]): RowChecksums | undefined {
  return stored.includes(CHECKSUMS_TABLE) ? new RowChecksums(table) : undefined;
}

function asBuffer(bytes: Uint8Array): Buffer {
  return bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

const EIO = 5;
/** With less than this left, a write that was cut short is put down to the lack of space, bytes. */
const NEARLY_FULL_BYTES = 16 * 1_048_576;

/**
 * LMDB reports a write of which only a part found room as an I/O error, like one of a failing disk; only
 * the file system can tell them apart. Either may pass, and nothing was committed.
 */
function writeError(path: string, thrown: unknown): MillraceError {
  const isIo = thrown instanceof Error && 'code' in thrown && thrown.code === EIO;
  if (!isIo) return asMillraceError(thrown);
  const { bavail, bsize } = statfsSync(path);
  if (bavail * bsize < NEARLY_FULL_BYTES) return diskFull(thrown);
  return new MillraceError(
    'state_write_failed',
    `The state in ${path} could not be written (${thrown.message}): a quota or a limit on file sizes is ` +
      'reached, or the disk is failing. Nothing was committed since the last position, and it is tried ' +
      `again. Raise the limit, or see the system's log and move DATA_DIR to another disk.`,
    { cause: thrown, retriable: true },
  );
}

/**
 * The task's store: one LMDB environment, one writer. A commit throws `disk_full` when it finds no space and
 * `state_write_failed` when it cannot be written otherwise, both retriable.
 */
export function openLmdbStore(path: string, options: LmdbOptions = {}): KvStore {
  const root = openRoot(path, false, options.durable ?? true);
  // Before the first other table: whoever finds one knows then whether it has checksums.
  if (storedTables(root).length === 0) root.openDB<Buffer, Buffer>(CHECKSUMS_TABLE, TABLE_OPTIONS);
  const stored = storedTables(root);
  const rowsIn = (name: string): WritableRows =>
    rowsOf(root.openDB<Buffer, Buffer>(name, TABLE_OPTIONS), checksumsOf(name, stored));
  const longKeys = new WritableLongKeys(rowsIn(REST_TABLE));
  const tables = new Map<string, KvTable>();
  let writing = false;
  const table = (name: string): KvTable => {
    const known = tables.get(name);
    if (known !== undefined) return known;
    const rows = rowsIn(name);
    const made: KvTable = {
      ...viewOf(rows, longKeys),
      put: (key, value) => {
        invariant(writing, `a write to ${name} happens inside a commit`);
        checkKey(key, name);
        if (key.length < HEAD_BYTES) rows.put(key, value);
        else longKeys.put(rows, key, value);
      },
      remove: (key) => {
        invariant(writing, `a removal from ${name} happens inside a commit`);
        if (key.length === 0) return;
        if (key.length < HEAD_BYTES) rows.remove(key);
        else longKeys.remove(rows, key);
      },
      removeRange: (range) => {
        invariant(writing, `a removal from ${name} happens inside a commit`);
        // lmdb removes key by key, and not under an open cursor.
        for (let removed = REMOVED_AT_ONCE; removed === REMOVED_AT_ONCE; ) {
          const keys = Array.from(made.scan({ ...range, limit: REMOVED_AT_ONCE }), ({ key }) => key);
          for (const key of keys) made.remove(key);
          removed = keys.length;
        }
      },
    };
    tables.set(name, made);
    return made;
  };
  return {
    table,
    tableNames: () => listTables(root),
    transaction: (work) => {
      invariant(!writing, 'transactions do not nest');
      writing = true;
      try {
        return root.transactionSync(work);
      } catch (error) {
        throw writeError(path, error);
      } finally {
        writing = false;
        root.resetReadTxn();
      }
    },
    sizeBytes: () => statSync(join(path, DATA_FILE)).size,
    close: () => root.close(),
  };
}

function viewOf(rows: Rows, longKeys: LongKeys): KvView {
  return {
    get: (key) => {
      if (key.length === 0) return undefined;
      return key.length < HEAD_BYTES ? rows.get(key) : longKeys.get(rows, key);
    },
    scan: (range = {}) => longKeys.scan(rows, range),
  };
}

function listTables(root: RootDatabase<Buffer, Buffer>): string[] {
  return storedTables(root).filter((name) => !HIDDEN.includes(name));
}

function storedTables(root: RootDatabase<Buffer, Buffer>): string[] {
  const names: string[] = [];
  for (const key of root.getKeys({})) {
    const name = Buffer.from(key as unknown as Buffer)
      .toString('utf8')
      .replace(/\0+$/, '');
    names.push(name);
  }
  return names;
}

/**
 * Copies an environment, as one read transaction sees it, into a folder that is there and empty; from any process,
 * while the writer goes on. Pages that are free are left out. `sharedWithWriter` as of a reader.
 */
export async function copyLmdbState(
  path: string,
  into: string,
  { sharedWithWriter = false }: Pick<LmdbReaderOptions, 'sharedWithWriter'> = {},
): Promise<void> {
  const root = openRoot(path, !sharedWithWriter, true);
  try {
    await root.backup(into, true);
  } finally {
    await root.close();
  }
}

interface ReaderRows extends Rows {
  /** Valid until the next read of this thread; a large value is copied once less. */
  getShared(key: Uint8Array): Uint8Array | undefined;
}

/** How a store is opened for reading. */
export interface LmdbReaderOptions {
  /**
   * The writer is a thread of this process. lmdb shares one environment between the threads of a
   * process, with the flags of the first to open it: opened read-only here, the writer could not write.
   */
  readonly sharedWithWriter?: boolean;
  /** Long values are compared with their checksums once each, and not at each read. */
  readonly checksOnce?: boolean;
}

/** Opens an environment for reading, from any thread or process, without blocking the writer. */
export function openLmdbReader(path: string, options: LmdbReaderOptions = {}): KvReader {
  const root = openRoot(path, options.sharedWithWriter !== true, true);
  const open = (name: string, stored: readonly string[]): ReaderRows => {
    const db = root.openDB<Buffer, Buffer>(name, TABLE_OPTIONS);
    const checksums = checksumsOf(name, stored);
    const rows = rowsOf(db, checksums);
    // A copy: views of several tables are in use at once.
    const get = (key: Uint8Array): Uint8Array | undefined => {
      const row = db.getBinary(asBuffer(key));
      return row === undefined || checksums === undefined ? row : checksums.valueOf(key, row);
    };
    if (options.checksOnce !== true || checksums === undefined) return { ...rows, get, getShared: rows.get };
    const getShared = (key: Uint8Array): Uint8Array | undefined => {
      const row = db.getBinaryFast(asBuffer(key));
      return row === undefined ? undefined : checksums.valueOnce(key, row);
    };
    return { ...rows, get, getShared };
  };
  const opened = new Map<string, ReaderRows>();
  const none: Rows = { get: () => undefined, range: () => [] };
  const longKeys = new LongKeys({
    get: (key) => opened.get(REST_TABLE)?.get(key),
    range: (range) => opened.get(REST_TABLE)?.range(range) ?? [],
  });
  // lmdb keeps one read transaction for a turn of the event loop. Dropping the last one and reading
  // once takes a new one, before any cursor is opened on it; `work` is synchronous, so it stays.
  const renew = (): void => {
    root.resetReadTxn();
    root.getBinaryFast(PROBE);
  };
  return {
    snapshot: (work) => {
      renew();
      // To open a table ends the read transaction: those that are there are opened before `work` begins.
      // One that is not there would be created.
      while (opened.size < root.getKeysCount({})) {
        const stored = storedTables(root);
        for (const name of stored) if (!opened.has(name)) opened.set(name, open(name, stored));
        renew();
      }
      return work((name) => {
        const rows = opened.get(name);
        if (rows === undefined) return viewOf(none, longKeys);
        const { getShared } = rows;
        const view = viewOf(rows, longKeys);
        return {
          ...view,
          getShared: (key) => (key.length > 0 && key.length < HEAD_BYTES ? getShared(key) : view.get(key)),
        };
      });
    },
    tableNames: () => {
      renew();
      return listTables(root);
    },
    tableSizes: () => {
      renew();
      return new Map(listTables(root).map((name) => [name, sizeOf(root.openDB(name, TABLE_OPTIONS))]));
    },
    close: () => root.close(),
  };
}

/** What lmdb says of a table: its types know nothing of it. */
interface TableStats {
  readonly entryCount: number;
  readonly pageSize: number;
  readonly treeBranchPageCount: number;
  readonly treeLeafPageCount: number;
  readonly overflowPages: number;
}

function sizeOf(db: Db): TableSize {
  const stats = db.getStats() as TableStats;
  const pages = stats.treeBranchPageCount + stats.treeLeafPageCount + stats.overflowPages;
  return { rows: stats.entryCount, size_bytes: pages * stats.pageSize };
}
