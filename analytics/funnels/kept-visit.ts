import { type Cancel, invariant, type RunView } from '../../engine/index.ts';
import { compareFunnelEvents, evaluateFunnel, type FunnelResult } from '../../operators/index.ts';
import { KeptEvents, type KeptInfo, type KeptSpan, KeptTimes, type KeptView } from '../kept-events/index.ts';
import { visitAttempts } from './attempt-visit.ts';
import type { FunnelCounter } from './funnel-counts.ts';
import type { FunnelPlan } from './funnel-plan.ts';
import { type FunnelShared, planOfQuery } from './funnel-scan.ts';
import type { FunnelQuery } from './funnel-schema.ts';
import { FilledBy, KeptFunnelEvents } from './kept-funnel-events.ts';
import type { KeptWork } from './kept-plan.ts';
import { OrderedAttempts } from './ordered-attempts.ts';

const ENTITIES_A_CHECK = 1_024;

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

interface KeptCount {
  readonly shared: FunnelShared;
  readonly work: KeptWork;
  readonly kept: KeptView;
  readonly cancel: Cancel;
}

/** Counts the entities of a stored funnel: by the attempts that are kept of them, or by their events. */
export function countKept({ shared, work, kept, cancel }: KeptCount, counter: FunnelCounter): void {
  const { query, watermark_ms } = shared;
  const { kept: info, from_ms } = work;
  const plan = planOfQuery(query);
  if (work.attempts === undefined) {
    const records = kept.open(info);
    visitKept({ records, info, from_ms, plan, query, watermark_ms, cancel }, counter);
    return;
  }
  const attempts = kept.attempts(info, work.attempts);
  invariant(attempts !== undefined, 'what a plan reads is there in its snapshot');
  const { end_ms, window_ms } = plan.rules;
  if (from_ms >= end_ms) return;
  const openAfter_ms = (watermark_ms ?? Number.NEGATIVE_INFINITY) - window_ms;
  visitAttempts({ attempts, start_ms: from_ms, end_ms, openAfter_ms, cancel }, counter);
}

/** Each entity of a kept funnel that is in it, by the events that are kept of it: what a scan finds. */
function visitKept(visit: KeptVisit, counter: Pick<FunnelCounter, 'add' | 'addAttempt'>): void {
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
    let before_ms = Number.NaN;
    for (let at = from; at < times.end; at++) {
      const at_ms = time_ms[at] as number;
      if (at_ms === before_ms) return false;
      before_ms = at_ms;
      bits[at] = this.#steps.of(bits[at] as number);
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
  readonly #read: KeptFunnelEvents;

  constructor(visit: KeptVisit) {
    this.#visit = visit;
    this.#events = new KeptEvents(visit.info);
    this.#watermark_ms = visit.watermark_ms ?? Number.NEGATIVE_INFINITY;
    this.#read = new KeptFunnelEvents(visit.plan);
  }

  of(bytes: Uint8Array, start: number, end: number): FunnelResult | undefined {
    const { plan, from_ms } = this.#visit;
    const events = this.#events;
    const { rules, scan } = plan;
    if (!events.mayHave(bytes, start, Math.max(from_ms, rules.start_ms), rules.end_ms)) return undefined;
    events.clear();
    events.read(bytes, start, end, from_ms, scan.end_ms);
    const read = this.#read.all(events);
    return evaluateFunnel(read.sort(compareFunnelEvents), rules, this.#watermark_ms);
  }
}
