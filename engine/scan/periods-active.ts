import type { Chunk } from '../columns/index.ts';
import { DenseIds } from './dense-ids.ts';
import type { EntityEventsConfig } from './entity-events.ts';
import { RowLabels } from './row-labels.ts';
import { WideIndex } from './wide-index.ts';

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
  readonly #labels: RowLabels;
  readonly #index = new WideIndex();
  /** Begins of the periods and the end of the last one, ms, ascending. */
  readonly #edges_ms: Float64Array;
  /** Two words an entity. */
  #masks = new Int32Array(1 << 15);
  /** By local place of the chunk at hand: has an event in the period. */
  #isActive = new Uint8Array(0);

  constructor(config: EntityEventsConfig, edges_ms: readonly number[]) {
    if (edges_ms.length - 1 > PERIODS_MAX) throw new Error(`more than ${PERIODS_MAX} periods`);
    this.#config = config;
    this.#labels = new RowLabels(config);
    this.#edges_ms = Float64Array.from(edges_ms);
  }

  add(chunk: Chunk): void {
    const periods = this.#edges_ms.length - 1;
    const first = this.#periodOf(chunk.min_ms);
    const last = this.#periodOf(chunk.max_ms);
    if (last < 0 || first === periods) return;
    const labels = this.#labels.of(chunk);
    if (labels === undefined) return;
    const hashes = chunk.hash(this.#config.entity);
    const places = this.#index.of(hashes.index, chunk.rows);
    if (first === last) this.#addOne(labels, places, hashes, chunk.rows, first);
    else this.#addSeveral(labels, places, hashes, chunk);
  }

  /** Of times: -1 before the first period, the number of periods behind the last. */
  #periodOf(time_ms: number): number {
    const edges = this.#edges_ms;
    let period = -1;
    while (period + 1 < edges.length && (edges[period + 1] as number) <= time_ms) period++;
    return period;
  }

  /** All rows are of one period: an entity is looked up once, however many rows it has. */
  #addOne(labels: Uint8Array, places: Uint32Array, { hi, lo }: Words, rows: number, period: number): void {
    if (this.#isActive.length < hi.length) this.#isActive = new Uint8Array(hi.length * 2);
    const isActive = this.#isActive.fill(0, 0, hi.length);
    markLabelled(labels, places, rows, isActive);
    for (let place = 0; place < hi.length; place++)
      if (isActive[place] !== 0) this.#mark(hi[place] as number, lo[place] as number, period);
  }

  #addSeveral(labels: Uint8Array, places: Uint32Array, { hi, lo }: Words, chunk: Chunk): void {
    const times = chunk.time_ms();
    const edges = this.#edges_ms;
    const end_ms = edges[edges.length - 1] as number;
    let period = 0;
    for (let row = 0; row < chunk.rows; row++) {
      if (labels[row] === 0) continue;
      const time_ms = times[row] as number;
      if (!(time_ms >= (edges[0] as number) && time_ms < end_ms)) continue;
      // Rows that lie together are of one period, mostly.
      while (time_ms < (edges[period] as number)) period--;
      while (time_ms >= (edges[period + 1] as number)) period++;
      const place = places[row] as number;
      this.#mark(hi[place] as number, lo[place] as number, period);
    }
  }

  #mark(hi: number, lo: number, period: number): void {
    const { part, parts } = this.#config;
    if ((hi & (parts - 1)) !== part || (hi | lo) === 0) return;
    const id = this.ids.idOf(hi, lo);
    if (id * 2 >= this.#masks.length) this.#grow();
    const word = period < WORD_BITS ? id * 2 : id * 2 + 1;
    this.#masks[word] = (this.#masks[word] as number) | (1 << (period % WORD_BITS));
  }

  #grow(): void {
    const masks = new Int32Array(this.#masks.length * 2);
    masks.set(this.#masks);
    this.#masks = masks;
  }

  /** Entities by (first period, periods later): index first × periods + later. */
  retention(): Float64Array {
    const periods = this.#edges_ms.length - 1;
    const counts = new Float64Array(periods * periods);
    for (let id = 0; id < this.ids.count; id++) {
      let first = -1;
      for (let word = 0; word < 2; word++) {
        for (let rest = this.#masks[id * 2 + word] as number; rest !== 0; rest &= rest - 1) {
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

interface Words {
  readonly hi: Int32Array;
  readonly lo: Int32Array;
}

function markLabelled(labels: Uint8Array, places: Uint32Array, rows: number, isActive: Uint8Array): void {
  for (let row = 0; row < rows; row++) {
    const place = places[row] as number;
    isActive[place] = (isActive[place] as number) | (labels[row] as number);
  }
}
