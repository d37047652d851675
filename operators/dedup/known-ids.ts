import {
  ByteReader,
  ByteWriter,
  type Counter,
  invariant,
  type KvTable,
  type Metrics,
} from '../../engine/index.ts';
import { IdRows } from './id-rows.ts';
import { DAY_S, OldIds } from './old-ids.ts';
import { ID_WORDS, RecentIds, TOUCHED_IDS } from './recent-ids.ts';

/** Rows that the ids in memory have at least, as the oldest row leaves memory whole. */
const LOG_ROWS_MIN = 8;
/** So many new ids ask for a commit, where memory holds fewer: until then they are there beside the others. */
const UNCOMMITTED_MIN_IDS = 65_536;
/** Ids that go to disk at once. */
const STORED_IDS = 1 << 20;
/** Later rows may have fewer ids than the first one. */
const RESERVED_SHARE = 0.9;
const INITIAL_ENTRIES = 4_096;

interface LogRow {
  readonly number: number;
  readonly ids: number;
  readonly min_s: number;
}

/**
 * The ids that were seen: the newest in memory, found by id alone, with a log of them that is read back at start;
 * older ones on disk (`OldIds`), found by id and event time. Each id is in exactly one of the two. When it goes from one
 * to the other follows from commits: where nothing may (`byDay`), it is found by id and UTC day of event time in both.
 */
export class KnownIds {
  readonly #log: KvTable;
  readonly #memory_ids: number;
  readonly #recent = new RecentIds();
  readonly #old: OldIds;
  readonly #codec: IdRows;
  /** Full rows of the log, oldest first. */
  #rows: LogRow[] = [];
  /** Ids behind the last full row, ID_WORDS words each: the log's last row, if it has one that is not full, and what is new. */
  #tail = new Int32Array(INITIAL_ENTRIES * ID_WORDS);
  #tailIds = 0;
  /** Of the row that the tail begins with. */
  #tailNumber = 0;
  #isTailLogged = false;
  #uncommitted = 0;
  /** The log's last row is not what the tail is. */
  #isTailChanged = false;
  /** No id of an earlier event time is known, s. */
  #cut_s = 0;
  /** An id is one of a UTC day, in memory too. */
  readonly #byDay: boolean;

  constructor(
    tables: { readonly log: KvTable; readonly blocks: KvTable; readonly directory: KvTable },
    memory_ids: number,
    byDay = false,
  ) {
    this.#byDay = byDay;
    this.#log = tables.log;
    this.#memory_ids = memory_ids;
    this.#old = new OldIds(tables.blocks, tables.directory, byDay);
    const limit = Math.floor(memory_ids / LOG_ROWS_MIN);
    this.#codec = new IdRows(Math.max(1, Math.min(IdRows.maxIds, limit)));
    this.#restore();
  }

  /** Ids in memory. */
  get memoryIds(): number {
    return this.#recent.size;
  }

  get memory_bytes(): number {
    return this.#recent.memory_bytes + this.#tail.byteLength;
  }

  /** Shows its figures, and gives the counters of what is dropped. */
  observe(metrics: Metrics, operator: string): { readonly duplicates: Counter; readonly conflicts: Counter } {
    const labels = { operator };
    metrics.gauge('millrace.dedup.memory_ids', 'Ids in memory', () => this.memoryIds, labels);
    metrics.gauge('millrace.dedup.memory.usage', 'Memory of the ids', () => this.memory_bytes, labels);
    metrics.gauge('millrace.dedup.disk_runs', 'Runs of ids on disk', () => this.#old.runCount, labels);
    metrics.observedCounter(
      'millrace.dedup.disk_blocks_read',
      'Blocks of ids read',
      () => this.#old.blocksRead,
      labels,
    );
    return {
      duplicates: metrics.counter(
        'millrace.dedup.duplicates',
        'Events dropped because their id is known',
        labels,
      ),
      conflicts: metrics.counter('millrace.dedup.conflicts', 'Duplicates whose payload differs', labels),
    };
  }

  /** There are so many new ids that a commit is due. */
  get isCommitDue(): boolean {
    return this.#uncommitted > Math.max(UNCOMMITTED_MIN_IDS, this.#memory_ids);
  }

  /** The payload's hash of a known id, 0..2^32-1; or -1, and from now on the id is known. `time_s` is a 32-bit word. */
  meet(id0: number, id1: number, id2: number, payload: number, time_s: number): number {
    const own2 = this.#byDay ? ofDay(id2, time_s) : id2;
    const recent = this.#recent.find(id0, id1, own2);
    if (recent >= 0) return recent;
    const old = this.#old.find(id0, id1, id2, time_s);
    if (old >= 0) return old;
    this.#recent.addMissed(id0 | 0, id1 | 0, own2 | 0, payload | 0);
    const tail = this.#tailOf(this.#tailIds + 1);
    const at = this.#tailIds++ * ID_WORDS;
    tail[at] = id0;
    tail[at + 1] = id1;
    tail[at + 2] = id2;
    tail[at + 3] = payload;
    tail[at + 4] = time_s;
    this.#uncommitted++;
    this.#isTailChanged = true;
    return -1;
  }

  /** Whether an id is known; `time_s` as in `meet`. */
  has(id0: number, id1: number, id2: number, time_s: number): boolean {
    const own2 = this.#byDay ? ofDay(id2, time_s) : id2;
    return this.#recent.find(id0, id1, own2) >= 0 || this.#old.find(id0, id1, id2, time_s) >= 0;
  }

  /** The event time of an id in memory, s; undefined for one that is not. Reads the log. */
  timeOf(id0: number, id1: number, id2: number): number | undefined {
    // Where ids are those of days nobody knows which day to look for: the log says it.
    if (!this.#byDay && this.#recent.find(id0, id1, id2) < 0) return undefined;
    const found = timeIn(this.#tail, this.#tailIds, id0, id1, id2);
    if (found !== undefined) return found;
    const entries = new Int32Array(IdRows.maxIds * ID_WORDS);
    for (const { number } of this.#rows.toReversed()) {
      const time_s = timeIn(entries, this.#codec.read(this.#row(number), entries, 0), id0, id1, id2);
      if (time_s !== undefined) return time_s;
    }
    return undefined;
  }

  /** Whether an id of an event of this UTC day is known. */
  knows(id0: number, id1: number, id2: number, time_s: number): boolean {
    const own2 = this.#byDay ? ofDay(id2, time_s) : id2;
    return (
      this.#recent.find(id0, id1, own2) >= 0 || this.#old.knows(id0, id1, id2, Math.floor(time_s / DAY_S))
    );
  }

  #tailOf(ids: number): Int32Array {
    if (ids * ID_WORDS > this.#tail.length) {
      const grown = new Int32Array(Math.max(ids * ID_WORDS, this.#tail.length * 2));
      grown.set(this.#tail);
      this.#tail = grown;
    }
    return this.#tail;
  }

  /** Inside the commit: moves what is too much to disk, and writes the log. `now_ms` is when they left memory. */
  commit(now_ms: number): void {
    this.#evict(Math.floor(now_ms / 1_000));
    let from = 0;
    while (this.#isTailChanged && from < this.#tailIds) {
      const row = this.#codec.write(this.#tail, from, this.#tailIds);
      this.#log.put(rowKey(this.#tailNumber), row);
      this.#isTailLogged = true;
      if (!this.#codec.isFull) break;
      const { ids, min_s } = this.#codec;
      this.#rows.push({ number: this.#tailNumber, ids, min_s });
      from += ids;
      this.#nextRow();
    }
    this.#dropTail(from);
    this.#isTailChanged = false;
    this.#uncommitted = 0;
  }

  #nextRow(): void {
    this.#tailNumber++;
    this.#isTailLogged = false;
  }

  /** The tail loses some that may be in the log: what stays is written again. */
  #unlogTail(): void {
    if (this.#isTailLogged) this.#log.remove(rowKey(this.#tailNumber));
    this.#nextRow();
    this.#isTailChanged = true;
  }

  /** Takes the first entries off the tail. */
  #dropTail(ids: number): void {
    this.#tail.copyWithin(0, ids * ID_WORDS, this.#tailIds * ID_WORDS);
    this.#tailIds -= ids;
  }

  /** What is in the log goes by whole rows; what is new and too much never comes into it. */
  #evict(now_s: number): void {
    let rows = 0;
    let ids = 0;
    const excess = this.#recent.size - this.#memory_ids;
    while (ids < excess && rows < this.#rows.length) ids += (this.#rows[rows++] as LogRow).ids;
    const ofTail = Math.max(0, excess - ids);
    if (ids + ofTail === 0) return;
    const entries = new Int32Array((ids + ofTail) * ID_WORDS);
    let count = 0;
    for (const { number } of this.#rows.splice(0, rows)) {
      count += this.#codec.read(this.#row(number), entries, count);
      this.#log.remove(rowKey(number));
    }
    entries.set(this.#tail.subarray(0, ofTail * ID_WORDS), count * ID_WORDS);
    if (ofTail > 0) this.#unlogTail();
    this.#dropTail(ofTail);
    this.#forget(entries, ids + ofTail);
    const words = new Uint32Array(entries.buffer);
    for (let at = 0; at < words.length; at += STORED_IDS * ID_WORDS)
      this.#old.store(words.subarray(at, at + STORED_IDS * ID_WORDS), now_s);
  }

  #row(number: number): Uint8Array {
    const row = this.#log.get(rowKey(number));
    invariant(row !== undefined, `row ${number} of the log of ids is stored`);
    return row;
  }

  #forget(entries: Int32Array, ids: number): void {
    for (let at = 0; at < ids * ID_WORDS; at += ID_WORDS) this.#forgetEntry(entries, at);
  }

  #forgetEntry(entries: Int32Array, at: number): void {
    this.#recent.remove(entries[at] as number, entries[at + 1] as number, this.#lastWord(entries, at));
  }

  /** The third word by which an entry is found in memory. */
  #lastWord(entries: Int32Array, at: number): number {
    const id2 = entries[at + 2] as number;
    return this.#byDay ? ofDay(id2, (entries[at + 4] as number) >>> 0) : id2;
  }

  /** Inside the commit: forgets ids that have been on disk since before `time_s`, a day's at most. */
  expire(time_s: number): void {
    this.#old.expire(time_s);
  }

  /**
   * Inside the commit, before `commit`: forgets all ids of events before `cut_s`, the beginning of a UTC day, wherever
   * they are.
   */
  cut(cut_s: number): void {
    if (cut_s <= this.#cut_s) return;
    this.#cut_s = cut_s;
    this.#old.cut(Math.floor(cut_s / DAY_S));
    const entries = new Int32Array(IdRows.maxIds * ID_WORDS);
    this.#rows = this.#rows.flatMap((row) =>
      row.min_s >= cut_s ? [row] : this.#cutRow(row, entries, cut_s),
    );
    const left = this.#split(this.#tail, this.#tailIds, cut_s);
    if (left < this.#tailIds) this.#unlogTail();
    this.#tailIds = left;
  }

  /** What is left of a row. */
  #cutRow({ number }: LogRow, entries: Int32Array, cut_s: number): LogRow[] {
    const ids = this.#codec.read(this.#row(number), entries, 0);
    const left = this.#split(entries, ids, cut_s);
    if (left === 0) {
      this.#log.remove(rowKey(number));
      return [];
    }
    // Fewer ids in a shorter time fit where they were; the limit may have been another then.
    const codec = new IdRows(IdRows.maxIds);
    this.#log.put(rowKey(number), codec.write(entries, 0, left));
    return [{ number, ids: left, min_s: codec.min_s }];
  }

  /** Moves the entries that stay to the front and forgets the others; how many stay. */
  #split(entries: Int32Array, ids: number, cut_s: number): number {
    let left = 0;
    for (let at = 0; at < ids * ID_WORDS; at += ID_WORDS) {
      if ((entries[at + 4] as number) >>> 0 < cut_s) {
        this.#forgetEntry(entries, at);
      } else {
        entries.copyWithin(left * ID_WORDS, at, at + ID_WORDS);
        left++;
      }
    }
    return left;
  }

  /** Before `meet` of ids whose first words are words[from, from + count): they are then found faster. */
  touch(words: Int32Array, from: number, count: number): void {
    this.#recent.touch(words, from, count, 1);
  }

  #restore(): void {
    const entries = new Int32Array(IdRows.maxIds * ID_WORDS);
    for (const { key, value } of this.#log.scan()) {
      const number = new ByteReader(key).u48();
      const ids = this.#codec.read(value, entries, 0);
      if (this.#rows.length === 0) this.#reserve(number, ids);
      for (let from = 0; from < ids; from += TOUCHED_IDS)
        this.#recall(entries, from, Math.min(ids, from + TOUCHED_IDS));
      this.#rows.push({ number, ids, min_s: this.#codec.min_s });
    }
    // The last row may not be full.
    const last = this.#rows.pop();
    if (last === undefined) return;
    this.#tailOf(last.ids).set(entries.subarray(0, last.ids * ID_WORDS));
    this.#tailIds = last.ids;
    this.#tailNumber = last.number;
    this.#isTailLogged = true;
  }

  /** Room for about as many as the log has, by its first row. */
  #reserve(number: number, ids: number): void {
    for (const { key } of this.#log.scan({ reverse: true, limit: 1 })) {
      const rows = new ByteReader(key).u48() - number;
      this.#recent.reserve(Math.min(this.#memory_ids, Math.floor(rows * ids * RESERVED_SHARE)));
    }
  }

  #recall(entries: Int32Array, from: number, to: number): void {
    const recent = this.#recent;
    recent.touch(entries, from * ID_WORDS, to - from, ID_WORDS);
    for (let at = from * ID_WORDS; at < to * ID_WORDS; at += ID_WORDS) {
      const id0 = entries[at] as number;
      recent.add(id0, entries[at + 1] as number, this.#lastWord(entries, at), entries[at + 3] as number);
    }
  }
}

/** The third word of an id, as it is one of a UTC day. */
function ofDay(id2: number, time_s: number): number {
  return id2 ^ Math.imul(Math.floor(time_s / DAY_S), 0x9e3779b1);
}

function timeIn(entries: Int32Array, ids: number, id0: number, id1: number, id2: number): number | undefined {
  for (let at = 0; at < ids * ID_WORDS; at += ID_WORDS) {
    if (entries[at] === id0 && entries[at + 1] === id1 && entries[at + 2] === id2)
      return (entries[at + 4] as number) >>> 0;
  }
  return undefined;
}

function rowKey(number: number): Uint8Array {
  return new ByteWriter().u48(number).view();
}
