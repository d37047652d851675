import type { KvView } from '../state/index.ts';
import { BlockReader } from './block.ts';
import { rank } from './rank.ts';
import type { Run } from './run.ts';

/** Above the rank of every word but one, which is its equal. */
const MAX_RANK = 0x7fff_ffff;

class Cursor {
  readonly reader = new BlockReader();
  readonly #run: Run;
  /** Of two records with one key the one of the lower age counts. */
  readonly #age: number;
  #block: number;
  index = 0;
  /** The key that it is at, by rank. */
  hi = 0;
  lo = 0;

  constructor(run: Run, age: number, block: number) {
    this.#run = run;
    this.#age = age;
    this.#block = block;
  }

  /** Bytes of the block read, or 0 at the end. */
  nextBlock(table: KvView): number {
    if (this.#block === this.#run.meta.blocks) return 0;
    const bytes = this.#run.block(table, this.#block++);
    this.reader.load(bytes);
    this.index = 0;
    return bytes.length;
  }

  takeKey(): void {
    this.hi = rank(this.reader.hi(this.index));
    this.lo = rank(this.reader.lo(this.index));
  }

  isBefore(other: Cursor): boolean {
    if (this.hi !== other.hi) return this.hi < other.hi;
    return this.lo === other.lo ? this.#age < other.#age : this.lo < other.lo;
  }
}

/**
 * The records of several runs in ascending order of their keys, of each key the one of the newest run. Holds a
 * block of each run. After `next` gave true the members say what the record is, until the next call.
 */
export class Merged {
  /** By the records that they are at; those that have ended are taken out. */
  readonly #cursors: Cursor[] = [];
  /** Of the record: two signed words. */
  hi = 0;
  lo = 0;
  isTombstone = false;
  reader = new BlockReader();
  start = 0;
  end = 0;
  /** The first cursor, whose record it is: it goes on by itself while its keys are below this one, by rank. */
  #lead: Cursor | undefined;
  #boundHi = MAX_RANK;
  #boundLo = MAX_RANK;
  /** Bytes of blocks read so far. */
  bytesRead = 0;

  /** From the first key whose high word is `fromHi` or more, unsigned. */
  constructor(runs: readonly Run[], table: KvView, fromHi = 0) {
    for (const [age, run] of runs.entries()) {
      const cursor = new Cursor(run, age, run.blockOf(fromHi, 0));
      this.bytesRead += cursor.nextBlock(table);
      cursor.index = cursor.reader.lowerBound(fromHi | 0, 0);
      this.#cursors.unshift(cursor);
      this.#settle(table);
    }
  }

  /** Brings the first cursor, whose index has changed, to its place; out, where its run has ended. */
  #settle(table: KvView): void {
    const cursors = this.#cursors;
    const cursor = cursors[0] as Cursor;
    if (cursor.index === cursor.reader.count) {
      const read = cursor.nextBlock(table);
      if (read === 0) {
        cursors.shift();
        return;
      }
      this.bytesRead += read;
    }
    cursor.takeKey();
    let place = 0;
    for (; place + 1 < cursors.length; place++) {
      const other = cursors[place + 1] as Cursor;
      if (!other.isBefore(cursor)) break;
      cursors[place] = other;
    }
    cursors[place] = cursor;
  }

  /** `table` is the one that the runs lie in, as it is now: a merge goes on over several transactions. */
  next(table: KvView): boolean {
    return this.#goOn() || this.#choose(table);
  }

  /** The next record, if the block at hand has it and no other cursor comes before it. */
  #goOn(): boolean {
    const lead = this.#lead;
    if (lead === undefined) return false;
    const { reader } = lead;
    const index = lead.index + 1;
    if (index === reader.count) return false;
    const hi = reader.hi(index);
    const high = rank(hi);
    const boundHi = this.#boundHi;
    if (high > boundHi) return false;
    const lo = reader.lo(index);
    const low = rank(lo);
    if (high === boundHi && low >= this.#boundLo) return false;
    lead.index = index;
    lead.hi = high;
    lead.lo = low;
    this.hi = hi;
    this.lo = lo;
    // A record begins where the one before it ends.
    this.start = this.end;
    this.end = reader.end(index);
    this.isTombstone = reader.isTombstone(index);
    return true;
  }

  #choose(table: KvView): boolean {
    const cursors = this.#cursors;
    if (this.#lead !== undefined) {
      const { hi, lo } = this.#lead;
      // Those of older runs with the same key count no more.
      for (let first = cursors[0]; first?.hi === hi && first.lo === lo; first = cursors[0]) {
        first.index++;
        this.#settle(table);
      }
    }
    const lead = cursors[0];
    this.#lead = lead;
    if (lead === undefined) return false;
    this.#boundHi = cursors[1]?.hi ?? MAX_RANK;
    this.#boundLo = cursors[1]?.lo ?? MAX_RANK;
    const { reader, index } = lead;
    this.hi = rank(lead.hi);
    this.lo = rank(lead.lo);
    this.reader = reader;
    this.isTombstone = reader.isTombstone(index);
    this.start = reader.start(index);
    this.end = reader.end(index);
    return true;
  }
}
