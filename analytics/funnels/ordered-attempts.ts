import type { FunnelRules } from '../../operators/index.ts';

const INITIAL_EVENTS = 64;

/**
 * The attempt that counts of an ordered funnel without exclusions and held properties, over events of one entity no
 * two of which have one time: what `evaluateFunnel` finds, in two passes. The first keeps for each step the newest
 * entry that led there (ClickHouse's windowFunnel); the second follows the entry that counts, and fills each step
 * with the first event that can.
 */
export class OrderedAttempts {
  /** Of the events at hand, ascending. */
  times_ms = new Float64Array(INITIAL_EVENTS);
  /** Bit i: the event fills step i + 1. */
  steps = new Uint32Array(INITIAL_EVENTS);
  /** Places of the events that filled the steps reached. */
  readonly picks: Int32Array;
  readonly #rules: FunnelRules;
  /** By step from 1 on: the place of the newest entry that led there, -1 for none. */
  readonly #began: Int32Array;

  constructor(rules: FunnelRules) {
    this.#rules = rules;
    this.picks = new Int32Array(rules.steps);
    this.#began = new Int32Array(rules.steps + 1);
  }

  /** Whether a funnel is of the form that this is for, ties aside. */
  static takes(
    { order, exclusions }: Pick<FunnelRules, 'order'> & { readonly exclusions: readonly unknown[] },
    hold_constant: readonly unknown[],
  ): boolean {
    return order === 'ordered' && exclusions.length === 0 && hold_constant.length === 0;
  }

  makeRoom(events: number): void {
    if (events <= this.times_ms.length) return;
    const room = Math.max(events, this.times_ms.length * 2);
    const [times_ms, steps] = [new Float64Array(room), new Uint32Array(room)];
    times_ms.set(this.times_ms);
    steps.set(this.steps);
    [this.times_ms, this.steps] = [times_ms, steps];
  }

  /** Of the events at [from, count): how many steps were reached, with `picks`; 0: none. */
  find(count: number, from = 0): number {
    const entry = this.#rules.entry === 'first' ? this.#first(from, count) : this.#latest(from, count);
    return entry < 0 ? 0 : this.#follow(entry, count);
  }

  #latest(from: number, count: number): number {
    const { times_ms, steps } = this;
    const { window_ms, start_ms, end_ms } = this.#rules;
    const began = this.#began.fill(-1);
    let furthest = 0;
    for (let at = from; at < count; at++) {
      const time_ms = times_ms[at] as number;
      // From the last step on, so that the event fills one step only.
      for (let left = steps[at] as number; left !== 0; ) {
        const step = 32 - Math.clz32(left);
        left ^= 1 << (step - 1);
        if (step === 1) {
          if (time_ms < start_ms || time_ms >= end_ms) continue;
          began[1] = at;
        } else {
          const entry = began[step - 1] as number;
          if (entry < 0 || time_ms - (times_ms[entry] as number) > window_ms) continue;
          began[step] = entry;
        }
        if (step > furthest) furthest = step;
      }
    }
    return furthest === 0 ? -1 : (began[furthest] as number);
  }

  #first(from: number, count: number): number {
    const { start_ms, end_ms } = this.#rules;
    for (let at = from; at < count; at++) {
      const time_ms = this.times_ms[at] as number;
      if (time_ms >= end_ms) return -1;
      if (time_ms >= start_ms && ((this.steps[at] as number) & 1) === 1) return at;
    }
    return -1;
  }

  #follow(entry: number, count: number): number {
    const { times_ms, steps, picks } = this;
    const end_ms = (times_ms[entry] as number) + this.#rules.window_ms;
    picks[0] = entry;
    let reached = 1;
    for (let at = entry + 1; at < count && reached < picks.length; at++) {
      if ((times_ms[at] as number) > end_ms) break;
      if ((((steps[at] as number) >>> reached) & 1) === 1) picks[reached++] = at;
    }
    return reached;
  }
}
