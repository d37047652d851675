import type { Chunk } from '../columns/index.ts';
import { DenseIds } from './dense-ids.ts';
import { RowLabels, type RowLabelsConfig } from './row-labels.ts';
import { WideIndex } from './wide-index.ts';

/** Whose events. */
export interface EntityEventsConfig extends RowLabelsConfig {
  /** Hash column of the entity; rows without one are skipped. */
  readonly entity: number;
  /** Takes the entities whose hash falls to `part` of `parts`, a power of two: for several threads. */
  readonly part: number;
  readonly parts: number;
}

const INITIAL_EVENTS = 1 << 17;
/** An event is one number: its time × 256 + its label. So the order of numbers is that of time, then of labels. */
const LABELS = 256;
const UNKNOWN = -1;
const NOT_TAKEN = -2;

/** The events [from, to) of an entity, ascending; see `eventTimeOf` and `eventLabelOf`. */
export type EntityVisitor = (entity: number, events: Float64Array, from: number, to: number) => void;

export function eventTimeOf(event: number): number {
  return Math.floor(event / LABELS);
}

export function eventLabelOf(event: number): number {
  return event - Math.floor(event / LABELS) * LABELS;
}

/**
 * Collects the events of each entity from the chunks of a scan and hands them out entity by entity, in order of time
 * and, at one time, of labels. Chunks may come in any order; where they come by their first time, what lies before
 * the next one's can be taken already: then the memory is that of a few chunks, and stays in the processor's cache.
 */
export class EntityEvents {
  readonly ids = new DenseIds();
  /** Events that wait. */
  count = 0;
  readonly #config: EntityEventsConfig;
  readonly #labels: RowLabels;
  readonly #index = new WideIndex();
  #entity = new Int32Array(INITIAL_EVENTS);
  #event = new Float64Array(INITIAL_EVENTS);
  /** Numbers by local place of the chunk at hand. */
  #local = new Int32Array(0);
  /** Of `take`: events by entity, and those entities that have some. */
  #counts = new Int32Array(0);
  #touched = new Int32Array(0);
  #sorted = new Float64Array(0);

  constructor(config: EntityEventsConfig) {
    this.#config = config;
    this.#labels = new RowLabels(config);
  }

  add(chunk: Chunk): void {
    const labels = this.#labels.of(chunk);
    if (labels === undefined) return;
    const { hi, lo, index } = chunk.hash(this.#config.entity);
    const places = this.#index.of(index, chunk.rows);
    const times = chunk.time_ms();
    if (this.#local.length < hi.length) this.#local = new Int32Array(hi.length * 2);
    const local = this.#local.fill(UNKNOWN, 0, hi.length);
    this.#reserve(this.count + chunk.rows);
    const entities = this.#entity;
    const events = this.#event;
    let { count } = this;
    for (let row = 0; row < chunk.rows; row++) {
      const label = labels[row] as number;
      if (label === 0) continue;
      const place = places[row] as number;
      let id = local[place] as number;
      if (id < 0) {
        if (id === NOT_TAKEN) continue;
        id = this.#idOf(hi[place] as number, lo[place] as number);
        local[place] = id;
        if (id < 0) continue;
      }
      entities[count] = id;
      events[count++] = (times[row] as number) * LABELS + label;
    }
    this.count = count;
  }

  #idOf(hi: number, lo: number): number {
    const { part, parts } = this.#config;
    return (hi & (parts - 1)) === part && (hi | lo) !== 0 ? this.ids.idOf(hi, lo) : NOT_TAKEN;
  }

  #reserve(count: number): void {
    if (count <= this.#entity.length) return;
    let size = this.#entity.length * 2;
    while (size < count) size *= 2;
    const entity = new Int32Array(size);
    entity.set(this.#entity.subarray(0, this.count));
    this.#entity = entity;
    const event = new Float64Array(size);
    event.set(this.#event.subarray(0, this.count));
    this.#event = event;
  }

  /** Hands out the events before `before_ms`, absent: all that wait. No event before it may come later. */
  take(visit: EntityVisitor, before_ms = Number.POSITIVE_INFINITY): void {
    const taken = this.#countEvents(before_ms * LABELS);
    if (taken === 0) return;
    this.#sortEvents(before_ms * LABELS, taken);
    const counts = this.#counts;
    const touched = this.#touched;
    const sorted = this.#sorted;
    let from = 0;
    for (let at = 0; from < taken; at++) {
      const id = touched[at] as number;
      const to = counts[id] as number;
      counts[id] = 0;
      sortAscending(sorted, from, to);
      visit(id, sorted, from, to);
      from = to;
    }
  }

  /** In `#counts` by entity; in `#touched` the entities. */
  #countEvents(before: number): number {
    const { count } = this;
    if (this.#counts.length < this.ids.count) {
      this.#counts = new Int32Array(this.ids.count * 2);
      this.#touched = new Int32Array(this.ids.count * 2);
    }
    const counts = this.#counts;
    const touched = this.#touched;
    const entities = this.#entity;
    const events = this.#event;
    let taken = 0;
    let distinct = 0;
    for (let at = 0; at < count; at++) {
      if (!((events[at] as number) < before)) continue;
      const id = entities[at] as number;
      const known = counts[id] as number;
      if (known === 0) touched[distinct++] = id;
      counts[id] = known + 1;
      taken++;
    }
    // From numbers to places.
    let start = 0;
    for (let at = 0; at < distinct; at++) {
      const id = touched[at] as number;
      const own = counts[id] as number;
      counts[id] = start;
      start += own;
    }
    return taken;
  }

  /** Events by entity, in `#sorted`; `#counts` has where each ends. The others move to the front. */
  #sortEvents(before: number, taken: number): void {
    const { count } = this;
    if (this.#sorted.length < taken) this.#sorted = new Float64Array(Math.max(INITIAL_EVENTS, taken * 2));
    const counts = this.#counts;
    const sorted = this.#sorted;
    const entities = this.#entity;
    const events = this.#event;
    let left = 0;
    for (let at = 0; at < count; at++) {
      const event = events[at] as number;
      const id = entities[at] as number;
      if (event < before) {
        const place = counts[id] as number;
        counts[id] = place + 1;
        sorted[place] = event;
      } else {
        entities[left] = id;
        events[left++] = event;
      }
    }
    this.count = left;
  }
}

/** Fewer are sorted by insertion. */
const FEW = 64;

/** Rows come nearly in order of time, so that there is little to move; many are looked at first. */
function sortAscending(events: Float64Array, from: number, to: number): void {
  if (to - from > FEW && isStrewn(events, from, to)) {
    events.subarray(from, to).sort();
    return;
  }
  for (let at = from + 1; at < to; at++) {
    const event = events[at] as number;
    let hole = at;
    for (; hole > from && (events[hole - 1] as number) > event; hole--)
      events[hole] = events[hole - 1] as number;
    events[hole] = event;
  }
}

/** Whether more than one of eight neighbours is out of order. */
function isStrewn(events: Float64Array, from: number, to: number): boolean {
  let falls = 0;
  for (let at = from + 1; at < to; at++) if ((events[at - 1] as number) > (events[at] as number)) falls++;
  return falls * 8 > to - from;
}
