import type { Bound, Condition, Test } from './condition.ts';
import { fold } from './condition.ts';
import { anyOf, normalizerOf, TIME_FIELD } from './fields.ts';
import type { EventTerms } from './terms.ts';

/** An event to be tested: its flat JSON, and its time as the log has it. */
export interface Candidate {
  readonly event: unknown;
  readonly time_ms: number;
}

export type Predicate = (candidate: Candidate) => boolean;

/** A condition as a function. */
export function predicateOf(condition: Condition, terms: EventTerms): Predicate {
  if (condition.kind === 'not') {
    const inner = predicateOf(condition.of, terms);
    return (candidate) => !inner(candidate);
  }
  if (condition.kind !== 'field') {
    const parts = condition.of.map((part) => predicateOf(part, terms));
    return condition.kind === 'and'
      ? (candidate) => parts.every((part) => part(candidate))
      : (candidate) => parts.some((part) => part(candidate));
  }
  const { field, path, test } = condition;
  if (field === TIME_FIELD) {
    const passes = testOf(test, (text) => text);
    return ({ time_ms }) => passes(time_ms);
  }
  const passes = testOf(test, normalizerOf(field, terms));
  return ({ event }) => anyOf(event, path, passes);
}

function testOf(test: Test, normal: (text: string) => string): (value: unknown) => boolean {
  switch (test.op) {
    case 'in': {
      const values = new Set<unknown>(test.values);
      return (value) => values.has(typeof value === 'string' ? normal(value) : value);
    }
    case 'range':
      return (value) => test.bounds.every((bound) => isWithin(value, bound));
    case 'prefix':
      return (value) => typeof value === 'string' && normal(value).startsWith(test.text);
    case 'contains':
      return (value) => typeof value === 'string' && fold(value).includes(test.text);
    case 'exists':
      return (value) => value !== null;
  }
}

function isWithin(value: unknown, { side, value: bound }: Bound): boolean {
  if (typeof value === 'number' && typeof bound === 'number') return compares(value, side, bound);
  if (typeof value === 'string' && typeof bound === 'string') return compares(value, side, bound);
  return false;
}

function compares<T extends string | number>(value: T, side: Bound['side'], bound: T): boolean {
  if (side === 'gt') return value > bound;
  if (side === 'gte') return value >= bound;
  return side === 'lt' ? value < bound : value <= bound;
}

/** Whether each folded word is a part of some text of the event; names of members are no texts. */
export function hasWords(event: unknown, words: readonly string[]): boolean {
  const missing = new Set(words);
  const visit = (value: unknown): boolean => {
    if (typeof value === 'string') {
      const folded = fold(value);
      for (const word of missing) if (folded.includes(word)) missing.delete(word);
      return missing.size === 0;
    }
    if (typeof value !== 'object' || value === null) return false;
    for (const member of Object.values(value)) if (visit(member)) return true;
    return false;
  };
  return missing.size === 0 || visit(event);
}
