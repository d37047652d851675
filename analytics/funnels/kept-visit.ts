import type { Cancel, RunView } from '../../engine/index.ts';
import {
  compareFunnelEvents,
  evaluateFunnel,
  type FunnelEvent,
  type FunnelResult,
} from '../../operators/index.ts';
import { KeptEvents, type KeptInfo, type KeptSpan, KeptTimes } from '../kept-events/index.ts';
import type { FunnelCounter } from './funnel-counts.ts';
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
export function visitKept(visit: KeptVisit, counter: Pick<FunnelCounter, 'add' | 'addAttempt'>): void {
  const { records, plan, query, cancel } = visit;
  const isPlain = OrderedAttempts.takes(plan.rules, query.hold_constant);
  const general = new GeneralAttempts(visit);
  const plain = isPlain ? new PlainAttempts(visit) : undefined;
  let visited = 0;
  records.scan((_hi, _lo, bytes, start, end) => {
    if (++visited % ENTITIES_A_CHECK === 0) cancel.check();
    if (plain?.add(bytes, start, end, counter) === true) return;
    const result = general.of(bytes, start, end);
    if (result !== undefined) counter.add(result);
  });
}

/** Ordered funnels, of whose events nothing is held. */
class PlainAttempts {
  readonly #span: KeptSpan;
  readonly #steps: FilledBy;
  readonly #openAfter_ms: number;
  readonly #times = new KeptTimes();
  readonly #ordered: OrderedAttempts;

  constructor({ plan, from_ms, watermark_ms }: KeptVisit) {
    const { rules, scan } = plan;
    this.#span = {
      ...{ from_ms, until_ms: scan.end_ms },
      ...{ first_ms: Math.max(from_ms, rules.start_ms), last_ms: rules.end_ms },
    };
    this.#steps = new FilledBy(plan.stepsOf);
    this.#openAfter_ms = (watermark_ms ?? Number.NEGATIVE_INFINITY) - rules.window_ms;
    this.#ordered = new OrderedAttempts(rules);
  }

  /** Takes an entity; false where two of its events have one time: it is not for this. */
  add(bytes: Uint8Array, start: number, end: number, counter: Pick<FunnelCounter, 'addAttempt'>): boolean {
    const times = this.#times;
    // Who has no event in the range does not enter in it.
    if (!times.read(bytes, start, end, this.#span)) return true;
    const { time_ms, bits, from } = times;
    const { few } = this.#steps;
    let before_ms = Number.NaN;
    for (let at = from; at < times.end; at++) {
      const at_ms = time_ms[at] as number;
      if (at_ms === before_ms) return false;
      before_ms = at_ms;
      const own = bits[at] as number;
      bits[at] = own < FEW_BITS ? (few[own] as number) : this.#steps.of(own);
    }
    const ordered = this.#ordered;
    ordered.times_ms = time_ms;
    ordered.steps = bits;
    const reached = ordered.find(times.end, from);
    if (reached > 0) counter.addAttempt(time_ms, ordered.picks, reached, this.#openAfter_ms);
    return true;
  }
}

/** All other funnels and entities. */
class GeneralAttempts {
  readonly #visit: KeptVisit;
  readonly #events: KeptEvents;
  readonly #watermark_ms: number;
  readonly #steps: FilledBy;
  readonly #exclusions: FilledBy;

  constructor(visit: KeptVisit) {
    this.#visit = visit;
    this.#events = new KeptEvents(visit.info);
    this.#watermark_ms = visit.watermark_ms ?? Number.NEGATIVE_INFINITY;
    this.#steps = new FilledBy(visit.plan.stepsOf);
    this.#exclusions = new FilledBy(visit.plan.exclusionsOf);
  }

  of(bytes: Uint8Array, start: number, end: number): FunnelResult | undefined {
    const { plan, from_ms } = this.#visit;
    const events = this.#events;
    const { rules, scan } = plan;
    if (!events.mayHave(bytes, start, Math.max(from_ms, rules.start_ms), rules.end_ms)) return undefined;
    events.clear();
    events.read(bytes, start, end, from_ms, scan.end_ms);
    const { count, time_ms, bits, held, words } = events;
    const read: FunnelEvent[] = [];
    for (let at = 0; at < count; at++) {
      const own = bits[at] as number;
      read.push({
        time_ms: time_ms[at] as number,
        id: '',
        steps: this.#steps.of(own),
        exclusions: this.#exclusions.of(own),
        // Equal where the held values are.
        hold: words === 0 ? '' : held.subarray(at * words, (at + 1) * words).join(),
        group: '',
      });
    }
    return evaluateFunnel(read.sort(compareFunnelEvents), rules, this.#watermark_ms);
  }
}

/** The steps, or exclusions, that an event fills, by the tests that it passes. */
class FilledBy {
  /** Where these are among the first. */
  readonly few: Uint32Array;
  readonly #byTest: readonly number[];
  readonly #known = new Map<number, number>();

  constructor(byTest: readonly number[]) {
    this.#byTest = byTest;
    this.few = Uint32Array.from({ length: FEW_BITS }, (_, bits) => filledBy(byTest, bits));
  }

  of(bits: number): number {
    if (bits < FEW_BITS) return this.few[bits] as number;
    const known = this.#known.get(bits);
    if (known !== undefined) return known;
    const filled = filledBy(this.#byTest, bits);
    this.#known.set(bits, filled);
    return filled;
  }
}
