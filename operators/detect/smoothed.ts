const VALUES = 5;
/** Floats that one needs. */
export const SMOOTHED_FLOATS = VALUES + 1;

/** The mean of the last five values, kept in the floats of a state. */
export class Smoothed {
  readonly #cells: Float32Array;

  constructor(floats: Float32Array, at: number) {
    this.#cells = floats.subarray(at, at + SMOOTHED_FLOATS);
  }

  /** The mean with one more value. */
  add(value: number): number {
    const cells = this.#cells;
    const count = cells[VALUES] as number;
    cells[count % VALUES] = value;
    // Counted on to 2 · VALUES at most, which keeps the place in the ring and says that it is full.
    cells[VALUES] = count + 1 === 2 * VALUES ? VALUES : count + 1;
    const held = Math.min(VALUES, count + 1);
    let sum = 0;
    for (let index = 0; index < held; index++) sum += cells[index] as number;
    return sum / held;
  }

  /** How large the next value has to be for the mean to reach `mean`. */
  needed(mean: number): number {
    const cells = this.#cells;
    const count = cells[VALUES] as number;
    const held = Math.min(VALUES, count + 1);
    let sum = 0;
    for (let index = 0; index < held; index++) if (index !== count % VALUES) sum += cells[index] as number;
    return held * mean - sum;
  }
}
