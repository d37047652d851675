import { statfsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type Database, open, type RootDatabase } from 'lmdb';
import { asMillraceError, diskFull, invariant, MillraceError } from './errors.ts';
import type { KvEntry, KvRange, KvReader, KvStore, KvTable, KvView } from './kv.ts';

const MAX_TABLES = 128;
const DATA_FILE = 'data.mdb';

export interface LmdbOptions {
  /** false trades the fsync of each commit away: only for tests. */
  readonly durable?: boolean;
}

type Db = Database<Buffer, Buffer>;

function openRoot(path: string, readOnly: boolean, durable: boolean): RootDatabase<Buffer, Buffer> {
  return open<Buffer, Buffer>({
    path,
    maxDbs: MAX_TABLES,
    encoding: 'binary',
    keyEncoding: 'binary',
    readOnly,
    noSubdir: false,
    compression: false,
    cache: false,
    // One commit is one fsync; the default's overlapping sync acknowledges before the disk has it.
    overlappingSync: false,
    noSync: !durable,
  });
}

const PROBE = Buffer.from([0]);
const TABLE_OPTIONS = { encoding: 'binary', keyEncoding: 'binary', cache: false } as const;

function* scanDb(db: Db, range: KvRange): Iterable<KvEntry> {
  const options: Record<string, unknown> = { reverse: range.reverse ?? false };
  if (range.limit !== undefined) options.limit = range.limit;
  // lmdb's reverse ranges start at the upper bound, inclusive; ours are half-open at the top.
  if (range.reverse === true) {
    if (range.end !== undefined) options.start = asBuffer(range.end);
    if (range.start !== undefined) options.end = asBuffer(range.start);
    for (const { key, value } of db.getRange({ ...options, exclusiveStart: true, inclusiveEnd: true })) {
      yield { key, value };
    }
    return;
  }
  if (range.start !== undefined) options.start = asBuffer(range.start);
  if (range.end !== undefined) options.end = asBuffer(range.end);
  for (const { key, value } of db.getRange(options)) yield { key, value };
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
    `The state in ${path} could not be written (${thrown.message}): a quota or a limit on file sizes is reached, or the disk is failing. Nothing was committed since the last position, and it is tried again. Raise the limit, or see the system's log and move DATA_DIR to another disk.`,
    { cause: thrown, retriable: true },
  );
}

/**
 * The task's store: one LMDB environment, one writer. A commit throws `disk_full` when it finds no space and
 * `state_write_failed` when it cannot be written otherwise, both retriable.
 */
export function openLmdbStore(path: string, options: LmdbOptions = {}): KvStore {
  const root = openRoot(path, false, options.durable ?? true);
  const tables = new Map<string, KvTable>();
  let writing = false;
  const table = (name: string): KvTable => {
    const known = tables.get(name);
    if (known !== undefined) return known;
    const db = root.openDB<Buffer, Buffer>(name, TABLE_OPTIONS);
    const made: KvTable = {
      get: (key) => {
        // What comes back is one shared buffer that only says it is as short as the value.
        const bytes = db.getBinaryFast(asBuffer(key));
        return bytes?.subarray(0, bytes.length);
      },
      scan: (range = {}) => scanDb(db, range),
      put: (key, value) => {
        invariant(writing, `a write to ${name} happens inside a commit`);
        db.putSync(asBuffer(key), asBuffer(value));
      },
      remove: (key) => {
        invariant(writing, `a removal from ${name} happens inside a commit`);
        db.removeSync(asBuffer(key));
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

function listTables(root: RootDatabase<Buffer, Buffer>): string[] {
  const names: string[] = [];
  for (const key of root.getKeys({})) {
    const name = Buffer.from(key as unknown as Buffer)
      .toString('utf8')
      .replace(/\0+$/, '');
    names.push(name);
  }
  return names;
}

export interface LmdbReaderOptions {
  /**
   * The writer is a thread of this process. lmdb shares one environment between the threads of a
   * process, with the flags of the first to open it: opened read-only here, the writer could not write.
   */
  readonly sharedWithWriter?: boolean;
}

/** Opens an environment for reading, from any thread or process, without blocking the writer. */
export function openLmdbReader(path: string, options: LmdbReaderOptions = {}): KvReader {
  const root = openRoot(path, options.sharedWithWriter !== true, true);
  const dbs = new Map<string, Db>();
  const renew = (): void => {
    root.resetReadTxn();
    root.getBinaryFast(PROBE);
  };
  const empty: KvView = { get: () => undefined, scan: () => [] };
  return {
    // lmdb keeps one read transaction for a turn of the event loop. Dropping the last one and reading
    // once takes a new one, before any cursor is opened on it; `work` is synchronous, so it stays.
    snapshot: (work) => {
      renew();
      return work((name) => {
        let db: Db | undefined = dbs.get(name);
        if (db === undefined) {
          // Opening a table that is not there would create it.
          if (!listTables(root).includes(name)) return empty;
          db = root.openDB<Buffer, Buffer>(name, TABLE_OPTIONS);
          dbs.set(name, db);
        }
        const opened = db;
        return {
          get: (key) => opened.getBinary(asBuffer(key)),
          scan: (range = {}) => scanDb(opened, range),
        };
      });
    },
    tableNames: () => {
      renew();
      return listTables(root);
    },
    close: () => root.close(),
  };
}
