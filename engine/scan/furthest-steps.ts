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
  /** By entity and step: the latest begin that led there, NaN for none; place 0 is the event at hand. */
  #begun_ms: Float64Array;
  /** The furthest step of each entity. */
  #furthest = new Uint8Array(INITIAL_ENTITIES);
  #entities = 0;

  constructor(steps: number, window_ms: number) {
    this.#steps = steps;
    this.#window_ms = window_ms;
    this.#begun_ms = new Float64Array(INITIAL_ENTITIES * (steps + 1));
  }

  /** Takes the events before `before_ms`, which must not fall. */
  take(events: EntityEvents, before_ms?: number): void {
    events.take(this.#visit, before_ms);
  }

  readonly #visit: EntityVisitor = (entity, events, from, to) => {
    if (entity >= this.#entities) this.#reserve(entity + 1);
    const begun_ms = this.#begun_ms;
    const window_ms = this.#window_ms;
    const base = entity * (this.#steps + 1);
    let furthest = this.#furthest[entity] as number;
    for (let at = from; at < to; at++) {
      const event = events[at] as number;
      const step = eventLabelOf(event);
      const at_ms = eventTimeOf(event);
      // The first step begins with itself.
      begun_ms[base] = at_ms;
      const began_ms = begun_ms[base + step - 1] as number;
      // NaN fails the comparison.
      if (!(at_ms - began_ms <= window_ms)) continue;
      begun_ms[base + step] = began_ms;
      furthest = Math.max(furthest, step);
    }
    this.#furthest[entity] = furthest;
  };

  #reserve(entities: number): void {
    const width = this.#steps + 1;
    if (entities > this.#furthest.length) {
      const begun_ms = new Float64Array(entities * 2 * width);
      begun_ms.set(this.#begun_ms);
      this.#begun_ms = begun_ms;
      const furthest = new Uint8Array(entities * 2);
      furthest.set(this.#furthest);
      this.#furthest = furthest;
    }
    this.#begun_ms.fill(Number.NaN, this.#entities * width, entities * width);
    this.#entities = entities;
  }

  /** Entities by their furthest step: index k has those whose furthest is step k + 1. */
  counts(): Float64Array {
    const counts = new Float64Array(this.#steps);
    for (let entity = 0; entity < this.#entities; entity++) {
      const furthest = this.#furthest[entity] as number;
      if (furthest > 0) counts[furthest - 1] = (counts[furthest - 1] as number) + 1;
    }
    return counts;
  }
}
