import type { KvTable } from '../state/index.ts';
import { BlockBuilder } from './block.ts';
import type { ByteArea } from './copy-bytes.ts';
import { Filter } from './filter.ts';
import { blockKey, FILTER_PAGE_BYTES, fencesKey, filterKey } from './layout.ts';
import { Run } from './run.ts';

const INITIAL_BLOCKS = 16;

/** Writes a run block by block, in as many transactions as its owner likes; it counts once `finish` gave it. */
export class RunWriter {
  readonly number: number;
  readonly #table: KvTable;
  readonly #builder: BlockBuilder;
  readonly #filter: Filter;
  #firstHi = new Uint32Array(INITIAL_BLOCKS);
  #firstLo = new Uint32Array(INITIAL_BLOCKS);
  #last: Uint8Array = new Uint8Array(0);
  blocks = 0;
  bytes = 0;
  records = 0;
  #tombstones = 0;

  /** For `records` records at most. `builder` is empty, and nobody else's until the end. */
  constructor(table: KvTable, number: number, records: number, builder = new BlockBuilder()) {
    this.#builder = builder;
    this.#table = table;
    this.number = number;
    this.#filter = Filter.for(records);
  }

  /** Takes source[start, end) as the record of a key above all before it. */
  add(hi: number, lo: number, source: ByteArea, start: number, end: number, isTombstone: boolean): void {
    if (!this.#builder.add(hi, lo, source, start, end, isTombstone)) {
      this.#flush();
      this.#builder.add(hi, lo, source, start, end, isTombstone);
    }
    this.#filter.add(hi, lo);
    this.records++;
    if (isTombstone) this.#tombstones++;
  }

  #flush(): void {
    const block = this.blocks;
    if (block === this.#firstHi.length) {
      this.#firstHi = grown(this.#firstHi);
      this.#firstLo = grown(this.#firstLo);
    }
    this.#firstHi[block] = this.#builder.firstHi;
    this.#firstLo[block] = this.#builder.firstLo;
    const bytes = this.#builder.take();
    this.#table.put(blockKey(this.number, block), bytes);
    this.#last = bytes;
    this.bytes += bytes.length;
    this.blocks = block + 1;
  }

  /** Undefined when no record came. */
  finish(): Run | undefined {
    if (this.records === 0) return undefined;
    this.#flush();
    const { number, blocks, records, bytes } = this;
    const filter = this.#filter.fold(records);
    const fences = new Uint32Array(blocks * 2);
    fences.set(this.#firstHi.subarray(0, blocks));
    fences.set(this.#firstLo.subarray(0, blocks), blocks);
    let filterPages = 0;
    if (blocks > 1) {
      this.#table.put(fencesKey(number), new Uint8Array(fences.buffer));
      const words = new Uint8Array(filter.words.buffer);
      for (let at = 0; at < words.length; at += FILTER_PAGE_BYTES, filterPages++)
        this.#table.put(filterKey(number, filterPages), words.subarray(at, at + FILTER_PAGE_BYTES));
    }
    const meta = { number, records, tombstones: this.#tombstones, bytes, blocks, filterPages };
    return new Run(meta, fences, filter, blocks === 1 ? Uint8Array.from(this.#last) : undefined);
  }
}

function grown(from: Uint32Array): Uint32Array<ArrayBuffer> {
  const to = new Uint32Array(from.length * 2);
  to.set(from);
  return to;
}
