import { invariant } from '../base/index.ts';
import type { Chunk } from '../columns/index.ts';
import { DenseIds } from './dense-ids.ts';
import { Growable } from './growable.ts';
import { LabelledRows, type RowLabelsConfig } from './row-labels.ts';

export interface PeriodsActiveConfig extends RowLabelsConfig {
  /** Hash column of the entity; rows without one are skipped. */
  readonly entity: number;
  /** Begins of the periods and the end of the last one, ms, ascending. */
  readonly edges_ms: readonly number[];
}

/** Periods that one bit mask holds. */
export const PERIODS_MAX = 62;
const WORD_BITS = 31;
/** Of an entity in bytes: the words of its hash and of its mask. */
const ENTRY_WORDS = 4;
/** What is seen waits, and is added up slice by slice of the hashes: then the tables of a slice are in the cache. */
const WAITING_MAX = 1 << 18;
const SLICE_BITS = 8;

/**
 * In which of up to 62 periods each entity had an event: a bit mask an entity, filled chunk by chunk in any order.
 * Retention counts pairs of bits.
 */
export class PeriodsActive {
  readonly #entity: number;
  readonly #edges_ms: Float64Array;
  readonly #labelled: LabelledRows;
  readonly #ids = new DenseIds();
  /** Two words an entity. */
  readonly #masks = new Growable(Int32Array);
  /** By local place of the chunk at hand: has an event. */
  #isActive = new Uint8Array(0);
  #waiting = 0;
  readonly #hi = new Int32Array(WAITING_MAX);
  readonly #lo = new Int32Array(WAITING_MAX);
  readonly #period = new Uint8Array(WAITING_MAX);
  readonly #order = new Int32Array(WAITING_MAX);

  constructor(config: PeriodsActiveConfig) {
    const { entity, edges_ms } = config;
    invariant(edges_ms.length - 1 <= PERIODS_MAX, `there are at most ${PERIODS_MAX} periods`);
    this.#entity = entity;
    this.#edges_ms = Float64Array.from(edges_ms);
    this.#labelled = new LabelledRows(config);
  }

  add(chunk: Chunk): void {
    const periods = this.#edges_ms.length - 1;
    const first = this.#periodOf(chunk.min_ms);
    const last = this.#periodOf(chunk.max_ms);
    if (last < 0 || first === periods) return;
    const count = this.#labelled.select(chunk);
    if (count === 0) return;
    if (this.#waiting + count > WAITING_MAX) this.#addUp();
    if (first === last) this.#addOne(chunk, count, first);
    else this.#addSeveral(chunk, count);
  }

  /** Of times: -1 before the first period, the number of periods behind the last. */
  #periodOf(time_ms: number): number {
    const edges = this.#edges_ms;
    let period = -1;
    while (period + 1 < edges.length && (edges[period + 1] as number) <= time_ms) period++;
    return period;
  }

  /** All rows are of one period: an entity is looked up once, however many rows it has, and no row's time is. */
  #addOne(chunk: Chunk, count: number, period: number): void {
    const { hi, lo, index } = chunk.hash(this.#entity);
    if (index === null) {
      this.#mark(hi[0] as number, lo[0] as number, period);
      return;
    }
    if (this.#isActive.length < hi.length) this.#isActive = new Uint8Array(hi.length * 2);
    const isActive = this.#isActive.fill(0, 0, hi.length);
    const { rows } = this.#labelled;
    for (let at = 0; at < count; at++) isActive[index[rows[at] as number] as number] = 1;
    for (let place = 0; place < hi.length; place++)
      if (isActive[place] === 1) this.#mark(hi[place] as number, lo[place] as number, period);
  }

  #addSeveral(chunk: Chunk, count: number): void {
    const { hi, lo, index } = chunk.hash(this.#entity);
    const times = chunk.time_ms();
    const edges = this.#edges_ms;
    const end_ms = edges[edges.length - 1] as number;
    const { rows } = this.#labelled;
    let period = 0;
    for (let at = 0; at < count; at++) {
      const row = rows[at] as number;
      const time_ms = times[row] as number;
      if (!(time_ms >= (edges[0] as number) && time_ms < end_ms)) continue;
      // Rows that lie together are of one period, mostly.
      while (time_ms < (edges[period] as number)) period--;
      while (time_ms >= (edges[period + 1] as number)) period++;
      const place = index === null ? 0 : (index[row] as number);
      this.#mark(hi[place] as number, lo[place] as number, period);
    }
  }

  #mark(hi: number, lo: number, period: number): void {
    if ((hi | lo) === 0) return;
    const at = this.#waiting++;
    this.#hi[at] = hi;
    this.#lo[at] = lo;
    this.#period[at] = period;
  }

  #addUp(): void {
    const count = this.#waiting;
    this.#waiting = 0;
    const next = new Int32Array((1 << SLICE_BITS) + 1);
    for (let at = 0; at < count; at++)
      (next[((this.#hi[at] as number) >>> (32 - SLICE_BITS)) + 1] as number)++;
    for (let slice = 1; slice < next.length; slice++) (next[slice] as number) += next[slice - 1] as number;
    for (let at = 0; at < count; at++) {
      const slice = (this.#hi[at] as number) >>> (32 - SLICE_BITS);
      const place = next[slice] as number;
      next[slice] = place + 1;
      this.#order[place] = at;
    }
    for (let place = 0; place < count; place++) {
      const at = this.#order[place] as number;
      const period = this.#period[at] as number;
      const id = this.#ids.idOf(this.#hi[at] as number, this.#lo[at] as number);
      const word = id * 2 + (period < WORD_BITS ? 0 : 1);
      const masks = this.#masks.of(word + 1);
      masks[word] = (masks[word] as number) | (1 << (period % WORD_BITS));
    }
  }

  /** What was found, as bytes for `addBytes`. */
  bytes(): Uint8Array {
    this.#addUp();
    const words = new Int32Array(this.#ids.count * ENTRY_WORDS);
    const masks = this.#masks.of(this.#ids.count * 2);
    let at = 0;
    this.#ids.forEach((id, hi, lo) => {
      words[at++] = hi;
      words[at++] = lo;
      words[at++] = masks[id * 2] as number;
      words[at++] = masks[id * 2 + 1] as number;
    });
    return new Uint8Array(words.buffer);
  }

  /** Adds what another one found over other rows, or the same. */
  addBytes(bytes: Uint8Array): void {
    const words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
    for (let at = 0; at < words.length; at += ENTRY_WORDS) {
      const id = this.#ids.idOf(words[at] as number, words[at + 1] as number);
      const masks = this.#masks.of(id * 2 + 2);
      masks[id * 2] = (masks[id * 2] as number) | (words[at + 2] as number);
      masks[id * 2 + 1] = (masks[id * 2 + 1] as number) | (words[at + 3] as number);
    }
  }

  /** Entities by (first period, periods later): index first × periods + later. */
  retention(): Float64Array {
    this.#addUp();
    const periods = this.#edges_ms.length - 1;
    const counts = new Float64Array(periods * periods);
    const masks = this.#masks.of(this.#ids.count * 2);
    for (let id = 0; id < this.#ids.count; id++) {
      let first = -1;
      for (let word = 0; word < 2; word++) {
        for (let rest = masks[id * 2 + word] as number; rest !== 0; rest &= rest - 1) {
          const period = word * WORD_BITS + 31 - Math.clz32(rest & -rest);
          if (first < 0) first = period;
          const at = first * periods + period - first;
          counts[at] = (counts[at] as number) + 1;
        }
      }
    }
    return counts;
  }
}
