import { CHUNK_MAX_ROWS, type HashValues } from '../columns/index.ts';
import { DAY_MS } from './layout.ts';
import type { ChunkRows } from './segment-encoder.ts';

const DIGIT_BITS = 11;
const DIGITS = 1 << DIGIT_BITS;
/** A chunk with fewer rows goes on into the next day: a quiet shop does not make a chunk a day. */
const DAY_CHUNK_MIN_ROWS = CHUNK_MAX_ROWS / 2;

/** Least significant digit first: stable, and linear in the rows. `keys` are taken as unsigned, by `order`. */
class RadixSort {
  order: Uint32Array;
  #other: Uint32Array;
  readonly #counts = new Uint32Array(DIGITS);

  constructor(order: Uint32Array) {
    this.order = order;
    this.#other = new Uint32Array(order.length);
  }

  /** `bits` of the keys matter, from the lowest. */
  by(keys: Int32Array, bits: number): void {
    for (let shift = 0; shift < bits; shift += DIGIT_BITS) this.#pass(keys, shift);
  }

  #pass(keys: Int32Array, shift: number): void {
    const counts = this.#counts.fill(0);
    const from = this.order;
    const { length } = from;
    const mask = DIGITS - 1;
    for (let at = 0; at < length; at++) {
      const digit = ((keys[from[at] as number] as number) >>> shift) & mask;
      counts[digit] = (counts[digit] as number) + 1;
    }
    let sum = 0;
    for (let digit = 0; digit < DIGITS; digit++) {
      const count = counts[digit] as number;
      // All in one: nothing would move.
      if (count === length) return;
      counts[digit] = sum;
      sum += count;
    }
    const to = this.#other;
    for (let at = 0; at < length; at++) {
      const row = from[at] as number;
      const digit = ((keys[row] as number) >>> shift) & mask;
      const place = counts[digit] as number;
      counts[digit] = place + 1;
      to[place] = row;
    }
    this.order = to;
    this.#other = from;
  }
}

function bitsOf(max: number): number {
  return 32 - Math.clz32(max);
}

/** Place of each hash among all, by its words as unsigned numbers. */
function ranksOf({ hi, lo, count }: HashValues): Int32Array {
  const sort = new RadixSort(Uint32Array.from({ length: count }, (_unused, id) => id));
  sort.by(lo, 32);
  sort.by(hi, 32);
  const ranks = new Int32Array(count);
  for (let place = 0; place < count; place++) ranks[sort.order[place] as number] = place;
  return ranks;
}

/** UTC day of each row, from the first of them. */
interface Days {
  readonly days: Int32Array;
  readonly count: number;
  readonly rest_ms: Int32Array;
}

function daysOf(time_ms: Float64Array, rows: number, firstDay: number): Days {
  const days = new Int32Array(rows);
  const rest_ms = new Int32Array(rows);
  let last = 0;
  for (let row = 0; row < rows; row++) {
    const time = time_ms[row] as number;
    const day = Math.floor(time / DAY_MS);
    days[row] = day - firstDay;
    rest_ms[row] = time - day * DAY_MS;
    if (day - firstDay > last) last = day - firstDay;
  }
  return { days, count: last + 1, rest_ms };
}

/**
 * Orders rows by (UTC day, hash, time); what is equal in all stays as it was. `firstDay` is not after any row.
 * Then divides them into chunks: a day begins a new one where the chunk before has enough rows.
 */
export function sortRows(
  order: Uint32Array,
  time_ms: Float64Array,
  firstDay: number,
  hashes: HashValues | null,
): ChunkRows[] {
  const { days, count, rest_ms } = daysOf(time_ms, time_ms.length, firstDay);
  const sort = new RadixSort(order);
  sort.by(rest_ms, bitsOf(DAY_MS - 1));
  if (hashes !== null) {
    const { ids } = hashes;
    const ranks = ranksOf(hashes);
    const keys = new Int32Array(time_ms.length);
    for (let row = 0; row < keys.length; row++) keys[row] = ranks[ids[row] as number] as number;
    sort.by(keys, bitsOf(hashes.count - 1));
  }
  sort.by(days, bitsOf(count - 1));
  return cutAtDays(sort.order, days);
}

function cutAtDays(order: Uint32Array, days: Int32Array): ChunkRows[] {
  const chunks: ChunkRows[] = [];
  let from = 0;
  for (let at = 1; at < order.length; at++) {
    const isFull = at - from === CHUNK_MAX_ROWS;
    const isDay = days[order[at] as number] !== days[order[at - 1] as number];
    if (!isFull && !(isDay && at - from >= DAY_CHUNK_MIN_ROWS)) continue;
    chunks.push({ order, from, to: at });
    from = at;
  }
  chunks.push({ order, from, to: order.length });
  return chunks;
}

/** Rows in their order, in as few chunks as can be. */
export function cutEvenly(order: Uint32Array, from: number, to: number): ChunkRows[] {
  const chunks: ChunkRows[] = [];
  for (let at = from; at < to; at += CHUNK_MAX_ROWS)
    chunks.push({ order, from: at, to: Math.min(to, at + CHUNK_MAX_ROWS) });
  return chunks;
}
