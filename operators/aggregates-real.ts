import type { ByteReader, ByteWriter, Codec } from '../engine/index.ts';
import { addExact, type ExactSum } from './exact-sum.ts';

/**
 * An exact sum of doubles, rounded once, when it is read: so it does not depend on the order of the
 * additions. Safe integers are summed as such; others in an expansion of doubles that do not overlap
 * (Shewchuk, "Adaptive Precision Floating-Point Arithmetic and Fast Robust Geometric Predicates", 1997; the
 * final rounding as in Python's `math.fsum`). Infinities and NaN give what IEEE 754 gives. Exactness ends
 * where a partial sum leaves the range of a double (beyond 1.7e308).
 */
export interface RealSum {
  integers: ExactSum;
  /** Increasing in magnitude; empty as long as every value was a safe integer. */
  partials: number[];
  /** The sum of what was not finite; 0 when all was. */
  special: number;
}

export function newRealSum(): RealSum {
  return { integers: 0, partials: [], special: 0 };
}

/** Adds `value` into `sum`; adding -value takes it back, except for what is not finite. */
export function addReal(sum: RealSum, value: number): void {
  if (Number.isSafeInteger(value)) {
    const { integers } = sum;
    const next = typeof integers === 'number' ? integers + value : Number.NaN;
    sum.integers = Number.isSafeInteger(next) ? next : addExact(integers, value);
  } else if (Number.isFinite(value)) addPartial(sum, value);
  else sum.special += value;
}

/** Adds `b` into `a`. */
export function mergeReal(a: RealSum, b: RealSum): void {
  a.integers = addExact(a.integers, b.integers);
  for (const partial of b.partials) addPartial(a, partial);
  a.special += b.special;
}

/** Adds an integer of any size. */
export function addInteger(sum: RealSum, value: ExactSum): void {
  sum.integers = addExact(sum.integers, value);
}

function addPartial(sum: RealSum, value: number): void {
  const { partials } = sum;
  let carry = value;
  let kept = 0;
  for (const partial of partials) {
    const large = Math.abs(carry) < Math.abs(partial) ? partial : carry;
    const small = large === carry ? partial : carry;
    const high = large + small;
    const low = small - (high - large);
    if (low !== 0) partials[kept++] = low;
    carry = high;
  }
  partials.length = kept;
  if (!Number.isFinite(carry)) sum.special += carry;
  else if (carry !== 0) partials.push(carry);
}

/** The sum as the nearest double. */
export function realValue({ integers, partials, special }: RealSum): number {
  if (special !== 0) return special;
  if (partials.length === 0) return Number(integers);
  const all: RealSum = { integers: 0, partials: partials.slice(), special: 0 };
  for (let rest = BigInt(integers); rest !== 0n; ) {
    const high = Number(rest);
    addPartial(all, high);
    rest -= BigInt(high);
  }
  return all.special === 0 ? roundPartials(all.partials) : all.special;
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
  const rest: RealSum = { integers: 0, partials: partials.slice(), special: 0 };
  const found: number[] = [];
  while (rest.partials.length > 0 && rest.special === 0) {
    const rounded = roundPartials(rest.partials);
    found.push(rounded);
    addPartial(rest, -rounded);
  }
  return found.reverse();
}

const HAS_BIG = 1;
const HAS_PARTIALS = 2;
const HAS_SPECIAL = 4;

export const realSumCodec: Codec<RealSum> = {
  write: (writer: ByteWriter, { integers, partials, special }) => {
    const isBig = typeof integers === 'bigint';
    writer.u8(
      (isBig ? HAS_BIG : 0) + (partials.length > 0 ? HAS_PARTIALS : 0) + (special !== 0 ? HAS_SPECIAL : 0),
    );
    if (isBig) writer.string(integers.toString());
    else writer.zigzag(integers);
    if (partials.length > 0) {
      const written = canonical(partials);
      writer.varint(written.length);
      for (const partial of written) writer.f64(partial);
    }
    if (special !== 0) writer.f64(special);
  },
  read: (reader: ByteReader) => {
    const flags = reader.u8();
    const sum = newRealSum();
    sum.integers = (flags & HAS_BIG) !== 0 ? BigInt(reader.string()) : reader.zigzag();
    if ((flags & HAS_PARTIALS) !== 0) {
      for (let left = reader.varint(); left > 0; left--) sum.partials.push(reader.f64());
    }
    if ((flags & HAS_SPECIAL) !== 0) sum.special = reader.f64();
    return sum;
  },
};

/** An exact number: `digits` · 2^`exponent`. */
export interface Dyadic {
  readonly digits: bigint;
  readonly exponent: number;
}

/** The exact value of a finite sum. */
export function dyadicOf({ integers, partials }: RealSum): Dyadic {
  const parts = partials.map(decompose);
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

/** More bits than a double has and than half-way cases need: the lowest says whether anything is below. */
const QUOTIENT_BITS = 80;

/** `digits` · 2^`exponent` / `denominator`, denominator > 0, as the nearest double, at any size. */
export function ratio({ digits, exponent }: Dyadic, denominator: bigint): number {
  if (digits === 0n) return 0;
  const magnitude = digits < 0n ? -digits : digits;
  const shift = QUOTIENT_BITS - (bitLength(magnitude) - bitLength(denominator));
  const dividend = shift > 0 ? magnitude << BigInt(shift) : magnitude;
  const divisor = shift < 0 ? denominator << BigInt(-shift) : denominator;
  const rest = dividend % divisor === 0n ? 0n : 1n;
  const quotient = Number((dividend / divisor) | rest);
  const scale = exponent - shift;
  // In two steps, since 2^scale alone may be beyond the range.
  const half = Math.trunc(scale / 2);
  const value = quotient * 2 ** half * 2 ** (scale - half);
  return digits < 0n ? -value : value;
}

/** To the next multiple of four. */
function bitLength(value: bigint): number {
  return value.toString(16).length * 4;
}
