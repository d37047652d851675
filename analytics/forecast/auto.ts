import { lossOf, type Origin } from './back-test.ts';
import { isIntermittent } from './intermittent.ts';
import type { MemberMethod } from './methods.ts';

/** A part of a mean. */
export interface Member {
  readonly method: MemberMethod;
  /** All of a mean's are 1 together. */
  readonly weight: number;
}

type Runs = readonly (readonly number[])[];

const REGULAR: readonly MemberMethod[] = ['theta', 'linear_regression_with_seasonality', 'ets'];
const INTERMITTENT: readonly MemberMethod[] = ['tsb', 'croston', 'ets'];
/** A member whose error in the back-test is more than this many times the least is left out. */
const MAX_LOSS = 1.3;
/** A naive method comes in where its error is less than this share of the best member's. */
const NAIVE_LOSS = 0.9;
/** By how much a smaller error makes a member weigh more. */
const LOSS_POWER = 6;

/** Methods that `auto` tries on a history. */
export function candidatesOf(history: readonly number[], period: number): readonly MemberMethod[] {
  const base = isIntermittent(history) ? INTERMITTENT : REGULAR;
  return [...base, 'naive', ...(period > 1 ? (['seasonal_naive'] as const) : [])];
}

/**
 * The mean of the best by back-test: a mean of several is seldom worse than the best of them (Bates & Granger 1969),
 * and a few origins are too little to know the best, so that only what is clearly worse is left out.
 */
export function chooseMembers(
  origins: readonly Origin[],
  runs: ReadonlyMap<MemberMethod, Runs>,
): readonly Member[] {
  const losses = [...runs].map(([method, each]) => ({ method, loss: lossOf(origins, each) }));
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

/** The weighted mean of the members' values, step by step; exactly their value where they agree. */
export function blend(
  members: readonly Member[],
  each: ReadonlyMap<MemberMethod, readonly number[]>,
): readonly number[] {
  const [first] = members;
  const base = first === undefined ? [] : (each.get(first.method) ?? []);
  return base.map((start, at) =>
    members.reduce(
      (sum, { method, weight }) => sum + weight * ((each.get(method)?.[at] ?? start) - start),
      start,
    ),
  );
}
