import { EVENT_LABELS, eventTimeOf } from '../../engine/index.ts';
import {
  compareFunnelEvents,
  evaluateFunnel,
  type FunnelEvent,
  type FunnelResult,
  type FunnelRules,
  resultOf,
} from '../../operators/index.ts';
import type { FunnelPlan } from './funnel-plan.ts';
import { filledBy } from './funnel-tests.ts';

/**
 * Where entities stand, by events that are nothing but a time and a label (`EventLabels`): the same results as
 * `evaluateFunnel`. An ordered funnel without exclusions, over events of which no two have one time, takes two passes
 * over the events: the first keeps for each step the newest entry that led there (ClickHouse's windowFunnel), the
 * second follows the entry that counts. Everything else goes to `evaluateFunnel`.
 */
export class LabelAttempts {
  readonly #rules: FunnelRules;
  readonly #watermark_ms: number;
  readonly #isPlain: boolean;
  /** By label / 2. */
  readonly #stepsOf: Uint32Array;
  readonly #exclusionsOf: Uint32Array;
  /** By step: the newest entry that led there; NaN for none. */
  readonly #began: Float64Array;

  constructor(plan: FunnelPlan, watermark_ms: number) {
    const { rules, stepsOf, exclusionsOf } = plan;
    this.#rules = rules;
    this.#watermark_ms = watermark_ms;
    this.#isPlain = rules.order === 'ordered' && rules.exclusions.length === 0;
    const labels = Array.from({ length: EVENT_LABELS / 2 }, (_, bits) => bits);
    this.#stepsOf = Uint32Array.from(labels, (bits) => filledBy(stepsOf, bits));
    this.#exclusionsOf = Uint32Array.from(labels, (bits) => filledBy(exclusionsOf, bits));
    this.#began = new Float64Array(rules.steps + 1);
  }

  /** The first `count` of `events` are those of one entity, sorted. undefined: it is not in the funnel. */
  of(events: Float64Array, count: number): FunnelResult | undefined {
    if (!this.#isPlain || hasTies(events, count)) return this.#general(events, count);
    const times_ms = this.#rules.entry === 'first' ? this.#first(events, count) : this.#latest(events, count);
    return times_ms === undefined ? undefined : resultOf({ times_ms }, this.#rules, this.#watermark_ms);
  }

  #latest(events: Float64Array, count: number): number[] | undefined {
    const { steps, window_ms, start_ms, end_ms } = this.#rules;
    const began = this.#began.fill(Number.NaN);
    let furthest = 0;
    for (let at = 0; at < count; at++) {
      const event = events[at] as number;
      const time_ms = eventTimeOf(event);
      const filled = this.#stepsAt(event);
      // From the last step on, so that the event fills one step only.
      for (let step = Math.min(furthest + 1, steps); step > 1; step--) {
        if (((filled >>> (step - 1)) & 1) === 0) continue;
        const entry_ms = began[step - 1] as number;
        if (!(time_ms - entry_ms <= window_ms)) continue;
        began[step] = entry_ms;
        if (step > furthest) furthest = step;
      }
      if ((filled & 1) === 1 && time_ms >= start_ms && time_ms < end_ms) {
        began[1] = time_ms;
        if (furthest === 0) furthest = 1;
      }
    }
    return furthest === 0 ? undefined : this.#follow(events, count, began[furthest] as number);
  }

  #first(events: Float64Array, count: number): number[] | undefined {
    const { start_ms, end_ms } = this.#rules;
    for (let at = 0; at < count; at++) {
      const time_ms = eventTimeOf(events[at] as number);
      if (time_ms >= end_ms) return undefined;
      if (time_ms < start_ms || (this.#stepsAt(events[at] as number) & 1) === 0) continue;
      return this.#follow(events, count, time_ms);
    }
    return undefined;
  }

  /** The times of the steps from an entry on: each at the first event that fills it. */
  #follow(events: Float64Array, count: number, entry_ms: number): number[] {
    const { steps, window_ms } = this.#rules;
    const times_ms = [entry_ms];
    for (let at = 0; at < count && times_ms.length < steps; at++) {
      const time_ms = eventTimeOf(events[at] as number);
      if (time_ms <= entry_ms) continue;
      if (time_ms > entry_ms + window_ms) break;
      if (((this.#stepsAt(events[at] as number) >>> times_ms.length) & 1) === 1) times_ms.push(time_ms);
    }
    return times_ms;
  }

  #stepsAt(event: number): number {
    return this.#stepsOf[(event % EVENT_LABELS) >> 1] as number;
  }

  #general(events: Float64Array, count: number): FunnelResult | undefined {
    const read: FunnelEvent[] = [];
    for (let at = 0; at < count; at++) {
      const event = events[at] as number;
      const bits = (event % EVENT_LABELS) >> 1;
      const [steps, exclusions] = [this.#stepsOf[bits] as number, this.#exclusionsOf[bits] as number];
      read.push({ time_ms: eventTimeOf(event), id: '', steps, exclusions, hold: '', group: '' });
    }
    return evaluateFunnel(read.sort(compareFunnelEvents), this.#rules, this.#watermark_ms);
  }
}

function hasTies(events: Float64Array, count: number): boolean {
  for (let at = 1; at < count; at++)
    if (eventTimeOf(events[at] as number) === eventTimeOf(events[at - 1] as number)) return true;
  return false;
}
