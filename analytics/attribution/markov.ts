import { QueryError } from '../query/index.ts';

/** A path of groups that ended in conversions, or in none. */
export interface Path {
  /** Groups in order of time; at least one. */
  readonly keys: readonly number[];
  readonly conversions: number;
  /** Journeys that ended without one. */
  readonly lost: number;
}

/** States of the chain: beyond them the linear system takes seconds. */
export const MAX_STATES = 400;
const LOST = -1;
const CONVERTED = -2;

/** Transitions between states, as probabilities. */
interface Chain {
  /** The groups that a state is made of. */
  readonly keysOf: readonly (readonly number[])[];
  /** By state: probability of each next one; `CONVERTED` and `LOST` end it. */
  readonly next: readonly ReadonlyMap<number, number>[];
  /** Where journeys begin. */
  readonly start: ReadonlyMap<number, number>;
}

/**
 * The removal effect of each group: the share of conversions that is lost when every journey ends where it would
 * come to the group. A Markov chain over the last `order` groups (Anderl, Becker, von Wangenheim, Schumann: Mapping
 * the customer journey, 2016), solved exactly as a linear system. By group; 0 where there are no conversions.
 */
export function removalEffects(paths: readonly Path[], order: number): Map<number, number> {
  const chain = chainOf(paths, order);
  const groups = new Set(paths.flatMap(({ keys }) => keys));
  const base = conversionRate(chain, undefined);
  return new Map(
    [...groups]
      .sort((a, b) => a - b)
      .map((group) => {
        const without = base === 0 ? 0 : conversionRate(chain, group);
        return [group, base === 0 ? 0 : Math.max(0, 1 - without / base)];
      }),
  );
}

function chainOf(paths: readonly Path[], order: number): Chain {
  const states = new Map<string, number>();
  const keysOf: (readonly number[])[] = [];
  const counts: Map<number, number>[] = [];
  const start = new Map<number, number>();
  const stateOf = (keys: readonly number[]): number => {
    const name = keys.join();
    let state = states.get(name);
    if (state === undefined) {
      state = keysOf.length;
      if (state === MAX_STATES) throw tooManyStates(order);
      states.set(name, state);
      keysOf.push(keys);
      counts.push(new Map());
    }
    return state;
  };
  const add = (to: Map<number, number>, state: number, times: number): void => {
    if (times > 0) to.set(state, (to.get(state) ?? 0) + times);
  };
  for (const { keys, conversions, lost } of paths) {
    const times = conversions + lost;
    let from: Map<number, number> = start;
    for (let at = 0; at < keys.length; at++) {
      const state = stateOf(keys.slice(Math.max(0, at + 1 - order), at + 1));
      add(from, state, times);
      from = counts[state] as Map<number, number>;
    }
    add(from, CONVERTED, conversions);
    add(from, LOST, lost);
  }
  return { keysOf, next: counts.map(asShares), start: asShares(start) };
}

function asShares(counts: ReadonlyMap<number, number>): Map<number, number> {
  let all = 0;
  for (const count of counts.values()) all += count;
  return new Map([...counts].map(([state, count]) => [state, count / all]));
}

/**
 * The probability that a journey converts; with a group `removed`, coming to it ends the journey. Solves p = Q p + c
 * over the states by elimination with partial pivoting.
 */
function conversionRate({ keysOf, next, start }: Chain, removed: number | undefined): number {
  const size = next.length;
  const isGone = (state: number): boolean => removed !== undefined && keysOf[state]?.at(-1) === removed;
  const rows = next.map((to, state) => {
    const row = new Float64Array(size + 1);
    row[state] = 1;
    if (isGone(state)) return row;
    for (const [other, share] of to) {
      if (other === CONVERTED) row[size] = (row[size] as number) + share;
      else if (other !== LOST && !isGone(other)) row[other] = (row[other] as number) - share;
    }
    return row;
  });
  const solved = solve(rows);
  let rate = 0;
  for (const [state, share] of start) if (!isGone(state)) rate += share * (solved[state] as number);
  return rate;
}

function solve(rows: Float64Array[]): Float64Array {
  const size = rows.length;
  for (let column = 0; column < size; column++) {
    let pivot = column;
    for (let row = column + 1; row < size; row++)
      if (Math.abs(rows[row]?.[column] as number) > Math.abs(rows[pivot]?.[column] as number)) pivot = row;
    const own = rows[pivot] as Float64Array;
    rows[pivot] = rows[column] as Float64Array;
    rows[column] = own;
    for (let row = column + 1; row < size; row++) {
      const other = rows[row] as Float64Array;
      const factor = (other[column] as number) / (own[column] as number);
      if (factor === 0) continue;
      for (let at = column; at <= size; at++)
        other[at] = (other[at] as number) - factor * (own[at] as number);
    }
  }
  const solution = new Float64Array(size);
  for (let row = size - 1; row >= 0; row--) {
    const own = rows[row] as Float64Array;
    let value = own[size] as number;
    for (let at = row + 1; at < size; at++) value -= (own[at] as number) * (solution[at] as number);
    solution[row] = value / (own[row] as number);
  }
  return solution;
}

function tooManyStates(order: number): QueryError {
  const less = order > 1 ? 'a lower `markov_order`, ' : '';
  const message = `The Markov chain has more than ${MAX_STATES} states. Ask with ${less}fewer dimensions in group_by, or filters.`;
  return new QueryError('too_many_groups', message, [{ path: 'group_by', message }]);
}
