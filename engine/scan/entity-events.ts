import type { Chunk } from '../columns/index.ts';
import { DenseIds } from './dense-ids.ts';
import { Growable } from './growable.ts';
import { RowLabels, type RowLabelsConfig } from './row-labels.ts';
import { WideIndex } from './wide-index.ts';

/** Whose events. */
export interface EntityEventsConfig extends RowLabelsConfig {
  /** Hash column of the entity; rows without one are skipped. */
  readonly entity: number;
  /** Events that may come to wait, if that is known: memory for them is taken once. */
  readonly waiting_max?: number;
}

/** An event is one number: its time × 256 + its label. So the order of numbers is that of time, then of labels. */
const LABELS = 256;
/** Events that are sorted at once: what fits the processor's cache. */
const SLICE_EVENTS = 32_768;
const MAX_SLICE_BITS = 12;

/** The first `count` events are the entity's, ascending; see `eventTimeOf` and `eventLabelOf`. Valid during the call. */
export type EntityVisitor = (entity: number, events: Float64Array, count: number) => void;

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
  readonly ids = new DenseIds();
  readonly #config: EntityEventsConfig;
  readonly #labels: RowLabels;
  readonly #index = new WideIndex();
  #pending = new Runs();
  #kept = new Runs();
  /** Of a slice, by entity: the number of its first and its last run + 1, 0 for none; and the entities that have one. */
  readonly #first = new Growable(Int32Array);
  readonly #last = new Growable(Int32Array);
  readonly #touched = new Growable(Int32Array);
  /** By run: the number of the entity's next one + 1. */
  readonly #next = new Growable(Int32Array);
  readonly #events = new Growable(Float64Array);

  constructor(config: EntityEventsConfig) {
    this.#config = config;
    this.#pending.reserve(config.waiting_max ?? 0);
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
        isOwn = ((hi[place] as number) | (lo[place] as number)) !== 0;
        if (isOwn) runs.open(hi[place] as number, lo[place] as number, events);
      }
      if (isOwn) event[events++] = (times[row] as number) * LABELS + label;
    }
    runs.end(events);
  }

  /** Hands out the events before `before_ms`, absent: all that wait. No event before it may come later. */
  take(visit: EntityVisitor, before_ms = Number.POSITIVE_INFINITY): void {
    const runs = this.#pending;
    this.#kept.clear();
    const { order, starts } = runs.slices();
    for (let slice = 0; slice + 1 < starts.length; slice++) {
      const [from, to] = [starts[slice] as number, starts[slice + 1] as number];
      if (from < to) this.#takeSlice(order, from, to, before_ms * LABELS, visit);
    }
    this.#pending = this.#kept;
    this.#kept = runs;
  }

  #takeSlice(order: Int32Array, from: number, to: number, before: number, visit: EntityVisitor): void {
    const distinct = this.#chainRuns(order, from, to);
    const first = this.#first.array;
    const touched = this.#touched.array;
    for (let at = 0; at < distinct; at++) {
      const id = touched[at] as number;
      const count = this.#gather((first[id] as number) - 1, before);
      first[id] = 0;
      if (count > 0) visit(id, this.#events.array, count);
    }
  }

  /** Chains the runs of each entity of a slice; returns how many entities there are. */
  #chainRuns(order: Int32Array, from: number, to: number): number {
    const { hi, lo, count } = this.#pending;
    const touched = this.#touched.of(to - from);
    const next = this.#next.of(count);
    let distinct = 0;
    for (let at = from; at < to; at++) {
      const run = order[at] as number;
      const id = this.ids.idOf(hi[run] as number, lo[run] as number);
      const first = this.#first.of(id + 1);
      const last = this.#last.of(id + 1);
      next[run] = 0;
      if (first[id] === 0) {
        first[id] = run + 1;
        touched[distinct++] = id;
      } else next[(last[id] as number) - 1] = run + 1;
      last[id] = run + 1;
    }
    return distinct;
  }

  /** The events of a chain of runs, ascending, in `#events`; those that are not taken go to `#kept`. */
  #gather(begin: number, before: number): number {
    const { start, event } = this.#pending;
    const next = this.#next.array;
    let count = 0;
    let latest = Number.NEGATIVE_INFINITY;
    let isAscending = true;
    for (let run = begin; run >= 0; run = (next[run] as number) - 1) {
      const [from, to] = [start[run] as number, start[run + 1] as number];
      const events = this.#events.of(count + to - from);
      for (let at = from; at < to; at++) {
        const own = event[at] as number;
        if (!(own < before)) {
          this.#keep(run, own);
          continue;
        }
        if (own < latest) isAscending = false;
        latest = own;
        events[count++] = own;
      }
    }
    if (!isAscending) sortAscending(this.#events.array, count);
    return count;
  }

  #keep(run: number, event: number): void {
    const kept = this.#kept;
    const { hi, lo } = this.#pending;
    kept.reserve(1);
    kept.open(hi[run] as number, lo[run] as number, kept.events);
    kept.event[kept.events] = event;
    kept.end(kept.events + 1);
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
      const event = new Float64Array(Math.max(this.events + more, this.event.length * 2));
      event.set(this.event.subarray(0, this.events));
      this.event = event;
    }
    if (this.count + more <= this.hi.length) return;
    const size = Math.max(this.count + more, this.hi.length * 2);
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
  slices(): { readonly order: Int32Array; readonly starts: Int32Array } {
    const { count, hi } = this;
    const bits = Math.min(MAX_SLICE_BITS, Math.max(0, 32 - Math.clz32(this.events / SLICE_EVENTS)));
    const starts = new Int32Array((1 << bits) + 1);
    for (let run = 0; run < count; run++) {
      const next = sliceOf(hi[run] as number, bits) + 1;
      starts[next] = (starts[next] as number) + 1;
    }
    for (let slice = 1; slice < starts.length; slice++)
      starts[slice] = (starts[slice] as number) + (starts[slice - 1] as number);
    const next = starts.slice();
    const order = this.#order.of(count);
    for (let run = 0; run < count; run++) {
      const slice = sliceOf(hi[run] as number, bits);
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

/** The first bits of a hash. Shifted by all 32 bits a number would not be shifted at all. */
function sliceOf(hi: number, bits: number): number {
  return bits === 0 ? 0 : hi >>> (32 - bits);
}

/** More are sorted by the runtime. */
const FEW = 32;

function sortAscending(events: Float64Array, count: number): void {
  if (count > FEW) {
    events.subarray(0, count).sort();
    return;
  }
  for (let at = 1; at < count; at++) {
    const event = events[at] as number;
    let hole = at;
    for (; hole > 0 && (events[hole - 1] as number) > event; hole--)
      events[hole] = events[hole - 1] as number;
    events[hole] = event;
  }
}
