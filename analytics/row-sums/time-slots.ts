import { MIN_EVENT_TIME_MS } from '../events/index.ts';
import { DAY_MS, type TimeBuckets } from '../query/index.ts';

/**
 * The stretches of time that are added up apart: the buckets of the answer, cut at the UTC midnights between
 * where money is converted, because the rate goes by UTC day. Plain data.
 */
export interface TimeSlots {
  /** Length + 1, ascending: slot i is [edges[i], edges[i + 1]). */
  readonly edges_ms: readonly number[];
  /** The answer's bucket of each slot. */
  readonly buckets: readonly number[];
}

/** Days of a range up to which it is cut at each midnight; beyond, only up to two days after the clock. */
const MAX_DAYS = 4_000;

/** The slots of an answer; cut at UTC midnights where `byDay`. No event is a day or more after the clock. */
export function slotsOf({ edges_ms, length, range }: TimeBuckets, byDay: boolean, now_ms: number): TimeSlots {
  const isLong = (range.end_ms - range.start_ms) / DAY_MS > MAX_DAYS;
  const latest_ms = isLong ? now_ms + 2 * DAY_MS : range.end_ms;
  if (!byDay) return { edges_ms, buckets: edges_ms.slice(0, -1).map((_, bucket) => bucket) };
  const edges = [edges_ms[0] as number];
  const buckets: number[] = [];
  for (let bucket = 0; bucket < length; bucket++) {
    const start_ms = edges_ms[bucket] as number;
    const end_ms = edges_ms[bucket + 1] as number;
    const first_ms = Math.max(start_ms + 1, MIN_EVENT_TIME_MS);
    let day_ms = Math.ceil(first_ms / DAY_MS) * DAY_MS;
    for (; day_ms < Math.min(end_ms, latest_ms); day_ms += DAY_MS) {
      edges.push(day_ms);
      buckets.push(bucket);
    }
    edges.push(end_ms);
    buckets.push(bucket);
  }
  return { edges_ms: edges, buckets };
}

/** The UTC day of a slot that does not cross a midnight, in days since 1970. */
export function dayOf({ edges_ms }: TimeSlots, slot: number): number {
  return Math.floor((edges_ms[slot] as number) / DAY_MS);
}

/** Entries of a table that finds slots by division. */
const MAX_TABLE = 4_194_304;

/** Finds the slots of times that lie within the range. */
export class SlotFinder {
  readonly #edges: Float64Array;
  readonly #base_ms: number;
  readonly #step_ms: number;
  /** Slot by (time − base) ÷ step; undefined where each step is its own slot, or there would be too many. */
  readonly #table: Int32Array | undefined;
  readonly #isRegular: boolean;

  constructor({ edges_ms }: TimeSlots) {
    this.#edges = Float64Array.from(edges_ms);
    const last = edges_ms.length - 1;
    // The outer edges are cut by the range; what lies between the others decides the step.
    let step_ms = 0;
    for (let at = 2; at < last; at++)
      step_ms = gcd(step_ms, (edges_ms[at] as number) - (edges_ms[1] as number));
    if (step_ms === 0) step_ms = Math.max((edges_ms[last] as number) - (edges_ms[0] as number), 1);
    this.#step_ms = step_ms;
    const inner_ms = edges_ms[Math.min(1, last - 1)] as number;
    this.#base_ms = inner_ms - Math.ceil((inner_ms - (edges_ms[0] as number)) / step_ms) * step_ms;
    const steps = Math.ceil(((edges_ms[last] as number) - this.#base_ms) / step_ms);
    this.#isRegular = steps === last;
    this.#table = this.#isRegular || steps > MAX_TABLE ? undefined : this.#makeTable(steps);
  }

  #makeTable(steps: number): Int32Array {
    const table = new Int32Array(steps);
    let slot = 0;
    for (let step = 0; step < steps; step++) {
      const time_ms = Math.max(this.#base_ms + step * this.#step_ms, this.#edges[0] as number);
      while (time_ms >= (this.#edges[slot + 1] as number)) slot++;
      table[step] = slot;
    }
    return table;
  }

  slotAt(time_ms: number): number {
    let low = 0;
    let high = this.#edges.length - 1;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if ((this.#edges[middle] as number) <= time_ms) low = middle;
      else high = middle;
    }
    return low;
  }

  /** Adds to `points[i]` the slot of the time of row `rows[i]`, for i below `count`. */
  addSlots(times: Float64Array, rows: Uint32Array, count: number, points: Int32Array): void {
    const base_ms = this.#base_ms;
    const step_ms = this.#step_ms;
    const table = this.#table;
    if (table !== undefined) {
      for (let at = 0; at < count; at++) {
        const step = ((times[rows[at] as number] as number) - base_ms) / step_ms;
        (points[at] as number) += table[step | 0] as number;
      }
    } else if (this.#isRegular) {
      for (let at = 0; at < count; at++) {
        const step = ((times[rows[at] as number] as number) - base_ms) / step_ms;
        (points[at] as number) += step | 0;
      }
    } else {
      for (let at = 0; at < count; at++) {
        (points[at] as number) += this.slotAt(times[rows[at] as number] as number);
      }
    }
  }
}

function gcd(a: number, b: number): number {
  let [x, y] = [a, b];
  while (y !== 0) [x, y] = [y, x % y];
  return x;
}
