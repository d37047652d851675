import type { ByteReader, ByteWriter } from '../../engine/index.ts';
import { binOf, valueOfBin } from '../../operators/index.ts';

/** Times of a group and a pair of steps that are kept one by one; more of them are a DDSketch. */
export const MAX_EXACT_TIMES = 100_000;
const INITIAL_TIMES = 16;
export const PERCENTILES = { p50: 0.5, p90: 0.9, p99: 0.99 } as const;
export type Percentiles = Readonly<Record<keyof typeof PERCENTILES, number | null>>;

/**
 * Times between two steps, ms. Up to `MAX_EXACT_TIMES` each is kept, beyond that they are counted by bins of a
 * DDSketch (operators/aggregates/sketch.ts). What it holds is a function of the multiset of times: additions and
 * merges may come in any order.
 */
export class Durations {
  count = 0;
  #exact = new Float64Array(0);
  #bins: Map<number, number> | undefined;

  get isExact(): boolean {
    return this.#bins === undefined;
  }

  add(time_ms: number): void {
    if (this.#bins !== undefined) this.#addToBin(binOf(time_ms), 1);
    else {
      if (this.count === this.#exact.length) this.#grow();
      this.#exact[this.count] = time_ms;
    }
    this.count++;
    if (this.count > MAX_EXACT_TIMES) this.#sketch();
  }

  addAll(other: Durations): void {
    if (other.#bins === undefined) {
      for (let at = 0; at < other.count; at++) this.add(other.#exact[at] as number);
      return;
    }
    this.#sketch();
    for (const [bin, count] of other.#bins) this.#addToBin(bin, count);
    this.count += other.count;
  }

  /** Nearest rank, seconds: the smallest time that is not below the given part of all. */
  percentiles(): Percentiles {
    const ranks = Object.entries(PERCENTILES).map(
      ([name, part]) => [name, Math.ceil(part * this.count)] as const,
    );
    if (this.count === 0) return Object.fromEntries(ranks.map(([name]) => [name, null])) as Percentiles;
    const sorted = this.#bins === undefined ? this.#exact.slice(0, this.count).sort() : undefined;
    const at = (rank: number): number =>
      sorted === undefined ? this.#sketched(rank) : (sorted[rank - 1] as number);
    return Object.fromEntries(ranks.map(([name, rank]) => [name, at(rank) / 1_000])) as Percentiles;
  }

  write(writer: ByteWriter): void {
    writer.u8(this.#bins === undefined ? 0 : 1).varint(this.count);
    if (this.#bins === undefined) {
      for (let at = 0; at < this.count; at++) writer.varint(this.#exact[at] as number);
      return;
    }
    writer.varint(this.#bins.size);
    for (const [bin, count] of this.#bins) writer.varint(bin).varint(count);
  }

  static read(reader: ByteReader): Durations {
    const durations = new Durations();
    const isSketch = reader.u8() === 1;
    const count = reader.varint();
    if (!isSketch) {
      for (let at = 0; at < count; at++) durations.add(reader.varint());
      return durations;
    }
    durations.#bins = new Map();
    durations.count = count;
    for (let left = reader.varint(); left > 0; left--) durations.#addToBin(reader.varint(), reader.varint());
    return durations;
  }

  #grow(): void {
    const times = new Float64Array(Math.max(INITIAL_TIMES, this.#exact.length * 2));
    times.set(this.#exact);
    this.#exact = times;
  }

  #sketch(): void {
    if (this.#bins !== undefined) return;
    this.#bins = new Map();
    for (let at = 0; at < this.count; at++) this.#addToBin(binOf(this.#exact[at] as number), 1);
    this.#exact = new Float64Array(0);
  }

  #addToBin(bin: number, count: number): void {
    const bins = this.#bins as Map<number, number>;
    bins.set(bin, (bins.get(bin) ?? 0) + count);
  }

  #sketched(rank: number): number {
    let below = 0;
    for (const [bin, count] of [...(this.#bins as Map<number, number>)].sort(([a], [b]) => a - b)) {
      below += count;
      if (below >= rank) return Math.round(valueOfBin(bin));
    }
    throw new RangeError(`there is no rank ${rank}`);
  }
}
