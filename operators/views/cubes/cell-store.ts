import { invariant } from '../../../engine/errors.ts';
import type { KvTable } from '../../../engine/kv.ts';
import { BLOCK_MAX_BYTES, BlockReader, BlockWriter, CELL_WORDS } from './cell-block.ts';
import { blockKey, prefixRange, wordsOfKey } from './cell-keys.ts';
import type { TouchedCells } from './touched-cells.ts';

/** Says of new cells whether they may be there; told of those that go. */
export interface CellLimit {
  admit(bucket: number): boolean;
  removed(bucket: number): void;
}

export const NO_LIMIT: CellLimit = { admit: () => true, removed: () => undefined };

const INITIAL_CELLS = 256;
const AFTER = Uint8Array.of(0);

/**
 * The cells of one cube on disk, in blocks that are split when they are full: B+-tree leaves whose inner nodes are
 * the store. Sums that become 0 all go, a block without cells too.
 */
export class CellStore {
  blocksWritten = 0;
  readonly #table: KvTable;
  readonly #words: number;
  readonly #measures: number;
  readonly #reader: BlockReader;
  readonly #writer: BlockWriter;
  // The cells of the blocks that are being written.
  #keys: Int32Array;
  #sums: Float64Array;
  readonly #wide = new Map<number, bigint>();
  #count = 0;
  /** Cells of the last merge that were not admitted. */
  readonly refused: number[] = [];

  constructor(table: KvTable, dimensions: number, measures: number) {
    this.#table = table;
    this.#words = CELL_WORDS + dimensions;
    this.#measures = measures;
    this.#reader = new BlockReader(dimensions, measures);
    this.#writer = new BlockWriter(measures);
    this.#keys = new Int32Array(INITIAL_CELLS * this.#words);
    this.#sums = new Float64Array(INITIAL_CELLS * measures);
  }

  /** Adds the touched cells order[from..to), all of one scope and sorted, to those under the prefix. */
  merge(
    prefix: Uint8Array,
    touched: TouchedCells,
    order: Uint32Array,
    range: { from: number; to: number },
    limit: CellLimit,
  ): void {
    this.refused.length = 0;
    const all = prefixRange(prefix);
    for (let at = range.from; at < range.to; ) {
      const key = this.#keyOf(prefix, touched, order[at] as number);
      const past = Buffer.concat([key, AFTER]);
      let found: { key: Uint8Array; value: Uint8Array } | undefined;
      for (const row of this.#table.scan({ start: all.start, end: past, reverse: true, limit: 1 }))
        found = { key: Uint8Array.from(row.key), value: Uint8Array.from(row.value) };
      let next: Int32Array | undefined;
      for (const row of this.#table.scan({ start: past, end: all.end, limit: 1 }))
        next = wordsOfKey(row.key, prefix, this.#words);
      let to = at + 1;
      while (to < range.to && (next === undefined || this.#isBefore(touched, order[to] as number, next)))
        to++;
      this.#mergeBlock(found?.value, touched, order, { from: at, to }, limit);
      this.#write(prefix, found?.key, next === undefined);
      at = to;
    }
  }

  #keyOf(prefix: Uint8Array, touched: TouchedCells, cell: number): Uint8Array {
    // Without the scope.
    return blockKey(prefix, touched.keys, cell * touched.words + 1, this.#words);
  }

  #isBefore(touched: TouchedCells, cell: number, words: Int32Array): boolean {
    return compare(touched.keys, cell * touched.words + 1, words, 0, this.#words) < 0;
  }

  /** Puts the block's cells with those of the range added into `#keys` and `#sums`. */
  #mergeBlock(
    block: Uint8Array | undefined,
    touched: TouchedCells,
    order: Uint32Array,
    range: { from: number; to: number },
    limit: CellLimit,
  ): void {
    this.#count = 0;
    this.#wide.clear();
    const reader = this.#reader;
    reader.open(block ?? new Uint8Array(0));
    let hasStored = reader.next();
    let at = range.from;
    while (hasStored || at < range.to) {
      const cell = at < range.to ? (order[at] as number) : -1;
      const side = !hasStored
        ? 1
        : cell < 0
          ? -1
          : compare(reader.key, 0, touched.keys, cell * touched.words + 1, this.#words);
      if (side > 0) {
        this.#takeNew(touched, cell, limit);
        at++;
        continue;
      }
      const into = this.#append(reader.key, 0);
      this.#sums.set(reader.sums, into * this.#measures);
      for (const [measure, exact] of reader.wide) this.#wide.set(into * this.#measures + measure, exact);
      if (side === 0) {
        this.#add(into, touched, cell);
        if (this.#dropZero(into)) limit.removed(reader.key[0] as number);
        at++;
      }
      hasStored = reader.next();
    }
  }

  #takeNew(touched: TouchedCells, cell: number, limit: CellLimit): void {
    const keyAt = cell * touched.words + 1;
    const into = this.#append(touched.keys, keyAt);
    this.#sums.fill(0, into * this.#measures, (into + 1) * this.#measures);
    this.#add(into, touched, cell);
    if (this.#dropZero(into) || limit.admit(touched.keys[keyAt] as number)) return;
    this.#drop(into);
    this.refused.push(cell);
  }

  #append(key: Int32Array, keyAt: number): number {
    const into = this.#count++;
    if ((into + 1) * this.#words > this.#keys.length) this.#grow();
    const base = into * this.#words;
    for (let word = 0; word < this.#words; word++) this.#keys[base + word] = key[keyAt + word] as number;
    return into;
  }

  #grow(): void {
    const keys = new Int32Array(this.#keys.length * 2);
    keys.set(this.#keys);
    this.#keys = keys;
    const sums = new Float64Array(this.#sums.length * 2);
    sums.set(this.#sums);
    this.#sums = sums;
  }

  #add(into: number, touched: TouchedCells, cell: number): void {
    const [to, from] = [into * this.#measures, cell * this.#measures];
    const isPlain = this.#wide.size === 0 && touched.beyond.size === 0;
    for (let measure = 0; measure < this.#measures; measure++) {
      const added = touched.sums[from + measure] as number;
      const sum = (this.#sums[to + measure] as number) + added;
      if (isPlain && sum <= Number.MAX_SAFE_INTEGER && sum >= -Number.MAX_SAFE_INTEGER)
        this.#sums[to + measure] = sum;
      else this.#addExactly(to + measure, BigInt(added) + (touched.beyond.get(from + measure) ?? 0n));
    }
  }

  #addExactly(at: number, added: bigint): void {
    const sum = (this.#wide.get(at) ?? BigInt(this.#sums[at] as number)) + added;
    this.#sums[at] = Number(sum);
    if (sum <= BigInt(Number.MAX_SAFE_INTEGER) && sum >= -BigInt(Number.MAX_SAFE_INTEGER))
      this.#wide.delete(at);
    else this.#wide.set(at, sum);
  }

  #dropZero(cell: number): boolean {
    const base = cell * this.#measures;
    for (let measure = 0; measure < this.#measures; measure++)
      if (this.#sums[base + measure] !== 0) return false;
    this.#drop(cell);
    return true;
  }

  /** The last one. */
  #drop(cell: number): void {
    invariant(cell === this.#count - 1, 'only the cell that is being merged goes');
    this.#count--;
    if (this.#wide.size === 0) return;
    for (let measure = 0; measure < this.#measures; measure++)
      this.#wide.delete(cell * this.#measures + measure);
  }

  /** Writes the merged cells in the place of the block `key`. */
  #write(prefix: Uint8Array, key: Uint8Array | undefined, isLast: boolean): void {
    const first = key ?? prefix;
    if (this.#count === 0) {
      if (key !== undefined) this.#table.remove(key);
      return;
    }
    const cells = { keys: this.#keys, words: this.#words, sums: this.#sums, wide: this.#wide };
    // The last block of a cube is full where it is cut: time goes on. Others are cut evenly: both halves grow.
    const max_bytes = isLast ? BLOCK_MAX_BYTES : this.#evenBytes();
    const writer = this.#writer;
    writer.reset();
    let blockStart = 0;
    for (let cell = 0; cell < this.#count; cell++) {
      if (writer.add(cells, cell, max_bytes)) continue;
      this.#put(prefix, first, blockStart);
      writer.reset();
      blockStart = cell;
      writer.add(cells, cell, max_bytes);
    }
    this.#put(prefix, first, blockStart);
  }

  #put(prefix: Uint8Array, first: Uint8Array, cell: number): void {
    const key = cell === 0 ? first : blockKey(prefix, this.#keys, cell * this.#words, this.#words);
    this.#table.put(key, this.#writer.view());
    this.blocksWritten++;
  }

  /** The largest a block may get so that all are about as large. */
  #evenBytes(): number {
    const cells = { keys: this.#keys, words: this.#words, sums: this.#sums, wide: this.#wide };
    const writer = this.#writer;
    writer.reset();
    for (let cell = 0; cell < this.#count; cell++) writer.add(cells, cell, Number.POSITIVE_INFINITY);
    const blocks = Math.ceil(writer.length / BLOCK_MAX_BYTES);
    const largest = writer.length / blocks + writer.length / this.#count;
    return Math.min(BLOCK_MAX_BYTES, Math.ceil(largest));
  }
}

function compare(a: Int32Array, aAt: number, b: Int32Array, bAt: number, words: number): number {
  for (let word = 0; word < words; word++) {
    const less = (a[aAt + word] as number) - (b[bAt + word] as number);
    if (less !== 0) return less;
  }
  return 0;
}
