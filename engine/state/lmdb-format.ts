/**
 * What lies where in the file of an LMDB environment. Format: data version 2 as lmdb 3.5 builds it (`MDB_page_header`,
 * `MDB_node`, `MDB_db`, `MDB_meta` and `MDB_ovpage` of its mdb.c), little-endian, 64 bits.
 */

const MAGIC = 0xbeefc0de;
const VERSION = 2;
/** Smallest page: what has to be there to read a meta page. */
export const META_BYTES = 0xa8;
export const PAGE_HEADER_BYTES = 24;
export const NODE_HEADER_BYTES = 8;
export const DB_BYTES = 48;
export const OVERFLOW_BYTES = 24;

/** The kinds of page; none has another bit on disk. */
export const [BRANCH, LEAF, OVERFLOW] = [0x01, 0x02, 0x04];
/** What a row may be: its value lies on pages of its own, or is a table. */
export const [BIG_DATA, SUB_DATA] = [0x01, 0x02];
const NO_ROOT = 0xffff_ffff_ffff_ffffn;

export interface Tree {
  /** How its keys compare and what its rows are; 0: as bytes, one value a key. */
  readonly flags: number;
  readonly depth: number;
  readonly branches: number;
  readonly leaves: number;
  readonly overflows: number;
  readonly entries: number;
  /** Undefined: it is empty. */
  readonly root: number | undefined;
}

export interface MetaPage {
  readonly page_bytes: number;
  readonly free: Tree;
  readonly main: Tree;
  readonly last_page: number;
  readonly transaction: bigint;
}

export function treeAt(bytes: Buffer, at: number): Tree {
  const count = (offset: number): number => Number(bytes.readBigUInt64LE(at + offset));
  return {
    flags: bytes.readUInt16LE(at + 4),
    depth: bytes.readUInt16LE(at + 6),
    ...{ branches: count(8), leaves: count(16), overflows: count(24), entries: count(32) },
    root: bytes.readBigUInt64LE(at + 40) === NO_ROOT ? undefined : count(40),
  };
}

export function metaAt(bytes: Buffer): MetaPage | undefined {
  if (bytes.readUInt32LE(24) !== MAGIC || bytes.readUInt32LE(28) !== VERSION) return undefined;
  return {
    page_bytes: bytes.readUInt32LE(48),
    free: treeAt(bytes, 48),
    main: treeAt(bytes, 96),
    last_page: Number(bytes.readBigUInt64LE(144)),
    transaction: bytes.readBigUInt64LE(152),
  };
}

/** The page that a row of a branch leads to. */
export function childOf(bytes: Buffer, node: number): number {
  return bytes.readUInt32LE(node) + bytes.readUInt16LE(node + 4) * 2 ** 32;
}

/**
 * The pages that a row of the list of free pages names: a count of words, and the words. Each is a page, 0 where one was
 * taken, or the negative length of a run whose first page is the next word.
 */
export function* freePagesIn(value: Buffer): Generator<{ readonly first: number; readonly count: number }> {
  if (value.length < 8) return;
  const words = Math.min(Number(value.readBigInt64LE(0)), value.length / 8 - 1);
  for (let word = 1; word <= words; word++) {
    const told = Number(value.readBigInt64LE(word * 8));
    if (told > 0) yield { first: told, count: 1 };
    if (told >= 0) continue;
    word++;
    if (word <= words) yield { first: Number(value.readBigInt64LE(word * 8)), count: -told };
  }
}
