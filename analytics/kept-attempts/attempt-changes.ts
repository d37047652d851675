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
    const order: number[] = [];
    for (let at = 0; at < rows.count * stride; at += stride)
      if ((values[at] as number) >= from_ms) order.push(at);
    const sign = new Int8Array(rows.count);
    for (const at of order) {
      const reached = values[at + ATTEMPT.reached] as number;
      sign[at / stride] = reached < 0 ? -1 : 1;
      values[at + ATTEMPT.reached] = Math.abs(reached);
    }
    order.sort(
      (a, b) =>
        (values[a] as number) - (values[b] as number) || compareAttempts(values, a, values, b, stride),
    );
    const net: NetChanges = { values, at: [], times: [] };
    for (let from = 0; from < order.length; ) {
      const first = order[from] as number;
      let times = 0;
      for (
        ;
        from < order.length && compareAttempts(values, first, values, order[from] as number, stride) === 0;
        from++
      )
        times += sign[(order[from] as number) / stride] as number;
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
