import { type ByteReader, ByteWriter, type Codec, refuseAsync } from '../../engine/index.ts';
import { hash53, murmur128 } from '../core/index.ts';
import type { Aggregate } from './aggregates.ts';
import {
  countDistinct,
  type Distinct,
  distinctOf,
  EMPTY_DISTINCT,
  readDistinct,
  unionDistinct,
  writeDistinct,
} from './distinct.ts';
import { binOf, valueOfBin } from './sketch.ts';

/** What can be counted as distinct: 1 and '1' are two values, NaN is one. */
export type DistinctValue = string | number | boolean | bigint;

/** Text that is equal for equal values only. */
function identityOf(value: DistinctValue): string {
  return typeof value === 'string' ? `s${value}` : `${typeof value}:${value}`;
}

/** What `distinct` keeps. */
export interface ExactValues {
  /** Identities; null when there are more than the limit. */
  values: Set<string> | null;
}

/**
 * How many different values: exact up to `max_values` of them (default 10,000; about 50 bytes each are kept).
 * A result of `max_values` + 1 says that there are more than that. Throws `RangeError` for a limit that is no
 * positive integer.
 */
export function distinct<E>(
  read: (event: E) => DistinctValue,
  { max_values = 10_000 }: { readonly max_values?: number } = {},
): Aggregate<E, ExactValues, number> {
  refuseAsync(read, 'distinct');
  if (!Number.isSafeInteger(max_values) || max_values < 1) {
    throw new RangeError(`max_values must be a positive integer, got ${max_values}`);
  }
  const put = (acc: ExactValues, identity: string): void => {
    acc.values?.add(identity);
    if (acc.values !== null && acc.values.size > max_values) acc.values = null;
  };
  return {
    kind: 'distinct',
    init: () => ({ values: new Set() }),
    add: (acc, event) => {
      put(acc, identityOf(read(event)));
      return acc;
    },
    merge: (a, b) => {
      if (b.values === null) a.values = null;
      else for (const identity of b.values) put(a, identity);
      return a;
    },
    result: ({ values }) => values?.size ?? max_values + 1,
    codec: {
      write: (writer: ByteWriter, { values }) => {
        writer.u8(values === null ? 0 : 1);
        if (values === null) return;
        writer.varint(values.size);
        for (const identity of [...values].sort()) writer.string(identity);
      },
      read: (reader: ByteReader) => {
        if (reader.u8() === 0) return { values: null };
        const acc: ExactValues = { values: new Set() };
        // The limit may have been another when it was stored.
        for (let left = reader.varint(); left > 0; left--) put(acc, reader.string());
        return acc;
      },
    },
  };
}

/** What `distinctApprox` keeps. */
export interface ApproxValues {
  set: Distinct;
  /** Hashes not yet in the set. */
  fresh: number[];
}

const FRESH_HASHES = 512;

function settle(acc: ApproxValues): Distinct {
  if (acc.fresh.length > 0) {
    acc.set = unionDistinct(acc.set, distinctOf(acc.fresh));
    acc.fresh = [];
  }
  return acc.set;
}

/**
 * About how many different values: exact (but for collisions of 53-bit hashes) to 10,000, a HyperLogLog beyond
 * with a standard error of 0.81 % and 16 KiB. See `distinct.ts` for the sources.
 */
export function distinctApprox<E>(read: (event: E) => DistinctValue): Aggregate<E, ApproxValues, number> {
  refuseAsync(read, 'distinctApprox');
  return {
    kind: 'distinctApprox',
    init: () => ({ set: EMPTY_DISTINCT, fresh: [] }),
    add: (acc, event) => {
      acc.fresh.push(hashOf(identityOf(read(event))));
      if (acc.fresh.length >= FRESH_HASHES) settle(acc);
      return acc;
    },
    merge: (a, b) => {
      a.set = unionDistinct(settle(a), settle(b));
      return a;
    },
    result: (acc) => countDistinct(settle(acc)).count,
    codec: {
      write: (writer: ByteWriter, acc) => writeDistinct(writer, settle(acc)),
      read: (reader: ByteReader) => ({ set: readDistinct(reader), fresh: [] }),
    },
  };
}

const words = new Uint32Array(4);
const writer = new ByteWriter();

function hashOf(text: string): number {
  // As it would be stored, where different text never is the same; without the length before it.
  const bytes = writer.reset().string(text).view();
  murmur128(bytes, bytes.length - Buffer.byteLength(text), bytes.length, 0, words);
  return hash53(words);
}

/** What `quantiles` keeps. */
export interface Bins {
  count: number;
  nans: number;
  min: number;
  max: number;
  /** Counts by bin of the scaled value. */
  readonly bins: Map<number, number>;
}

/** The sketch has a bin for each magnitude from 1 on; scaled values below that count as 0. */
const SCALE = 1e9;
const MAX_SCALED = 1e300;

/**
 * Quantiles (each 0..1), in the order given: within 1 % of the value at rank ⌊q·(n-1)⌋ (DDSketch, see
 * `sketch.ts`), the extremes exact. Magnitudes below 1e-9 count as 0 and above 1e291 as 1e291. NaN when there are
 * no values, or one is NaN. About 20 bytes for each 2 % of range that has values.
 */
export function quantiles<E>(
  read: (event: E) => number,
  ranks: readonly number[],
): Aggregate<E, Bins, number[]> {
  refuseAsync(read, 'quantiles');
  for (const q of ranks) {
    if (!(q >= 0 && q <= 1)) throw new RangeError(`a quantile is between 0 and 1, got ${q}`);
  }
  return {
    kind: 'quantiles',
    init: () => ({
      count: 0,
      nans: 0,
      min: Number.POSITIVE_INFINITY,
      max: Number.NEGATIVE_INFINITY,
      bins: new Map(),
    }),
    add: (acc, event) => {
      addToBins(acc, read(event));
      return acc;
    },
    merge: (a, b) => {
      a.count += b.count;
      a.nans += b.nans;
      a.min = Math.min(a.min, b.min);
      a.max = Math.max(a.max, b.max);
      for (const [bin, times] of b.bins) a.bins.set(bin, (a.bins.get(bin) ?? 0) + times);
      return a;
    },
    result: (acc) => quantilesOf(acc, ranks),
    codec: binsCodec,
  };
}

function addToBins(acc: Bins, value: number): void {
  if (Number.isNaN(value)) {
    acc.nans++;
    return;
  }
  const scaled = Math.max(-MAX_SCALED, Math.min(MAX_SCALED, value * SCALE));
  const bin = Math.abs(scaled) < 1 ? 0 : binOf(scaled);
  acc.count++;
  acc.min = Math.min(acc.min, value);
  acc.max = Math.max(acc.max, value);
  acc.bins.set(bin, (acc.bins.get(bin) ?? 0) + 1);
}

function quantilesOf({ count, nans, min, max, bins }: Bins, ranks: readonly number[]): number[] {
  if (count === 0 || nans > 0) return ranks.map(() => Number.NaN);
  const sorted = [...bins].sort(([a], [b]) => a - b);
  return ranks.map((q) => {
    const rank = Math.floor(q * (count - 1));
    if (rank === 0) return min;
    if (rank === count - 1) return max;
    let seen = 0;
    for (const [bin, times] of sorted) {
      seen += times;
      if (seen > rank) return Math.min(max, Math.max(min, valueOfBin(bin) / SCALE));
    }
    return max;
  });
}

const binsCodec: Codec<Bins> = {
  write: (writer: ByteWriter, { count, nans, min, max, bins }) => {
    writer.varint(count).varint(nans).f64(min).f64(max).varint(bins.size);
    let last = 0;
    for (const [bin, times] of [...bins].sort(([a], [b]) => a - b)) {
      writer.zigzag(bin - last).varint(times);
      last = bin;
    }
  },
  read: (reader: ByteReader) => {
    const [count, nans] = [reader.varint(), reader.varint()];
    const [min, max] = [reader.f64(), reader.f64()];
    const bins = new Map<number, number>();
    let bin = 0;
    for (let left = reader.varint(); left > 0; left--) {
      bin += reader.zigzag();
      bins.set(bin, reader.varint());
    }
    return { count, nans, min, max, bins };
  },
};
