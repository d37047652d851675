import { type ByteReader, type ByteWriter, type Codec, refuseAsync } from '../../engine/index.ts';
import type { Aggregate } from './aggregates.ts';
import {
  addInteger,
  addReal,
  addSquare,
  type Dyadic,
  dyadicOf,
  mergeReal,
  newRealSum,
  type RealSum,
  ratio,
  realSumCodec,
  realValue,
  takeReal,
} from './aggregates-real.ts';

const BELOW_ZERO = 2 ** 53;

/** Counts; one below zero, of which more was taken back than added, as an even number beyond all counts. */
const countCodec: Codec<number> = {
  write: (writer, value) => void writer.varint(value < 0 ? BELOW_ZERO - 2 * value : value),
  read: (reader) => {
    const value = reader.varint();
    return value < BELOW_ZERO ? value : (BELOW_ZERO - value) / 2;
  },
};

const COUNT: Aggregate<unknown, number, number> = {
  kind: 'count',
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
  refuseAsync(numberOf, 'sum');
  return { ...realAggregate(numberOf), kind: 'sum', result: realValue };
}

/**
 * The sum of integers of any size, as a bigint. A number that is no safe integer is not taken: it throws
 * `RangeError`, for its exact value is lost already.
 */
export function sumExact<E>(numberOf: (event: E) => number | bigint): Aggregate<E, RealSum, bigint> {
  refuseAsync(numberOf, 'sumExact');
  const integerOf = (event: E): number | bigint => {
    const value = numberOf(event);
    if (typeof value === 'number' && !Number.isSafeInteger(value)) {
      throw new RangeError(`sumExact takes safe integers and bigints, got ${value}`);
    }
    return value;
  };
  return {
    kind: 'sumExact',
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
      takeReal(acc, numberOf(event));
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

/**
 * The mean of `numberOf`: the exact sum, rounded, over the count; right also where the sum is beyond the range of
 * a double. NaN when there are no values.
 */
export function avg<E>(numberOf: (event: E) => number): Aggregate<E, Pick<Moments, 'count' | 'sum'>, number> {
  refuseAsync(numberOf, 'avg');
  return {
    kind: 'avg',
    init: () => ({ count: 0, sum: newRealSum() }),
    add: (acc, event) => {
      acc.count++;
      addReal(acc.sum, numberOf(event));
      return acc;
    },
    retract: (acc, event) => {
      acc.count--;
      takeReal(acc.sum, numberOf(event));
      return acc;
    },
    merge: (a, b) => {
      a.count += b.count;
      mergeReal(a.sum, b.sum);
      return a;
    },
    result: meanOf,
    codec: {
      write: (writer: ByteWriter, acc) => {
        countCodec.write(writer, acc.count);
        realSumCodec.write(writer, acc.sum);
      },
      read: (reader: ByteReader) => ({ count: countCodec.read(reader), sum: realSumCodec.read(reader) }),
    },
  };
}

function meanOf({ count: n, sum: total }: Pick<Moments, 'count' | 'sum'>): number {
  const rounded = realValue(total);
  if (n <= 0 || Number.isFinite(rounded) || total.special !== undefined) return rounded / n;
  // The sum is beyond the range of a double, the mean is not.
  return ratio(dyadicOf(total), BigInt(n));
}

/**
 * The variance of `numberOf` (by default of the population: over n; `sample`: over n - 1, Bessel). From exact
 * sums of the values and of their squares, so that nothing cancels and the order plays no part: the nearest double of
 * the exact variance. NaN when there are too few values, or one is not finite.
 */
export function variance<E>(
  numberOf: (event: E) => number,
  of: 'population' | 'sample' = 'population',
): Aggregate<E, Moments, number> {
  refuseAsync(numberOf, 'variance');
  const change = (acc: Moments, value: number, sign: 1 | -1): Moments => {
    acc.count += sign;
    if (sign === 1) addReal(acc.sum, value);
    else takeReal(acc.sum, value);
    addSquare(acc.squares, value, sign);
    return acc;
  };
  return {
    kind: 'variance',
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
        countCodec.write(writer, acc.count);
        realSumCodec.write(writer, acc.sum);
        realSumCodec.write(writer, acc.squares);
      },
      read: (reader: ByteReader) => ({
        count: countCodec.read(reader),
        sum: realSumCodec.read(reader),
        squares: realSumCodec.read(reader),
      }),
    },
  };
}

/** (n·Σx² - (Σx)²) / (n·(n - ddof)), the numerator without rounding. */
function varianceOf({ count: n, sum: total, squares }: Moments, of: 'population' | 'sample'): number {
  const freedom = of === 'population' ? n : n - 1;
  if (freedom <= 0 || total.special !== undefined) return Number.NaN;
  const first = dyadicOf(total);
  const second = dyadicOf(squares);
  const a: Dyadic = { digits: second.digits * BigInt(n), exponent: second.exponent };
  const b: Dyadic = { digits: first.digits * first.digits, exponent: 2 * first.exponent };
  const exponent = Math.min(a.exponent, b.exponent);
  const digits = (a.digits << BigInt(a.exponent - exponent)) - (b.digits << BigInt(b.exponent - exponent));
  return ratio({ digits, exponent }, BigInt(n) * BigInt(freedom));
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
  refuseAsync(numberOf, 'min');
  return extreme('min', numberOf, Math.min);
}

/** The greatest value; NaN when there are none, or one is NaN. */
export function max<E>(numberOf: (event: E) => number): Aggregate<E, number | null, number> {
  refuseAsync(numberOf, 'max');
  return extreme('max', numberOf, Math.max);
}

function extreme<E>(
  kind: string,
  numberOf: (event: E) => number,
  pick: (a: number, b: number) => number,
): Aggregate<E, number | null, number> {
  return {
    kind,
    init: () => null,
    add: (acc, event) => (acc === null ? numberOf(event) : pick(acc, numberOf(event))),
    merge: (a, b) => (a === null ? b : b === null ? a : pick(a, b)),
    result: (acc) => acc ?? Number.NaN,
    codec: extremeCodec,
  };
}
