import type { ByteReader, ByteWriter } from '../../engine/index.ts';
import { binOf, valueOfBin } from '../../operators/index.ts';
import type { DetailBudget } from './detail-budget.ts';
import { NetTable } from './net-table.ts';

/** Amounts of one cell of an answer up to which quantiles are exact. */
export const EXACT_AMOUNTS = 10_000;
/** Different amounts that a cell holds before it goes on as a sketch: room for what is taken back again. */
const WORKING_VALUES = 4 * EXACT_AMOUNTS;
/** Smallest and largest amounts that a sketch holds as they are. */
const EXTREME_VALUES = 4_096;

const EXACT = 0;
const SKETCH = 1;

/**
 * The net multiset of a cell's amounts (minor units, safe integers): rows add an amount, retractions take one
 * back, in any order. Beyond WORKING_VALUES different amounts it is a DDSketch (operators/sketch.ts) with signed
 * counts, beside it the least and the greatest amounts as they are.
 */
export class AmountCounts {
  readonly #budget: DetailBudget;
  #values: NetTable;
  #sketch: Sketch | undefined;

  constructor(budget: DetailBudget) {
    this.#budget = budget;
    this.#values = new NetTable(budget);
  }

  get isSketch(): boolean {
    return this.#sketch !== undefined;
  }

  add(value: number, net: number): void {
    if (this.#sketch !== undefined) {
      this.#sketch.add(value, net);
      return;
    }
    this.#values.add(value, net);
    if (this.#values.used <= WORKING_VALUES) return;
    this.#values.keep(Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY);
    if (this.#values.used > WORKING_VALUES / 2) this.#toSketch();
  }

  #toSketch(): void {
    const sketch = new Sketch(this.#budget);
    this.#values.forEach((value, net) => {
      sketch.add(value, net);
    });
    this.#sketch = sketch;
    this.#values = new NetTable(this.#budget);
  }

  addAll(other: AmountCounts): void {
    if (other.#sketch === undefined) {
      other.#values.forEach((value, net) => {
        this.add(value, net);
      });
      return;
    }
    if (this.#sketch === undefined) this.#toSketch();
    this.#sketch?.addAll(other.#sketch);
  }

  /** Each amount with its net count: as it is, or the value that stands for its bin. */
  forEach(visit: (value: number, net: number) => void): void {
    if (this.#sketch === undefined) this.#values.forEach(visit);
    else
      this.#sketch.bins.forEach((bin, net) => {
        visit(valueOfBin(bin), net);
      });
  }

  /** The least and the greatest amount of which there is one; undefined where there is none. */
  extremes(): { readonly min: number; readonly max: number; readonly exact: boolean } | undefined {
    const low = rangeOf(this.#sketch?.low ?? this.#values);
    const high = rangeOf(this.#sketch?.high ?? this.#values);
    if (low !== undefined && high !== undefined) return { min: low.min, max: high.max, exact: true };
    // Thousands of the extremes were taken back: what is left of them is known by its bins.
    const bins = this.#sketch === undefined ? undefined : rangeOf(this.#sketch.bins);
    if (bins === undefined) return undefined;
    return { min: low?.min ?? valueOfBin(bins.min), max: high?.max ?? valueOfBin(bins.max), exact: false };
  }

  write(writer: ByteWriter): void {
    if (this.#sketch === undefined) {
      writer.u8(EXACT);
      writeTable(writer, this.#values);
    } else {
      writer.u8(SKETCH);
      this.#sketch.write(writer);
    }
  }

  static read(reader: ByteReader, budget: DetailBudget): AmountCounts {
    const counts = new AmountCounts(budget);
    if (reader.u8() === EXACT) readTable(reader, counts.#values);
    else counts.#sketch = Sketch.read(reader, budget);
    return counts;
  }
}

class Sketch {
  readonly bins: NetTable;
  /** All amounts up to `lowMax`, all from `highMin`. */
  readonly low: NetTable;
  readonly high: NetTable;
  lowMax = Number.POSITIVE_INFINITY;
  highMin = Number.NEGATIVE_INFINITY;

  constructor(budget: DetailBudget) {
    this.bins = new NetTable(budget);
    this.low = new NetTable(budget);
    this.high = new NetTable(budget);
  }

  add(value: number, net: number): void {
    this.bins.add(binOf(value), net);
    this.#addExtreme(value, net);
  }

  #addExtreme(value: number, net: number): void {
    if (value <= this.lowMax) {
      this.low.add(value, net);
      if (this.low.used > 2 * EXTREME_VALUES) this.#trimLow();
    }
    if (value >= this.highMin) {
      this.high.add(value, net);
      if (this.high.used > 2 * EXTREME_VALUES) this.#trimHigh();
    }
  }

  #trimLow(): void {
    const keys = this.low.sortedKeys();
    if (keys.length > EXTREME_VALUES) this.lowMax = keys[EXTREME_VALUES - 1] as number;
    this.low.keep(Number.NEGATIVE_INFINITY, this.lowMax);
  }

  #trimHigh(): void {
    const keys = this.high.sortedKeys();
    if (keys.length > EXTREME_VALUES) this.highMin = keys[keys.length - EXTREME_VALUES] as number;
    this.high.keep(this.highMin, Number.POSITIVE_INFINITY);
  }

  addAll(other: Sketch): void {
    other.bins.forEach((bin, net) => {
      this.bins.add(bin, net);
    });
    this.lowMax = Math.min(this.lowMax, other.lowMax);
    this.highMin = Math.max(this.highMin, other.highMin);
    this.low.keep(Number.NEGATIVE_INFINITY, this.lowMax);
    this.high.keep(this.highMin, Number.POSITIVE_INFINITY);
    other.low.forEach((value, net) => {
      if (value <= this.lowMax) this.low.add(value, net);
    });
    other.high.forEach((value, net) => {
      if (value >= this.highMin) this.high.add(value, net);
    });
    if (this.low.used > 2 * EXTREME_VALUES) this.#trimLow();
    if (this.high.used > 2 * EXTREME_VALUES) this.#trimHigh();
  }

  write(writer: ByteWriter): void {
    writer.f64(this.lowMax).f64(this.highMin);
    for (const table of [this.bins, this.low, this.high]) writeTable(writer, table);
  }

  static read(reader: ByteReader, budget: DetailBudget): Sketch {
    const sketch = new Sketch(budget);
    sketch.lowMax = reader.f64();
    sketch.highMin = reader.f64();
    for (const table of [sketch.bins, sketch.low, sketch.high]) readTable(reader, table);
    return sketch;
  }
}

function rangeOf(table: NetTable): { readonly min: number; readonly max: number } | undefined {
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  table.forEach((value, net) => {
    if (net <= 0) return;
    if (value < min) min = value;
    if (value > max) max = value;
  });
  return min <= max ? { min, max } : undefined;
}

function writeTable(writer: ByteWriter, table: NetTable): void {
  const keys: number[] = [];
  table.forEach((key, net) => {
    keys.push(key, net);
  });
  writer.varint(keys.length / 2);
  for (const value of keys) writer.zigzag(value);
}

function readTable(reader: ByteReader, table: NetTable): void {
  for (let left = reader.varint(); left > 0; left--) table.add(reader.zigzag(), reader.zigzag());
}
