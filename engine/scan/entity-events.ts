import type { Chunk } from '../columns/index.ts';
import { DenseIds } from './dense-ids.ts';

/** Which rows of a log are an entity's events, and what each is. Columns as in `Chunk`. */
export interface EntityEventsConfig {
  /** Hash column of the entity; rows without one are skipped. */
  readonly entity: number;
  /** Code column that says what a row is, and the label (1..255) of each code; other codes are skipped. */
  readonly kind: number;
  readonly labels: ReadonlyMap<number, number>;
  /** Code column and the bit of it that a row must have: rows that came in as events. */
  readonly flags: number;
  readonly flag: number;
  /** Half-open, ms. */
  readonly start_ms: number;
  readonly end_ms: number;
  readonly upTo?: number;
  /** Takes the entities whose hash falls to `part` of `parts`, a power of two: for several threads. */
  readonly part: number;
  readonly parts: number;
}

const INITIAL_EVENTS = 1 << 16;

/**
 * Collects the events of each entity from the chunks of a scan, in any order, and hands them out entity by entity in
 * order of time. Events of one time keep the order in which they were collected.
 */
export class EntityEvents {
  readonly ids = new DenseIds();
  count = 0;
  readonly #config: EntityEventsConfig;
  #entity = new Int32Array(INITIAL_EVENTS);
  #time_ms = new Float64Array(INITIAL_EVENTS);
  #label = new Uint8Array(INITIAL_EVENTS);
  /** Of the chunk at hand: numbers by local place, -1: not asked for yet, -2: another part's. */
  #local = new Int32Array(0);

  constructor(config: EntityEventsConfig) {
    this.#config = config;
  }

  add(chunk: Chunk): void {
    const { entity, kind, labels, flags, flag, start_ms, end_ms, upTo } = this.#config;
    const kinds = chunk.code(kind);
    const labelOf = Uint8Array.from(kinds.values, (code) => labels.get(code) ?? 0);
    if (!labelOf.some((label) => label !== 0)) return;
    const flagged = chunk.code(flags);
    const isFlagged = Uint8Array.from(flagged.values, (code) => ((code & flag) === 0 ? 0 : 1));
    const hashes = chunk.hash(entity);
    const times = chunk.time_ms();
    const sequences = !chunk.isWhole && upTo !== undefined ? chunk.sequence() : undefined;
    if (this.#local.length < hashes.hi.length) this.#local = new Int32Array(hashes.hi.length * 2);
    const local = this.#local.fill(-1, 0, hashes.hi.length);
    this.#reserve(this.count + chunk.rows);
    let { count } = this;
    for (let row = 0; row < chunk.rows; row++) {
      const label = labelOf[kinds.index === null ? 0 : (kinds.index[row] as number)] as number;
      if (label === 0) continue;
      if (isFlagged[flagged.index === null ? 0 : (flagged.index[row] as number)] === 0) continue;
      const time_ms = times[row] as number;
      if (!chunk.isWhole && (time_ms < start_ms || time_ms >= end_ms)) continue;
      if (sequences !== undefined && (sequences[row] as number) > (upTo as number)) continue;
      const place = hashes.index === null ? 0 : (hashes.index[row] as number);
      let id = local[place] as number;
      if (id === -1) {
        id = this.#idOf(hashes.hi[place] as number, hashes.lo[place] as number);
        local[place] = id;
      }
      if (id < 0) continue;
      this.#entity[count] = id;
      this.#time_ms[count] = time_ms;
      this.#label[count] = label;
      count++;
    }
    this.count = count;
  }

  #idOf(hi: number, lo: number): number {
    if (hi === 0 && lo === 0) return -2;
    return (hi & (this.#config.parts - 1)) === this.#config.part ? this.ids.idOf(hi, lo) : -2;
  }

  #reserve(count: number): void {
    if (count <= this.#entity.length) return;
    let size = this.#entity.length * 2;
    while (size < count) size *= 2;
    const entity = new Int32Array(size);
    entity.set(this.#entity.subarray(0, this.count));
    this.#entity = entity;
    const time_ms = new Float64Array(size);
    time_ms.set(this.#time_ms.subarray(0, this.count));
    this.#time_ms = time_ms;
    const label = new Uint8Array(size);
    label.set(this.#label.subarray(0, this.count));
    this.#label = label;
  }

  /** Calls `visit` for each entity with its events [from, to) of the arrays, in order of time. */
  visit(visit: (time_ms: Float64Array, label: Uint8Array, from: number, to: number) => void): void {
    const { count } = this;
    const entities = this.ids.count;
    const starts = new Int32Array(entities + 1);
    const entity = this.#entity;
    for (let event = 0; event < count; event++) {
      const next = (entity[event] as number) + 1;
      starts[next] = (starts[next] as number) + 1;
    }
    for (let id = 0; id < entities; id++)
      starts[id + 1] = (starts[id + 1] as number) + (starts[id] as number);
    const time_ms = new Float64Array(count);
    const label = new Uint8Array(count);
    const next = starts.slice();
    for (let event = 0; event < count; event++) {
      const id = entity[event] as number;
      const at = next[id] as number;
      next[id] = at + 1;
      time_ms[at] = this.#time_ms[event] as number;
      label[at] = this.#label[event] as number;
    }
    for (let id = 0; id < entities; id++) {
      const from = starts[id] as number;
      const to = starts[id + 1] as number;
      sortByTime(time_ms, label, from, to);
      visit(time_ms, label, from, to);
    }
  }
}

/** Insertion: chunks come nearly in order of time, so that there is little to move. */
function sortByTime(time_ms: Float64Array, label: Uint8Array, from: number, to: number): void {
  for (let event = from + 1; event < to; event++) {
    const at_ms = time_ms[event] as number;
    if (at_ms >= (time_ms[event - 1] as number)) continue;
    const own = label[event] as number;
    let hole = event;
    for (; hole > from && (time_ms[hole - 1] as number) > at_ms; hole--) {
      time_ms[hole] = time_ms[hole - 1] as number;
      label[hole] = label[hole - 1] as number;
    }
    time_ms[hole] = at_ms;
    label[hole] = own;
  }
}
