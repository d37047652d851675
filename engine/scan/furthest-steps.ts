import { type EntityEvents, type EntityVisitor, eventLabelOf, eventTimeOf } from './entity-events.ts';

const INITIAL_ENTITIES = 1 << 14;

/**
 * How many entities reach each step of an ordered sequence within a window of its first step. Labels are steps from
 * 1. One event fills one step; a newer first step begins anew where that can come further; events of one time may
 * fill the steps in their order. For each step the latest begin that led there is kept (as ClickHouse's windowFunnel
 * does), so an event costs a few comparisons, and events may come in several goes.
 */
export class FurthestSteps {
  readonly #steps: number;
  readonly #window_ms: number;
  /** By entity and step: 0 for the furthest step reached, then the latest begin of each step, NaN for none. */
  #state: Float64Array;
  #entities = 0;

  constructor(steps: number, window_ms: number) {
    this.#steps = steps;
    this.#window_ms = window_ms;
    this.#state = new Float64Array(INITIAL_ENTITIES * (steps + 1));
  }

  /** Takes the events before `before_ms`, which must not fall. */
  take(events: EntityEvents, before_ms?: number): void {
    this.#reserve(events.ids.count);
    events.take(this.#visit, before_ms);
  }

  readonly #visit: EntityVisitor = (entity, events, from, to) => {
    const state = this.#state;
    const window_ms = this.#window_ms;
    const base = entity * (this.#steps + 1);
    let best = state[base] as number;
    for (let at = from; at < to; at++) {
      const event = events[at] as number;
      const step = eventLabelOf(event);
      const at_ms = eventTimeOf(event);
      if (step === 1) {
        state[base + 1] = at_ms;
        if (best === 0) best = 1;
        continue;
      }
      const begun_ms = state[base + step - 1] as number;
      // NaN fails the comparison.
      if (!(at_ms - begun_ms <= window_ms)) continue;
      state[base + step] = begun_ms;
      if (step > best) best = step;
    }
    state[base] = best;
  };

  #reserve(entities: number): void {
    const width = this.#steps + 1;
    if (entities * width > this.#state.length) {
      const grown = new Float64Array(entities * 2 * width);
      grown.set(this.#state);
      this.#state = grown;
    }
    const state = this.#state;
    for (; this.#entities < entities; this.#entities++) {
      const base = this.#entities * width;
      for (let step = 1; step < width; step++) state[base + step] = Number.NaN;
    }
  }

  /** Entities by their furthest step: index k has those whose furthest is step k + 1. */
  counts(): Float64Array {
    const counts = new Float64Array(this.#steps);
    const width = this.#steps + 1;
    for (let entity = 0; entity < this.#entities; entity++) {
      const best = this.#state[entity * width] as number;
      if (best > 0) counts[best - 1] = (counts[best - 1] as number) + 1;
    }
    return counts;
  }
}
