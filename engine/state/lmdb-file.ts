import { closeSync, existsSync, fstatSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { MillraceError } from '../base/index.ts';

/**
 * The file of an LMDB environment, read without LMDB, which maps it and dies with SIGBUS or SIGSEGV where it is not
 * what it should be. Format: data version 2 as lmdb 3.5 builds it (`MDB_page_header`, `MDB_node`, `MDB_db`, `MDB_meta`
 * and `MDB_ovpage` of its mdb.c), little-endian, 64 bits.
 */

export const DATA_FILE = 'data.mdb';

const MAGIC = 0xbeefc0de;
const VERSION = 2;
/** Smallest page: what has to be there to read a meta page. */
const META_BYTES = 0xa8;
const PAGE_HEADER_BYTES = 24;
const NODE_HEADER_BYTES = 8;
const DB_BYTES = 48;
const OVERFLOW_BYTES = 24;

const [BRANCH, LEAF, OVERFLOW, META] = [0x01, 0x02, 0x04, 0x08];
const [BIG_DATA, SUB_DATA] = [0x01, 0x02];
const NO_ROOT = 0xffff_ffff_ffff_ffffn;
/** Problems that are named one by one. */
const MAX_PROBLEMS = 20;
/** A tree of more levels would hold more than any disk. */
const MAX_DEPTH = 32;

interface Tree {
  readonly depth: number;
  readonly branches: number;
  readonly leaves: number;
  readonly overflows: number;
  readonly entries: number;
  /** Undefined: it is empty. */
  readonly root: number | undefined;
}

interface MetaPage {
  readonly page_bytes: number;
  readonly free: Tree;
  readonly main: Tree;
  readonly last_page: number;
  readonly transaction: bigint;
}

interface FileCheck {
  /** Number of the last transaction. */
  readonly transaction: bigint;
  readonly file_bytes: number;
  /** What the pages that are in use need, bytes. */
  readonly needed_bytes: number;
  /** Sentences; empty where the pages fit together. */
  readonly problems: readonly string[];
}

function treeAt(bytes: Buffer, at: number): Tree {
  const count = (offset: number): number => Number(bytes.readBigUInt64LE(at + offset));
  return {
    depth: bytes.readUInt16LE(at + 6),
    ...{ branches: count(8), leaves: count(16), overflows: count(24), entries: count(32) },
    root: bytes.readBigUInt64LE(at + 40) === NO_ROOT ? undefined : count(40),
  };
}

function metaAt(bytes: Buffer): MetaPage | undefined {
  if (bytes.readUInt32LE(24) !== MAGIC || bytes.readUInt32LE(28) !== VERSION) return undefined;
  return {
    page_bytes: bytes.readUInt32LE(48),
    free: treeAt(bytes, 48),
    main: treeAt(bytes, 96),
    last_page: Number(bytes.readBigUInt64LE(144)),
    transaction: bytes.readBigUInt64LE(152),
  };
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
 * Goes through all branch and leaf pages that are in use, and compares what they say of each other; of values on pages
 * of their own it looks at the first one's head. Undefined: the file has no meta page. What a writer changes meanwhile
 * can look like a problem: `transaction` then is another one afterwards.
 */
function checkFile(path: string): FileCheck | undefined {
  return withFile(path, (file) => {
    const meta = newestMeta(file);
    if (meta === undefined) return undefined;
    const walk = new Walk(file, meta);
    walk.tree('the list of free pages', meta.free, false);
    walk.tree('the list of tables', meta.main, true);
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

interface Counts {
  branches: number;
  leaves: number;
  overflows: number;
  entries: number;
}

class Walk {
  readonly problems: string[] = [];
  readonly #file: number;
  readonly #page_bytes: number;
  readonly #pages: number;
  readonly #seen = new Set<number>();
  last_page = 1;

  constructor(file: number, meta: MetaPage) {
    this.#file = file;
    this.#page_bytes = meta.page_bytes;
    this.#pages = meta.last_page + 1;
  }

  #problem(text: string): void {
    if (this.problems.length < MAX_PROBLEMS) this.problems.push(text);
  }

  tree(name: string, tree: Tree, hasTables: boolean): void {
    const counts: Counts = { branches: 0, leaves: 0, overflows: 0, entries: 0 };
    if (tree.root !== undefined) this.#page(name, tree.root, tree.depth, counts, hasTables);
    for (const what of ['branches', 'leaves', 'overflows', 'entries'] as const) {
      if (counts[what] !== tree[what])
        this.#problem(`Of ${name} ${counts[what]} ${what} are there, not ${tree[what]}.`);
    }
  }

  /** Notes that a page is in use; false where it cannot be. */
  #take(name: string, page: number, count: number): boolean {
    if (!(page >= 2 && page + count <= this.#pages)) {
      this.#problem(`${name}: page ${page} is outside of the ${this.#pages} that are in use.`);
      return false;
    }
    for (let at = page; at < page + count; at++) {
      if (this.#seen.has(at)) {
        this.#problem(`${name}: page ${at} is used twice.`);
        return false;
      }
      this.#seen.add(at);
    }
    this.last_page = Math.max(this.last_page, page + count - 1);
    return true;
  }

  #read(name: string, page: number, bytes: number): Buffer | undefined {
    const buffer = Buffer.alloc(bytes);
    const read = readSync(this.#file, buffer, 0, bytes, page * this.#page_bytes);
    if (read === bytes) {
      if (Number(buffer.readBigUInt64LE(0)) === page) return buffer;
      this.#problem(`${name}: page ${page} says that it is another one.`);
    } else this.#problem(`${name}: page ${page} is behind the end of the file.`);
    return undefined;
  }

  #page(name: string, page: number, depth: number, counts: Counts, hasTables: boolean): void {
    if (!this.#take(name, page, 1)) return;
    const bytes = this.#read(name, page, this.#page_bytes);
    if (bytes === undefined) return;
    const kind = bytes.readUInt16LE(18) & (BRANCH | LEAF | OVERFLOW | META);
    const isLeaf = depth === 1;
    if (depth < 1 || depth > MAX_DEPTH || kind !== (isLeaf ? LEAF : BRANCH)) {
      this.#problem(`${name}: page ${page} is of another kind.`);
      return;
    }
    // Places count from the end of the header.
    const [lower, upper] = [20, 22].map((at) => bytes.readUInt16LE(at) + PAGE_HEADER_BYTES) as [
      number,
      number,
    ];
    if (lower < PAGE_HEADER_BYTES || lower > upper || upper > this.#page_bytes || lower % 2 !== 0) {
      this.#problem(`${name}: page ${page} has a broken directory.`);
      return;
    }
    counts[isLeaf ? 'leaves' : 'branches']++;
    for (let at = PAGE_HEADER_BYTES; at < lower; at += 2) {
      const node = bytes.readUInt16LE(at) + PAGE_HEADER_BYTES;
      const isIn = node >= upper && node + NODE_HEADER_BYTES <= this.#page_bytes;
      if (!isIn || node + NODE_HEADER_BYTES + bytes.readUInt16LE(node + 6) > this.#page_bytes) {
        this.#problem(`${name}: page ${page} has a row outside of it.`);
      } else if (isLeaf) this.#leaf(name, page, bytes, node, counts, hasTables);
      else this.#page(name, childOf(bytes, node), depth - 1, counts, hasTables);
    }
  }

  #leaf(name: string, page: number, bytes: Buffer, node: number, counts: Counts, hasTables: boolean): void {
    counts.entries++;
    const flags = bytes.readUInt16LE(node + 4);
    const data = node + NODE_HEADER_BYTES + bytes.readUInt16LE(node + 6);
    const size = bytes.readUInt32LE(node);
    const inline = (flags & BIG_DATA) !== 0 ? OVERFLOW_BYTES : size;
    if (data + inline > this.#page_bytes) {
      this.#problem(`${name}: page ${page} has a value outside of it.`);
      return;
    }
    if ((flags & BIG_DATA) !== 0) this.#overflow(name, bytes, data, size, counts);
    const isTable = (flags & SUB_DATA) !== 0;
    if (isTable !== hasTables) this.#problem(`${name}: page ${page} has a row of another kind.`);
    else if (isTable && size === DB_BYTES) {
      const text = bytes.toString('utf8', node + NODE_HEADER_BYTES, data).replace(/\0+$/, '');
      this.tree(`table ${text}`, treeAt(bytes, data), false);
    }
  }

  #overflow(name: string, bytes: Buffer, at: number, size: number, counts: Counts): void {
    const first = Number(bytes.readBigUInt64LE(at));
    const pages = Number(bytes.readBigUInt64LE(at + 16));
    if (pages !== Math.ceil((PAGE_HEADER_BYTES + size) / this.#page_bytes)) {
      this.#problem(`${name}: a value of ${size} bytes has ${pages} pages.`);
      return;
    }
    if (!this.#take(name, first, pages)) return;
    const head = this.#read(name, first, PAGE_HEADER_BYTES);
    if (head === undefined) return;
    if ((head.readUInt16LE(18) & OVERFLOW) === 0 || head.readUInt32LE(20) !== pages)
      this.#problem(`${name}: the pages of a value at ${first} are of another kind.`);
    counts.overflows += pages;
  }
}

function childOf(bytes: Buffer, node: number): number {
  return bytes.readUInt32LE(node) + bytes.readUInt16LE(node + 4) * 2 ** 32;
}
