import { invariant, type KvTable } from '../../engine/index.ts';
import {
  ATTEMPT_BLOCK_MAX_BYTES,
  AttemptBlockReader,
  AttemptBlockWriter,
  attemptBytes,
  BLOCK_MAX_SPAN_MS,
} from './attempt-block.ts';
import type { AttemptChanges, NetChanges } from './attempt-changes.ts';
import { dayOf, daysBytes, readDays } from './attempt-days.ts';
import { blockKey, blockRange, daysKey, timeOfKey } from './attempt-keys.ts';
import { AttemptRows, compareAttempts } from './attempt-rows.ts';

/** How attempts of a definition are stored. */
export interface AttemptForm {
  /** The durations of one that reached the last step. */
  readonly durations: number;
  /** Durations may be longer than 32 bits of milliseconds say. */
  readonly isWide: boolean;
}

/** Rows of one time share a block, which is written anew as a whole: of a larger one attempts are better not kept. */
export const TIED_BLOCK_MAX_BYTES = 1_048_576;
/** Blocks whose next ones are in memory. */
const KNOWN_MAX_BLOCKS = 8_192;

interface StoredBlock {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

/**
 * The attempts of all entities of one definition, by the time of their entries: blocks that are split when they are
 * full, leaves of a B+-tree whose inner nodes are the store. What they hold is a multiset of rows, whatever came first.
 */
export class AttemptBlocks {
  readonly #table: KvTable;
  readonly #id: number;
  readonly #isWide: boolean;
  readonly #days: Map<number, number>;
  /** Where the next block begins, by where one does. */
  readonly #next = new Map<number, number>();
  readonly #reader = new AttemptBlockReader();
  #isTooLarge = false;
  readonly #writer: AttemptBlockWriter;
  /** Of the block at hand: as it was, and as it will be. */
  readonly #before: AttemptRows;
  readonly #now: AttemptRows;

  constructor(table: KvTable, id: number, { durations, isWide }: AttemptForm) {
    this.#table = table;
    this.#id = id;
    this.#isWide = isWide;
    this.#days = readDays(table, id);
    this.#writer = new AttemptBlockWriter(isWide);
    [this.#before, this.#now] = [new AttemptRows(durations), new AttemptRows(durations)];
  }

  /** More attempts begin at one time than a block may have. */
  get isTooLarge(): boolean {
    return this.#isTooLarge;
  }

  /** Inside a commit: takes the changes, of which none are left. What is before `cut_ms` is forgotten. */
  apply(changes: AttemptChanges, cut_ms: number): void {
    if (changes.rows.count === 0) return;
    const net = changes.take(cut_ms);
    const { at, values, times } = net;
    for (let from = 0; from < at.length; ) {
      const time_ms = values[at[from] as number] as number;
      const block = this.#blockOf(time_ms);
      const next_ms = block === undefined ? Number.POSITIVE_INFINITY : this.#nextOf(timeOfKey(block.key));
      let to = from + 1;
      while (to < at.length && (values[at[to] as number] as number) < next_ms) to++;
      this.#merge(block?.value, net, { from, to }, cut_ms);
      this.#write(block?.key, next_ms);
      from = to;
    }
    for (const [place, row] of at.entries()) {
      const day = dayOf(values[row] as number);
      const rows = (this.#days.get(day) ?? 0) + (times[place] as number);
      if (rows > 0) this.#days.set(day, rows);
      else this.#days.delete(day);
    }
    changes.clear();
    if (at.length > 0) this.#table.put(daysKey(this.#id), daysBytes(this.#days));
  }

  /** Inside a commit: removes blocks that lie before a time, the start of a day, as a whole. */
  forgetBefore(cut_ms: number): void {
    const first = [...this.#days.keys()].reduce(
      (least, day) => Math.min(least, day),
      Number.POSITIVE_INFINITY,
    );
    if (!(first < dayOf(cut_ms))) return;
    const kept = this.#blockOf(cut_ms);
    this.#next.clear();
    if (kept !== undefined) this.#table.removeRange(blockRange(this.#id, 0, timeOfKey(kept.key)));
    for (const day of this.#days.keys()) if (day < dayOf(cut_ms)) this.#days.delete(day);
    this.#table.put(daysKey(this.#id), daysBytes(this.#days));
  }

  /** The block that rows of a time are in; of those before all blocks, the first one. */
  #blockOf(time_ms: number): StoredBlock | undefined {
    const before = blockRange(this.#id, 0, time_ms + 1);
    for (const row of this.#table.scan({ ...before, reverse: true, limit: 1 })) return copyOf(row);
    for (const row of this.#table.scan({ ...blockRange(this.#id, time_ms + 1), limit: 1 }))
      return copyOf(row);
    return undefined;
  }

  /** Where the block behind one begins. */
  #nextOf(key_ms: number): number {
    const known = this.#next.get(key_ms);
    if (known !== undefined) return known;
    let next_ms = Number.POSITIVE_INFINITY;
    for (const { key } of this.#table.scan({ ...blockRange(this.#id, key_ms + 1), limit: 1 }))
      next_ms = timeOfKey(key);
    this.#knowNext(key_ms, next_ms);
    return next_ms;
  }

  #knowNext(key_ms: number, next_ms: number): void {
    if (this.#next.size >= KNOWN_MAX_BLOCKS) this.#next.clear();
    this.#next.set(key_ms, next_ms);
  }

  /** Puts the rows of a block, with the changes [from, to), into `#now`. */
  #merge(
    block: Uint8Array | undefined,
    { values, at, times }: NetChanges,
    { from, to }: { readonly from: number; readonly to: number },
    cut_ms: number,
  ): void {
    const [before, now] = [this.#read(block, cut_ms), this.#now];
    const { stride } = before;
    now.clear();
    let change = from;
    for (let row = 0; row < before.count || change < to; ) {
      const place = at[change] as number;
      const apart =
        row === before.count
          ? 1
          : change === to
            ? -1
            : compareAttempts(before.values, row * stride, values, place, stride);
      if (apart < 0) {
        now.copy(before, row++ * stride);
        continue;
      }
      let left = times[change++] as number;
      if (apart === 0) for (; left < 0 && this.#isSame(row, values, place); left++) row++;
      invariant(left >= 0, 'an attempt that goes is there');
      for (; left > 0; left--) this.#add(now, values, place);
    }
  }

  #isSame(row: number, values: Float64Array, place: number): boolean {
    const { count, stride, values: own } = this.#before;
    return row < count && compareAttempts(own, row * stride, values, place, stride) === 0;
  }

  #add(now: AttemptRows, values: Float64Array, place: number): void {
    const at = now.append(0, 0);
    for (let column = 0; column < now.stride; column++)
      now.values[at + column] = values[place + column] as number;
  }

  #read(block: Uint8Array | undefined, cut_ms: number): AttemptRows {
    const [rows, reader] = [this.#before, this.#reader];
    rows.clear();
    if (block === undefined) return rows;
    reader.open(block);
    reader.readInto(rows, cut_ms);
    return rows;
  }

  /** Writes `#now` in the place of the block `key`, before the one that begins at `next_ms`. */
  #write(key: Uint8Array | undefined, next_ms: number): void {
    const { count, values, stride } = this.#now;
    const first_ms = values[0] as number;
    // One that rows were put before begins earlier.
    const isOlder = key !== undefined && count > 0 && first_ms < timeOfKey(key);
    if (key !== undefined && (count === 0 || isOlder)) {
      this.#table.remove(key);
      this.#next.clear();
    }
    if (count === 0) return;
    // The last block is full where it is cut: time goes on. Others are cut evenly: both halves grow.
    const max_bytes = next_ms === Number.POSITIVE_INFINITY ? ATTEMPT_BLOCK_MAX_BYTES : this.#evenBytes();
    let key_ms = key === undefined || isOlder ? first_ms : timeOfKey(key);
    let [from, size] = [0, 0];
    for (let row = 0; row < count; row++) {
      const own = attemptBytes(values, row * stride, this.#isWide);
      const time_ms = values[row * stride] as number;
      const isFull =
        size + own > max_bytes || time_ms - (values[from * stride] as number) > BLOCK_MAX_SPAN_MS;
      // Rows of one time stay together: a block is found by it.
      if (isFull && row > from && time_ms !== values[(row - 1) * stride]) {
        this.#put(key_ms, from, row, time_ms);
        [key_ms, from, size] = [time_ms, row, 0];
      }
      size += own;
    }
    this.#put(key_ms, from, count, next_ms);
  }

  #put(key_ms: number, from: number, to: number, next_ms: number): void {
    const block = this.#writer.write(this.#now, from, to);
    if (block.length > TIED_BLOCK_MAX_BYTES) this.#isTooLarge = true;
    this.#table.put(blockKey(this.#id, key_ms), block);
    this.#knowNext(key_ms, next_ms);
  }

  /** The largest a block may get so that all are about as large. */
  #evenBytes(): number {
    const { count, values, stride } = this.#now;
    let size = 0;
    for (let row = 0; row < count; row++) size += attemptBytes(values, row * stride, this.#isWide);
    const blocks = Math.ceil(size / ATTEMPT_BLOCK_MAX_BYTES);
    return Math.min(ATTEMPT_BLOCK_MAX_BYTES, Math.ceil(size / blocks + size / count));
  }
}

const copyOf = ({ key, value }: StoredBlock): StoredBlock => ({
  key: Uint8Array.from(key),
  value: Uint8Array.from(value),
});
