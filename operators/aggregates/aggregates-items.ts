import {
  type ByteReader,
  ByteWriter,
  type Codec,
  refuseAsync,
  trustedJsonCodec,
} from '../../engine/index.ts';
import type { Aggregate } from './aggregates.ts';

/** Aggregates that keep events store them by this codec, by default as JSON: what JSON cannot say is lost. */
export interface ItemOptions<E> {
  readonly codec?: Codec<E>;
}

/** An event that `first`, `last`, `topK` and `collect` keep. */
export interface Ranked<E> {
  readonly rank: number;
  readonly event: E;
  /** The event as stored, for ties; made when first needed. */
  bytes: Buffer | undefined;
}

/**
 * The events that come first by rank, ties by their stored bytes, whatever the order in which they came. Sorted;
 * at most `max_items` of them.
 */
class Ranking<E> {
  readonly #codec: Codec<E>;
  readonly #max_items: number;
  readonly #sign: 1 | -1;

  /** `sign` -1: the largest rank first. */
  constructor(max_items: number, sign: 1 | -1, { codec = trustedJsonCodec<E>() }: ItemOptions<E>) {
    if (!Number.isSafeInteger(max_items) || max_items < 1) {
      throw new RangeError(`the number of events to keep must be a positive integer, got ${max_items}`);
    }
    this.#codec = codec;
    this.#max_items = max_items;
    this.#sign = sign;
  }

  put(kept: Ranked<E>[], item: Ranked<E>): Ranked<E>[] {
    if (kept.length >= this.#max_items && this.#compare(kept.at(-1) as Ranked<E>, item) <= 0) return kept;
    let low = 0;
    let high = kept.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#compare(kept[middle] as Ranked<E>, item) <= 0) low = middle + 1;
      else high = middle;
    }
    kept.splice(low, 0, item);
    if (kept.length > this.#max_items) kept.pop();
    return kept;
  }

  merge(a: Ranked<E>[], b: readonly Ranked<E>[]): Ranked<E>[] {
    for (const item of b) this.put(a, item);
    return a;
  }

  get codec(): Codec<Ranked<E>[]> {
    return {
      write: (writer: ByteWriter, kept) => {
        writer.varint(kept.length);
        for (const { rank, event } of kept) {
          writer.f64(rank);
          this.#codec.write(writer, event);
        }
      },
      read: (reader: ByteReader) => {
        const kept: Ranked<E>[] = [];
        for (let left = reader.varint(); left > 0; left--) {
          kept.push({ rank: reader.f64(), event: this.#codec.read(reader), bytes: undefined });
        }
        // More may have been kept when it was stored.
        if (kept.length > this.#max_items) kept.length = this.#max_items;
        return kept;
      },
    };
  }

  #compare(a: Ranked<E>, b: Ranked<E>): number {
    if (a.rank < b.rank) return -this.#sign;
    if (a.rank > b.rank) return this.#sign;
    // NaN comes last of all, whichever way the ranks are sorted.
    const byNaN = Number(Number.isNaN(a.rank)) - Number(Number.isNaN(b.rank));
    if (byNaN !== 0) return byNaN;
    return Buffer.compare(this.#bytesOf(a), this.#bytesOf(b));
  }

  #bytesOf(item: Ranked<E>): Buffer {
    if (item.bytes === undefined) {
      const writer = new ByteWriter();
      this.#codec.write(writer, item.event);
      item.bytes = writer.copy();
    }
    return item.bytes;
  }
}

function ranked<E, R>(
  ranking: Ranking<E>,
  rankOf: (event: E, time_ms: number) => number,
  result: (kept: readonly Ranked<E>[]) => R,
  kind: string,
): Aggregate<E, Ranked<E>[], R> {
  return {
    kind,
    init: () => [],
    add: (acc, event, time_ms) => {
      const rank = rankOf(event, time_ms);
      // One form of NaN, and 0 for -0: they rank alike, and are stored alike.
      const stored = Number.isNaN(rank) ? Number.NaN : rank + 0;
      return ranking.put(acc, { rank: stored, event, bytes: undefined });
    },
    merge: (a, b) => ranking.merge(a, b),
    result,
    codec: ranking.codec,
  };
}

const only = <E>(kept: readonly Ranked<E>[]): E | undefined => kept[0]?.event;
const all = <E>(kept: readonly Ranked<E>[]): E[] => kept.map(({ event }) => event);

/** The event with the earliest time; of several the one whose stored bytes sort first. */
export function first<E>(options: ItemOptions<E> = {}): Aggregate<E, Ranked<E>[], E | undefined> {
  return ranked(new Ranking<E>(1, 1, options), (_, time_ms) => time_ms, only, 'first');
}

/** The event with the latest time; of several the one whose stored bytes sort first. */
export function last<E>(options: ItemOptions<E> = {}): Aggregate<E, Ranked<E>[], E | undefined> {
  return ranked(new Ranking<E>(1, -1, options), (_, time_ms) => time_ms, only, 'last');
}

/**
 * The k events with the largest `by`, the largest first; ties by stored bytes. NaN ranks below all numbers.
 */
export function topK<E>(
  k: number,
  by: (event: E) => number,
  options: ItemOptions<E> = {},
): Aggregate<E, Ranked<E>[], E[]> {
  refuseAsync(by, 'topK');
  return ranked(new Ranking<E>(k, -1, options), by, all, 'topK');
}

/**
 * The events by time, ties by stored bytes; the earliest `max_items` of them. Compose it with `count()` to see
 * how many there were.
 */
export function collect<E>(max_items: number, options: ItemOptions<E> = {}): Aggregate<E, Ranked<E>[], E[]> {
  return ranked(new Ranking<E>(max_items, 1, options), (_, time_ms) => time_ms, all, 'collect');
}
