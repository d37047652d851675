import { type ExactSum, narrow } from '../../operators/index.ts';

/** Beyond it a double does not hold every integer. */
export const MAX_EXACT = Number.MAX_SAFE_INTEGER;

/**
 * Exact sums by point: doubles while they are safe integers, and bigints beside them for what was spilled.
 * Loops add to `values` themselves and call `spill` when a sum would leave the safe range.
 */
export class SumColumn {
  values = new Float64Array(16);
  #spilled: Map<number, bigint> | undefined;

  /** All points below `length` can be used, and begin at 0. */
  reserve(length: number): void {
    if (length <= this.values.length) return;
    const grown = new Float64Array(Math.max(length, this.values.length * 2));
    grown.set(this.values);
    this.values = grown;
  }

  /** Adds a safe integer to a sum that would leave the safe range. */
  spill(point: number, amount: number): void {
    this.#spilled ??= new Map();
    const sum = (this.#spilled.get(point) ?? 0n) + BigInt(this.values[point] as number) + BigInt(amount);
    this.#spilled.set(point, sum);
    this.values[point] = 0;
  }

  add(point: number, amount: ExactSum): void {
    if (typeof amount === 'bigint') {
      this.#spilled ??= new Map();
      this.#spilled.set(point, (this.#spilled.get(point) ?? 0n) + amount);
      return;
    }
    const sum = (this.values[point] as number) + amount;
    if (sum > MAX_EXACT || sum < -MAX_EXACT) this.spill(point, amount);
    else this.values[point] = sum;
  }

  get(point: number): ExactSum {
    const value = this.values[point] as number;
    const spilled = this.#spilled?.get(point);
    return spilled === undefined ? value : narrow(spilled + BigInt(value));
  }
}
