import { invariant } from '../base/index.ts';
import type { Chunk } from '../columns/index.ts';
import { ENTRY_WORDS, EntityMasks } from './entity-masks.ts';
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
/**
 * In which of up to 62 periods each entity had an event: a bit mask an entity, filled chunk by chunk in any order.
 * Retention counts pairs of bits.
 */
export class PeriodsActive {
  readonly #entity: number;
  readonly #edges_ms: Float64Array;
  readonly #labelled: LabelledRows;
  readonly #masks = new EntityMasks();

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

  /** All rows are of one period: no row's time is looked at. */
  #addOne(chunk: Chunk, count: number, period: number): void {
    const { hi, lo, index } = chunk.hash(this.#entity);
    if (index === null) {
      this.#mark(hi[0] as number, lo[0] as number, period);
      return;
    }
    const { rows } = this.#labelled;
    let last = -1;
    for (let at = 0; at < count; at++) {
      const place = index[rows[at] as number] as number;
      // Rows of an entity lie together, mostly.
      if (place === last) continue;
      last = place;
      this.#mark(hi[place] as number, lo[place] as number, period);
    }
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
    const bit = 1 << (period % WORD_BITS);
    const isLow = period < WORD_BITS;
    this.#masks.add(hi, lo, isLow ? bit : 0, isLow ? 0 : bit);
  }

  /** What was found, as bytes for `addBytes`. */
  bytes(): Uint8Array {
    return new Uint8Array(this.#masks.joined().buffer);
  }

  /** Adds what another one found over other rows, or the same. */
  addBytes(bytes: Uint8Array): void {
    this.#masks.addBytes(bytes);
  }

  /** Entities by (first period, periods later): index first × periods + later. */
  retention(): Float64Array {
    const periods = this.#edges_ms.length - 1;
    const counts = new Float64Array(periods * periods);
    const words = this.#masks.joined();
    for (let at = 0; at < words.length; at += ENTRY_WORDS) {
      let first = -1;
      for (let word = 0; word < 2; word++) {
        for (let rest = words[at + 2 + word] as number; rest !== 0; rest &= rest - 1) {
          const period = word * WORD_BITS + 31 - Math.clz32(rest & -rest);
          if (first < 0) first = period;
          const cell = first * periods + period - first;
          counts[cell] = (counts[cell] as number) + 1;
        }
      }
    }
    return counts;
  }
}
