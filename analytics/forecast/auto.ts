import { lossOf, type Origin } from './back-test.ts';
import { isIntermittent } from './intermittent.ts';
import type { MemberMethod } from './methods.ts';
import { hasSeason } from './season.ts';

/** A part of a mean. */
export interface Member {
  readonly method: MemberMethod;
  /** All of a mean's are 1 together. */
  readonly weight: number;
}

type Runs = readonly (readonly number[])[];

const REGULAR: readonly MemberMethod[] = ['theta', 'linear_regression_with_seasonality', 'ets', 'mstl'];
const INTERMITTENT: readonly MemberMethod[] = ['tsb', 'croston', 'ets', 'theta'];
/** A member whose error in the back-test is more than this many times the least is left out. */
const MAX_LOSS = 2;
/** A naive method comes in where its error is less than this share of the best member's. */
const NAIVE_LOSS = 0.9;
/** By how much a smaller error makes a member weigh more. */
const LOSS_POWER = 2;

/** A shop that is closed on Sundays has a season, and no demand that comes now and then. */
export const hasIntermittentDemand = (history: readonly number[], period: number): boolean =>
  isIntermittent(history) && !hasSeason(history, period);

/** Methods that `auto` tries on a history. */
export function candidatesOf(history: readonly number[], period: number): readonly MemberMethod[] {
  const base = hasIntermittentDemand(history, period) ? INTERMITTENT : REGULAR;
  return [...base, 'naive', ...(period > 1 ? (['seasonal_naive'] as const) : [])];
}

/**
 * Who speaks, and how much: a mean of several is seldom worse than the best of them (Bates & Granger 1969), and a few
 * origins are too little to know the best, so that only what is clearly worse is left out. `isLeftOut` says which
 * origins are not looked at; without any, all weigh the same.
 */
export function chooseMembers(
  origins: readonly Origin[],
  runs: ReadonlyMap<MemberMethod, Runs>,
  isLeftOut: (origin: Origin) => boolean = () => false,
): readonly Member[] {
  const losses = [...runs].map(([method, each]) => ({ method, loss: lossOf(origins, each, isLeftOut) }));
  const isNaive = (method: MemberMethod): boolean => method === 'naive' || method === 'seasonal_naive';
  const trained = losses.filter(({ method }) => !isNaive(method));
  const least = Math.min(...trained.map(({ loss }) => loss));
  const naives = losses.filter(({ method, loss }) => isNaive(method) && loss < NAIVE_LOSS * least);
  const best = Math.min(least, ...naives.map(({ loss }) => loss));
  const chosen = [...trained, ...naives].filter(({ loss }) => loss <= MAX_LOSS * best);
  const weighed = chosen.map(({ method, loss }) => ({
    method,
    weight: best <= 0 ? 1 : (best / loss) ** LOSS_POWER,
  }));
  const total = weighed.reduce((sum, { weight }) => sum + weight, 0);
  return weighed.map(({ method, weight }) => ({ method, weight: weight / total }));
}

/**
 * What the members say together, step by step: the weighted mean of the middle half of their values. One that runs away
 * moves a mean, and a median wastes what the others know (Jose & Winkler, Int. J. Forecasting 24, 2008).
 */
export function blend(
  members: readonly Member[],
  each: ReadonlyMap<MemberMethod, readonly number[]>,
): readonly number[] {
  const [first] = members;
  const base = first === undefined ? [] : (each.get(first.method) ?? []);
  return base.map((start, at) =>
    middleOf(members.map(({ method, weight }) => ({ value: each.get(method)?.[at] ?? start, weight }))),
  );
}

/** Exactly the value where all agree. */
function middleOf(values: { readonly value: number; readonly weight: number }[]): number {
  values.sort((a, b) => a.value - b.value);
  const low = values[0]?.value ?? 0;
  let [below, sum, taken] = [0, 0, 0];
  for (const { value, weight } of values) {
    const share = Math.min(below + weight, 1 - TRIMMED) - Math.max(below, TRIMMED);
    below += weight;
    if (share <= 0) continue;
    sum += share * (value - low);
    taken += share;
  }
  return low + sum / taken;
}
/** Of the weight, on both sides. */
const TRIMMED = 0.25;
