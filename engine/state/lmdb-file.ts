import { closeSync, existsSync, fstatSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { MillraceError } from '../base/index.ts';
import { META_BYTES, type MetaPage, metaAt } from './lmdb-format.ts';
import { Walk } from './lmdb-walk.ts';

/**
 * The file of an LMDB environment, read without LMDB, which maps it and dies with SIGBUS or SIGSEGV where it is not
 * what it should be.
 */

export const DATA_FILE = 'data.mdb';

interface FileCheck {
  /** Number of the last transaction. */
  readonly transaction: bigint;
  readonly file_bytes: number;
  /** What the pages that are in use need, bytes. */
  readonly needed_bytes: number;
  /** Sentences; empty where the pages fit together. */
  readonly problems: readonly string[];
}

/** The newer of the two meta pages, which says what is in use; undefined where there is none. */
function newestMeta(file: number): MetaPage | undefined {
  const at = (offset: number): MetaPage | undefined => {
    const bytes = Buffer.alloc(META_BYTES);
    return readSync(file, bytes, 0, META_BYTES, offset) === META_BYTES ? metaAt(bytes) : undefined;
  };
  const first = at(0);
  // Its place depends on the size of a page, which the first one says; without that one, on the usual size.
  const second = at(first?.page_bytes ?? 4_096);
  if (first === undefined || second === undefined) return first ?? second;
  return first.transaction >= second.transaction ? first : second;
}

/** Whether the file is as long as its meta page says. Reads two pages. */
function isWholeFile(path: string): boolean {
  return withFile(path, (file) => {
    const { size } = fstatSync(file);
    const meta = newestMeta(file);
    return meta !== undefined && size >= (meta.last_page + 1) * meta.page_bytes;
  });
}

/**
 * Goes through all pages that are in use, see `Walk`; of values on pages of their own it looks at the first one's head.
 * Undefined: the file has no meta page. What a writer changes meanwhile can look like a problem: `transaction` then is
 * another one afterwards.
 */
function checkFile(path: string, step?: () => void): FileCheck | undefined {
  return withFile(path, (file) => {
    const meta = newestMeta(file);
    if (meta === undefined) return undefined;
    const walk = new Walk(file, meta, step);
    walk.all();
    const file_bytes = fstatSync(file).size;
    const needed_bytes = (walk.last_page + 1) * meta.page_bytes;
    const { problems } = walk;
    return { transaction: meta.transaction, file_bytes, needed_bytes, problems };
  });
}

/** How often a file is gone through that a writer changes meanwhile. */
const MAX_CHECKS = 5;

/**
 * Whether the pages of the state in a folder fit together, without opening it. Sentences; empty where they do, or
 * where a writer changes them all the time. What lies in the rows is not looked at.
 */
export function stateFileProblems(folder: string): readonly string[] {
  const path = join(folder, DATA_FILE);
  for (let check = 0; check < MAX_CHECKS; check++) {
    const found = checkFile(path);
    if (found === undefined) return [`${path} is not a file of LMDB: it has no meta page.`];
    if (found.problems.length === 0) return [];
    if (lastTransaction(path) === found.transaction) return found.problems;
  }
  return [];
}

/**
 * The same of a state that a writer changes, during a read transaction on it: what that sees stays where it is, and so
 * does what is committed after it. `step` is called before each page, and may throw.
 */
export function livePageProblems(folder: string, step: () => void): readonly string[] {
  const path = join(folder, DATA_FILE);
  return checkFile(path, step)?.problems ?? [`${path} is not a file of LMDB: it has no meta page.`];
}

/** The number of the last transaction; undefined where the file has no meta page. */
function lastTransaction(path: string): bigint | undefined {
  return withFile(path, (file) => newestMeta(file)?.transaction);
}

function withFile<T>(path: string, work: (file: number) => T): T {
  const file = openSync(path, 'r');
  try {
    return work(file);
  } finally {
    closeSync(file);
  }
}

/**
 * Throws `state_truncated` where pages that are in use lie behind the end of the file: to read one of them would end
 * the process. An environment that is being made has no file, or an empty one.
 */
export function requireWholeFile(path: string): void {
  if (!existsSync(path)) return;
  const size = withFile(path, (file) => fstatSync(file).size);
  // The last pages that were used may be free again, and were then never written.
  if (size === 0 || isWholeFile(path)) return;
  const found = checkFile(path);
  if (found !== undefined && found.needed_bytes <= found.file_bytes) return;
  const needed = found === undefined ? 'it has no meta page' : `${found.needed_bytes} bytes are in use`;
  throw new MillraceError(
    'state_truncated',
    `The file ${path} of the state has ${size} bytes, and ${needed}: it was cut short, by a copy that was not ` +
      'finished or by a disk that lost it. Copy it back whole with millrace stopped, or run "npx millrace state ' +
      'rebuild", which builds the state anew from the stream.',
  );
}
