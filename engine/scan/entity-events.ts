import type { Chunk } from '../columns/index.ts';
import { DenseIds } from './dense-ids.ts';
import { EntityRuns } from './entity-runs.ts';
import { Growable } from './growable.ts';
import { RowLabels, type RowLabelsConfig } from './row-labels.ts';
import { WideIndex } from './wide-index.ts';

/** Whose events. */
export interface EntityEventsConfig extends RowLabelsConfig {
  /** Hash column of the entity; rows without one are skipped. */
  readonly entity: number;
}

/** An event is one number: its time × 256 + its label. So the order of numbers is that of time, then of labels. */
const LABELS = 256;
const SLICE_BITS = 8;

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
 * the next one's can be taken already: so the memory is that of some chunks.
 *
 * What comes is put down by slice of the hashes, and taken slice by slice: a slice and the tables of its entities are
 * in the processor's cache. Chunks are sorted by hash, so rows of a slice lie together there.
 */
export class EntityEvents {
  readonly ids = new DenseIds();
  /** Events that wait. */
  waiting = 0;
  readonly #entity: number;
  readonly #labels: RowLabels;
  readonly #index = new WideIndex();
  readonly #slices = Array.from({ length: 1 << SLICE_BITS }, () => new EntityRuns());
  readonly #kept = new EntityRuns();
  /** Of a slice, by entity: its first and its last run + 1, 0 for none; and the entities that have one. */
  readonly #first = new Growable(Int32Array);
  readonly #last = new Growable(Int32Array);
  readonly #touched = new Growable(Int32Array);
  /** By run: the entity's next one + 1. */
  readonly #next = new Growable(Int32Array);
  readonly #events = new Growable(Float64Array);

  constructor(config: EntityEventsConfig) {
    this.#entity = config.entity;
    this.#labels = new RowLabels(config);
  }

  add(chunk: Chunk): void {
    const labels = this.#labels.of(chunk);
    if (labels === undefined) return;
    const { hi, lo, index } = chunk.hash(this.#entity);
    const places = this.#index.of(index, chunk.rows);
    const times = chunk.time_ms();
    let slice = 0;
    let runs = this.#slices[0] as EntityRuns;
    let { event, events } = runs;
    let last = -1;
    let isNone = true;
    for (let row = 0; row < chunk.rows; row++) {
      const label = labels[row] as number;
      if (label === 0) continue;
      const place = places[row] as number;
      if (place !== last) {
        last = place;
        const [first, second] = [hi[place] as number, lo[place] as number];
        isNone = (first | second) === 0;
        if (isNone) continue;
        const own = first >>> (32 - SLICE_BITS);
        if (own !== slice) {
          this.#close(runs, events);
          slice = own;
          runs = this.#slices[slice] as EntityRuns;
          ({ event, events } = runs);
        }
        runs.open(first, second, events);
      }
      if (isNone) continue;
      if (events === event.length) event = runs.grow(events);
      event[events++] = (times[row] as number) * LABELS + label;
    }
    this.#close(runs, events);
  }

  #close(runs: EntityRuns, events: number): void {
    this.waiting += events - runs.events;
    runs.end(events);
  }

  /**
   * Hands out the events before `before_ms`; no event before it may come later. `check` is called every few
   * milliseconds, and may throw: then what waits is lost.
   */
  take(visit: EntityVisitor, before_ms = Number.POSITIVE_INFINITY, check: () => void = () => {}): void {
    const before = before_ms * LABELS;
    for (const runs of this.#slices) {
      if (runs.count === 0) continue;
      check();
      this.#kept.clear();
      this.#takeRuns(runs, before, visit);
      this.waiting += this.#kept.events - runs.events;
      runs.copy(this.#kept);
    }
  }

  #takeRuns(runs: EntityRuns, before: number, visit: EntityVisitor): void {
    const distinct = this.#chain(runs);
    const first = this.#first.array;
    const touched = this.#touched.array;
    for (let at = 0; at < distinct; at++) {
      const id = touched[at] as number;
      const count = this.#gather(runs, (first[id] as number) - 1, before);
      first[id] = 0;
      if (count > 0) visit(id, this.#events.array, count);
    }
  }

  /** Chains the runs of each entity; returns how many entities there are. */
  #chain({ hi, lo, count }: EntityRuns): number {
    const touched = this.#touched.of(count);
    const next = this.#next.of(count);
    let distinct = 0;
    for (let run = 0; run < count; run++) {
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
  #gather(runs: EntityRuns, begin: number, before: number): number {
    const { start, event } = runs;
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
          this.#kept.add(runs.hi[run] as number, runs.lo[run] as number, own);
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
