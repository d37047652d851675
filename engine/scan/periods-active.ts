import type { Chunk } from '../columns/index.ts';
import { DenseIds } from './dense-ids.ts';
import type { EntityEventsConfig } from './entity-events.ts';

/** Periods that one bit mask holds. */
export const PERIODS_MAX = 62;
const WORD_BITS = 31;

/**
 * In which of up to 62 periods each entity had an event: a bit mask an entity, filled chunk by chunk in any order.
 * Retention counts pairs of bits.
 */
export class PeriodsActive {
  readonly ids = new DenseIds();
  readonly #config: EntityEventsConfig;
  /** Begins of the periods and the end of the last one, ms, ascending. */
  readonly #edges_ms: readonly number[];
  #low = new Int32Array(1 << 14);
  #high = new Int32Array(1 << 14);

  constructor(config: EntityEventsConfig, edges_ms: readonly number[]) {
    if (edges_ms.length - 1 > PERIODS_MAX) throw new Error(`more than ${PERIODS_MAX} periods`);
    this.#config = config;
    this.#edges_ms = edges_ms;
  }

  add(chunk: Chunk): void {
    const { entity, kind, labels, flags, flag, upTo } = this.#config;
    const kinds = chunk.code(kind);
    const isAsked = Uint8Array.from(kinds.values, (code) => (labels.has(code) ? 1 : 0));
    if (!isAsked.includes(1)) return;
    const flagged = chunk.code(flags);
    const isFlagged = Uint8Array.from(flagged.values, (code) => ((code & flag) === 0 ? 0 : 1));
    const hashes = chunk.hash(entity);
    const times = chunk.time_ms();
    const sequences = !chunk.isWhole && upTo !== undefined ? chunk.sequence() : undefined;
    const edges = this.#edges_ms;
    const last = edges.length - 1;
    let period = 0;
    for (let row = 0; row < chunk.rows; row++) {
      if (isAsked[kinds.index === null ? 0 : (kinds.index[row] as number)] === 0) continue;
      if (isFlagged[flagged.index === null ? 0 : (flagged.index[row] as number)] === 0) continue;
      if (sequences !== undefined && (sequences[row] as number) > (upTo as number)) continue;
      const time_ms = times[row] as number;
      if (!(time_ms >= (edges[0] as number) && time_ms < (edges[last] as number))) continue;
      // Rows that lie together are of one period, mostly.
      while (time_ms < (edges[period] as number)) period--;
      while (time_ms >= (edges[period + 1] as number)) period++;
      const place = hashes.index === null ? 0 : (hashes.index[row] as number);
      this.#mark(hashes.hi[place] as number, hashes.lo[place] as number, period);
    }
  }

  #mark(hi: number, lo: number, period: number): void {
    if (hi === 0 && lo === 0) return;
    if ((hi & (this.#config.parts - 1)) !== this.#config.part) return;
    const id = this.ids.idOf(hi, lo);
    if (id >= this.#low.length) this.#grow();
    if (period < WORD_BITS) this.#low[id] = (this.#low[id] as number) | (1 << period);
    else this.#high[id] = (this.#high[id] as number) | (1 << (period - WORD_BITS));
  }

  #grow(): void {
    const low = new Int32Array(this.#low.length * 2);
    low.set(this.#low);
    this.#low = low;
    const high = new Int32Array(low.length);
    high.set(this.#high);
    this.#high = high;
  }

  /** Entities by (first period, periods later): index first × periods + later. */
  retention(): Float64Array {
    const periods = this.#edges_ms.length - 1;
    const counts = new Float64Array(periods * periods);
    for (let id = 0; id < this.ids.count; id++) {
      const low = this.#low[id] as number;
      const high = this.#high[id] as number;
      let first = -1;
      for (let word = 0; word < 2; word++) {
        const base = word * WORD_BITS;
        for (let rest = word === 0 ? low : high; rest !== 0; rest &= rest - 1) {
          const period = base + 31 - Math.clz32(rest & -rest);
          if (first < 0) first = period;
          const at = first * periods + period - first;
          counts[at] = (counts[at] as number) + 1;
        }
      }
    }
    return counts;
  }
}
