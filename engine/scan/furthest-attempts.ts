import { type EntityEvents, EVENT_LABELS, eventTimeOf } from './entity-events.ts';
import { type EntitySlice, type EntityVisitor, LABEL_BITS, sortAscending } from './entity-slice.ts';

/** A label whose events are not for this kernel: they fill several steps, or take others back. */
export const NOT_PLAIN = 255;

const INITIAL_EVENTS = 64;

/** An ordered sequence of steps within a window of the first one. */
export interface FurthestAttemptsConfig {
  /** At most 31. */
  readonly steps: number;
  /** From the first step on, inclusive. */
  readonly window_ms: number;
  /** Only first steps in [start, end) begin something. */
  readonly start_ms: number;
  readonly end_ms: number;
  /** `latest`: a newer first step begins anew where that comes as far; `first`: only the first one counts. */
  readonly entry: 'latest' | 'first';
  /** By label: the step that its events fill, from 1, or `NOT_PLAIN`. */
  readonly stepOf: Uint8Array;
  /** [0]: takes the time from the first to the last step; [k]: that from step k to the next one, ms. */
  readonly times: readonly { add(time_ms: number): void }[];
}

/** Entities at their furthest attempt. Valid during the call. */
export interface FurthestReached {
  readonly count: number;
  /** Steps reached; 0: the entity is not in it, or its events go to the visitor. */
  readonly reached: Uint8Array;
  /** When the first step was filled, ms. */
  readonly entry_ms: Float64Array;
}

/**
 * How far each entity comes in the attempt that counts, and when. For entities no two events of which have one time,
 * and each event of which fills one step; the sorted events of others go to a visitor.
 *
 * For each step the latest first step that led there is kept, as ClickHouse's windowFunnel does: so the first step that
 * counts is found. From it on each step is filled by the first event that can; those few events are found by a chain
 * from each event to the one before it of its entity. Events are taken as they came, so that one costs a few
 * comparisons. Who turns out to have had one too early is looked at again, from sorted events: hand chunks over in the
 * order of their times, as far as there is one.
 */
export class FurthestAttempts {
  readonly #config: FurthestAttemptsConfig;
  /** Of differences of times × 256; an event has its label beside that. */
  readonly #windowEnd: number;
  /** Log2 of the numbers of an entity in `#states`. */
  readonly #shift: number;
  /**
   * Of each entity, times × 256: that of the event at hand if it may begin something; by step, the latest first step
   * that led there, NaN for none; the end of the latest event's time.
   */
  #states = new Float64Array(0);
  /** Of each entity: nothing; by step, the event that led there; the latest event. Places in the slice, from 1. */
  #places = new Int32Array(0);
  /** Of each event: the event of its entity before it; 0 for none. */
  #before = new Int32Array(0);
  /** Of each entity: 1 where its events have to be sorted. */
  #isUnfit = new Uint8Array(0);
  #reached = new Uint8Array(0);
  #entry_ms = new Float64Array(0);
  /** Of one entity, and their places. */
  #own = new Float64Array(INITIAL_EVENTS);
  #ownPlaces = new Int32Array(INITIAL_EVENTS);

  constructor(config: FurthestAttemptsConfig) {
    this.#config = config;
    this.#windowEnd = (Math.floor(config.window_ms) + 1) * EVENT_LABELS;
    this.#shift = 32 - Math.clz32(config.steps + 1);
  }

  /** `check` is called every few milliseconds, and may throw. */
  visit(
    events: EntityEvents,
    take: (entities: FurthestReached) => void,
    other: EntityVisitor,
    check?: () => void,
  ): void {
    events.visitSlices((slice, { count, entityOf, runOf }) => {
      this.#makeRoom(count, slice.events);
      this.#findEntries(slice, entityOf);
      for (let entity = 0; entity < count; entity++) {
        if (this.#isUnfit[entity] === 0) this.#follow(slice.event, entity);
        else this.#sort(slice, runOf[entity] as number, entity, other);
      }
      take({ count, reached: this.#reached, entry_ms: this.#entry_ms });
    }, check);
  }

  #makeRoom(count: number, events: number): void {
    const size = count << this.#shift;
    if (this.#states.length < size) {
      this.#states = new Float64Array(size * 2);
      this.#places = new Int32Array(size * 2);
    }
    this.#states.fill(Number.NaN, 0, size);
    this.#places.fill(0, 0, size);
    if (this.#before.length < events) this.#before = new Int32Array(events * 2);
    if (this.#isUnfit.length < count) {
      this.#isUnfit = new Uint8Array(count * 2);
      this.#reached = new Uint8Array(count * 2);
      this.#entry_ms = new Float64Array(count * 2);
    }
    this.#isUnfit.fill(0, 0, count);
  }

  /** Takes each event. */
  #findEntries({ event: events, what, events: count }: EntitySlice, entityOf: Int32Array): void {
    const [states, places, before, isUnfit] = [this.#states, this.#places, this.#before, this.#isUnfit];
    const [shift, windowEnd] = [this.#shift, this.#windowEnd];
    const { stepOf, steps, entry, start_ms, end_ms } = this.#config;
    const [start, end] = [start_ms * EVENT_LABELS, end_ms * EVENT_LABELS];
    const latestAt = steps + 1;
    const isFirst = entry === 'first';
    for (let at = 0; at < count; at++) {
      const own = what[at] as number;
      const label = own & (EVENT_LABELS - 1);
      const time = (events[at] as number) - label;
      const entity = entityOf[own >>> LABEL_BITS] as number;
      const state = entity << shift;
      const latest = state + latestAt;
      before[at] = places[latest] as number;
      places[latest] = at + 1;
      const step = stepOf[label] as number;
      if (time < (states[latest] as number) || step === NOT_PLAIN) {
        isUnfit[entity] = 1;
        continue;
      }
      states[latest] = time + 1;
      // The first step begins with itself.
      states[state] = time >= start && time < end ? time : Number.NaN;
      if (isFirst && step === 1 && !Number.isNaN(states[state + 1] as number)) continue;
      const began = states[state + step - 1] as number;
      // NaN fails the comparison. Then what is written is never read.
      const led = state + (time - began < windowEnd ? step : 0);
      states[led] = began;
      places[led] = at + 1;
    }
  }

  /** From the first step that counts on: the time of each step. */
  #follow(events: Float64Array, entity: number): void {
    const { steps, stepOf } = this.#config;
    const [state, states] = [entity << this.#shift, this.#states];
    let furthest = steps;
    while (furthest > 0 && Number.isNaN(states[state + furthest] as number)) furthest--;
    this.#reached[entity] = furthest;
    if (furthest === 0) return;
    const entry = states[state + furthest] as number;
    this.#entry_ms[entity] = entry / EVENT_LABELS;
    if (furthest === 1) return;
    let count = 0;
    for (let place = this.#places[state + furthest] as number; ; place = this.#before[place - 1] as number) {
      const event = events[place - 1] as number;
      if (event < entry + EVENT_LABELS) break;
      if (count === this.#own.length) this.#growOwn(count);
      this.#own[count++] = event;
    }
    let last = entry;
    let step = 2;
    // The newest is the first.
    for (let at = count - 1; step <= furthest; at--) {
      const time = eventTimeOf(this.#own[at] as number) * EVENT_LABELS;
      if (stepOf[(this.#own[at] as number) - time] !== step) continue;
      this.#config.times[step - 1]?.add((time - last) / EVENT_LABELS);
      last = time;
      step++;
    }
    if (furthest === steps) this.#config.times[0]?.add((last - entry) / EVENT_LABELS);
  }

  #growOwn(count: number): void {
    const [own, places] = [this.#own, this.#ownPlaces];
    this.#own = new Float64Array(count * 2);
    this.#own.set(own);
    this.#ownPlaces = new Int32Array(count * 2);
    this.#ownPlaces.set(places);
  }

  /** An entity that had an event too early, or is not for this: its events in order. */
  #sort({ event: events, hi, lo }: EntitySlice, run: number, entity: number, other: EntityVisitor): void {
    let count = 0;
    const latest = (entity << this.#shift) + this.#config.steps + 1;
    for (let place = this.#places[latest] as number; place > 0; place = this.#before[place - 1] as number) {
      if (count === this.#own.length) this.#growOwn(count);
      this.#ownPlaces[count] = place;
      this.#own[count++] = events[place - 1] as number;
    }
    const own = this.#own.subarray(0, count).reverse();
    sortAscending(own);
    if (!this.#isPlain(own)) {
      this.#reached[entity] = 0;
      other(hi[run] as number, lo[run] as number, own, count);
      return;
    }
    // They take each other's places, so that the chain has them in order.
    for (let at = 0; at < count; at++)
      events[(this.#ownPlaces[count - 1 - at] as number) - 1] = own[at] as number;
    this.#findEntry(own, entity);
    this.#follow(events, entity);
  }

  #isPlain(own: Float64Array): boolean {
    const { stepOf } = this.#config;
    let latest_ms = Number.NaN;
    for (let at = 0; at < own.length; at++) {
      const event = own[at] as number;
      const time_ms = eventTimeOf(event);
      if (time_ms === latest_ms || stepOf[event - time_ms * EVENT_LABELS] === NOT_PLAIN) return false;
      latest_ms = time_ms;
    }
    return true;
  }

  /** As `#findEntries`, of one entity whose events are sorted. */
  #findEntry(own: Float64Array, entity: number): void {
    const { stepOf, steps, entry, start_ms, end_ms } = this.#config;
    const state = entity << this.#shift;
    const states = this.#states.fill(Number.NaN, state, state + steps + 1);
    for (let at = 0; at < own.length; at++) {
      const time_ms = eventTimeOf(own[at] as number);
      const time = time_ms * EVENT_LABELS;
      const step = stepOf[(own[at] as number) - time] as number;
      states[state] = time_ms >= start_ms && time_ms < end_ms ? time : Number.NaN;
      if (entry === 'first' && step === 1 && !Number.isNaN(states[state + 1] as number)) continue;
      const began = states[state + step - 1] as number;
      if (time - began >= this.#windowEnd || Number.isNaN(began)) continue;
      states[state + step] = began;
      this.#places[state + step] = this.#ownPlaces[own.length - 1 - at] as number;
    }
  }
}
