import { ByteReader, ByteWriter, invariant, type KvTable, type KvView } from '../../engine/index.ts';
import { ID_WORDS } from './recent-ids.ts';

export const DAY_S = 86_400;
/** Ids in a block on disk, about: what one look-up reads. 16 bytes each fill eight pages, with room for chance. */
const BLOCK_IDS = 1_900;
/** Runs of a similar size are merged when there are this many. */
const MERGE_RUNS = 8;
/** 21 bits beside a word of 32 are an exact number. */
const SORTED_IDS = 2 ** 21;
const MAX_MERGED_IDS = SORTED_IDS;
const RUN_WORDS = 4;

interface Run {
  readonly day: number;
  readonly number: number;
  readonly ids: number;
  /** The first word of an id chooses the block. */
  readonly blocks: number;
  readonly min_s: number;
  readonly max_s: number;
  /** When the newest of them came here. */
  readonly stored_s: number;
}

/**
 * Ids that left memory, on disk by UTC day of event time: sorted runs in blocks chosen by the first
 * word of the id, with the range of event times of each run in memory. Live events are newer than
 * every run, so they cost no read; an old event reads one block of each run of its day that covers
 * its time. Runs of a day are merged by size (as in a tiered LSM tree), so their number stays logarithmic.
 */
export class OldIds {
  readonly #blocks: KvTable;
  readonly #directory: KvTable;
  readonly #days = new Map<number, Run[]>();
  /** An id is found by its day, whatever its time of day. */
  readonly #byDay: boolean;
  /** Blocks read so far, for the metrics. */
  blocksRead = 0;

  constructor(blocks: KvTable, directory: KvTable, byDay = false) {
    this.#byDay = byDay;
    this.#blocks = blocks;
    this.#directory = directory;
    for (const run of readDirectory(directory)) this.#runs(run.day).push(run);
  }

  #runs(day: number): Run[] {
    let runs = this.#days.get(day);
    if (runs === undefined) {
      runs = [];
      this.#days.set(day, runs);
    }
    return runs;
  }

  get runCount(): number {
    let count = 0;
    for (const runs of this.#days.values()) count += runs.length;
    return count;
  }

  /** The payload hash of an id with this event time, or -1. */
  find(id0: number, id1: number, id2: number, time_s: number): number {
    const runs = this.#days.get(Math.floor(time_s / DAY_S));
    if (runs === undefined) return -1;
    for (const run of runs) {
      if (!this.#byDay && (time_s < run.min_s || time_s > run.max_s)) continue;
      const found = this.#findIn(run, id0, id1, id2);
      if (found >= 0) return found;
    }
    return -1;
  }

  /** Whether an id of an event of this UTC day is here. */
  knows(id0: number, id1: number, id2: number, day: number): boolean {
    return this.#days.get(day)?.some((run) => this.#findIn(run, id0, id1, id2) >= 0) ?? false;
  }

  #findIn(run: Run, id0: number, id1: number, id2: number): number {
    const bytes = this.#blocks.get(blockKey(run, blockOf(run, id0)));
    this.blocksRead++;
    return bytes === undefined ? -1 : search(bytes, id0 >>> 0, id1 >>> 0, id2 >>> 0);
  }

  /** Inside the commit: takes entries of ID_WORDS words that leave memory at the time `stored_s`. */
  store(entries: Uint32Array, stored_s: number): void {
    const byDay = new Map<number, number[]>();
    for (let at = 0; at < entries.length; at += ID_WORDS) {
      const day = Math.floor((entries[at + 4] as number) / DAY_S);
      let list = byDay.get(day);
      if (list === undefined) {
        list = [];
        byDay.set(day, list);
      }
      list.push(at);
    }
    for (const [day, places] of byDay) {
      let min_s = Number.POSITIVE_INFINITY;
      let max_s = 0;
      const words = new Uint32Array(places.length * RUN_WORDS);
      for (const [index, at] of places.entries()) {
        words.set(entries.subarray(at, at + RUN_WORDS), index * RUN_WORDS);
        const time_s = entries[at + 4] as number;
        min_s = Math.min(min_s, time_s);
        max_s = Math.max(max_s, time_s);
      }
      this.#write(day, words, min_s, max_s, stored_s);
      // A merged run may be one too many of its own size.
      while (this.#mergeDay(day)) {}
    }
  }

  #write(day: number, words: Uint32Array, min_s: number, max_s: number, stored_s: number): void {
    const runs = this.#runs(day);
    const ids = words.length / RUN_WORDS;
    const number = runs.reduce((highest, run) => Math.max(highest, run.number), -1) + 1;
    const blocks = Math.ceil(ids / BLOCK_IDS);
    const run: Run = { day, number, ids, blocks, min_s, max_s, stored_s };
    const order = sortedOrder(words);
    const writer = new ByteWriter();
    let block = -1;
    const flush = (): void => {
      if (block >= 0) this.#blocks.put(blockKey(run, block), writer.view());
      writer.reset();
    };
    for (const index of order) {
      const at = index * RUN_WORDS;
      const target = blockOf(run, words[at] as number);
      if (target !== block) {
        flush();
        block = target;
      }
      for (let word = 0; word < RUN_WORDS; word++) writer.u32(words[at + word] as number);
    }
    flush();
    runs.push(run);
    const entry = new ByteWriter()
      .varint(ids)
      .varint(blocks)
      .varint(min_s)
      .varint(max_s)
      .varint(stored_s)
      .copy();
    this.#directory.put(runKey(run), entry);
  }

  /** Merges the runs of the newest one's size, if they are many; false when they are not. */
  #mergeDay(day: number): boolean {
    const runs = this.#runs(day);
    const sizeClass = (run: Run): number => Math.floor(Math.log2(Math.max(1, run.ids)) / 3);
    const last = runs.at(-1);
    if (last === undefined) return false;
    const alike = runs.filter((run) => sizeClass(run) === sizeClass(last));
    const ids = alike.reduce((sum, run) => sum + run.ids, 0);
    if (alike.length < MERGE_RUNS || ids > MAX_MERGED_IDS) return false;
    const words = new Uint32Array(ids * RUN_WORDS);
    let at = 0;
    for (const run of alike) {
      for (const bytes of this.#readRun(run)) {
        const reader = new ByteReader(bytes);
        while (reader.remaining > 0) words[at++] = reader.u32();
      }
    }
    const min_s = Math.min(...alike.map((run) => run.min_s));
    const max_s = Math.max(...alike.map((run) => run.max_s));
    const stored_s = Math.max(...alike.map((run) => run.stored_s));
    for (const run of alike) this.#drop(run);
    this.#write(day, words, min_s, max_s, stored_s);
    return true;
  }

  *#readRun(run: Run): Iterable<Uint8Array> {
    const start = blockKey(run, 0);
    const end = new ByteWriter()
      .u32(run.day)
      .u32(run.number + 1)
      .copy();
    for (const { value } of this.#blocks.scan({ start, end })) yield value;
  }

  #drop(run: Run): void {
    for (let block = 0; block < run.blocks; block++) this.#blocks.remove(blockKey(run, block));
    this.#directory.remove(runKey(run));
    const runs = this.#runs(run.day).filter((other) => other !== run);
    if (runs.length === 0) this.#days.delete(run.day);
    else this.#days.set(run.day, runs);
  }

  /**
   * Inside the commit: forgets runs that were stored before `time_s`. One day's at most a
   * commit, to keep commits short.
   */
  expire(time_s: number): void {
    for (const runs of this.#days.values()) {
      const gone = runs.filter(({ stored_s }) => stored_s < time_s);
      for (const run of gone) this.#drop(run);
      if (gone.length > 0) return;
    }
  }

  /** Inside the commit: forgets all runs of earlier UTC days of event time, days since the epoch. */
  cut(day: number): void {
    for (const [own, runs] of [...this.#days]) if (own < day) for (const run of runs) this.#drop(run);
  }
}

function blockOf(run: Run, id0: number): number {
  return Math.floor(((id0 >>> 0) * run.blocks) / 2 ** 32);
}

function runKey({ day, number }: { day: number; number: number }): Uint8Array {
  return new ByteWriter().u32(day).u32(number).copy();
}

function blockKey(run: { day: number; number: number }, block: number): Uint8Array {
  return new ByteWriter().u32(run.day).u32(run.number).u32(block).copy();
}

function* readDirectory(directory: KvView): Iterable<Run> {
  for (const { key, value } of directory.scan()) {
    const place = new ByteReader(key);
    const reader = new ByteReader(value);
    yield {
      day: place.u32(),
      number: place.u32(),
      ids: reader.varint(),
      blocks: reader.varint(),
      min_s: reader.varint(),
      max_s: reader.varint(),
      stored_s: reader.varint(),
    };
  }
}

/** Indexes of the entries in ascending order of id0. */
function sortedOrder(words: Uint32Array): Float64Array {
  const count = words.length / RUN_WORDS;
  invariant(count <= SORTED_IDS, 'a run of ids has its limit');
  // Word and index in one number: what typed arrays sort without a call for each pair.
  const order = new Float64Array(count);
  for (let index = 0; index < count; index++)
    order[index] = (words[index * RUN_WORDS] as number) * SORTED_IDS + index;
  order.sort();
  for (let place = 0; place < count; place++) order[place] = (order[place] as number) % SORTED_IDS;
  return order;
}

/** Binary search for id0, then along its equals. */
function search(bytes: Uint8Array, id0: number, id1: number, id2: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let low = 0;
  let high = bytes.length / 16;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (view.getUint32(middle * 16) < id0) low = middle + 1;
    else high = middle;
  }
  for (let at = low * 16; at < bytes.length && view.getUint32(at) === id0; at += 16) {
    if (view.getUint32(at + 4) === id1 && view.getUint32(at + 8) === id2) return view.getUint32(at + 12);
  }
  return -1;
}

/** Every stored id with its UTC day, in no useful order. */
export function* storedIds(blocks: KvView): Iterable<readonly [number, number, number, number]> {
  for (const { key, value } of blocks.scan()) {
    const day = new ByteReader(key).u32();
    const reader = new ByteReader(value);
    while (reader.remaining > 0) {
      const id = [reader.u32(), reader.u32(), reader.u32(), day] as const;
      // The payload's hash.
      reader.u32();
      yield id;
    }
  }
}
