import { invariant } from '../base/index.ts';
import type { KvView } from '../state/index.ts';
import { BlockReader } from './block.ts';
import { Filter } from './filter.ts';
import { blockKey, fencesKey, filterKey, type RunMeta } from './layout.ts';

/** What is in memory of a run: the first key of each block, the filter, and the block of a run of one. */
export class Run {
  readonly meta: RunMeta;
  /** First key of each block: all high words, then all low ones. */
  readonly #fences: Uint32Array;
  #filter: Filter | undefined;
  readonly #only: Uint8Array | undefined;

  constructor(meta: RunMeta, fences: Uint32Array, filter: Filter | undefined, only: Uint8Array | undefined) {
    this.meta = meta;
    this.#fences = fences;
    this.#filter = filter;
    this.#only = only;
  }

  static load(meta: RunMeta, table: KvView): Run {
    const { number, blocks } = meta;
    if (blocks > 1) {
      const bytes = Uint8Array.from(required(table.get(fencesKey(number)), number));
      invariant(bytes.length === blocks * 8, `run ${number} has a fence for each block`);
      return new Run(meta, new Uint32Array(bytes.buffer), undefined, undefined);
    }
    const only = Uint8Array.from(required(table.get(blockKey(number, 0)), number));
    const reader = new BlockReader();
    reader.load(only);
    const filter = Filter.for(reader.count);
    for (let index = 0; index < reader.count; index++) filter.add(reader.hi(index), reader.lo(index));
    return new Run(meta, Uint32Array.of(reader.hi(0), reader.lo(0)), filter, only);
  }

  get memory_bytes(): number {
    const filter_bytes = this.#filter?.words.byteLength ?? 0;
    return this.#fences.byteLength + filter_bytes + (this.#only?.length ?? 0);
  }

  /** Read at the first question: a scan asks none. */
  filter(table: KvView): Filter {
    if (this.#filter !== undefined) return this.#filter;
    const { number, filterPages } = this.meta;
    const pages = Array.from({ length: filterPages }, (_, page) =>
      Uint8Array.from(required(table.get(filterKey(number, page)), number)),
    );
    this.#filter = Filter.fromBytes(pages);
    return this.#filter;
  }

  /** The last block whose first key is not above (hi, lo); 0 where every one is. */
  blockOf(hi: number, lo: number): number {
    const fences = this.#fences;
    const { blocks } = this.meta;
    const high = hi >>> 0;
    let from = 0;
    let to = blocks - 1;
    while (from < to) {
      const middle = (from + to + 1) >>> 1;
      const fence = fences[middle] as number;
      const isAbove = fence > high || (fence === high && (fences[blocks + middle] as number) > lo >>> 0);
      if (isAbove) to = middle - 1;
      else from = middle;
    }
    return from;
  }

  /** Valid until the next call on the table. */
  block(table: KvView, block: number): Uint8Array {
    return this.#only ?? required(table.get(blockKey(this.meta.number, block)), this.meta.number);
  }
}

function required(bytes: Uint8Array | undefined, run: number): Uint8Array {
  invariant(bytes !== undefined, `every row of run ${run} is stored`);
  return bytes;
}
