import { ATTEMPT, type AttemptRows } from './attempt-rows.ts';

/**
 * A block is a run of attempts in the order of their times, by columns of the machine's numbers, so that a reader takes
 * them as they lie:
 *
 * | what | of | numbers |
 * |---|---|---|
 * | rows; those with `after`; with `until`; durations; whether these are wide; 0 | the block | u32 each |
 * | base, ms | the block | f64 |
 * | `after` | rows that have one | f64 |
 * | `until` | rows that have one | f64 |
 * | durations, where they are wide | steps reached but the first, row after row | f64 |
 * | time behind the base | rows | u32 |
 * | durations, where they are not wide | as above | u32 |
 * | steps reached, and bits for `after` and `until` | rows | u8 |
 */
export const ATTEMPT_BLOCK_MAX_BYTES = 4_000;
/** Of the times in a block. */
export const BLOCK_MAX_SPAN_MS = 2 ** 32 - 1;
/** Steps reached are below it. */
const HAS_AFTER = 64;
const HAS_UNTIL = 128;
const REACHED = HAS_AFTER - 1;
const HEAD_BYTES = 32;
const BASE_BYTES = 24;
const INITIAL_SELECTED = 2_048;

/** Bytes that a row takes in a block. */
export function attemptBytes(values: Float64Array, at: number, isWide: boolean): number {
  return (
    5 +
    (values[at + ATTEMPT.after] === Number.NEGATIVE_INFINITY ? 0 : 8) +
    (values[at + ATTEMPT.until] === Number.POSITIVE_INFINITY ? 0 : 8) +
    ((values[at + ATTEMPT.reached] as number) - 1) * (isWide ? 8 : 4)
  );
}

/** The block of the rows [from, to), whose times are ascending. Valid until the next one. */
export class AttemptBlockWriter {
  readonly #isWide: boolean;
  #room = roomOf(2 * ATTEMPT_BLOCK_MAX_BYTES);

  constructor(isWide: boolean) {
    this.#isWide = isWide;
  }

  write({ values, stride }: AttemptRows, from: number, to: number): Uint8Array {
    const isWide = this.#isWide;
    let [size, afters, untils, durations] = [HEAD_BYTES, 0, 0, 0];
    for (let at = from * stride; at < to * stride; at += stride) {
      size += attemptBytes(values, at, isWide);
      if (values[at + ATTEMPT.after] !== Number.NEGATIVE_INFINITY) afters++;
      if (values[at + ATTEMPT.until] !== Number.POSITIVE_INFINITY) untils++;
      durations += (values[at + ATTEMPT.reached] as number) - 1;
    }
    if (this.#room.bytes.length < size) this.#room = roomOf(size * 2);
    const { bytes, words, doubles } = this.#room;
    const rows = to - from;
    const base_ms = values[from * stride] as number;
    words[0] = rows;
    words[1] = afters;
    words[2] = untils;
    words[3] = durations;
    words[4] = isWide ? 1 : 0;
    words[5] = 0;
    doubles[BASE_BYTES / 8] = base_ms;
    let after = HEAD_BYTES / 8;
    let until = after + afters;
    const wide = until + untils;
    let time = (wide + (isWide ? durations : 0)) * 2;
    const narrow = time + rows;
    let flag = (narrow + (isWide ? 0 : durations)) * 4;
    let duration = isWide ? wide : narrow;
    const into = isWide ? doubles : words;
    for (let at = from * stride; at < to * stride; at += stride) {
      const reached = values[at + ATTEMPT.reached] as number;
      let flags = reached;
      const [after_ms, until_ms] = [
        values[at + ATTEMPT.after] as number,
        values[at + ATTEMPT.until] as number,
      ];
      if (after_ms !== Number.NEGATIVE_INFINITY) {
        doubles[after++] = after_ms;
        flags |= HAS_AFTER;
      }
      if (until_ms !== Number.POSITIVE_INFINITY) {
        doubles[until++] = until_ms;
        flags |= HAS_UNTIL;
      }
      words[time++] = (values[at] as number) - base_ms;
      for (let step = 0; step < reached - 1; step++)
        into[duration++] = values[at + ATTEMPT.durations + step] as number;
      bytes[flag++] = flags;
    }
    return bytes.subarray(0, size);
  }
}

/** Attempts of a block that count in a range. Arrays may be others after the next one. */
export interface SelectedAttempts {
  readonly selected: number;
  readonly entry_ms: Float64Array;
  readonly reached: Uint8Array;
  /** The times between steps of all, and from where on those of an attempt are. */
  readonly durations: Uint32Array | Float64Array;
  readonly durationsAt: Uint32Array;
}

/** The attempts of a block: all of them, one after the other, or those that count in a range. */
export class AttemptBlockReader implements SelectedAttempts {
  selected = 0;
  entry_ms = new Float64Array(INITIAL_SELECTED);
  reached = new Uint8Array(INITIAL_SELECTED);
  durationsAt = new Uint32Array(INITIAL_SELECTED);
  durations: Uint32Array | Float64Array = new Uint32Array(0);
  #room = roomOf(2 * ATTEMPT_BLOCK_MAX_BYTES);
  #rows = 0;
  #base_ms = 0;
  #after = 0;
  #until = 0;
  #time = 0;
  #duration = 0;
  #flag = 0;

  /** Takes a copy of the bytes. */
  open(block: Uint8Array): void {
    if (this.#room.bytes.length < block.length) this.#room = roomOf(block.length * 2);
    const { bytes, words, doubles } = this.#room;
    bytes.set(block);
    const [rows, afters, untils, durations] = [
      words[0] as number,
      words[1] as number,
      words[2] as number,
      words[3] as number,
    ];
    const isWide = words[4] === 1;
    this.#rows = rows;
    this.#base_ms = doubles[BASE_BYTES / 8] as number;
    this.#after = HEAD_BYTES / 8;
    this.#until = this.#after + afters;
    const wide = this.#until + untils;
    this.#time = (wide + (isWide ? durations : 0)) * 2;
    const narrow = this.#time + rows;
    this.#flag = (narrow + (isWide ? 0 : durations)) * 4;
    this.#duration = isWide ? wide : narrow;
    this.durations = isWide ? doubles : words;
  }

  /** Those that count in [start_ms, end_ms), in place of those before. */
  select(start_ms: number, end_ms: number): void {
    const rows = this.#rows;
    if (rows > this.reached.length) {
      this.entry_ms = new Float64Array(rows * 2);
      this.reached = new Uint8Array(rows * 2);
      this.durationsAt = new Uint32Array(rows * 2);
    }
    const { entry_ms, reached, durationsAt } = this;
    const { bytes, words, doubles } = this.#room;
    const base_ms = this.#base_ms;
    let [after, until, duration, selected] = [this.#after, this.#until, this.#duration, 0];
    const [time, flag] = [this.#time, this.#flag];
    for (let row = 0; row < rows; row++) {
      const flags = bytes[flag + row] as number;
      const time_ms = base_ms + (words[time + row] as number);
      const steps = flags & REACHED;
      let counts = time_ms >= start_ms && time_ms < end_ms;
      if ((flags & HAS_AFTER) !== 0 && (doubles[after++] as number) >= start_ms) counts = false;
      if ((flags & HAS_UNTIL) !== 0 && (doubles[until++] as number) < end_ms) counts = false;
      if (counts) {
        entry_ms[selected] = time_ms;
        reached[selected] = steps;
        durationsAt[selected++] = duration;
      }
      duration += steps - 1;
    }
    this.selected = selected;
  }

  /** Appends those that begin at `from_ms` or later, in order. */
  readInto(into: AttemptRows, from_ms: number): void {
    const { bytes, words, doubles } = this.#room;
    const { durations } = this;
    let [after, until, duration] = [this.#after, this.#until, this.#duration];
    for (let row = 0; row < this.#rows; row++) {
      const flags = bytes[this.#flag + row] as number;
      const time_ms = this.#base_ms + (words[this.#time + row] as number);
      const reached = flags & REACHED;
      const after_ms = (flags & HAS_AFTER) === 0 ? Number.NEGATIVE_INFINITY : (doubles[after++] as number);
      const until_ms = (flags & HAS_UNTIL) === 0 ? Number.POSITIVE_INFINITY : (doubles[until++] as number);
      if (time_ms >= from_ms) {
        const at = into.append(time_ms, reached);
        const { values } = into;
        values[at + ATTEMPT.after] = after_ms;
        values[at + ATTEMPT.until] = until_ms;
        for (let step = 0; step < reached - 1; step++)
          values[at + ATTEMPT.durations + step] = durations[duration + step] as number;
      }
      duration += reached - 1;
    }
  }
}

interface Room {
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
  readonly doubles: Float64Array;
}

function roomOf(size: number): Room {
  const buffer = new ArrayBuffer(Math.ceil(size / 8) * 8);
  return {
    bytes: new Uint8Array(buffer),
    words: new Uint32Array(buffer),
    doubles: new Float64Array(buffer),
  };
}
