import type { KvView } from '../state/index.ts';
import { BlockReader } from './block.ts';
import type { RunMeta } from './layout.ts';
import { Merged } from './merged.ts';
import { Run } from './run.ts';

/** Sees a record, bytes[start, end), which are valid during the call. */
export type VisitRecord = (hi: number, lo: number, bytes: Uint8Array, start: number, end: number) => void;

const ABOVE_ALL = 2 ** 32;

interface LastBlock {
  readonly reader: BlockReader;
  /** Its number in the run; -1: none. */
  block: number;
}

/** The runs of one state of a table, newest first, and the questions that can be asked of them. */
export class RunSet {
  runs: Run[] = [];
  /** Of each run the block that was looked into last: who looks keys up in their order reads a block once. */
  readonly #readers = new Map<Run, LastBlock>();

  /** Takes over the runs of a manifest; those that are known stay in memory, as a run never changes. */
  follow(metas: readonly RunMeta[], table: KvView): void {
    const known = new Map(this.runs.map((run) => [run.meta.number, run]));
    this.letGo();
    this.runs = metas.map((meta) => known.get(meta.number) ?? Run.load(meta, table));
  }

  get memory_bytes(): number {
    let sum = 0;
    for (const run of this.runs) sum += run.memory_bytes;
    return sum;
  }

  /** Records in all runs; one that was changed or removed counts once for each run that has a version of it. */
  get recordCount(): number {
    let sum = 0;
    for (const run of this.runs) sum += run.meta.records;
    return sum;
  }

  /** Of all blocks. */
  get stored_bytes(): number {
    let sum = 0;
    for (const run of this.runs) sum += run.meta.bytes;
    return sum;
  }

  /** The bytes of a key's newest record, valid until the next call; undefined where there is none. Signed words. */
  find(hi: number, lo: number, table: KvView): Uint8Array | undefined {
    const runs = this.runs;
    for (let index = 0; index < runs.length; index++) {
      const run = runs[index] as Run;
      if (!run.filter(table).has(hi, lo)) continue;
      const reader = this.#blockOf(run, run.blockOf(hi, lo), table);
      const place = reader.find(hi, lo);
      if (place < 0) continue;
      if (reader.isTombstone(place)) return undefined;
      return reader.area.bytes.subarray(reader.start(place), reader.end(place));
    }
    return undefined;
  }

  /** A run never changes, nor does a block of it. */
  #blockOf(run: Run, block: number, table: KvView): BlockReader {
    let last = this.#readers.get(run);
    if (last === undefined) {
      last = { reader: new BlockReader(), block: -1 };
      this.#readers.set(run, last);
    }
    if (last.block !== block) {
      // Nothing is known of it while it is read: that may throw.
      last.block = -1;
      last.reader.load(run.block(table, block));
      last.block = block;
    }
    return last.reader;
  }

  /** Lets go of the blocks that were looked into. */
  letGo(): void {
    this.#readers.clear();
  }

  /** Whether some run has the key, with a few false answers of yes. */
  mayHave(hi: number, lo: number, table: KvView): boolean {
    const runs = this.runs;
    for (let index = 0; index < runs.length; index++)
      if ((runs[index] as Run).filter(table).has(hi, lo)) return true;
    return false;
  }

  /** The newest record of each key whose high word, unsigned, is in [fromHi, toHi), in the order of keys. */
  scan(table: KvView, visit: VisitRecord, fromHi = 0, toHi = ABOVE_ALL): void {
    const merged = new Merged(this.runs, table, fromHi);
    while (merged.next(table) && merged.hi >>> 0 < toHi) {
      if (merged.isTombstone) continue;
      visit(merged.hi, merged.lo, merged.reader.area.bytes, merged.start, merged.end);
    }
  }

  /** Copies of all records, each behind its key of 8 bytes. */
  *rows(table: KvView): Iterable<Uint8Array> {
    const merged = new Merged(this.runs, table);
    while (merged.next(table)) {
      if (merged.isTombstone) continue;
      const { hi, lo, reader, start, end } = merged;
      const row = Buffer.allocUnsafe(8 + end - start);
      row.writeInt32BE(hi);
      row.writeInt32BE(lo, 4);
      row.set(reader.area.bytes.subarray(start, end), 8);
      yield row;
    }
  }
}
