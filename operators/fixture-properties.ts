import { defineOperator, type Operator, SeededRandom, type Sides, type Stream } from '../engine/index.ts';
import { type AnyWayRun, planAnyWay, planStraight, runAnyWay, runPlan } from './fixture-any-way.ts';

/** What the operators under test are fed with: few keys and times, so that much of it meets. */
export interface Item {
  readonly id: string;
  readonly side: 'left' | 'right';
  readonly key: string;
  readonly kind: string;
  readonly amount: number;
  readonly time_ms: number;
}

export const keyOf = ({ key }: Item): string => key;
export const timeOf = ({ time_ms }: Item): number => time_ms;
export const keyed = { keyOf, timeOf } as const;

/** An operator with what is said of all of them: see `properties.test.ts`. */
export interface PropertyCase {
  readonly name: string;
  /** The kinds of operators that it is a test of. */
  readonly kinds: readonly string[];
  build(input: Stream<Item>): Stream<unknown, Sides>;
  /**
   * What may not depend on the order: by default every item that came out, as a multiset. Of changes it is
   * what they add up to. null where only the state counts.
   */
  readonly final?: ((out: readonly never[]) => unknown) | null;
  /** How far behind the watermark items may come, ms. Default: 0. */
  readonly lateness_ms?: number;
  /** Where the watermark ends, ms; by default with some of the state still there. */
  readonly end_ms?: number;
}

const LAST_MS = 60;
export const OPEN_MS = 45;
const LONG_AFTER_MS = 10_000;

export function anyItems(random: SeededRandom, count: number, until_ms = LAST_MS): Item[] {
  return Array.from({ length: count }, (_, index) => ({
    id: String(index),
    side: random.pick(['left', 'right'] as const),
    key: random.pick(['a', 'a', 'b', 'c']),
    kind: random.pick(['visit', 'cart', 'pay', 'refund']),
    amount: random.chance(0.5) ? random.int(-3, 9) : random.int(-30, 90) / 7,
    time_ms: random.int(0, until_ms),
  }));
}

/** What a run came to: the final result, and the logical content of every table. */
export interface Outcome {
  readonly final: unknown;
  readonly state: string;
}

export function outcomeOf({ final = multiset }: PropertyCase, run: AnyWayRun<Item, unknown>): Outcome {
  // A case's own `final` takes what its own `build` gives.
  return { final: final === null ? null : final(run.out as readonly never[]), state: run.driver.digest() };
}

export function multiset(out: readonly unknown[]): readonly string[] {
  return out.map((item) => JSON.stringify(item)).sort();
}

/** With the watermark in the midst of things, or long after. */
export function endsOf({ end_ms }: PropertyCase): readonly number[] {
  return end_ms === undefined ? [OPEN_MS, LONG_AFTER_MS] : [end_ms];
}

export interface Trial {
  readonly of: PropertyCase;
  readonly items: readonly Item[];
  readonly end_ms: number;
  readonly seed: number;
}

export function trialsOf(of: PropertyCase, seeds: number, count: number): Trial[] {
  return Array.from({ length: seeds }, (_, seed) => {
    const items = anyItems(new SeededRandom(seed), count);
    return endsOf(of).map((end_ms) => ({ of, items, end_ms, seed }));
  }).flat();
}

/** With a small one much happens before the end, with a large one there is much that waits. */
const DISORDERS_MS = [6, 20, Number.POSITIVE_INFINITY];

const optionsOf = ({ of, end_ms, seed }: Trial) => ({
  timeOf,
  end_ms,
  seed,
  lateness_ms: of.lateness_ms ?? 0,
  disorder_ms: DISORDERS_MS[seed % DISORDERS_MS.length] as number,
});

export async function straight(trial: Trial): Promise<Outcome> {
  const plan = planStraight(trial.items, optionsOf(trial));
  return outcomeOf(trial.of, await runPlan(trial.of.build, plan));
}

export async function anyWay(trial: Trial): Promise<Outcome> {
  return outcomeOf(trial.of, await runAnyWay(trial.of.build, trial.items, optionsOf(trial)));
}

export function planOf(trial: Trial) {
  return planAnyWay(trial.items, optionsOf(trial), new SeededRandom(trial.seed));
}

/** Left and right items as two branches of one stream. */
export function sidesOf(input: Stream<Item>): readonly [Stream<Item>, Stream<Item>] {
  const only = (side: Item['side']): Operator<Item, Item> =>
    defineOperator<Item, Item>({
      kind: 'side',
      summary: 'Items of one side',
      start: ({ emit }) => ({ onBatch: (items) => emit(items.filter((item) => item.side === side)) }),
    })(`only-${side}`, undefined);
  return [input.pipe(only('left')), input.pipe(only('right'))];
}
