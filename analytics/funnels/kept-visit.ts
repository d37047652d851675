import type { Cancel, RunView } from '../../engine/index.ts';
import { compareFunnelEvents, evaluateFunnel, type FunnelResult, resultOf } from '../../operators/index.ts';
import { KeptEvents, type KeptInfo } from '../kept-events/index.ts';
import type { FunnelPlan } from './funnel-plan.ts';
import type { FunnelQuery } from './funnel-schema.ts';
import { filledBy } from './funnel-tests.ts';
import { OrderedAttempts } from './ordered-attempts.ts';

const ENTITIES_A_CHECK = 1_024;
const FEW_BITS = 256;

interface KeptVisit {
  readonly records: RunView;
  readonly info: KeptInfo;
  readonly plan: FunnelPlan;
  readonly query: Pick<FunnelQuery, 'hold_constant'>;
  /** Rows before it are no longer kept, or are not asked for. */
  readonly from_ms: number;
  /** null: before the first event nothing is over. */
  readonly watermark_ms: number | null;
  readonly cancel: Cancel;
}

/** Each entity of a kept funnel that is in it, by the events that are kept of it: what a scan finds. */
export function visitKept(visit: KeptVisit, take: (result: FunnelResult) => void): void {
  const { records, info, plan, from_ms, cancel } = visit;
  const { start_ms, end_ms } = plan.rules;
  const events = new KeptEvents(info);
  const attempts = new KeptAttempts(visit, events);
  let visited = 0;
  records.scan((_hi, _lo, bytes, start, end) => {
    if (++visited % ENTITIES_A_CHECK === 0) cancel.check();
    // Who has no event in the range does not enter in it.
    if (!events.mayHave(bytes, start, Math.max(from_ms, start_ms), end_ms)) return;
    events.clear();
    events.read(bytes, start, end, from_ms, plan.scan.end_ms);
    const result = attempts.of();
    if (result !== undefined) take(result);
  });
}

/** Where the entity stands whose events are at hand. */
class KeptAttempts {
  readonly #visit: KeptVisit;
  readonly #events: KeptEvents;
  readonly #ordered: OrderedAttempts;
  readonly #isPlain: boolean;
  readonly #watermark_ms: number;
  /** By the tests that an event passes, where these are among the first. */
  readonly #stepsOfFew: Uint32Array;
  readonly #stepsOf = new Map<number, number>();

  constructor(visit: KeptVisit, events: KeptEvents) {
    this.#visit = visit;
    this.#events = events;
    this.#watermark_ms = visit.watermark_ms ?? Number.NEGATIVE_INFINITY;
    const { stepsOf } = visit.plan;
    this.#stepsOfFew = Uint32Array.from({ length: FEW_BITS }, (_, bits) => filledBy(stepsOf, bits));
    this.#ordered = new OrderedAttempts(visit.plan.rules);
    this.#isPlain = OrderedAttempts.takes(visit.plan.rules, visit.query.hold_constant);
  }

  of(): FunnelResult | undefined {
    return this.#isPlain && this.#takesOrdered() ? this.#plain() : this.#general();
  }

  /** False where two events have one time. */
  #takesOrdered(): boolean {
    const { count, time_ms, bits } = this.#events;
    this.#ordered.makeRoom(count);
    const { times_ms, steps } = this.#ordered;
    const few = this.#stepsOfFew;
    let before_ms = Number.NaN;
    for (let at = 0; at < count; at++) {
      const at_ms = time_ms[at] as number;
      if (at_ms === before_ms) return false;
      times_ms[at] = at_ms;
      before_ms = at_ms;
      const own = bits[at] as number;
      steps[at] = own < few.length ? (few[own] as number) : this.#stepsBy(own);
    }
    return true;
  }

  #stepsBy(bits: number): number {
    const known = this.#stepsOf.get(bits);
    if (known !== undefined) return known;
    const steps = filledBy(this.#visit.plan.stepsOf, bits);
    this.#stepsOf.set(bits, steps);
    return steps;
  }

  #plain(): FunnelResult | undefined {
    const { times_ms, picks } = this.#ordered;
    const reached = this.#ordered.find(this.#events.count);
    if (reached === 0) return undefined;
    const reached_ms: number[] = [];
    for (let step = 0; step < reached; step++) reached_ms.push(times_ms[picks[step] as number] as number);
    return resultOf({ times_ms: reached_ms }, this.#visit.plan.rules, this.#watermark_ms);
  }

  #general(): FunnelResult | undefined {
    const { plan } = this.#visit;
    const { count, time_ms, bits, held, words } = this.#events;
    const read = Array.from({ length: count }, (_, at) => ({
      time_ms: time_ms[at] as number,
      id: '',
      steps: this.#stepsBy(bits[at] as number),
      exclusions: filledBy(plan.exclusionsOf, bits[at] as number),
      // Equal where the held values are.
      hold: held.subarray(at * words, (at + 1) * words).join(),
      group: '',
    }));
    return evaluateFunnel(read.sort(compareFunnelEvents), plan.rules, this.#watermark_ms);
  }
}
