import type { ChangeTable } from './change-table.ts';
import { commonOfRest } from './common.ts';
import { type Cuboid, cuboidsOf } from './cuboids.ts';
import { type Deviations, deviationsOf } from './deviation.ts';

/** Values of dimensions whose leaves changed together, by the same share, unlike the others. */
export interface Cause {
  readonly where: Readonly<Record<string, string>>;
  readonly actual: number;
  readonly expected: number;
  /** Its part of the whole change, as a fraction: Adtributor's explanatory power. Others may offset it: above 1. */
  readonly share: number;
  /** How unlike its weight is to the expected one: Adtributor's surprise, a Jensen–Shannon divergence in bits. */
  readonly surprise: number;
  /** By how much the data are likelier with this cause than without, in nats, its description paid for. */
  readonly evidence: number;
  readonly leaves: number;
}

export interface Explanation {
  readonly actual: number;
  readonly expected: number;
  /** By their part of the change, largest first. */
  readonly causes: readonly Cause[];
  /** The part of the change that no cause names. */
  readonly unexplained: number;
}

/** Causes of one change at most. */
export const MAX_CAUSES = 8;
/** How often causes are looked for, each time with what is common to the leaves without one. */
const ROUNDS = 3;
/** A smaller common deviation changes nothing. */
const LEAST_COMMON = 0.01;
/** What a cause must bring beyond its description, nats. */
const LEAST_EVIDENCE = 6;
/** What naming one more dimension costs, nats. */
const DIMENSION_COST = 2;
/** The share of leaves that follow neither chance nor a cause: the evidence of one leaf is bounded by it. */
const OUTLIERS = 1e-9;
/** Deviations lie within −2 and 2. */
const WIDTH = 4;
/** A cause moves its leaves by more than chance does that does not fall with their size. */
const LEAST_SHIFT = 1.5;
/** How unequal the leaves of one cause may be, as a share of its shift. */
const UNEVEN = 0.3;

/**
 * Finds what a change comes from. Leaves under one cause change by the same share (the ripple effect), those
 * under none by chance: a cause is the set of values for which the first is much likelier than the second,
 * less what it takes to name the set (minimum description length). The best set is taken, its leaves are
 * explained, and the search goes on with the rest. So a set that holds a cause and more is worse than the
 * cause, and so is each part of it.
 *
 * Shares and surprise are those of Bhagwan et al., "Adtributor: Revenue Debugging in Advertising Systems"
 * (NSDI 2014); the ripple effect is that of Sun et al., "HotSpot" (IEEE Access 2018); deviations as in
 * Li et al., "Generic and Robust Localization of Multi-Dimensional Root Causes" (ISSRE 2019).
 */
export function explainChange(table: ChangeTable): Explanation {
  const { dimensions } = table;
  const data = deviationsOf(table);
  const cuboids = cuboidsOf(table, data.leaves);
  const open = Int32Array.from(data.leaves.keys());
  let { found, left } = searched(cuboids, data, open);
  // What leaves without a cause have in common is known better once the causes are.
  for (let round = 1; round < ROUNDS && table.earlier.length > 0 && found.length > 0; round++) {
    const common = commonOfRest(data, left);
    if (Math.abs(common) < LEAST_COMMON) break;
    for (const at of open) data.deviation[at] = (data.deviation[at] as number) - common;
    ({ found, left } = searched(cuboids, data, open));
  }
  const actual = sum(table.actual);
  const expected = sum(table.expected);
  const causes = found
    .map(({ cuboid, element, evidence }) => {
      const where = Object.fromEntries(
        cuboid
          .placesOf(element)
          .map(([dimension, place]) => [
            dimensions[dimension] as string,
            table.values[dimension]?.[place] as string,
          ]),
      );
      const of = cuboid.totals(table, data.leaves, element);
      return { where, ...of, evidence, ...weighed(of, actual, expected) };
    })
    .sort((a, b) => b.share - a.share || b.evidence - a.evidence);
  const explained = sumOfLeft(table, data.leaves, open, left);
  const change = actual - expected;
  return { actual, expected, causes, unexplained: change === 0 ? 0 : 1 - explained / change };
}

/** The causes, the likeliest first, and the leaves of none. */
function searched(
  cuboids: readonly Cuboid[],
  data: Deviations,
  open: Int32Array,
): { readonly found: readonly Found[]; readonly left: Int32Array } {
  const chance = Float64Array.from(data.deviation, (value, at) =>
    logDensity(value, 0, data.noise[at] as number),
  );
  let left = open;
  const found: Found[] = [];
  while (found.length < MAX_CAUSES && left.length > 0) {
    const best = bestOf(cuboids, data, chance, left);
    if (best === undefined || best.evidence < LEAST_EVIDENCE) break;
    found.push(best);
    left = left.filter((leaf) => best.cuboid.element[leaf] !== best.element);
  }
  return { found, left };
}

interface Found {
  readonly cuboid: Cuboid;
  readonly element: number;
  readonly evidence: number;
}

function bestOf(
  cuboids: readonly Cuboid[],
  data: Deviations,
  chance: Float64Array,
  left: Int32Array,
): Found | undefined {
  let best: Found | undefined;
  for (const cuboid of cuboids) {
    const evidence = evidenceOf(cuboid, data, chance, left);
    for (let element = 0; element < cuboid.elements; element++) {
      const found = evidence[element] as number;
      if (found > (best?.evidence ?? 0)) best = { cuboid, element, evidence: found };
    }
  }
  return best;
}

/** For each element of a cuboid how much likelier its leaves are with a shift of their own, nats. */
function evidenceOf(
  { elements, element, dimensions }: Cuboid,
  { deviation, noise, relative }: Deviations,
  chance: Float64Array,
  left: Int32Array,
): Float64Array {
  const [weight, shift] = [new Float64Array(elements), new Float64Array(elements)];
  for (const leaf of left) {
    const of = element[leaf] as number;
    const precision = 1 / (noise[leaf] as number) ** 2;
    weight[of] = (weight[of] as number) + precision;
    shift[of] = (shift[of] as number) + precision * (deviation[leaf] as number);
  }
  for (let of = 0; of < elements; of++)
    shift[of] = (shift[of] as number) / Math.max(weight[of] as number, 1e-300);
  // How unequal the leaves of an element are, in units of their noise.
  const [count, spread] = [new Int32Array(elements), new Float64Array(elements)];
  for (const leaf of left) {
    const of = element[leaf] as number;
    const apart = ((deviation[leaf] as number) - (shift[of] as number)) / (noise[leaf] as number);
    count[of] = (count[of] as number) + 1;
    spread[of] = (spread[of] as number) + apart * apart;
  }
  const evidence = new Float64Array(elements).fill(-(Math.log(elements) + DIMENSION_COST * dimensions));
  for (const leaf of left) {
    const of = element[leaf] as number;
    const [own, at] = [noise[leaf] as number, shift[of] as number];
    if (Math.abs(at) < LEAST_SHIFT * relative) continue;
    const wide = own * Math.sqrt((spread[of] as number) / (count[of] as number));
    const width = Math.min(Math.max(wide, own / 2), Math.max(own, UNEVEN * Math.abs(at)));
    evidence[of] =
      (evidence[of] as number) + logDensity(deviation[leaf] as number, at, width) - (chance[leaf] as number);
  }
  return evidence;
}

/** The logarithm of a normal density with some outliers. */
function logDensity(value: number, mean: number, deviation: number): number {
  const z = (value - mean) / deviation;
  const normal = Math.exp((-z * z) / 2) / (deviation * Math.sqrt(2 * Math.PI));
  return Math.log((1 - OUTLIERS) * normal + OUTLIERS / WIDTH);
}

/** Explanatory power and surprise of a part. */
function weighed(
  of: { readonly actual: number; readonly expected: number },
  actual: number,
  expected: number,
): { share: number; surprise: number } {
  const change = actual - expected;
  const [p, q] = [ratio(of.expected, expected), ratio(of.actual, actual)];
  const half = (a: number, b: number): number => (a <= 0 ? 0 : (a / 2) * Math.log2((2 * a) / (a + b)));
  return { share: change === 0 ? 0 : (of.actual - of.expected) / change, surprise: half(p, q) + half(q, p) };
}

const ratio = (part: number, whole: number): number => (whole === 0 ? 0 : Math.max(0, part / whole));
const sum = (values: Float64Array): number => values.reduce((total, value) => total + value, 0);

/** The change of the leaves that are not left. */
function sumOfLeft(table: ChangeTable, leaves: Int32Array, all: Int32Array, left: Int32Array): number {
  const still = new Set(left);
  let change = 0;
  for (const at of all) {
    const leaf = leaves[at] as number;
    if (!still.has(at)) change += (table.actual[leaf] as number) - (table.expected[leaf] as number);
  }
  return change;
}
