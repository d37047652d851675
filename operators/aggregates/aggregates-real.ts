import type { ByteReader, ByteWriter, Codec } from '../../engine/index.ts';
import { addExact, type ExactSum } from './exact-sum.ts';

/**
 * An exact sum of numbers, rounded once, when it is read: so it does not depend on the order of the
 * additions, and what was added can be taken back. Safe integers are summed as such; others in an expansion
 * of doubles that do not overlap (Shewchuk, "Adaptive Precision Floating-Point Arithmetic and Fast Robust
 * Geometric Predicates", 1997; the final rounding as in Python's `math.fsum`); those near the bounds of the
 * range as integers of any size. Infinities and NaN are counted, and give what IEEE 754 gives.
 */
export interface RealSum {
  /** Of safe integers, and of numbers from `HUGE` on. */
  integers: ExactSum;
  /** Of other numbers; increasing in magnitude. */
  partials: number[];
  /** Of what a double is too coarse for, in units of 2^-2148. */
  tiny: bigint;
  /** How many were not finite; undefined when all were. */
  special: Specials | undefined;
}

interface Specials {
  readonly positive: number;
  readonly negative: number;
  readonly nan: number;
}

/** Sums of 2^53 numbers below it are still doubles. */
const HUGE = 2 ** 970;
const TINY_EXPONENT = -2148;

export function newRealSum(): RealSum {
  return { integers: 0, partials: [], tiny: 0n, special: undefined };
}

/** Adds `value` into `sum`. */
export function addReal(sum: RealSum, value: number): void {
  if (Number.isSafeInteger(value)) {
    const { integers } = sum;
    const next = typeof integers === 'number' ? integers + value : Number.NaN;
    sum.integers = Number.isSafeInteger(next) ? next : addExact(integers, value);
  } else if (!Number.isFinite(value)) sum.special = addSpecials(sum.special, specialOf(value, 1));
  else if (Math.abs(value) < HUGE) addPartial(sum.partials, value);
  else addInteger(sum, BigInt(value));
}

/** Takes back what was added. */
export function takeReal(sum: RealSum, value: number): void {
  if (Number.isFinite(value)) addReal(sum, -value);
  else sum.special = addSpecials(sum.special, specialOf(value, -1));
}

/** Up to here the square of an integer is a safe integer. */
const MAX_ROOT = 94_906_265;
/** 2^27 + 1: splits a double into two halves whose products are exact (Dekker 1971). */
const SPLITTER = 134_217_729;
/** Squares of what is not an integer are the sum of two doubles within these bounds. */
const MIN_EXACT_ROOT = 2 ** -480;
const MAX_EXACT_ROOT = 2 ** 485;

/** Adds `value`² into `sum`, exactly, or with -1 takes it back. Of what is not finite nothing. */
export function addSquare(sum: RealSum, value: number, sign: 1 | -1): void {
  const magnitude = Math.abs(value);
  if (magnitude <= MAX_ROOT && Number.isInteger(value)) addReal(sum, sign * value * value);
  else if (magnitude >= MIN_EXACT_ROOT && magnitude < MAX_EXACT_ROOT) {
    // The product and its rounding error.
    const product = value * value;
    const scaled = SPLITTER * value;
    const high = scaled - (scaled - value);
    const low = value - high;
    addReal(sum, sign * product);
    addReal(sum, sign * (low * low - (product - high * high - 2 * high * low)));
  } else if (Number.isFinite(value)) {
    const { digits, exponent } = decompose(value);
    const square = BigInt(sign) * digits * digits;
    if (magnitude >= MAX_EXACT_ROOT) addInteger(sum, square << BigInt(2 * exponent));
    else sum.tiny += square << BigInt(2 * exponent - TINY_EXPONENT);
  }
}

/** Adds `b` into `a`. */
export function mergeReal(a: RealSum, b: RealSum): void {
  a.integers = addExact(a.integers, b.integers);
  for (const partial of b.partials) addPartial(a.partials, partial);
  a.tiny += b.tiny;
  if (b.special !== undefined) a.special = addSpecials(a.special, b.special);
}

/** Adds an integer of any size. */
export function addInteger(sum: RealSum, value: ExactSum): void {
  sum.integers = addExact(sum.integers, value);
}

function specialOf(value: number, sign: 1 | -1): Specials {
  return {
    positive: value === Number.POSITIVE_INFINITY ? sign : 0,
    negative: value === Number.NEGATIVE_INFINITY ? sign : 0,
    nan: Math.abs(value) === Number.POSITIVE_INFINITY ? 0 : sign,
  };
}

function addSpecials(a: Specials | undefined, b: Specials): Specials | undefined {
  if (a === undefined) return b;
  const positive = a.positive + b.positive;
  const negative = a.negative + b.negative;
  const nan = a.nan + b.nan;
  return positive === 0 && negative === 0 && nan === 0 ? undefined : { positive, negative, nan };
}

function specialValue({ positive, negative, nan }: Specials): number {
  if (nan !== 0 || (positive !== 0 && negative !== 0)) return Number.NaN;
  return positive !== 0 ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY;
}

function addPartial(partials: number[], value: number): void {
  const { length } = partials;
  let carry = value;
  let kept = 0;
  for (let index = 0; index < length; index++) {
    const partial = partials[index] as number;
    const large = Math.abs(carry) < Math.abs(partial) ? partial : carry;
    const small = large === carry ? partial : carry;
    const high = large + small;
    const low = small - (high - large);
    if (low !== 0) partials[kept++] = low;
    carry = high;
  }
  if (carry !== 0) partials[kept++] = carry;
  if (kept < length) partials.length = kept;
}

/** The sum as the nearest double. */
export function realValue(sum: RealSum): number {
  const { integers, partials, tiny, special } = sum;
  if (special !== undefined) return specialValue(special);
  if (tiny !== 0n || (typeof integers === 'bigint' && partials.length > 0)) return ratio(dyadicOf(sum), 1n);
  if (partials.length === 0) return Number(integers);
  const all = partials.slice();
  addPartial(all, Number(integers));
  return roundPartials(all);
}

/** The double nearest to the sum of an expansion, ties to even. */
function roundPartials(partials: readonly number[]): number {
  let index = partials.length - 1;
  if (index < 0) return 0;
  let high = partials[index] as number;
  let low = 0;
  while (index > 0 && low === 0) {
    const next = partials[--index] as number;
    const sum = high + next;
    low = next - (sum - high);
    high = sum;
  }
  // Half-way between two doubles: what is below decides.
  const below = index > 0 ? (partials[index - 1] as number) : 0;
  if ((low < 0 && below < 0) || (low > 0 && below > 0)) {
    const doubled = low * 2;
    const rounded = high + doubled;
    if (doubled === rounded - high) return rounded;
  }
  return high;
}

/** Partials that depend on the sum only, not on the way to it: each is what is left, rounded. */
function canonical(partials: readonly number[]): number[] {
  if (partials.length < 2) return partials.slice();
  const rest = partials.slice();
  const found: number[] = [];
  while (rest.length > 0) {
    const rounded = roundPartials(rest);
    found.push(rounded);
    addPartial(rest, -rounded);
  }
  return found.reverse();
}

const HAS_BIG = 1;
const HAS_PARTIALS = 2;
/** Before infinities and NaN were counted: their sum. */
const HAS_SPECIAL_SUM = 4;
const HAS_SPECIALS = 8;
const HAS_TINY = 16;

export const realSumCodec: Codec<RealSum> = {
  write: (writer: ByteWriter, { integers, partials, tiny, special }) => {
    const isBig = typeof integers === 'bigint';
    writer.u8(
      (isBig ? HAS_BIG : 0) |
        (partials.length > 0 ? HAS_PARTIALS : 0) |
        (special === undefined ? 0 : HAS_SPECIALS) |
        (tiny === 0n ? 0 : HAS_TINY),
    );
    if (isBig) writer.string(integers.toString());
    else writer.zigzag(integers);
    if (partials.length > 0) {
      const written = canonical(partials);
      writer.varint(written.length);
      for (const partial of written) writer.f64(partial);
    }
    if (special !== undefined) writer.zigzag(special.positive).zigzag(special.negative).zigzag(special.nan);
    if (tiny !== 0n) writer.string(tiny.toString());
  },
  read: (reader: ByteReader) => {
    const flags = reader.u8();
    const sum = newRealSum();
    sum.integers = (flags & HAS_BIG) !== 0 ? BigInt(reader.string()) : reader.zigzag();
    if ((flags & HAS_PARTIALS) !== 0) {
      for (let left = reader.varint(); left > 0; left--) sum.partials.push(reader.f64());
    }
    if ((flags & HAS_SPECIAL_SUM) !== 0) addReal(sum, reader.f64());
    if ((flags & HAS_SPECIALS) !== 0) {
      sum.special = { positive: reader.zigzag(), negative: reader.zigzag(), nan: reader.zigzag() };
    }
    if ((flags & HAS_TINY) !== 0) sum.tiny = BigInt(reader.string());
    return sum;
  },
};

/** An exact number: `digits` · 2^`exponent`. */
export interface Dyadic {
  readonly digits: bigint;
  readonly exponent: number;
}

/** The exact value of a finite sum. */
export function dyadicOf({ integers, partials, tiny }: RealSum): Dyadic {
  const parts = partials.map(decompose);
  if (tiny !== 0n) parts.push({ digits: tiny, exponent: TINY_EXPONENT });
  const exponent = Math.min(0, ...parts.map((part) => part.exponent));
  let digits = BigInt(integers) << BigInt(-exponent);
  for (const part of parts) digits += part.digits << BigInt(part.exponent - exponent);
  return { digits, exponent };
}

const FRACTION_BITS = 52;
const EXPONENT_BIAS = 1075;

function decompose(value: number): Dyadic {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  const bits = view.getBigUint64(0);
  const biased = Number((bits >> BigInt(FRACTION_BITS)) & 0x7ffn);
  const fraction = bits & ((1n << BigInt(FRACTION_BITS)) - 1n);
  const digits = biased === 0 ? fraction : fraction | (1n << BigInt(FRACTION_BITS));
  return { digits: value < 0 ? -digits : digits, exponent: Math.max(biased, 1) - EXPONENT_BIAS };
}

const DOUBLE_BITS = 53;
/** Of the smallest double. */
const MIN_EXPONENT = -1074;

/** `digits` · 2^`exponent` / `denominator`, denominator > 0, as the nearest double, ties to even, at any size. */
export function ratio({ digits, exponent }: Dyadic, denominator: bigint): number {
  if (digits === 0n) return 0;
  const magnitude = digits < 0n ? -digits : digits;
  // The quotient has at least two bits more than a double.
  const shift = DOUBLE_BITS + 2 - (bitLength(magnitude) - bitLength(denominator));
  const dividend = shift > 0 ? magnitude << BigInt(shift) : magnitude;
  const divisor = shift < 0 ? denominator << BigInt(-shift) : denominator;
  const quotient = dividend / divisor;
  // Its last bit says also whether anything is below it.
  const odd = dividend % divisor === 0n ? quotient : quotient | 1n;
  const lowest = Math.max(bitLength(odd) - DOUBLE_BITS + exponent - shift, MIN_EXPONENT);
  const rounded = Number(roundedShift(odd, BigInt(lowest - (exponent - shift))));
  // In two steps, since 2^lowest alone may be beyond the range.
  const half = Math.trunc(lowest / 2);
  const value = rounded * 2 ** half * 2 ** (lowest - half);
  return digits < 0n ? -value : value;
}

/** `value` / 2^`bits` as the nearest integer, ties to even. */
function roundedShift(value: bigint, bits: bigint): bigint {
  const kept = value >> bits;
  const below = value - (kept << bits);
  const half = 1n << (bits - 1n);
  return below > half || (below === half && (kept & 1n) === 1n) ? kept + 1n : kept;
}

function bitLength(value: bigint): number {
  const hex = value.toString(16);
  return hex.length * 4 - (Math.clz32(Number.parseInt(hex.charAt(0), 16)) - 28);
}
