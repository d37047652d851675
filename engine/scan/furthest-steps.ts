import { type EntityEvents, type EntityVisitor, eventTimeOf } from './entity-events.ts';
import { ENTRY_WORDS, EntityMasks } from './entity-masks.ts';

const INITIAL_ENTITIES = 1 << 14;
const LABELS = 256;

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
 * windowFunnel does), so an event costs a few comparisons, and events may come in several goes.
 *
 * An attempt lies in the window of its first step. So a range is divided by time: each part takes the entries of
 * its own stretch, and the events up to a window behind it; the furthest of all parts is the entity's.
 */
export class FurthestSteps {
  readonly #config: FurthestStepsConfig;
  /** By entity and step: the latest begin that led there, NaN for none; place 0 is the event at hand. */
  #begun_ms: Float64Array;
  /** The furthest step of each entity. */
  #furthest = new Uint8Array(INITIAL_ENTITIES);
  #entities = 0;

  constructor(config: FurthestStepsConfig) {
    this.#config = config;
    this.#begun_ms = new Float64Array(INITIAL_ENTITIES * (config.steps + 1));
  }

  /** Takes the events before `before_ms`, which must not fall. */
  take(events: EntityEvents, before_ms?: number, check?: () => void): void {
    events.take(this.#visit, before_ms, check);
  }

  readonly #visit: EntityVisitor = (entity, events, count) => {
    if (entity >= this.#entities) this.#reserve(entity + 1);
    const begun_ms = this.#begun_ms;
    const { steps, window_ms, entryEnd_ms } = this.#config;
    const base = entity * (steps + 1);
    let furthest = this.#furthest[entity] as number;
    for (let at = 0; at < count; at++) {
      const event = events[at] as number;
      const at_ms = eventTimeOf(event);
      const step = event - at_ms * LABELS;
      // The first step begins with itself.
      begun_ms[base] = at_ms < entryEnd_ms ? at_ms : Number.NaN;
      const began_ms = begun_ms[base + step - 1] as number;
      // NaN fails the comparison.
      if (!(at_ms - began_ms <= window_ms)) continue;
      begun_ms[base + step] = began_ms;
      furthest = Math.max(furthest, step);
    }
    this.#furthest[entity] = furthest;
  };

  #reserve(entities: number): void {
    const width = this.#config.steps + 1;
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

  /** Each entity that reached a step, with the furthest as a bit, for `countFurthest`. */
  bytes({ ids }: EntityEvents): Uint8Array {
    const words = new Int32Array(this.#entities * ENTRY_WORDS);
    let at = 0;
    ids.forEach((id, hi, lo) => {
      const furthest = this.#furthest[id] ?? 0;
      if (furthest === 0) return;
      words[at] = hi;
      words[at + 1] = lo;
      words[at + 2] = 1 << (furthest - 1);
      at += ENTRY_WORDS;
    });
    return new Uint8Array(words.buffer, 0, at * words.BYTES_PER_ELEMENT);
  }
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
