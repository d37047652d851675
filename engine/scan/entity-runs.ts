const INITIAL_EVENTS = 256;
const INITIAL_RUNS = 64;

/** Events of entities, one run after the other: what an entity has in rows that lie together. */
export class EntityRuns {
  count = 0;
  events = 0;
  hi = new Int32Array(INITIAL_RUNS);
  lo = new Int32Array(INITIAL_RUNS);
  /** Where each run begins; behind the last one, where it ends. */
  start = new Int32Array(INITIAL_RUNS + 1);
  event = new Float64Array(INITIAL_EVENTS);

  clear(): void {
    this.count = 0;
    this.events = 0;
  }

  /** Begins a run at the event `start`; it ends where the next one begins, the last one where `end` says. */
  open(hi: number, lo: number, start: number): void {
    if (this.count === this.hi.length) this.#growRuns(this.count * 2);
    this.hi[this.count] = hi;
    this.lo[this.count] = lo;
    this.start[this.count++] = start;
  }

  end(events: number): void {
    this.events = events;
    this.start[this.count] = events;
  }

  /** Room for more events than `events`, which are kept. */
  grow(events: number) {
    const event = new Float64Array(events * 2);
    event.set(this.event.subarray(0, events));
    this.event = event;
    return event;
  }

  /** A run of one event. */
  add(hi: number, lo: number, event: number): void {
    const { events } = this;
    if (events === this.event.length) this.grow(events);
    this.open(hi, lo, events);
    this.event[events] = event;
    this.end(events + 1);
  }

  copy({ count, events, hi, lo, start, event }: EntityRuns): void {
    if (count > this.hi.length) this.#growRuns(count);
    if (events > this.event.length) this.event = new Float64Array(events);
    this.count = count;
    this.events = events;
    this.hi.set(hi.subarray(0, count));
    this.lo.set(lo.subarray(0, count));
    this.start.set(start.subarray(0, count + 1));
    this.event.set(event.subarray(0, events));
  }

  #growRuns(size: number): void {
    const [hi, lo, start] = [this.hi, this.lo, this.start];
    this.hi = new Int32Array(size);
    this.hi.set(hi);
    this.lo = new Int32Array(size);
    this.lo.set(lo);
    this.start = new Int32Array(size + 1);
    this.start.set(start);
  }
}
