import { addExact, type ExactSum, narrow } from '../../operators/index.ts';

const INITIAL_SLOTS = 1_024;

/**
 * A growing array of exact sums without an allocation for each. A slot that leaves the safe integers
 * goes on as a bigint beside the array, and is NaN in it.
 */
export class SumTable {
  #values = new Float64Array(INITIAL_SLOTS);
  readonly #big = new Map<number, bigint>();

  /** All slots below `length` can be used, and begin at 0. */
  reserve(length: number): void {
    if (length <= this.#values.length) return;
    const grown = new Float64Array(Math.max(length, this.#values.length * 2));
    grown.set(this.#values);
    this.#values = grown;
  }

  add(slot: number, amount: ExactSum): void {
    if (typeof amount === 'number') {
      const sum = (this.#values[slot] as number) + amount;
      if (Number.isSafeInteger(sum)) {
        this.#values[slot] = sum;
        return;
      }
    }
    const sum = addExact(this.get(slot), amount);
    if (typeof sum === 'number') {
      this.#values[slot] = sum;
      this.#big.delete(slot);
    } else {
      this.#values[slot] = Number.NaN;
      this.#big.set(slot, sum);
    }
  }

  get(slot: number): ExactSum {
    const value = this.#values[slot] as number;
    return Number.isNaN(value) ? narrow(this.#big.get(slot) ?? 0n) : value;
  }
}
