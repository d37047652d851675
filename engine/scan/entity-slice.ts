const INITIAL_EVENTS = 256;
const INITIAL_RUNS = 64;
/** Of `what`: the label of an event; the bits above it are its run. */
export const LABEL_BITS = 8;

/**
 * Events of some entities in the order in which they came. What an entity has in one chunk is a run of it, wherever
 * its rows lie there; a run has a hash, and an event the number of its run. At most 2^23 runs.
 */
export class EntitySlice {
  runs = 0;
  events = 0;
  /** Of each run: the words of its entity's hash. */
  hi: Int32Array;
  lo: Int32Array;
  /** Of each event: time × 256 + label. */
  event: Float64Array;
  /** Of each event: run × 256 + label. */
  what: Uint32Array;

  /** `expected`: about how many events there will be. */
  constructor(expected: number) {
    const runs = Math.max(INITIAL_RUNS, expected >> 1);
    this.hi = new Int32Array(runs);
    this.lo = new Int32Array(runs);
    const events = Math.max(INITIAL_EVENTS, expected + (expected >> 3));
    this.event = new Float64Array(events);
    this.what = new Uint32Array(events);
  }

  clear(): void {
    this.runs = 0;
    this.events = 0;
  }

  /** Room for more events than `events`, which are kept. */
  grow(events: number): void {
    const { event, what } = this;
    this.event = new Float64Array(events * 2);
    this.event.set(event.subarray(0, events));
    this.what = new Uint32Array(events * 2);
    this.what.set(what.subarray(0, events));
  }

  /** Likewise for runs, of which there are as many as there is room for. */
  growRuns(size: number): void {
    const { hi, lo } = this;
    this.hi = new Int32Array(size);
    this.hi.set(hi);
    this.lo = new Int32Array(size);
    this.lo.set(lo);
  }
}

/** The first `count` events are those of the entity with this hash, ascending. Valid during the call. */
export type EntityVisitor = (hi: number, lo: number, events: Float64Array, count: number) => void;

/** The entities of a slice, numbered from 0. Its arrays are used again for the next slice. */
export class SliceEntities {
  count = 0;
  /** Of each run: its entity. */
  entityOf = new Int32Array(0);
  /** Of each entity: the first of its runs. */
  runOf = new Int32Array(0);
  /** Entities + 1 by hash, open addressing, at most half full; 0 is empty. */
  #slots = new Int32Array(0);
  #starts = new Int32Array(0);
  #gathered = new Float64Array(0);

  number({ hi, lo, runs }: EntitySlice): void {
    if (this.entityOf.length < runs) {
      this.entityOf = new Int32Array(runs * 2);
      this.runOf = new Int32Array(runs * 2);
    }
    const size = 2 << (32 - Math.clz32(runs));
    if (this.#slots.length < size) this.#slots = new Int32Array(size);
    else this.#slots.fill(0, 0, size);
    const [slots, entityOf, runOf] = [this.#slots, this.entityOf, this.runOf];
    let count = 0;
    for (let run = 0; run < runs; run++) {
      const first = hi[run] as number;
      const second = lo[run] as number;
      let slot = second & (size - 1);
      let entity = (slots[slot] as number) - 1;
      while (entity >= 0) {
        const other = runOf[entity] as number;
        if (lo[other] === second && hi[other] === first) break;
        slot = (slot + 1) & (size - 1);
        entity = (slots[slot] as number) - 1;
      }
      if (entity < 0) {
        runOf[count] = run;
        entity = count++;
        slots[slot] = count;
      }
      entityOf[run] = entity;
    }
    this.count = count;
  }

  /** Hands out the events of each entity, as `EntityVisitor` says. */
  visit({ hi, lo, event, what, events }: EntitySlice, visit: EntityVisitor): void {
    this.#gather(event, what, events);
    const { count, runOf } = this;
    for (let entity = 0; entity < count; entity++) {
      const first = this.#starts[entity] as number;
      const end = this.#starts[entity + 1] as number;
      if (first === end) continue;
      const own = this.#gathered.subarray(first, end);
      sortAscending(own);
      const run = runOf[entity] as number;
      visit(hi[run] as number, lo[run] as number, own, end - first);
    }
  }

  /** The events entity by entity in `#gathered`; those of e are [starts[e], starts[e + 1]). */
  #gather(event: Float64Array, what: Uint32Array, events: number): void {
    const { count, entityOf } = this;
    if (this.#starts.length < count + 2) this.#starts = new Int32Array(count * 2 + 2);
    if (this.#gathered.length < events) this.#gathered = new Float64Array(events * 2);
    const gathered = this.#gathered;
    // Two places ahead events are counted; one place ahead is where the next one goes.
    const starts = this.#starts.fill(0, 0, count + 2);
    for (let at = 0; at < events; at++) {
      const entity = entityOf[(what[at] as number) >>> LABEL_BITS] as number;
      starts[entity + 2] = (starts[entity + 2] as number) + 1;
    }
    for (let entity = 0; entity < count; entity++)
      starts[entity + 2] = (starts[entity + 2] as number) + (starts[entity + 1] as number);
    for (let at = 0; at < events; at++) {
      const entity = entityOf[(what[at] as number) >>> LABEL_BITS] as number;
      const place = starts[entity + 1] as number;
      starts[entity + 1] = place + 1;
      gathered[place] = event[at] as number;
    }
  }
}

/** More are sorted by the runtime. */
const FEW = 32;

export function sortAscending(events: Float64Array): void {
  const { length } = events;
  let sorted = 1;
  while (sorted < length && (events[sorted - 1] as number) <= (events[sorted] as number)) sorted++;
  if (sorted >= length) return;
  if (length > FEW) {
    events.sort();
    return;
  }
  for (let at = sorted; at < length; at++) {
    const event = events[at] as number;
    let hole = at;
    for (; hole > 0 && (events[hole - 1] as number) > event; hole--)
      events[hole] = events[hole - 1] as number;
    events[hole] = event;
  }
}
