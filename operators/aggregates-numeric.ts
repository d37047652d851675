import type { ByteReader, ByteWriter, Codec } from '../engine/index.ts';
import type { Aggregate } from './aggregates.ts';
import {
  addInteger,
  addReal,
  type Dyadic,
  dyadicOf,
  mergeReal,
  newRealSum,
  type RealSum,
  ratio,
  realSumCodec,
  realValue,
} from './aggregates-real.ts';

const countCodec: Codec<number> = {
  write: (writer, value) => void writer.varint(value),
  read: (reader) => reader.varint(),
};

const COUNT: Aggregate<unknown, number, number> = {
  init: () => 0,
  add: (acc) => acc + 1,
  merge: (a, b) => a + b,
  retract: (acc) => acc - 1,
  result: (acc) => acc,
  codec: countCodec,
};

/** How many events. */
export function count(): Aggregate<unknown, number, number> {
  return COUNT;
}

/**
 * The sum of `numberOf`: exact, then rounded once to the nearest double, whatever the order. So integers are
 * exact to ±(2^53 - 1), and 0.1 ten times is 1. For integers beyond that use `sumExact`.
 */
export function sum<E>(numberOf: (event: E) => number): Aggregate<E, RealSum, number> {
  return { ...realAggregate(numberOf), result: realValue };
}

/**
 * The sum of integers of any size, as a bigint. A number that is no safe integer is not taken: it throws
 * `RangeError`, for its exact value is lost already.
 */
export function sumExact<E>(numberOf: (event: E) => number | bigint): Aggregate<E, RealSum, bigint> {
  const integerOf = (event: E): number | bigint => {
    const value = numberOf(event);
    if (typeof value === 'number' && !Number.isSafeInteger(value)) {
      throw new RangeError(`sumExact takes safe integers and bigints, got ${value}`);
    }
    return value;
  };
  return {
    init: newRealSum,
    add: (acc, event) => {
      addInteger(acc, integerOf(event));
      return acc;
    },
    retract: (acc, event) => {
      addInteger(acc, -integerOf(event));
      return acc;
    },
    merge: mergeInto,
    result: (acc) => BigInt(acc.integers),
    codec: realSumCodec,
  };
}

function mergeInto(a: RealSum, b: RealSum): RealSum {
  mergeReal(a, b);
  return a;
}

function realAggregate<E>(numberOf: (event: E) => number): Omit<Aggregate<E, RealSum, number>, 'result'> {
  return {
    init: newRealSum,
    add: (acc, event) => {
      addReal(acc, numberOf(event));
      return acc;
    },
    retract: (acc, event) => {
      addReal(acc, -numberOf(event));
      return acc;
    },
    merge: mergeInto,
    codec: realSumCodec,
  };
}

/** What `avg` and `variance` keep. */
export interface Moments {
  count: number;
  readonly sum: RealSum;
  /** Sum of squares. */
  readonly squares: RealSum;
}

/** The mean of `numberOf`: the exact sum, rounded, over the count. NaN when there are no values. */
export function avg<E>(numberOf: (event: E) => number): Aggregate<E, Pick<Moments, 'count' | 'sum'>, number> {
  return {
    init: () => ({ count: 0, sum: newRealSum() }),
    add: (acc, event) => {
      acc.count++;
      addReal(acc.sum, numberOf(event));
      return acc;
    },
    retract: (acc, event) => {
      acc.count--;
      addReal(acc.sum, -numberOf(event));
      return acc;
    },
    merge: (a, b) => {
      a.count += b.count;
      mergeReal(a.sum, b.sum);
      return a;
    },
    result: ({ count: n, sum: total }) => realValue(total) / n,
    codec: {
      write: (writer: ByteWriter, acc) => {
        writer.varint(acc.count);
        realSumCodec.write(writer, acc.sum);
      },
      read: (reader: ByteReader) => ({ count: reader.varint(), sum: realSumCodec.read(reader) }),
    },
  };
}

/**
 * The variance of `numberOf` (by default of the population: over n; `sample`: over n - 1, Bessel). From exact
 * sums of the values and of their squares, so that nothing cancels and the order plays no part; exact up to
 * the last rounding while squares are within 1e-290 and 1e300. NaN when there are too few values.
 */
export function variance<E>(
  numberOf: (event: E) => number,
  of: 'population' | 'sample' = 'population',
): Aggregate<E, Moments, number> {
  const change = (acc: Moments, value: number, sign: 1 | -1): Moments => {
    acc.count += sign;
    addReal(acc.sum, sign * value);
    addSquare(acc.squares, value, sign);
    return acc;
  };
  return {
    init: () => ({ count: 0, sum: newRealSum(), squares: newRealSum() }),
    add: (acc, event) => change(acc, numberOf(event), 1),
    retract: (acc, event) => change(acc, numberOf(event), -1),
    merge: (a, b) => {
      a.count += b.count;
      mergeReal(a.sum, b.sum);
      mergeReal(a.squares, b.squares);
      return a;
    },
    result: (acc) => varianceOf(acc, of),
    codec: {
      write: (writer: ByteWriter, acc) => {
        writer.varint(acc.count);
        realSumCodec.write(writer, acc.sum);
        realSumCodec.write(writer, acc.squares);
      },
      read: (reader: ByteReader) => ({
        count: reader.varint(),
        sum: realSumCodec.read(reader),
        squares: realSumCodec.read(reader),
      }),
    },
  };
}

/** (n·Σx² - (Σx)²) / (n·(n - ddof)), the numerator without rounding. */
function varianceOf({ count: n, sum: total, squares }: Moments, of: 'population' | 'sample'): number {
  const freedom = of === 'population' ? n : n - 1;
  if (freedom <= 0 || total.special !== 0 || squares.special !== 0) return Number.NaN;
  const first = dyadicOf(total);
  const second = dyadicOf(squares);
  const a: Dyadic = { digits: second.digits * BigInt(n), exponent: second.exponent };
  const b: Dyadic = { digits: first.digits * first.digits, exponent: 2 * first.exponent };
  const exponent = Math.min(a.exponent, b.exponent);
  const digits = (a.digits << BigInt(a.exponent - exponent)) - (b.digits << BigInt(b.exponent - exponent));
  return ratio({ digits, exponent }, BigInt(n) * BigInt(freedom));
}

/** Up to here the square of an integer is a safe integer. */
const MAX_ROOT = 94_906_265;
/** 2^27 + 1: splits a double into two halves whose products are exact (Dekker 1971). */
const SPLITTER = 134_217_729;

/** Adds ±value², exactly: an integer, or the product with its rounding error. */
function addSquare(squares: RealSum, value: number, sign: 1 | -1): void {
  if (Number.isSafeInteger(value)) {
    if (Math.abs(value) <= MAX_ROOT) addReal(squares, sign * value * value);
    else addInteger(squares, BigInt(sign) * BigInt(value) * BigInt(value));
    return;
  }
  const product = value * value;
  const scaled = SPLITTER * value;
  const high = scaled - (scaled - value);
  const low = value - high;
  const error = low * low - (product - high * high - 2 * high * low);
  addReal(squares, sign * product);
  if (Number.isFinite(error)) addReal(squares, sign * error);
}

/** Null as long as there is no value. */
const extremeCodec: Codec<number | null> = {
  write: (writer, value) => {
    writer.u8(value === null ? 0 : 1);
    if (value !== null) writer.f64(value);
  },
  read: (reader) => (reader.u8() === 0 ? null : reader.f64()),
};

/** The least value; NaN when there are none, or one is NaN. */
export function min<E>(numberOf: (event: E) => number): Aggregate<E, number | null, number> {
  return extreme(numberOf, Math.min);
}

/** The greatest value; NaN when there are none, or one is NaN. */
export function max<E>(numberOf: (event: E) => number): Aggregate<E, number | null, number> {
  return extreme(numberOf, Math.max);
}

function extreme<E>(
  numberOf: (event: E) => number,
  pick: (a: number, b: number) => number,
): Aggregate<E, number | null, number> {
  return {
    init: () => null,
    add: (acc, event) => (acc === null ? numberOf(event) : pick(acc, numberOf(event))),
    merge: (a, b) => (a === null ? b : b === null ? a : pick(a, b)),
    result: (acc) => acc ?? Number.NaN,
    codec: extremeCodec,
  };
}
