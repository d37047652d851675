import type { Chunk } from '../columns/index.ts';
import { EntityPart, type PartOf } from './entity-part.ts';
import { Growable } from './growable.ts';
import { RowLabels, type RowLabelsConfig } from './row-labels.ts';
import { WideIndex } from './wide-index.ts';

/** Whose events. */
export interface EntityEventsConfig extends RowLabelsConfig, PartOf {
  /** Hash column of the entity; rows without one are skipped. */
  readonly entity: number;
}

/** An event is one number: its time × 256 + its label. So the order of numbers is that of time, then of labels. */
const LABELS = 256;
/** Events that are sorted at once: what fits the processor's cache. */
const SLICE_EVENTS = 32_768;
const MAX_SLICE_BITS = 12;

/** The events [from, to) of an entity, ascending; see `eventTimeOf` and `eventLabelOf`. Valid during the call. */
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
 * the next one's can be taken already: so the memory is that of some chunks. Rows of an entity that lie together
 * are a run. Runs are taken slice by slice of the hashes, so that all that is touched meanwhile is in the cache.
 */
export class EntityEvents {
  readonly #config: EntityEventsConfig;
  readonly #part: EntityPart;
  readonly #labels: RowLabels;
  readonly #index = new WideIndex();
  #pending = new Runs();
  #kept = new Runs();
  /** Of a slice: events by entity, then where those of the entity end; and the entities that have some. */
  readonly #counts = new Growable(Int32Array);
  readonly #touched = new Growable(Int32Array);
  readonly #sorted = new Growable(Float64Array);
  readonly #entities = new Growable(Int32Array);

  constructor(config: EntityEventsConfig) {
    this.#config = config;
    this.#part = new EntityPart(config);
    this.#labels = new RowLabels(config);
  }

  /** Events that wait. */
  get waiting(): number {
    return this.#pending.events;
  }

  add(chunk: Chunk): void {
    const labels = this.#labels.of(chunk);
    if (labels === undefined) return;
    const { hi, lo, index } = chunk.hash(this.#config.entity);
    const places = this.#index.of(index, chunk.rows);
    const times = chunk.time_ms();
    const runs = this.#pending;
    runs.reserve(chunk.rows);
    const { event } = runs;
    let { events } = runs;
    let last = -1;
    let isOwn = false;
    for (let row = 0; row < chunk.rows; row++) {
      const label = labels[row] as number;
      if (label === 0) continue;
      const place = places[row] as number;
      if (place !== last) {
        last = place;
        isOwn = this.#part.has(hi[place] as number, lo[place] as number);
        if (isOwn) runs.open(hi[place] as number, lo[place] as number, events);
      }
      if (isOwn) event[events++] = (times[row] as number) * LABELS + label;
    }
    runs.end(events);
  }

  /** Hands out the events before `before_ms`, absent: all that wait. No event before it may come later. */
  take(visit: EntityVisitor, before_ms = Number.POSITIVE_INFINITY): void {
    const runs = this.#pending;
    const kept = this.#kept;
    const before = before_ms * LABELS;
    kept.clear();
    const slices = runs.slices(this.#part);
    for (let slice = 0; slice + 1 < slices.starts.length; slice++) {
      const [from, to] = [slices.starts[slice] as number, slices.starts[slice + 1] as number];
      if (from < to) this.#takeSlice(runs, slices.order, from, to, before, visit);
    }
    this.#pending = kept;
    this.#kept = runs;
  }

  #takeSlice(
    runs: Runs,
    order: Int32Array,
    from: number,
    to: number,
    before: number,
    visit: EntityVisitor,
  ): void {
    const entities = this.#entities.of(to - from);
    const distinct = this.#count(runs, order, from, to, before, entities);
    const counts = this.#counts.array;
    const touched = this.#touched.array;
    let total = 0;
    for (let at = 0; at < distinct; at++) {
      const id = touched[at] as number;
      const own = counts[id] as number;
      counts[id] = total;
      total += own;
    }
    const sorted = this.#sorted.of(total);
    this.#place(runs, order, from, to, before, entities, sorted);
    let start = 0;
    for (let at = 0; at < distinct; at++) {
      const id = touched[at] as number;
      const end = counts[id] as number;
      counts[id] = 0;
      sortAscending(sorted, start, end);
      visit(id, sorted, start, end);
      start = end;
    }
  }

  /** Numbers the entities of the runs and counts their events; returns how many have some. */
  #count(
    { hi, lo, start, event }: Runs,
    order: Int32Array,
    from: number,
    to: number,
    before: number,
    entities: Int32Array,
  ): number {
    const { ids } = this.#part;
    const touched = this.#touched.of(to - from);
    let distinct = 0;
    for (let at = from; at < to; at++) {
      const run = order[at] as number;
      const id = ids.idOf(hi[run] as number, lo[run] as number);
      entities[at - from] = id;
      const counts = this.#counts.of(id + 1);
      let taken = 0;
      for (let place = start[run] as number; place < (start[run + 1] as number); place++)
        taken += (event[place] as number) < before ? 1 : 0;
      if (taken === 0) continue;
      if (counts[id] === 0) touched[distinct++] = id;
      counts[id] = (counts[id] as number) + taken;
    }
    return distinct;
  }

  /** Puts the events to their entities; those that are not taken go to `#kept`. */
  #place(
    { hi, lo, start, event }: Runs,
    order: Int32Array,
    from: number,
    to: number,
    before: number,
    entities: Int32Array,
    sorted: Float64Array,
  ): void {
    const counts = this.#counts.array;
    const kept = this.#kept;
    for (let at = from; at < to; at++) {
      const run = order[at] as number;
      const id = entities[at - from] as number;
      let next = counts[id] as number;
      let isKept = false;
      for (let place = start[run] as number; place < (start[run + 1] as number); place++) {
        const own = event[place] as number;
        if (own < before) sorted[next++] = own;
        else {
          if (!isKept) {
            kept.reserve((start[run + 1] as number) - place);
            kept.open(hi[run] as number, lo[run] as number, kept.events);
          }
          isKept = true;
          kept.event[kept.events] = own;
          kept.end(kept.events + 1);
        }
      }
      counts[id] = next;
    }
  }
}

/** Events of entities that came together, one run after the other. */
class Runs {
  count = 0;
  events = 0;
  hi = new Int32Array(0);
  lo = new Int32Array(0);
  /** Where each run begins; behind the last one, where it ends. */
  start = new Int32Array(1);
  event = new Float64Array(0);
  #order = new Growable(Int32Array);

  clear(): void {
    this.count = 0;
    this.events = 0;
  }

  /** Room for so many further events, each in a run of its own. */
  reserve(more: number): void {
    if (this.events + more > this.event.length) {
      const event = new Float64Array((this.events + more) * 2);
      event.set(this.event.subarray(0, this.events));
      this.event = event;
    }
    if (this.count + more <= this.hi.length) return;
    const size = (this.count + more) * 2;
    this.hi = grown(this.hi, this.count, size);
    this.lo = grown(this.lo, this.count, size);
    this.start = grown(this.start, this.count + 1, size + 1);
  }

  open(hi: number, lo: number, start: number): void {
    this.hi[this.count] = hi;
    this.lo[this.count] = lo;
    this.start[this.count++] = start;
  }

  /** The last run ends before `events`. */
  end(events: number): void {
    this.events = events;
    this.start[this.count] = events;
  }

  /** The runs by slice of their hashes: those of slice s are order[starts[s]..starts[s + 1]). */
  slices(part: EntityPart): { readonly order: Int32Array; readonly starts: Int32Array } {
    const { count, hi } = this;
    const bits = Math.min(MAX_SLICE_BITS, Math.max(0, 32 - Math.clz32(this.events / SLICE_EVENTS)));
    const starts = new Int32Array((1 << bits) + 1);
    for (let run = 0; run < count; run++) {
      const next = part.sliceOf(hi[run] as number, bits) + 1;
      starts[next] = (starts[next] as number) + 1;
    }
    for (let slice = 1; slice < starts.length; slice++)
      starts[slice] = (starts[slice] as number) + (starts[slice - 1] as number);
    const next = starts.slice();
    const order = this.#order.of(count);
    for (let run = 0; run < count; run++) {
      const slice = part.sliceOf(hi[run] as number, bits);
      const place = next[slice] as number;
      next[slice] = place + 1;
      order[place] = run;
    }
    return { order, starts };
  }
}

function grown(from: Int32Array, count: number, size: number) {
  const to = new Int32Array(size);
  to.set(from.subarray(0, count));
  return to;
}

/** More are looked at before they are sorted by insertion. */
const FEW = 64;

/** Rows come nearly in order of time, so that there is little to move. */
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
