const INITIAL_EVENTS = 256;
const INITIAL_RUNS = 64;
const MAX_SORT_BITS = 16;

/** Events of entities, one run after the other: what an entity has in rows that lie together. */
export class EntityRuns {
  count = 0;
  events = 0;
  hi: Int32Array;
  lo: Int32Array;
  /** Where each run begins; behind the last one, where it ends. */
  start: Int32Array;
  event: Float64Array;

  /** `expected`: about how many events there will be. */
  constructor(expected: number) {
    const runs = Math.max(INITIAL_RUNS, expected >> 1);
    this.hi = new Int32Array(runs);
    this.lo = new Int32Array(runs);
    this.start = new Int32Array(runs + 1);
    this.event = new Float64Array(Math.max(INITIAL_EVENTS, expected + (expected >> 3)));
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

  /**
   * The runs in order of their hashes, as they came where those are equal. `same`: first bits that all have in common.
   * By counting of the next bits, and by insertion where several hashes have the same ones there.
   */
  byHash(same: number): Int32Array {
    const { count, hi } = this;
    const bits = Math.min(MAX_SORT_BITS, 32 - Math.clz32(count));
    const next = new Int32Array((1 << bits) + 1);
    for (let run = 0; run < count; run++) {
      const place = (((hi[run] as number) << same) >>> (32 - bits)) + 1;
      next[place] = (next[place] as number) + 1;
    }
    for (let place = 1; place < next.length; place++)
      next[place] = (next[place] as number) + (next[place - 1] as number);
    const order = new Int32Array(count);
    for (let run = 0; run < count; run++) {
      const place = ((hi[run] as number) << same) >>> (32 - bits);
      const at = next[place] as number;
      next[place] = at + 1;
      order[at] = run;
    }
    this.#sortByInsertion(order);
    return order;
  }

  #sortByInsertion(order: Int32Array): void {
    for (let at = 1; at < order.length; at++) {
      const run = order[at] as number;
      let hole = at;
      for (; hole > 0 && this.#isBefore(run, order[hole - 1] as number); hole--)
        order[hole] = order[hole - 1] as number;
      order[hole] = run;
    }
  }

  #isBefore(run: number, other: number): boolean {
    const [first, second] = [(this.hi[run] as number) >>> 0, (this.hi[other] as number) >>> 0];
    return first === second ? (this.lo[run] as number) < (this.lo[other] as number) : first < second;
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
