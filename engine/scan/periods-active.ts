import { invariant } from '../base/index.ts';
import type { Chunk, ChunkHashes } from '../columns/index.ts';
import { ENTRY_WORDS, EntityMasks } from './entity-masks.ts';
import { AcceptedRows, type AcceptedRowsConfig } from './row-labels.ts';

export interface PeriodsActiveConfig extends AcceptedRowsConfig {
  /** Hash column of the entity; rows without one are skipped. */
  readonly entity: number;
  /** Code column that is not 0 in rows that take back another one, of the same entity and time. */
  readonly retraction: number;
  /** Begins of the periods and the end of the last one, ms, ascending. */
  readonly edges_ms: readonly number[];
}

/** Periods that one bit mask holds. */
export const PERIODS_MAX = 62;
const WORD_BITS = 31;
/** Rows of an entity in a period, less those that take one back. */
interface NetRows {
  readonly hi: number;
  readonly lo: number;
  readonly period: number;
  rows: number;
}

/**
 * In which of up to 62 periods each entity had an event: a bit mask an entity, filled chunk by chunk in any order.
 *
 * A mask does not tell how many events there were, so entities some row of which was taken back are counted. Which they
 * are has to be known first: where `add` has found some, all chunks go to it once more after `again`.
 */
export class PeriodsActive {
  readonly #entity: number;
  readonly #retraction: number;
  readonly #edges_ms: Float64Array;
  readonly #accepted: AcceptedRows;
  #masks = new EntityMasks();
  /** Entities with retractions, by their hash; what is counted of them, by hash and period. */
  readonly #corrected = new Set<string>();
  readonly #net = new Map<string, NetRows>();
  #isAgain = false;

  constructor(config: PeriodsActiveConfig) {
    const { entity, edges_ms, retraction } = config;
    invariant(edges_ms.length - 1 <= PERIODS_MAX, `there are at most ${PERIODS_MAX} periods`);
    this.#entity = entity;
    this.#retraction = retraction;
    this.#edges_ms = Float64Array.from(edges_ms);
    this.#accepted = new AcceptedRows(config);
  }

  /** Whether all chunks have to be added again, now that it is known which entities have to be counted. */
  get isToBeAddedAgain(): boolean {
    return !this.#isAgain && this.#corrected.size > 0;
  }

  again(): void {
    this.#isAgain = true;
    this.#masks = new EntityMasks();
  }

  #addRetractions(chunk: Chunk): void {
    const { values, index } = chunk.code(this.#retraction);
    if (!values.some((value) => value !== 0)) return;
    const count = this.#accepted.select(chunk);
    const { rows } = this.#accepted;
    for (let at = 0; at < count; at++) {
      const row = rows[at] as number;
      if (values[index === null ? 0 : (index[row] as number)] !== 0)
        this.#corrected.add(hashOf(chunk.hash(this.#entity), row).join());
    }
  }

  add(chunk: Chunk): void {
    const periods = this.#edges_ms.length - 1;
    const first = this.#periodOf(chunk.min_ms);
    const last = this.#periodOf(chunk.max_ms);
    if (last < 0 || first === periods) return;
    if (!this.#isAgain) this.#addRetractions(chunk);
    if (this.isToBeAddedAgain) return;
    let count = this.#accepted.select(chunk);
    if (this.#corrected.size > 0) count = this.#countCorrected(chunk, count);
    if (count === 0) return;
    if (first === last) this.#addOne(chunk, count, first);
    else this.#addSeveral(chunk, count);
  }

  /** Counts the rows of entities with retractions; returns how many others there are, which come first. */
  #countCorrected(chunk: Chunk, count: number): number {
    const hashes = chunk.hash(this.#entity);
    const { values, index } = chunk.code(this.#retraction);
    const times = chunk.time_ms();
    const { rows } = this.#accepted;
    const isCorrected = Uint8Array.from(hashes.hi, (hi, place) =>
      this.#corrected.has([hi, hashes.lo[place]].join()) ? 1 : 0,
    );
    let kept = 0;
    for (let at = 0; at < count; at++) {
      const row = rows[at] as number;
      if (isCorrected[hashes.index === null ? 0 : (hashes.index[row] as number)] === 0) {
        rows[kept++] = row;
        continue;
      }
      const isRetraction = values[index === null ? 0 : (index[row] as number)] !== 0;
      const [hi, lo] = hashOf(hashes, row);
      const period = this.#periodOf(times[row] as number);
      const key = [hi, lo, period].join();
      const net = this.#net.get(key) ?? { hi, lo, period, rows: 0 };
      net.rows += isRetraction ? -1 : 1;
      this.#net.set(key, net);
    }
    return kept;
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
    const { rows } = this.#accepted;
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
    const { rows } = this.#accepted;
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

  /** What was found, as bytes for `countMasks`. */
  bytes(): Uint8Array {
    const periods = this.#edges_ms.length - 1;
    for (const { hi, lo, period, rows } of this.#net.values())
      if (rows > 0 && period >= 0 && period < periods) this.#mark(hi, lo, period);
    this.#net.clear();
    return new Uint8Array(this.#masks.joined().buffer);
  }
}

function hashOf({ hi, lo, index }: ChunkHashes, row: number): [hi: number, lo: number] {
  const place = index === null ? 0 : (index[row] as number);
  return [hi[place] as number, lo[place] as number];
}

/** Which bit of which word of a mask stands for a period. */
export function hasPeriod(low: number, high: number, period: number): boolean {
  return (((period < WORD_BITS ? low : high) >>> (period % WORD_BITS)) & 1) === 1;
}

/**
 * Entities by their mask, of what `PeriodsActive` found, one after the other in `bytes`: of the same rows or others.
 * `visit` may get a mask of more than 53 periods several times.
 */
export function countMasks(
  bytes: Uint8Array,
  visit: (low: number, high: number, entities: number) => void,
): void {
  const masks = new EntityMasks();
  masks.addBytes(bytes);
  const words = masks.joined();
  const counts = new Map<number, number>();
  for (let at = 0; at < words.length; at += ENTRY_WORDS) {
    const mask = (words[at + 2] as number) + (words[at + 3] as number) * 2 ** WORD_BITS;
    // More than a number can tell apart: few have so many periods.
    if (mask > Number.MAX_SAFE_INTEGER) visit(words[at + 2] as number, words[at + 3] as number, 1);
    else counts.set(mask, (counts.get(mask) ?? 0) + 1);
  }
  for (const [mask, entities] of counts)
    visit(mask % 2 ** WORD_BITS, Math.floor(mask / 2 ** WORD_BITS), entities);
}
