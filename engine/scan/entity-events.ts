import type { Chunk } from '../columns/index.ts';
import { EntityRuns } from './entity-runs.ts';
import { RowLabels, type RowLabelsConfig } from './row-labels.ts';
import { WideIndex } from './wide-index.ts';

/** Whose events. */
export interface EntityEventsConfig extends RowLabelsConfig {
  /** Hash column of the entity; rows without one are skipped. */
  readonly entity: number;
  /** Of all chunks, where it is known: memory is taken once. */
  readonly rows?: number;
}

/** An event is one number: its time × 256 + its label. So the order of numbers is that of time, then of labels. */
export const EVENT_LABELS = 256;
const SLICE_BITS = 8;

/** The first `count` events are those of the entity with this hash, ascending. Valid during the call. */
export type EntityVisitor = (hi: number, lo: number, events: Float64Array, count: number) => void;

/** The time of an event, ms; its label is what is left: `event - eventTimeOf(event) * EVENT_LABELS`. */
export function eventTimeOf(event: number): number {
  return Math.floor(event / EVENT_LABELS);
}

/**
 * Collects the events of each entity from the chunks of a scan, in any order, and hands them out entity by entity, in
 * order of time and, at one time, of labels. 8 to 20 bytes an event: a long range is asked for in parts.
 *
 * What comes is put down by slice of the hashes, and handed out slice by slice, so that one fits the processor's
 * cache. Chunks are sorted by hash, so rows of a slice lie together there.
 */
export class EntityEvents {
  readonly #entity: number;
  readonly #labels: RowLabels;
  readonly #index = new WideIndex();
  readonly #slices: readonly EntityRuns[];
  #events = new Float64Array(64);

  constructor(config: EntityEventsConfig) {
    const rows = (config.rows ?? 0) >> SLICE_BITS;
    this.#slices = Array.from({ length: 1 << SLICE_BITS }, () => new EntityRuns(rows));
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
          runs.end(events);
          slice = own;
          runs = this.#slices[slice] as EntityRuns;
          ({ event, events } = runs);
        }
        runs.open(first, second, events);
      }
      if (isNone) continue;
      if (events === event.length) event = runs.grow(events);
      event[events++] = (times[row] as number) * EVENT_LABELS + label;
    }
    runs.end(events);
  }

  /** `check` is called every few milliseconds, and may throw. */
  visit(visit: EntityVisitor, check: () => void = () => {}): void {
    for (const runs of this.#slices) {
      if (runs.count === 0) continue;
      check();
      const order = runs.byHash(SLICE_BITS);
      const { hi, lo, count } = runs;
      for (let at = 0; at < count; ) {
        const [first, second] = [hi[order[at] as number] as number, lo[order[at] as number] as number];
        let end = at + 1;
        while (end < count && lo[order[end] as number] === second && hi[order[end] as number] === first)
          end++;
        const events = this.#gather(runs, order, at, end);
        visit(first, second, this.#events, events);
        at = end;
      }
    }
  }

  /** The events of the runs order[from..to), ascending, in `#events`; returns how many. */
  #gather({ start, event }: EntityRuns, order: Int32Array, from: number, to: number): number {
    let count = 0;
    let latest = Number.NEGATIVE_INFINITY;
    let isAscending = true;
    for (let at = from; at < to; at++) {
      const run = order[at] as number;
      const end = start[run + 1] as number;
      const begin = start[run] as number;
      if (count + end - begin > this.#events.length) this.#grow(count, end - begin);
      const events = this.#events;
      for (let place = begin; place < end; place++) {
        const own = event[place] as number;
        if (own < latest) isAscending = false;
        latest = own;
        events[count++] = own;
      }
    }
    if (!isAscending) sortAscending(this.#events, count);
    return count;
  }

  #grow(count: number, more: number): void {
    const events = new Float64Array((count + more) * 2);
    events.set(this.#events.subarray(0, count));
    this.#events = events;
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
