import { type EntityEvents, type EntityVisitor, EVENT_LABELS, eventTimeOf } from './entity-events.ts';
import { ENTRY_WORDS, EntityMasks } from './entity-masks.ts';

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
 */
export class FurthestSteps {
  readonly #config: FurthestStepsConfig;
  /** By step: the latest begin that led there, NaN for none; place 0 is the event at hand. */
  readonly #begun_ms: Float64Array;
  readonly #reached = new EntityMasks();

  constructor(config: FurthestStepsConfig) {
    this.#config = config;
    this.#begun_ms = new Float64Array(config.steps + 1);
  }

  /** Each entity that reached a step, with the furthest as a bit, as bytes for `countFurthest`. */
  of(events: EntityEvents, check?: () => void): Uint8Array {
    events.visit(this.#visit, check);
    return this.#reached.bytes();
  }

  readonly #visit: EntityVisitor = (hi, lo, events, count) => {
    const { window_ms, entryEnd_ms } = this.#config;
    const begun_ms = this.#begun_ms.fill(Number.NaN);
    let furthest = 0;
    for (let at = 0; at < count; at++) {
      const event = events[at] as number;
      const at_ms = eventTimeOf(event);
      const step = event - at_ms * EVENT_LABELS;
      // The first step begins with itself.
      begun_ms[0] = at_ms < entryEnd_ms ? at_ms : Number.NaN;
      const began_ms = begun_ms[step - 1] as number;
      // NaN fails the comparison.
      if (!(at_ms - began_ms <= window_ms)) continue;
      begun_ms[step] = began_ms;
      furthest = Math.max(furthest, step);
    }
    if (furthest > 0) this.#reached.add(hi, lo, 1 << (furthest - 1), 0);
  };
}

/**
 * Entities by their furthest step, of what parts gave one after the other in `bytes`: index k has those whose
 * furthest is step k + 1.
 */
export function countFurthest(bytes: Uint8Array, steps: number): Float64Array {
  const masks = new EntityMasks();
  masks.addBytes(bytes);
  masks.join();
  const counts = new Float64Array(steps);
  for (let entry = 0; entry < masks.count; entry++) {
    const furthest = 31 - Math.clz32(masks.words[entry * ENTRY_WORDS + 2] as number);
    counts[furthest] = (counts[furthest] as number) + 1;
  }
  return counts;
}
