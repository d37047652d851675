import { EVENT_LABELS } from '../../engine/index.ts';
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
import { OrderedAttempts } from './ordered-attempts.ts';

const INITIAL_EVENTS = 64;

/**
 * Where entities stand, by events that are nothing but a time and a label (`EventLabels`): the same results as those of
 * `evaluateFunnel`, which takes what `OrderedAttempts` is not for.
 */
export class LabelAttempts {
  readonly #rules: FunnelRules;
  readonly #watermark_ms: number;
  readonly #isPlain: boolean;
  readonly #ordered: OrderedAttempts;
  /** By label / 2. */
  readonly #stepsOf: Uint32Array;
  readonly #exclusionsOf: Uint32Array;
  #labels = new Uint8Array(INITIAL_EVENTS);
  #hasTies = false;

  constructor(plan: FunnelPlan, watermark_ms: number) {
    const { rules, stepsOf, exclusionsOf } = plan;
    this.#rules = rules;
    this.#watermark_ms = watermark_ms;
    this.#isPlain = OrderedAttempts.takes(rules, []);
    this.#ordered = new OrderedAttempts(rules);
    const labels = Array.from({ length: EVENT_LABELS / 2 }, (_, bits) => bits);
    this.#stepsOf = Uint32Array.from(labels, (bits) => filledBy(stepsOf, bits));
    this.#exclusionsOf = Uint32Array.from(labels, (bits) => filledBy(exclusionsOf, bits));
  }

  /** The first `count` of `events` are those of one entity, sorted. undefined: it is not in the funnel. */
  of(events: Float64Array, count: number): FunnelResult | undefined {
    const left = this.#read(events, count);
    if (!this.#isPlain || this.#hasTies) return this.#general(left);
    const { times_ms, picks } = this.#ordered;
    const reached = this.#ordered.find(left);
    if (reached === 0) return undefined;
    const reached_ms: number[] = [];
    for (let step = 0; step < reached; step++) reached_ms.push(times_ms[picks[step] as number] as number);
    return resultOf({ times_ms: reached_ms }, this.#rules, this.#watermark_ms);
  }

  /** Takes the events that are left once others were taken back; returns how many. */
  #read(events: Float64Array, count: number): number {
    if (this.#labels.length < count) this.#labels = new Uint8Array(count * 2);
    this.#ordered.makeRoom(count);
    const { times_ms, steps } = this.#ordered;
    const [labels, stepsOf] = [this.#labels, this.#stepsOf];
    let kept = 0;
    for (let at = 0; at < count; at++) {
      const event = events[at] as number;
      const time_ms = Math.floor(event / EVENT_LABELS);
      const label = event - time_ms * EVENT_LABELS;
      if ((label & 1) === 1) {
        // What it takes back has its time, and the label before it.
        if (kept === 0 || times_ms[kept - 1] !== time_ms || labels[kept - 1] !== label >> 1)
          throw new Error('a retraction takes back a row that the log has');
        kept--;
        continue;
      }
      times_ms[kept] = time_ms;
      labels[kept] = label >> 1;
      steps[kept++] = stepsOf[label >> 1] as number;
    }
    this.#hasTies = false;
    for (let at = 1; at < kept; at++) if (times_ms[at] === times_ms[at - 1]) this.#hasTies = true;
    return kept;
  }

  #general(count: number): FunnelResult | undefined {
    const { times_ms } = this.#ordered;
    const read: FunnelEvent[] = [];
    for (let at = 0; at < count; at++) {
      const label = this.#labels[at] as number;
      const [steps, exclusions] = [this.#stepsOf[label] as number, this.#exclusionsOf[label] as number];
      read.push({ time_ms: times_ms[at] as number, id: '', steps, exclusions, hold: '', group: '' });
    }
    return evaluateFunnel(read.sort(compareFunnelEvents), this.#rules, this.#watermark_ms);
  }
}
