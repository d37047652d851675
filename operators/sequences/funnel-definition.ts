import { MillraceError } from '../../engine/index.ts';
import { checkedKey, wholeTime } from '../core/index.ts';

/** A step: its name in results, and which events fill it. */
export interface FunnelStep<E> {
  readonly name: string;
  readonly matches: (event: E) => boolean;
}

/** Between the events that fill step `from` and step `to` (both count from 1) no such event may come. */
export interface FunnelExclusion<E> extends ExclusionSpan {
  readonly matches: (event: E) => boolean;
}

/** Steps between which an excluded event may not come: their numbers, from 1. */
export interface ExclusionSpan {
  readonly from: number;
  readonly to: number;
  /** The attempt does not count, or the entity does not count at all. */
  readonly effect: 'drop_attempt' | 'drop_user';
}

/**
 * How steps follow one another: in order with anything between them, directly one behind the other, or in any order.
 */
export type FunnelOrder = 'ordered' | 'strict' | 'any';

/**
 * What a funnel asks of one entity's events.
 *
 * **Attempt.** It begins at an *entry*: an event of step 1 (`any`: of any step) inside `range`. All of its events lie in
 * `[entry, entry + window_ms]`, both ends included. One event fills one step, so the same type in two steps
 * needs two events. From each entry there is one attempt: the one that reaches furthest; of several, step by
 * step the one with the earliest times, then the events that sort first by id.
 * - `ordered`: steps 1, 2, … are filled in that order of time; other events between do not matter. (The
 *   levels of ClickHouse's `windowFunnel`.)
 * - `strict`: and no other event of the entity comes between two filled steps, whether or not the funnel knows it.
 * - `any`: the steps in any order; step numbers (`times_ms`, exclusions, attribution) count the steps in
 *   their order of completion.
 *
 * **Ties.** Events of equal time are a set without an order. `convert`: they may stand in whatever order reaches furthest
 * (two tied events fill two steps; with `strict`, what does not fit stands before the entry or after the
 * last step). `strict_increase`: each filled step is strictly later than the one before, so a tied set fills
 * one step at most; with `strict`, a tied set of several events can only be the first or the last.
 *
 * **Entry.** `latest`: every entry begins an attempt and the furthest counts; of equally far ones the newest (as when
 * each new step 1 restarts an attempt that it can serve as well). `first`: only the entity's earliest entry in
 * the range counts, whatever comes after (tied entries: the one that reaches furthest).
 *
 * **Exclusions.** An attempt is hit by an event strictly after its step `from` and strictly before its step `to`; where
 * `from` is reached and `to` is not, by one up to the end of the window. Another event's tie with a step is not
 * "between". `drop_attempt`: the attempt counts as if its entry had not been; `drop_user`: one attempt that is
 * hit (of `first`: the one attempt) takes the entity out altogether.
 *
 * **holdConstant.** The values are equal on all events that fill steps, so each combination of values is a funnel of its
 * own, and the entity counts once at the furthest of all. Exclusions and `strict` look at all events of the entity.
 *
 * **Status.** `converted`: all steps filled. Else `in_progress` while entry + window is after the watermark, then `dropped`.
 */
export interface FunnelDefinition<E> {
  /** Event time, whole ms since the epoch. */
  readonly timeOf: (event: E) => number;
  /** Orders tied events and drops repeated ones (equal id and time); without it every event counts. */
  readonly idOf?: (event: E) => string;
  /** 2–32. */
  readonly steps: readonly FunnelStep<E>[];
  readonly window_ms: number;
  readonly order?: FunnelOrder;
  readonly entry?: 'latest' | 'first';
  readonly ties?: 'convert' | 'strict_increase';
  /** At most 32. */
  readonly exclusions?: readonly FunnelExclusion<E>[];
  readonly holdConstant?: readonly ((event: E) => string)[];
  /**
   * The group is the value at the named step: `first_step` (default), `last_step` (the furthest reached) or a number
   * from 1 on. No group if it was not reached.
   */
  readonly groupBy?: {
    readonly value: (event: E) => string;
    readonly attribution?: FunnelAttribution;
  };
  /** Where entries may lie, half-open; what follows an entry may come after the end. */
  readonly range?: { readonly start_ms: number; readonly end_ms: number };
}

/** Of which step the event says the group of an attempt; a number is that of a step, from 1. */
export type FunnelAttribution = 'first_step' | 'last_step' | number;

/** What a funnel keeps of an event: small, and free of the event's type. */
export interface FunnelEvent {
  readonly time_ms: number;
  readonly id: string;
  /** Bit i: fills step i + 1. */
  readonly steps: number;
  /** Bit i: matches exclusion i. */
  readonly exclusions: number;
  /** The held values as one string. */
  readonly hold: string;
  readonly group: string;
}

/** A definition without what depends on the type of events. */
export interface FunnelRules {
  readonly steps: number;
  readonly window_ms: number;
  readonly order: FunnelOrder;
  readonly entry: 'latest' | 'first';
  readonly ties: 'convert' | 'strict_increase';
  readonly exclusions: readonly ExclusionSpan[];
  readonly attribution: FunnelAttribution | undefined;
  readonly start_ms: number;
  readonly end_ms: number;
}

/** A funnel that was checked: its rules, and how it reads an event. */
export interface CompiledFunnel<E> {
  readonly rules: FunnelRules;
  /** undefined: the event cannot matter. */
  read(event: E): FunnelEvent | undefined;
}

const MAX_STEPS = 32;
const MAX_EXCLUSIONS = 32;

/**
 * Checks a definition and splits it into its rules and the reader of its events.
 * Throws `bad_funnel` with the member that is wrong.
 */
export function compileFunnel<E>(definition: FunnelDefinition<E>, name = 'funnel'): CompiledFunnel<E> {
  const { timeOf, idOf, steps, exclusions = [], holdConstant = [], groupBy } = definition;
  const rules: FunnelRules = {
    steps: steps.length,
    window_ms: definition.window_ms,
    order: definition.order ?? 'ordered',
    entry: definition.entry ?? 'latest',
    ties: definition.ties ?? 'convert',
    exclusions: exclusions.map(({ from, to, effect }) => ({ from, to, effect })),
    attribution: groupBy && (groupBy.attribution ?? 'first_step'),
    start_ms: definition.range?.start_ms ?? Number.NEGATIVE_INFINITY,
    end_ms: definition.range?.end_ms ?? Number.POSITIVE_INFINITY,
  };
  check(rules);
  const until_ms = rules.end_ms + rules.window_ms;
  const takesAll = rules.order === 'strict';
  return {
    rules,
    read: (event) => {
      const stepBits = bitsOf(steps, event);
      const exclusionBits = bitsOf(exclusions, event);
      if (stepBits === 0 && exclusionBits === 0 && !takesAll) return undefined;
      const time_ms = wholeTime(timeOf(event), name);
      if (time_ms < rules.start_ms || time_ms > until_ms) return undefined;
      return {
        time_ms,
        id: idOf === undefined ? '' : checkedKey(idOf(event)),
        steps: stepBits,
        exclusions: exclusionBits,
        hold: holdConstant.length === 0 ? '' : JSON.stringify(holdConstant.map((value) => value(event))),
        group: checkedKey(groupBy?.value(event) ?? ''),
      };
    },
  };
}

/** What rows of a funnel's state depend on. Functions cannot be compared. */
export function funnelInWords<E>(definition: FunnelDefinition<E>): Readonly<Record<string, string | number>> {
  const { steps, holdConstant = [], range } = definition;
  const { window_ms, order, entry, ties, exclusions, attribution } = compileFunnel(definition).rules;
  return {
    steps: steps.map(({ name }) => name).join(', '),
    window_ms,
    order,
    entry,
    ties,
    exclusions: exclusions.map(({ from, to, effect }) => `${from} to ${to}: ${effect}`).join(', '),
    hold_constant: holdConstant.length,
    attribution: attribution ?? 'none',
    range: range === undefined ? 'all time' : `${range.start_ms} to ${range.end_ms}`,
  };
}

function bitsOf<E>(tests: readonly { readonly matches: (event: E) => boolean }[], event: E): number {
  let bits = 0;
  for (let index = 0; index < tests.length; index++) {
    if (tests[index]?.matches(event) === true) bits |= 1 << index;
  }
  return bits;
}

function check({ steps, window_ms, exclusions, attribution, start_ms, end_ms }: FunnelRules): void {
  if (steps < 2 || steps > MAX_STEPS) bad(`steps: ${steps} given, 2 to ${MAX_STEPS} are possible`);
  if (!Number.isSafeInteger(window_ms) || window_ms < 0)
    bad(`window_ms: ${window_ms} is no whole number >= 0`);
  if (exclusions.length > MAX_EXCLUSIONS) bad(`exclusions: more than ${MAX_EXCLUSIONS}`);
  for (const { from, to } of exclusions) {
    if (!isStep(from, steps) || !isStep(to, steps) || from >= to) {
      bad(`exclusions: ${from} to ${to} is no span of the ${steps} steps`);
    }
  }
  if (typeof attribution === 'number' && !isStep(attribution, steps)) {
    bad(`groupBy.attribution: ${attribution} is none of the ${steps} steps`);
  }
  if (!(start_ms < end_ms)) bad(`range: ${start_ms} is not before ${end_ms}`);
}

function isStep(step: number, steps: number): boolean {
  return Number.isInteger(step) && step >= 1 && step <= steps;
}

function bad(what: string): never {
  throw new MillraceError('bad_funnel', `The funnel cannot be run: ${what}.`);
}

/** By time, then id; what is left decides between events that differ in nothing else. */
export function compareFunnelEvents(a: FunnelEvent, b: FunnelEvent): number {
  return (
    a.time_ms - b.time_ms ||
    compareText(a.id, b.id) ||
    a.steps - b.steps ||
    a.exclusions - b.exclusions ||
    compareText(a.hold, b.hold) ||
    compareText(a.group, b.group)
  );
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
