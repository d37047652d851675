import { SeededRandom } from '../engine/index.ts';

const UNIT = 1_000_000_000;

/** Random numbers of a seed. */
export class Draws {
  readonly #random: SeededRandom;

  constructor(seed: number) {
    this.#random = new SeededRandom(seed);
  }

  get uniform(): number {
    return (this.#random.int(0, UNIT - 1) + 0.5) / UNIT;
  }

  get normal(): number {
    return Math.sqrt(-2 * Math.log(this.uniform)) * Math.cos(2 * Math.PI * this.uniform);
  }

  between(low: number, high: number): number {
    return low + (high - low) * this.uniform;
  }

  int(low: number, high: number): number {
    return this.#random.int(low, high);
  }

  chance(share: number): boolean {
    return this.#random.chance(share);
  }
}
