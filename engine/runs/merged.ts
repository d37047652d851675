import type { KvView } from '../state/index.ts';
import { BlockReader } from './block.ts';
import { rank } from './rank.ts';
import type { Run } from './run.ts';

/** Above the rank of every word but one, which is its equal. */
const MAX_RANK = 0x7fff_ffff;

class Cursor {
  readonly reader = new BlockReader();
  readonly #run: Run;
  #block: number;
  index = 0;

  constructor(run: Run, block: number) {
    this.#run = run;
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
}

/**
 * The records of several runs in ascending order of their keys, of each key the one of the newest run. Holds a
 * block of each run. After `next` gave true the members say what the record is, until the next call.
 */
export class Merged {
  /** Newest first, those that have ended taken out. */
  readonly #cursors: Cursor[] = [];
  /** Of the record that each is at, by rank. */
  readonly #hi: Int32Array;
  readonly #lo: Int32Array;
  /** Of the record: two signed words. */
  hi = 0;
  lo = 0;
  isTombstone = false;
  reader = new BlockReader();
  start = 0;
  end = 0;
  #began = false;
  /** The cursor of the record, and its place: it goes on by itself while its keys are below those of all others. */
  #lead: Cursor | undefined;
  #leadPlace = 0;
  /** The least key that another cursor is at, by rank. */
  #boundHi = 0;
  #boundLo = 0;
  /** Bytes of blocks read so far. */
  bytesRead = 0;

  /** From the first key whose high word is `fromHi` or more, unsigned. */
  constructor(runs: readonly Run[], table: KvView, fromHi = 0) {
    this.#hi = new Int32Array(runs.length);
    this.#lo = new Int32Array(runs.length);
    for (const run of runs) {
      const cursor = new Cursor(run, run.blockOf(fromHi, 0));
      this.bytesRead += cursor.nextBlock(table);
      cursor.index = cursor.reader.lowerBound(fromHi | 0, 0);
      const place = this.#cursors.push(cursor) - 1;
      if (!this.#settle(place, cursor, table)) this.#cursors.pop();
    }
  }

  /** Takes over the key that a cursor is at, from its next block if need be; false at the run's end. */
  #settle(place: number, cursor: Cursor, table: KvView): boolean {
    if (cursor.index === cursor.reader.count) {
      const read = cursor.nextBlock(table);
      if (read === 0) return false;
      this.bytesRead += read;
    }
    this.#hi[place] = rank(cursor.reader.hi(cursor.index));
    this.#lo[place] = rank(cursor.reader.lo(cursor.index));
    return true;
  }

  #end(place: number): void {
    this.#cursors.splice(place, 1);
    this.#hi.copyWithin(place, place + 1);
    this.#lo.copyWithin(place, place + 1);
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
    this.#hi[this.#leadPlace] = high;
    this.#lo[this.#leadPlace] = low;
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
    const his = this.#hi;
    const los = this.#lo;
    const began = this.#began;
    const lastHi = rank(this.hi);
    const lastLo = rank(this.lo);
    let best = -1;
    let hi = MAX_RANK;
    let lo = MAX_RANK;
    let boundHi = MAX_RANK;
    let boundLo = MAX_RANK;
    for (let place = 0; place < cursors.length; place++) {
      if (began && his[place] === lastHi && los[place] === lastLo) {
        const cursor = cursors[place] as Cursor;
        cursor.index++;
        if (!this.#settle(place, cursor, table)) {
          this.#end(place--);
          continue;
        }
      }
      const high = his[place] as number;
      const low = los[place] as number;
      if (best < 0 || high < hi || (high === hi && low < lo)) {
        [boundHi, boundLo] = [hi, lo];
        best = place;
        hi = high;
        lo = low;
      } else if (high < boundHi || (high === boundHi && low < boundLo)) {
        boundHi = high;
        boundLo = low;
      }
    }
    this.#lead = cursors[best];
    if (best < 0) return false;
    this.#began = true;
    this.#leadPlace = best;
    this.#boundHi = boundHi;
    this.#boundLo = boundLo;
    this.hi = rank(hi);
    this.lo = rank(lo);
    const { reader, index } = cursors[best] as Cursor;
    this.reader = reader;
    this.isTombstone = reader.isTombstone(index);
    this.start = reader.start(index);
    this.end = reader.end(index);
    return true;
  }
}
