import { type EntityEvents, EVENT_LABELS } from './entity-events.ts';
import { type EntitySlice, type EntityVisitor, LABEL_BITS, type SliceEntities } from './entity-slice.ts';
import { FurthestEntries } from './furthest-entries.ts';

export interface FurthestStepsConfig {
  /** At most 31. */
  readonly steps: number;
  /** From the first step on, inclusive. */
  readonly window_ms: number;
  /** First steps from this time on begin nothing: they are another part's. */
  readonly entryEnd_ms: number;
}

/**
 * The furthest step that each entity reaches of an ordered sequence within a window of its first step. Labels are
 * steps from 1. One event fills one step; a newer first step begins anew where that can come further; events of one
 * time may fill the steps in their order. For each step the latest begin that led there is kept (as ClickHouse's
 * windowFunnel does), so an event costs a few comparisons.
 *
 * An attempt lies in the window of its first step. So a range is divided by time: each part takes the entries of
 * its own stretch, and the events up to a window behind it; the furthest of all parts is the entity's.
 *
 * Events are taken as they came. Who turns out to have had one too early is counted again, from sorted events:
 * hand chunks over in the order of their times, as far as there is one.
 */
export class FurthestSteps {
  readonly #steps: number;
  /** Of what is compared with events, which carry a label: see there. */
  readonly #windowEnd: number;
  readonly #entryEnd: number;
  /** Log2 of the numbers of an entity. */
  readonly #shift: number;
  /**
   * Of each entity: the event at hand if it may begin something; by step, the latest begin that led there, NaN for
   * none; the latest event.
   */
  #states = new Float64Array(0);
  #isLate = new Uint8Array(0);
  readonly #reached = new FurthestEntries();

  constructor({ steps, window_ms, entryEnd_ms }: FurthestStepsConfig) {
    this.#steps = steps;
    this.#windowEnd = (Math.floor(window_ms) + 1) * EVENT_LABELS;
    this.#entryEnd = entryEnd_ms * EVENT_LABELS;
    this.#shift = 32 - Math.clz32(steps + 1);
  }

  /** Each entity that reached a step, with the furthest, as bytes for `countFurthest`. */
  of(events: EntityEvents, check?: () => void): Uint8Array {
    events.visitSlices((slice, entities) => this.#visit(slice, entities), check);
    return this.#reached.bytes();
  }

  #visit(slice: EntitySlice, entities: SliceEntities): void {
    const { count, runOf } = entities;
    const size = count << this.#shift;
    if (this.#states.length < size) this.#states = new Float64Array(size * 2);
    this.#states.fill(Number.NaN, 0, size);
    if (this.#isLate.length < count) this.#isLate = new Uint8Array(count * 2);
    const isLate = this.#isLate.fill(0, 0, count);
    const late = this.#follow(slice, entities.entityOf);
    for (let entity = 0; entity < count; entity++) {
      if (isLate[entity] === 1) continue;
      const run = runOf[entity] as number;
      this.#reach(slice.hi[run] as number, slice.lo[run] as number, entity << this.#shift);
    }
    if (late) entities.visitSome(slice, isLate, this.#visitSorted);
  }

  /** Takes each event; says whether some entity had one earlier than the one before. */
  #follow({ event: events, what, events: count }: EntitySlice, entityOf: Int32Array): boolean {
    const states = this.#states;
    const isLate = this.#isLate;
    const [shift, windowEnd, entryEnd] = [this.#shift, this.#windowEnd, this.#entryEnd];
    const latestAt = this.#steps + 1;
    let late = false;
    for (let at = 0; at < count; at++) {
      const event = events[at] as number;
      const own = what[at] as number;
      const entity = entityOf[own >>> LABEL_BITS] as number;
      const step = own & (EVENT_LABELS - 1);
      const state = entity << shift;
      if (event < (states[state + latestAt] as number)) {
        isLate[entity] = 1;
        late = true;
      }
      states[state + latestAt] = event;
      // The first step begins with itself.
      states[state] = event < entryEnd ? event : Number.NaN;
      const began = states[state + step - 1] as number;
      // NaN fails the comparison. Then what is written is never read.
      states[state + (event - began < windowEnd ? step : 0)] = began;
    }
    return late;
  }

  readonly #visitSorted: EntityVisitor = (hi, lo, events, count) => {
    const states = this.#states.fill(Number.NaN, 0, this.#steps + 1);
    for (let at = 0; at < count; at++) {
      const event = events[at] as number;
      const step = event % EVENT_LABELS;
      states[0] = event < this.#entryEnd ? event : Number.NaN;
      const began = states[step - 1] as number;
      if (event - began < this.#windowEnd) states[step] = began;
    }
    this.#reach(hi, lo, 0);
  };

  #reach(hi: number, lo: number, state: number): void {
    const states = this.#states;
    let furthest = this.#steps;
    while (furthest > 0 && Number.isNaN(states[state + furthest] as number)) furthest--;
    if (furthest > 0) this.#reached.add(hi, lo, furthest);
  }
}
