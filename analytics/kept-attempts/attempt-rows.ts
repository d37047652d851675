/** Columns of a row; behind them the durations between its steps, 0 where a step was not reached. */
export const ATTEMPT = { time: 0, after: 1, until: 2, reached: 3, durations: 4 } as const;

const INITIAL_ROWS = 16;

/**
 * Attempts of entities, each with the ranges that it counts in. An entity counts once in a range [start, end): with
 * its furthest attempt that begins there, of equals the newest. So one that begins at `time` counts where
 * `after` < start ≤ `time` < end ≤ `until`: `after` is the newest earlier entry that comes further (-Infinity: none),
 * `until` the next one that comes as far (Infinity: none).
 */
export class AttemptRows {
  count = 0;
  /** Numbers of a row. */
  readonly stride: number;
  /** Row after row; another array after an `append`. */
  values: Float64Array;

  /** `durations`: of a row that reached the last step. */
  constructor(durations: number) {
    this.stride = ATTEMPT.durations + durations;
    this.values = new Float64Array(INITIAL_ROWS * this.stride);
  }

  /** Of the rows. */
  get size_bytes(): number {
    return this.count * this.stride * Float64Array.BYTES_PER_ELEMENT;
  }

  clear(): void {
    this.count = 0;
  }

  /** The place of one more row, whose durations are 0. */
  append(time_ms: number, reached: number): number {
    const { stride } = this;
    const at = this.#next();
    const { values } = this;
    values.fill(0, at + ATTEMPT.durations, at + stride);
    values[at + ATTEMPT.time] = time_ms;
    values[at + ATTEMPT.after] = Number.NEGATIVE_INFINITY;
    values[at + ATTEMPT.until] = Number.POSITIVE_INFINITY;
    values[at + ATTEMPT.reached] = reached;
    return at;
  }

  /** One more row, which another one has at `from`. */
  copy(other: AttemptRows, from: number): number {
    const at = this.#next();
    const [to, values] = [this.values, other.values];
    for (let column = 0; column < this.stride; column++) to[at + column] = values[from + column] as number;
    return at;
  }

  #next(): number {
    const at = this.count++ * this.stride;
    if (at === this.values.length) {
      const values = new Float64Array(this.values.length * 2);
      values.set(this.values);
      this.values = values;
    }
    return at;
  }

  /** Lets go of the room that many rows took. */
  shrink(): void {
    this.count = 0;
    this.values = new Float64Array(INITIAL_ROWS * this.stride);
  }
}

/** By time, then whatever else is different. Rows at places of arrays, not their numbers. */
export function compareAttempts(
  a: Float64Array,
  aAt: number,
  b: Float64Array,
  bAt: number,
  stride: number,
): number {
  for (let column = 0; column < stride; column++) {
    const [left, right] = [a[aAt + column] as number, b[bAt + column] as number];
    if (left !== right) return left < right ? -1 : 1;
  }
  return 0;
}
