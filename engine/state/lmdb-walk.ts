import { fstatSync, readSync } from 'node:fs';
import {
  BIG_DATA,
  BRANCH,
  childOf,
  DB_BYTES,
  freePagesIn,
  LEAF,
  type MetaPage,
  NODE_HEADER_BYTES,
  OVERFLOW,
  OVERFLOW_BYTES,
  PAGE_HEADER_BYTES,
  SUB_DATA,
  type Tree,
  treeAt,
} from './lmdb-format.ts';

/** Problems that are named one by one. */
const MAX_PROBLEMS = 20;
/** A tree of more levels would hold more than any disk. */
const MAX_DEPTH = 32;
const INTEGER_KEY = 0x08;

interface Counts {
  branches: number;
  leaves: number;
  overflows: number;
  entries: number;
}

/** What a tree is, and what its pages are counted in. */
interface Walked {
  readonly name: string;
  readonly kind: 'free' | 'tables' | 'rows';
  readonly counts: Counts;
}

/** The keys that a page may have: from `low`, below `high`; undefined: no bound. */
interface Bounds {
  readonly low: Uint8Array | undefined;
  readonly high: Uint8Array | undefined;
}

const UNBOUNDED: Bounds = { low: undefined, high: undefined };

/**
 * Goes through all pages of an environment that are in use, and compares what they say of each other: numbers, kinds,
 * directories, the order of keys and the bounds that branches give their children, counts, and that no page is used
 * twice or free at once. So a bit that is flipped in a branch page shows, or changes no search. The values of rows, and
 * their keys beyond their order, have checksums of their own.
 */
export class Walk {
  readonly problems: string[] = [];
  readonly #file: number;
  readonly #meta: MetaPage;
  readonly #page_bytes: number;
  readonly #pages: number;
  /** A bit a page of the file. */
  readonly #seen: Uint8Array;
  readonly #step: () => void;
  last_page = 1;

  /** `step` is called before each page, and may throw. */
  constructor(file: number, meta: MetaPage, step: () => void = () => undefined) {
    this.#file = file;
    this.#meta = meta;
    this.#page_bytes = meta.page_bytes;
    this.#pages = meta.last_page + 1;
    this.#seen = new Uint8Array(Math.ceil(fstatSync(file).size / meta.page_bytes / 8) + 1);
    this.#step = step;
  }

  all(): void {
    this.#tree('the list of free pages', this.#meta.free, 'free');
    this.#tree('the list of tables', this.#meta.main, 'tables');
  }

  #problem(text: string): void {
    if (this.problems.length < MAX_PROBLEMS) this.problems.push(text);
  }

  #tree(name: string, tree: Tree, kind: Walked['kind']): void {
    const counts: Counts = { branches: 0, leaves: 0, overflows: 0, entries: 0 };
    if (tree.flags !== (kind === 'free' ? INTEGER_KEY : 0)) this.#problem(`${name} is of another kind.`);
    if (tree.root !== undefined) this.#page({ name, kind, counts }, tree.root, tree.depth, UNBOUNDED);
    for (const what of ['branches', 'leaves', 'overflows', 'entries'] as const) {
      if (counts[what] !== tree[what])
        this.#problem(`Of ${name} ${counts[what]} ${what} are there, not ${tree[what]}.`);
    }
  }

  /** Notes that pages are in use, or free; false where they cannot be. */
  #take(name: string, page: number, count: number): boolean {
    if (!(page >= 2 && page + count <= this.#pages)) {
      this.#problem(`${name}: page ${page} is outside of the ${this.#pages} that are in use.`);
      return false;
    }
    for (let at = page; at < page + count; at++) {
      const [byte, bit] = [at >> 3, 1 << (at & 7)];
      const known = this.#seen[byte];
      // Behind the end of the file; to read it will say so.
      if (known === undefined) break;
      if ((known & bit) !== 0) {
        this.#problem(`${name}: page ${at} is used twice, or free.`);
        return false;
      }
      this.#seen[byte] = known | bit;
    }
    return true;
  }

  #read(name: string, page: number, bytes: number): Buffer | undefined {
    const buffer = Buffer.alloc(bytes);
    const read = readSync(this.#file, buffer, 0, bytes, page * this.#page_bytes);
    if (read !== bytes) this.#problem(`${name}: page ${page} is behind the end of the file.`);
    else if (Number(buffer.readBigUInt64LE(0)) !== page)
      this.#problem(`${name}: page ${page} says that it is another one.`);
    else if (buffer.readBigUInt64LE(8) > this.#meta.transaction)
      this.#problem(`${name}: page ${page} is newer than the last commit.`);
    else return buffer;
    return undefined;
  }

  #page(walked: Walked, page: number, depth: number, bounds: Bounds): void {
    this.#step();
    const { name, counts } = walked;
    if (!this.#take(name, page, 1)) return;
    this.last_page = Math.max(this.last_page, page);
    const bytes = this.#read(name, page, this.#page_bytes);
    if (bytes === undefined) return;
    const isLeaf = depth === 1;
    if (depth < 1 || depth > MAX_DEPTH || bytes.readUInt16LE(18) !== (isLeaf ? LEAF : BRANCH)) {
      this.#problem(`${name}: page ${page} is of another kind.`);
      return;
    }
    const nodes = this.#nodes(name, page, bytes);
    if (nodes === undefined) return;
    counts[isLeaf ? 'leaves' : 'branches']++;
    this.#order(walked, page, bytes, nodes, { isLeaf, bounds });
    if (isLeaf) for (const node of nodes) this.#leaf(walked, page, bytes, node);
    else {
      for (const [at, node] of nodes.entries()) {
        const next = nodes[at + 1];
        const low = at === 0 ? bounds.low : keyAt(bytes, node);
        const high = next === undefined ? bounds.high : keyAt(bytes, next);
        this.#page(walked, childOf(bytes, node), depth - 1, { low, high });
      }
    }
  }

  /** The places of a page's rows; undefined where the directory is broken. */
  #nodes(name: string, page: number, bytes: Buffer): number[] | undefined {
    // Places count from the end of the header.
    const [lower, upper] = [20, 22].map((at) => bytes.readUInt16LE(at) + PAGE_HEADER_BYTES) as [
      number,
      number,
    ];
    if (lower < PAGE_HEADER_BYTES || lower > upper || upper > this.#page_bytes || lower % 2 !== 0) {
      this.#problem(`${name}: page ${page} has a broken directory.`);
      return undefined;
    }
    const nodes: number[] = [];
    for (let at = PAGE_HEADER_BYTES; at < lower; at += 2) {
      const node = bytes.readUInt16LE(at) + PAGE_HEADER_BYTES;
      const isIn = node >= upper && node + NODE_HEADER_BYTES <= this.#page_bytes;
      if (!isIn || node + NODE_HEADER_BYTES + bytes.readUInt16LE(node + 6) > this.#page_bytes) {
        this.#problem(`${name}: page ${page} has a row outside of it.`);
        return undefined;
      }
      nodes.push(node);
    }
    return nodes;
  }

  /** Whether the keys rise, and stay in what the page above says. The first of a branch has none: it is the lower bound. */
  #order(
    { name, kind }: Walked,
    page: number,
    bytes: Buffer,
    nodes: readonly number[],
    { isLeaf, bounds }: { readonly isLeaf: boolean; readonly bounds: Bounds },
  ): void {
    let last = bounds.low;
    let isFirst = true;
    for (const node of isLeaf ? nodes : nodes.slice(1)) {
      const key = keyAt(bytes, node);
      const order = last === undefined ? -1 : compare(kind, last, key);
      // A leaf may begin with the key that its branch names.
      if (order > 0 || (order === 0 && !(isLeaf && isFirst))) {
        this.#problem(`${name}: page ${page} is not in the order of keys.`);
        return;
      }
      last = key;
      isFirst = false;
    }
    const { high } = bounds;
    if (high !== undefined && last !== undefined && last !== bounds.low && compare(kind, last, high) >= 0)
      this.#problem(`${name}: page ${page} has keys that its branch does not lead to.`);
  }

  #leaf(walked: Walked, page: number, bytes: Buffer, node: number): void {
    const { name, kind, counts } = walked;
    counts.entries++;
    const flags = bytes.readUInt16LE(node + 4);
    const data = node + NODE_HEADER_BYTES + bytes.readUInt16LE(node + 6);
    const size = bytes.readUInt32LE(node);
    const isBig = flags === BIG_DATA;
    if (data + (isBig ? OVERFLOW_BYTES : size) > this.#page_bytes) {
      this.#problem(`${name}: page ${page} has a value outside of it.`);
      return;
    }
    const first = isBig ? this.#overflow(walked, bytes, data, size) : undefined;
    const isTable = kind === 'tables';
    if ((!isBig || isTable) && flags !== (isTable ? SUB_DATA : 0))
      this.#problem(`${name}: page ${page} has a row of another kind.`);
    else if (isTable && size === DB_BYTES) {
      const text = bytes.toString('utf8', node + NODE_HEADER_BYTES, data).replace(/\0+$/, '');
      this.#tree(`table ${text}`, treeAt(bytes, data), 'rows');
    } else if (kind === 'free')
      this.#free(name, isBig ? this.#bigValue(first, size) : bytes.subarray(data, data + size));
  }

  /** The first page of a value that lies on pages of its own. */
  #overflow({ name, counts }: Walked, bytes: Buffer, at: number, size: number): number | undefined {
    const first = Number(bytes.readBigUInt64LE(at));
    const pages = Number(bytes.readBigUInt64LE(at + 16));
    if (pages !== Math.ceil((PAGE_HEADER_BYTES + size) / this.#page_bytes)) {
      this.#problem(`${name}: a value of ${size} bytes has ${pages} pages.`);
      return undefined;
    }
    if (!this.#take(name, first, pages)) return undefined;
    this.last_page = Math.max(this.last_page, first + pages - 1);
    const head = this.#read(name, first, PAGE_HEADER_BYTES);
    if (head === undefined) return undefined;
    if (head.readUInt16LE(18) !== OVERFLOW || head.readUInt32LE(20) !== pages)
      this.#problem(`${name}: the pages of a value at ${first} are of another kind.`);
    counts.overflows += pages;
    return first;
  }

  #bigValue(first: number | undefined, size: number): Buffer {
    if (first === undefined) return Buffer.alloc(0);
    const value = Buffer.alloc(size);
    readSync(this.#file, value, 0, size, first * this.#page_bytes + PAGE_HEADER_BYTES);
    return value;
  }

  #free(name: string, value: Buffer): void {
    for (const { first, count } of freePagesIn(value)) if (!this.#take(name, first, count)) return;
  }
}

/** A view. */
function keyAt(bytes: Buffer, node: number): Uint8Array {
  const start = node + NODE_HEADER_BYTES;
  return bytes.subarray(start, start + bytes.readUInt16LE(node + 6));
}

/** As LMDB compares keys: those of the list of free pages are numbers, all others bytes. */
function compare(kind: Walked['kind'], a: Uint8Array, b: Uint8Array): number {
  if (kind !== 'free' || a.length !== 8 || b.length !== 8) return Buffer.compare(a, b);
  return Buffer.compare(Buffer.from(a).reverse(), Buffer.from(b).reverse());
}
