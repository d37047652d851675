import { type ByteReader, type ByteWriter, invariant } from '../../engine/index.ts';
import { binOf, valueOfBin } from '../../operators/index.ts';
import { selectRanks } from './select-rank.ts';

/** Times that a group keeps one by one, of all pairs of steps; see `maxExactTimes`. */
const MAX_GROUP_TIMES = 6_000_000;
const INITIAL_TIMES = 16;
export const PERCENTILES = { p50: 0.5, p90: 0.9, p99: 0.99 } as const;
export type Percentiles = Readonly<Record<keyof typeof PERCENTILES, number | null>>;

/** How times are written. */
const FORM = { words: 0, sketch: 1, doubles: 2, ranks: 3 } as const;
const MAX_WORD = 2 ** 32 - 1;

interface Ranks {
  readonly isExact: boolean;
  readonly times_ms: readonly number[];
}

/** Times of a group and a pair of steps that are kept one by one; more of them are a DDSketch. */
export function maxExactTimes(steps: number): number {
  return Math.floor(MAX_GROUP_TIMES / steps);
}

function seconds(time_ms: number | null): number | null {
  return time_ms === null ? null : time_ms / 1_000;
}

/**
 * Times between two steps, ms. Up to `max` each is kept, beyond that they are counted by bins of a DDSketch
 * (operators/aggregates/sketch.ts). What it holds is a function of the multiset of times: additions and merges may come
 * in any order.
 */
export class Durations {
  count = 0;
  readonly #max: number;
  #exact = new Float64Array(0);
  #bins: Map<number, number> | undefined;
  /** Of times that are known by their percentiles alone: nothing can be added. */
  #ranks: Ranks | undefined;

  constructor(max: number) {
    this.#max = max;
  }

  get isExact(): boolean {
    return this.#ranks?.isExact ?? this.#bins === undefined;
  }

  /**
   * Where to write up to `most` times more, from `count` on, before `took` says how many there were; undefined: they are
   * to be added one by one.
   */
  room(most: number): Float64Array | undefined {
    if (this.#bins !== undefined || this.count + most > this.#max) return undefined;
    this.#makeRoom(this.count + most);
    return this.#exact;
  }

  took(count: number): void {
    this.count += count;
  }

  add(time_ms: number): void {
    if (this.#bins !== undefined) this.#addToBin(binOf(time_ms), 1);
    else {
      if (this.count === this.#exact.length) this.#makeRoom(this.count + 1);
      this.#exact[this.count] = time_ms;
    }
    this.count++;
    if (this.count > this.#max) this.#sketch();
  }

  addAll(other: Durations): void {
    invariant(other.#ranks === undefined && this.#ranks === undefined, 'percentiles are not added up');
    if (other.#bins === undefined) {
      this.#addTimes(other.#exact.subarray(0, other.count));
      return;
    }
    this.#sketch();
    for (const [bin, count] of other.#bins) this.#addToBin(bin, count);
    this.count += other.count;
  }

  /** Nearest rank, seconds: the smallest time that is not below the given part of all. */
  percentiles(): Percentiles {
    const found = this.#ranks?.times_ms ?? this.#found();
    const names = Object.keys(PERCENTILES);
    const shown = names.map((name, at) => [name, seconds(found[at] ?? null)] as const);
    return Object.fromEntries(shown) as Percentiles;
  }

  /** ms; none of no times. */
  #found(): readonly number[] {
    if (this.count === 0) return [];
    const ranks = Object.values(PERCENTILES).map((part) => Math.ceil(part * this.count));
    return this.isExact
      ? selectRanks(this.#exact.subarray(0, this.count), ranks)
      : ranks.map((rank) => this.#sketched(rank));
  }

  /** What `percentiles` needs, where nothing will be added. */
  writeRanks(writer: ByteWriter): void {
    writer
      .u8(FORM.ranks)
      .varint(this.count)
      .u8(this.isExact ? 1 : 0);
    for (const time_ms of this.#found()) writer.varint(time_ms);
  }

  write(writer: ByteWriter): void {
    if (this.#bins !== undefined) {
      writer.u8(FORM.sketch).varint(this.count).varint(this.#bins.size);
      for (const [bin, count] of this.#bins) writer.varint(bin).varint(count);
      return;
    }
    const exact = this.#exact.subarray(0, this.count);
    let max = 0;
    for (let at = 0; at < exact.length; at++) if ((exact[at] as number) > max) max = exact[at] as number;
    const fits = max <= MAX_WORD;
    const values = fits ? new Uint32Array(exact.length) : exact;
    if (fits) for (let at = 0; at < exact.length; at++) values[at] = exact[at] as number;
    writer.u8(fits ? FORM.words : FORM.doubles).varint(this.count);
    writer.bytes(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  }

  /** Adds what another one wrote. */
  addWritten(reader: ByteReader): void {
    const form = reader.u8();
    const count = reader.varint();
    if (form === FORM.ranks) {
      invariant(this.count === 0 && this.#ranks === undefined, 'percentiles are not added up');
      const isExact = reader.u8() === 1;
      const times_ms = Object.keys(PERCENTILES).flatMap(() => (count === 0 ? [] : reader.varint()));
      this.#ranks = { isExact, times_ms };
      this.count = count;
      return;
    }
    invariant(this.#ranks === undefined, 'percentiles are not added up');
    if (form === FORM.sketch) {
      this.#sketch();
      for (let left = reader.varint(); left > 0; left--) this.#addToBin(reader.varint(), reader.varint());
      this.count += count;
      return;
    }
    // A copy begins where the machine wants numbers.
    const { buffer } = new Uint8Array(reader.bytes(count * (form === FORM.words ? 4 : 8)));
    this.#addTimes(form === FORM.words ? new Uint32Array(buffer) : new Float64Array(buffer));
  }

  #addTimes(times: Float64Array | Uint32Array): void {
    if (this.#bins !== undefined || this.count + times.length > this.#max) {
      this.#sketch();
      for (let at = 0; at < times.length; at++) this.#addToBin(binOf(times[at] as number), 1);
    } else {
      this.#makeRoom(this.count + times.length);
      this.#exact.set(times, this.count);
    }
    this.count += times.length;
  }

  #makeRoom(count: number): void {
    if (count <= this.#exact.length) return;
    const times = new Float64Array(Math.max(INITIAL_TIMES, count, this.#exact.length * 2));
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
