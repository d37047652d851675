import { ATTEMPT, AttemptRows, compareAttempts } from './attempt-rows.ts';

/** Room for so many changes stays from commit to commit. */
const ROOM_MAX_ROWS = 4_096;

/** Attempts that come and go, to be brought into blocks together. */
export class AttemptChanges {
  /** What goes has its steps reached below 0. */
  readonly rows: AttemptRows;

  constructor(durations: number) {
    this.rows = new AttemptRows(durations);
  }

  /** What becomes of an entity's attempts; both are in the order of their times, of which each has its own. */
  add(before: AttemptRows, now: AttemptRows): void {
    const { stride } = before;
    let [old, fresh] = [0, 0];
    const [oldEnd, freshEnd] = [before.count * stride, now.count * stride];
    while (old < oldEnd || fresh < freshEnd) {
      const apart = old === oldEnd ? 1 : fresh === freshEnd ? -1 : timeOf(before, old) - timeOf(now, fresh);
      if (apart === 0 && compareAttempts(before.values, old, now.values, fresh, stride) === 0) {
        old += stride;
        fresh += stride;
        continue;
      }
      if (apart <= 0) {
        const at = this.rows.copy(before, old) + ATTEMPT.reached;
        this.rows.values[at] = -(this.rows.values[at] as number);
        old += stride;
      }
      if (apart >= 0) {
        this.rows.copy(now, fresh);
        fresh += stride;
      }
    }
  }

  /**
   * Each different row from `from_ms` on with how many more of it there are, in order; then there are none. `signed` is
   * -1 for rows that go.
   */
  take(from_ms: number): NetChanges {
    const { rows } = this;
    const { values, stride } = rows;
    const order = byTime(rows, from_ms);
    const sign = new Int8Array(rows.count);
    for (const row of order) {
      const at = row * stride + ATTEMPT.reached;
      sign[row] = (values[at] as number) < 0 ? -1 : 1;
      values[at] = Math.abs(values[at] as number);
    }
    sortTies(order, rows);
    const net: NetChanges = { values, at: [], times: [] };
    for (let from = 0; from < order.length; ) {
      const first = (order[from] as number) * stride;
      let times = 0;
      for (
        ;
        from < order.length &&
        compareAttempts(values, first, values, (order[from] as number) * stride, stride) === 0;
        from++
      )
        times += sign[order[from] as number] as number;
      if (times === 0) continue;
      net.at.push(first);
      net.times.push(times);
    }
    return net;
  }

  clear(): void {
    if (this.rows.count > ROOM_MAX_ROWS) this.rows.shrink();
    else this.rows.clear();
  }
}

/** Different rows, ascending: where they are in `values`, and how many there are more of each. */
export interface NetChanges {
  readonly values: Float64Array;
  readonly at: number[];
  readonly times: number[];
}

function timeOf({ values }: AttemptRows, at: number): number {
  return values[at] as number;
}

/** Rows from `from_ms` on, by time. */
function byTime({ values, stride, count }: AttemptRows, from_ms: number): Uint32Array {
  const order = new Uint32Array(count);
  let [kept, least_ms, most_ms] = [0, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (let row = 0; row < count; row++) {
    const time_ms = values[row * stride] as number;
    if (time_ms < from_ms) continue;
    least_ms = Math.min(least_ms, time_ms);
    most_ms = Math.max(most_ms, time_ms);
    order[kept++] = row;
  }
  const own = order.subarray(0, kept);
  if ((most_ms - least_ms + 1) * count > Number.MAX_SAFE_INTEGER)
    return own.sort((a, b) => (values[a * stride] as number) - (values[b * stride] as number));
  // Time and row in one number each: such are sorted without a comparison that is called for each pair.
  const keys = Float64Array.from(own, (row) => ((values[row * stride] as number) - least_ms) * count + row);
  keys.sort();
  for (let place = 0; place < kept; place++) own[place] = (keys[place] as number) % count;
  return own;
}

/** Puts rows of one time into the order of all else. */
function sortTies(order: Uint32Array, { values, stride }: AttemptRows): void {
  const timeAt = (place: number): number => values[(order[place] as number) * stride] as number;
  for (let from = 0; from < order.length; ) {
    let to = from + 1;
    while (to < order.length && timeAt(to) === timeAt(from)) to++;
    if (to - from > 1)
      order
        .subarray(from, to)
        .sort((a, b) => compareAttempts(values, a * stride, values, b * stride, stride));
    from = to;
  }
}
