import { mix32 } from '../core/index.ts';
import { SMOOTHED_FLOATS, Smoothed } from './smoothed.ts';

const LENGTH = 6;
const STRIDE = 3;
const RECENT = (LENGTH - 1) * STRIDE + 1;
const SHAPES = 32;
/** Shapes that are kept before a new one is compared with them. */
const LEAST_SHAPES = 4;
const KEPT_EVERY = 3;

const HELD = 0;
const RING = 1;
const KEPT = RING + RECENT;
const SMOOTHED = KEPT + SHAPES * LENGTH;
export const SHAPE_FLOATS = SMOOTHED + SMOOTHED_FLOATS;

/**
 * How far the course of the last values is from all courses that were seen: the mean distance of (x_t, x_t-3, …,
 * x_t-15) to the two nearest of 32 such vectors, which are taken every third window, later ones in the place of a
 * random one; smoothed over five. The form of nearest-neighbour detectors over delay vectors (Burnaev and Ishimtsev,
 * "Conformalized density- and distance-based anomaly detection in time-series data", 2016).
 */
export class ShapeChannel {
  readonly #cells: Float32Array;
  readonly #smoothed: Smoothed;
  readonly #shape = new Float64Array(LENGTH);

  constructor(floats: Float32Array, at: number) {
    this.#cells = floats.subarray(at, at + SHAPE_FLOATS);
    this.#smoothed = new Smoothed(this.#cells, SMOOTHED);
  }

  /** The deviation with the value at `index`, the number of values before it; undefined while too little is known. */
  add(value: number, index: number, seed: number): number | undefined {
    const cells = this.#cells;
    const place = index % RECENT;
    cells[RING + place] = value;
    if (index < RECENT - 1) return undefined;
    const shape = this.#shape;
    for (let at = 0; at < LENGTH; at++) {
      shape[at] = cells[RING + ((place + RECENT - at * STRIDE) % RECENT)] as number;
    }
    const held = cells[HELD] as number;
    const deviation = held < LEAST_SHAPES ? undefined : this.#smoothed.add(this.#distance(held));
    if (index % KEPT_EVERY === 0) {
      const slot = held < SHAPES ? held : (mix32(seed + Math.imul(index, 0x9e3779b1)) >>> 0) % SHAPES;
      cells.set(shape, KEPT + slot * LENGTH);
      if (held < SHAPES) cells[HELD] = held + 1;
    }
    return deviation;
  }

  /** Mean distance to the two nearest shapes. */
  #distance(held: number): number {
    const cells = this.#cells;
    const shape = this.#shape;
    let first = Infinity;
    let second = Infinity;
    for (let from = KEPT; from < KEPT + held * LENGTH; from += LENGTH) {
      let square = 0;
      for (let at = 0; at < LENGTH; at++) {
        const difference = (cells[from + at] as number) - (shape[at] as number);
        square += difference * difference;
      }
      if (square < first) {
        second = first;
        first = square;
      } else if (square < second) second = square;
    }
    return (Math.sqrt(first) + Math.sqrt(second)) / 2;
  }
}
