import type { ChangeTable } from './change-table.ts';

/** A change of everything that is expected of chance and growth. */
export const COMMON = 0.25;
/** By how much likelier a value must be with what was expected than with what most leaves did, nats. */
const LEAST_NEAR = 6;
/** Leaves with no more noise say what is common, where there are so many. */
const CLEAR_NOISE = 0.3;
const LEAST_CLEAR = 20;
/** The share of leaves that do not follow what is common. */
const OTHERS = 0.1;
/** Deviations lie within −2 and 2. */
const EDGE = 2;
const STEP = 0.05;
const FINE_STEP = 0.005;

interface Deviating {
  readonly leaves: Int32Array;
  readonly deviation: Float64Array;
  readonly noise: Float64Array;
}

/**
 * What all leaves have in common: the deviation that is likeliest for most. Where that is large, it is a change of
 * everything only if no value of a dimension is as it was expected; else most leaves have a cause, and what is
 * common is what those values have.
 */
export function commonOf(table: ChangeTable, data: Deviating): number {
  const all = Int32Array.from(data.leaves.keys());
  // Small leaves are anywhere by chance, and blur what large ones say.
  const clear = all.filter((at) => (data.noise[at] as number) <= CLEAR_NOISE);
  const told = clear.length >= LEAST_CLEAR ? clear : all;
  const most = likeliest(data, told, -EDGE, EDGE);
  if (Math.abs(most) <= COMMON) return most;
  const near = likeliest(data, told, -COMMON, COMMON);
  const kept = keptLeaves(table, data, all, near, most);
  return kept.length === 0 ? most : likeliest(data, kept, -COMMON, COMMON);
}

/** What leaves have in common that have no cause. */
export const commonOfRest = (data: Deviating, rest: Int32Array): number =>
  rest.length === 0 ? 0 : likeliest(data, rest, -COMMON, COMMON);

/** Leaves of values that are as they were expected, and not as most. */
function keptLeaves(
  { dimensions, codes, values }: ChangeTable,
  { leaves, deviation, noise }: Deviating,
  all: Int32Array,
  near: number,
  most: number,
): Int32Array {
  const width = dimensions.length;
  const isKept = new Uint8Array(leaves.length);
  for (let dimension = 0; dimension < width; dimension++) {
    const evidence = new Float64Array(values[dimension]?.length ?? 0);
    const placeOf = (at: number): number => codes[(leaves[at] as number) * width + dimension] as number;
    for (const at of all) {
      const [value, own] = [deviation[at] as number, noise[at] as number];
      const likelier = Math.log(density(value, near, own)) - Math.log(density(value, most, own));
      evidence[placeOf(at)] = (evidence[placeOf(at)] as number) + likelier;
    }
    for (const at of all) if ((evidence[placeOf(at)] as number) > LEAST_NEAR) isKept[at] = 1;
  }
  return all.filter((at) => isKept[at] === 1);
}

/** The deviation within bounds that is likeliest for leaves of which some follow others. */
function likeliest(data: Deviating, among: Int32Array, from: number, to: number): number {
  const coarse = bestOf(data, among, from, to, STEP);
  return bestOf(data, among, Math.max(from, coarse - STEP), Math.min(to, coarse + STEP), FINE_STEP);
}

function bestOf(
  { deviation, noise }: Deviating,
  among: Int32Array,
  from: number,
  to: number,
  step: number,
): number {
  let [best, most] = [0, Number.NEGATIVE_INFINITY];
  for (let at = 0; at <= Math.round((to - from) / step); at++) {
    const common = from + at * step;
    let sum = 0;
    for (const leaf of among)
      sum += Math.log(density(deviation[leaf] as number, common, noise[leaf] as number));
    if (sum > most) [best, most] = [common, sum];
  }
  return best;
}

function density(value: number, mean: number, deviation: number): number {
  const z = (value - mean) / deviation;
  const normal = Math.exp((-z * z) / 2) / (deviation * Math.sqrt(2 * Math.PI));
  return (1 - OTHERS) * normal + OTHERS / (2 * EDGE);
}
