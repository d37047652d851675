/** What a normal distribution's MAD, and its mean absolute deviation, are multiplied by for its deviation. */
const MAD_TO_SIGMA = 1.4826;
const MEAN_TO_SIGMA = 1.2533;
/** Least scale, as a share of the level: of a constant, only a change of several per cent is strange. */
const LEAST_SHARE = 0.01;
const LEAST_SCALE = 1e-9;

const HELD = 0;
const NEXT = 1;
const RING = 2;

type Cells = Float32Array | Float64Array;

/** Cells that a window of so many values needs. */
export function windowCells(capacity: number): number {
  return RING + 2 * capacity;
}

/** The newest values of a series in the cells of a state: in the order of their arrival, and sorted. */
export class SortedWindow {
  readonly #cells: Cells;
  readonly #capacity: number;
  readonly #sorted: number;

  constructor(cells: Cells, at: number, capacity: number) {
    this.#cells = cells.subarray(at, at + windowCells(capacity));
    this.#capacity = capacity;
    this.#sorted = RING + capacity;
  }

  get held(): number {
    return this.#cells[HELD] as number;
  }

  add(value: number): void {
    const cells = this.#cells;
    const next = cells[NEXT] as number;
    const held = this.held;
    const isFull = held === this.#capacity;
    if (isFull) this.#remove(cells[RING + next] as number);
    cells[RING + next] = value;
    this.#insert(cells[RING + next] as number, isFull ? held - 1 : held);
    cells[NEXT] = (next + 1) % this.#capacity;
    cells[HELD] = isFull ? held : held + 1;
  }

  /** Forgets all but the newest values. */
  keepNewest(count: number): void {
    const cells = this.#cells;
    const next = cells[NEXT] as number;
    const newest = Array.from({ length: count }, (_, index) => {
      const at = (next - count + index + this.#capacity) % this.#capacity;
      return cells[RING + at] as number;
    });
    this.clear();
    for (const value of newest) this.add(value);
  }

  clear(): void {
    this.#cells[HELD] = 0;
    this.#cells[NEXT] = 0;
  }

  /** Of the values but `cut` at each end. */
  median(below = 0, above = 0): number {
    const count = this.held - below - above;
    const middle = this.#sorted + below + (count >> 1);
    const upper = this.#cells[middle] as number;
    return count % 2 === 1 ? upper : (upper + (this.#cells[middle - 1] as number)) / 2;
  }

  /** How many values are further below, and above, the median than a distance. */
  beyond(median: number, distance: number): { readonly below: number; readonly above: number } {
    const below = this.#lowerBound(median - distance, this.held);
    let above = 0;
    for (let at = this.#sorted + this.held - 1; (this.#cells[at] as number) > median + distance; at--)
      above++;
    return { below, above };
  }

  /**
   * The deviation of a normal distribution with the same MAD, of the values but some at each end; of the same mean
   * absolute deviation, where the MAD is 0. Never less than 1 % of `level`; and at least 1 where values are whole
   * numbers: a count may go up or down by one without a meaning, and for an amount in minor units 1 is nothing.
   */
  scale(median: number, level: number, isWhole: boolean, below = 0, above = 0): number {
    const from = this.#sorted + below;
    const to = this.#sorted + this.held - above;
    let scale = this.mad(median, below, above);
    if (scale === 0) {
      let sum = 0;
      for (let at = from; at < to; at++) sum += Math.abs((this.#cells[at] as number) - median);
      scale = (MEAN_TO_SIGMA * sum) / (to - from);
    }
    return Math.max(scale, LEAST_SHARE * Math.abs(level), isWhole ? 1 : LEAST_SCALE);
  }

  /** 1.4826 times the median of |value − median|, of the values but some at each end. */
  mad(median: number, below = 0, above = 0): number {
    return (
      MAD_TO_SIGMA * this.#medianDeviation(this.#sorted + below, this.#sorted + this.held - above, median)
    );
  }

  /** Median of |value − median| over a part of the sorted values: a walk outwards from the median, half of it long. */
  #medianDeviation(from: number, to: number, median: number): number {
    const cells = this.#cells;
    const count = to - from;
    let below = this.#sorted + this.#lowerBound(median, this.held) - 1;
    let above = below + 1;
    let last = 0;
    let before = 0;
    for (let taken = 0; taken <= count >> 1; taken++) {
      const down = below < from ? Infinity : median - (cells[below] as number);
      const up = above >= to ? Infinity : (cells[above] as number) - median;
      before = last;
      last = Math.min(down, up);
      if (down <= up) below--;
      else above++;
    }
    return count % 2 === 1 ? last : (last + before) / 2;
  }

  /** How many of the first `count` sorted values are below `value`. */
  #lowerBound(value: number, count: number): number {
    let low = 0;
    let high = count;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#cells[this.#sorted + middle] as number) < value) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #insert(value: number, count: number): void {
    const end = this.#sorted + count;
    const at = this.#sorted + this.#lowerBound(value, count);
    this.#cells.copyWithin(at + 1, at, end);
    this.#cells[at] = value;
  }

  #remove(value: number): void {
    const at = this.#sorted + this.#lowerBound(value, this.held);
    this.#cells.copyWithin(at, at + 1, this.#sorted + this.held);
  }
}
