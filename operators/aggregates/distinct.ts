import type { ByteReader, ByteWriter } from '../../engine/index.ts';

/**
 * Distinct counting of 53-bit hashes: exact up to EXACT_LIMIT members, HyperLogLog beyond (Flajolet et
 * al. 2007, with the estimator of Ertl, "New cardinality estimation algorithms for HyperLogLog
 * sketches", 2017, which needs no bias tables). Either form is a function of the set of members, so
 * the order of arrival and of merging does not matter.
 */
export type Distinct = ExactSet | HyperLogLog;

export const EXACT_LIMIT = 10_000;
const PRECISION = 14;
const REGISTERS = 1 << PRECISION;
const REST_BITS = 53 - PRECISION;
const REST_SIZE = 2 ** REST_BITS;

/** The standard error of an approximate count: 1.04/√m. */
export const HLL_RELATIVE_ERROR = 1.04 / Math.sqrt(REGISTERS);

/** Hashes, each once: the count is exact. */
export interface ExactSet {
  readonly kind: 'exact';
  /** Sorted ascending, no repeats. */
  readonly members: Float64Array;
}

/** Registers of an approximate count, one byte each (Flajolet et al., "HyperLogLog", 2007; Heule et al., 2013). */
export interface HyperLogLog {
  readonly kind: 'hll';
  readonly registers: Uint8Array;
}

export const EMPTY_DISTINCT: Distinct = { kind: 'exact', members: new Float64Array(0) };

/** The set of some hashes, 0 ≤ hash < 2^53, in any order, repeats allowed. */
export function distinctOf(hashes: readonly number[]): Distinct {
  const sorted = Float64Array.from(hashes).sort();
  let length = 0;
  for (const hash of sorted) {
    if (length === 0 || sorted[length - 1] !== hash) sorted[length++] = hash;
  }
  return shrink(sorted.subarray(0, length));
}

function shrink(members: Float64Array): Distinct {
  if (members.length <= EXACT_LIMIT) return { kind: 'exact', members };
  const registers = new Uint8Array(REGISTERS);
  for (const hash of members) observe(registers, hash);
  return { kind: 'hll', registers };
}

function observe(registers: Uint8Array, hash: number): void {
  const index = Math.floor(hash / REST_SIZE);
  const rest = hash - index * REST_SIZE;
  // Position of the first one-bit among REST_BITS, from the left, counted from 1.
  const high = Math.floor(rest / 2 ** 32);
  const zeros = high > 0 ? Math.clz32(high) - (64 - REST_BITS) : REST_BITS - 32 + Math.clz32(rest >>> 0);
  const rank = rest === 0 ? REST_BITS + 1 : zeros + 1;
  if (rank > (registers[index] as number)) registers[index] = rank;
}

/** The union of both. */
export function unionDistinct(a: Distinct, b: Distinct): Distinct {
  if (a.kind === 'exact' && b.kind === 'exact') {
    if (a.members.length === 0) return b;
    if (b.members.length === 0) return a;
    return unionExact(a.members, b.members);
  }
  const registers = new Uint8Array(REGISTERS);
  for (const side of [a, b]) {
    if (side.kind === 'exact') for (const hash of side.members) observe(registers, hash);
    else {
      for (let index = 0; index < REGISTERS; index++) {
        const rank = side.registers[index] as number;
        if (rank > (registers[index] as number)) registers[index] = rank;
      }
    }
  }
  return { kind: 'hll', registers };
}

function unionExact(a: Float64Array, b: Float64Array): Distinct {
  const union = new Float64Array(a.length + b.length);
  let length = 0;
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    const left = i < a.length ? (a[i] as number) : Number.POSITIVE_INFINITY;
    const right = j < b.length ? (b[j] as number) : Number.POSITIVE_INFINITY;
    union[length++] = Math.min(left, right);
    if (left <= right) i++;
    if (right <= left) j++;
  }
  return shrink(union.subarray(0, length));
}

/** How many; exact or within HLL_RELATIVE_ERROR (one standard deviation). */
export function countDistinct(distinct: Distinct): { readonly count: number; readonly approximate: boolean } {
  if (distinct.kind === 'exact') return { count: distinct.members.length, approximate: false };
  const histogram = new Array<number>(REST_BITS + 2).fill(0);
  for (const rank of distinct.registers) (histogram[rank] as number)++;
  let z = REGISTERS * tau(1 - (histogram[REST_BITS + 1] as number) / REGISTERS);
  for (let k = REST_BITS; k >= 1; k--) z = 0.5 * (z + (histogram[k] as number));
  z += REGISTERS * sigma((histogram[0] as number) / REGISTERS);
  const alpha = 1 / (2 * Math.LN2);
  return { count: Math.round((alpha * REGISTERS * REGISTERS) / z), approximate: true };
}

/** Ertl 2017, Algorithm 6. */
function sigma(x: number): number {
  if (x === 1) return Number.POSITIVE_INFINITY;
  let power = x;
  let y = 1;
  let z = x;
  for (let before = -1; z !== before; ) {
    power *= power;
    before = z;
    z += power * y;
    y += y;
  }
  return z;
}

function tau(x: number): number {
  if (x === 0 || x === 1) return 0;
  let root = x;
  let y = 1;
  let z = 1 - x;
  for (let before = -1; z !== before; ) {
    root = Math.sqrt(root);
    before = z;
    y *= 0.5;
    z -= (1 - root) ** 2 * y;
  }
  return z / 3;
}

export function writeDistinct(writer: ByteWriter, distinct: Distinct): void {
  if (distinct.kind === 'exact') {
    const { members } = distinct;
    writer.u8(0).varint(members.length);
    // The platform's byte order: state folders do not move between architectures of different endianness.
    writer.bytes(new Uint8Array(members.buffer, members.byteOffset, members.byteLength));
  } else {
    writer.u8(1).bytes(distinct.registers);
  }
}

export function readDistinct(reader: ByteReader): Distinct {
  if (reader.u8() === 1) return { kind: 'hll', registers: Uint8Array.from(reader.bytes(REGISTERS)) };
  const length = reader.varint();
  const copy = Uint8Array.from(reader.bytes(length * 8));
  return { kind: 'exact', members: new Float64Array(copy.buffer) };
}
