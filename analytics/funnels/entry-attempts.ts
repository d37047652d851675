import { attemptsByEntry, compareFunnelEvents, type FunnelRules } from '../../operators/index.ts';
import { ATTEMPT, type AttemptRows } from '../kept-attempts/index.ts';
import type { KeptEvents } from '../kept-events/index.ts';
import type { FunnelPlan } from './funnel-plan.ts';
import { FilledBy, KeptFunnelEvents } from './kept-funnel-events.ts';
import { OrderedAttempts } from './ordered-attempts.ts';

const INITIAL_EVENTS = 64;
/** Events of an entity whose attempts take long to find, as those of other than plain ordered funnels do. */
export const SLOW_MAX_EVENTS = 256;

/**
 * The attempts of an entity from all of its entries, each with the ranges that it counts in (`AttemptRows`): what
 * `evaluateFunnel` finds of a range is the one whose ranges have it.
 */
export class EntryAttempts {
  readonly #rules: FunnelRules;
  readonly #isPlain: boolean;
  readonly #events: KeptFunnelEvents;
  readonly #steps: FilledBy;
  /** Of the events: the steps that each fills; by event and step, the place of the next event that fills the step. */
  #filled = new Uint32Array(INITIAL_EVENTS);
  #next: Int32Array;
  /** Places of rows that count until something comes. */
  readonly #open: number[] = [];
  #into: AttemptRows | undefined;
  /** The entry before, and the last one that took the entity out. */
  #before_ms = Number.NEGATIVE_INFINITY;
  #dropped_ms = Number.NEGATIVE_INFINITY;

  constructor(plan: FunnelPlan, isHeld: boolean) {
    this.#rules = plan.rules;
    this.#isPlain = OrderedAttempts.takes(plan.rules, isHeld ? [''] : []);
    this.#events = new KeptFunnelEvents(plan);
    this.#steps = new FilledBy(plan.stepsOf);
    this.#next = new Int32Array(INITIAL_EVENTS * plan.rules.steps);
  }

  /** Appends them in the order of their entries. False: they would take too long to find. */
  of(events: KeptEvents, into: AttemptRows): boolean {
    this.#into = into;
    this.#open.length = 0;
    this.#before_ms = Number.NEGATIVE_INFINITY;
    this.#dropped_ms = Number.NEGATIVE_INFINITY;
    if (this.#isPlain && !hasTies(events)) this.#plain(events);
    else if (events.count > SLOW_MAX_EVENTS) return false;
    else this.#general(events);
    return true;
  }

  /** Ordered funnels without exclusions and held properties, of events no two of which have one time. */
  #plain({ count, time_ms, bits }: KeptEvents): void {
    const { steps, window_ms } = this.#rules;
    this.#link(count, bits);
    const [filled, next] = [this.#filled, this.#next];
    for (let entry = 0; entry < count; entry++) {
      if (((filled[entry] as number) & 1) === 0) continue;
      const entry_ms = time_ms[entry] as number;
      const at = this.#append(entry_ms);
      const { values } = this.#into as AttemptRows;
      let [place, reached] = [entry, 1];
      for (; reached < steps; reached++) {
        const following = next[place * steps + reached] as number;
        if (following < 0) break;
        const apart_ms = (time_ms[following] as number) - entry_ms;
        if (apart_ms > window_ms) break;
        values[at + ATTEMPT.durations + reached - 1] =
          (time_ms[following] as number) - (time_ms[place] as number);
        place = following;
      }
      this.#end(at, reached);
    }
  }

  /** From the last event on: which one behind each fills a step next. */
  #link(count: number, bits: Uint32Array): void {
    const { steps } = this.#rules;
    if (count > this.#filled.length) {
      this.#filled = new Uint32Array(count * 2);
      this.#next = new Int32Array(count * 2 * steps);
    }
    const [filled, next] = [this.#filled, this.#next];
    for (let event = count - 1; event >= 0; event--) {
      filled[event] = this.#steps.of(bits[event] as number);
      const own = event * steps;
      if (event === count - 1) next.fill(-1, own, own + steps);
      else {
        const after = filled[event + 1] as number;
        for (let step = 0; step < steps; step++)
          next[own + step] = ((after >>> step) & 1) === 1 ? event + 1 : (next[own + steps + step] as number);
      }
    }
  }

  #general(events: KeptEvents): void {
    const read = this.#events.all(events).sort(compareFunnelEvents);
    for (const { entry_ms, times_ms, dropsUser } of attemptsByEntry(read, this.#rules)) {
      if (times_ms !== undefined) {
        const at = this.#append(entry_ms);
        const { values } = this.#into as AttemptRows;
        for (let step = 1; step < times_ms.length; step++)
          values[at + ATTEMPT.durations + step - 1] =
            (times_ms[step] as number) - (times_ms[step - 1] as number);
        this.#end(at, times_ms.length);
      } else if (dropsUser) this.#drop(entry_ms);
      this.#before_ms = entry_ms;
    }
  }

  #append(entry_ms: number): number {
    return (this.#into as AttemptRows).append(entry_ms, 1);
  }

  /** Of a row whose durations are there: which ranges it counts in, and those before it no longer. */
  #end(at: number, reached: number): void {
    const { values } = this.#into as AttemptRows;
    const entry_ms = values[at] as number;
    values[at + ATTEMPT.reached] = reached;
    if (this.#rules.entry === 'first') {
      // Only the first entry counts, also where an exclusion takes its attempt out.
      values[at + ATTEMPT.after] = this.#before_ms;
      this.#before_ms = entry_ms;
      return;
    }
    const open = this.#open;
    while (open.length > 0 && (values[(open.at(-1) as number) + ATTEMPT.reached] as number) <= reached)
      values[(open.pop() as number) + ATTEMPT.until] = entry_ms;
    const further = open.at(-1);
    values[at + ATTEMPT.after] = further === undefined ? this.#dropped_ms : (values[further] as number);
    open.push(at);
  }

  /** An entry takes the entity out of all ranges that have it; of `first` those that begin with it. */
  #drop(entry_ms: number): void {
    if (this.#rules.entry === 'first') return;
    const { values } = this.#into as AttemptRows;
    for (const at of this.#open) values[at + ATTEMPT.until] = entry_ms;
    this.#open.length = 0;
    this.#dropped_ms = entry_ms;
  }
}

function hasTies({ count, time_ms }: KeptEvents): boolean {
  for (let event = 1; event < count; event++) if (time_ms[event] === time_ms[event - 1]) return true;
  return false;
}
