import { type Condition, fold } from './condition.ts';
import { hasWords, predicateOf } from './evaluate.ts';
import { parseEventJson } from './event-json.ts';
import { TIME_FIELD } from './fields.ts';
import type { EventTerms } from './terms.ts';

/** Whether an event's JSON fulfils a condition and has all words. */
export type Matcher = (text: string, time_ms: number) => boolean;

/** What JSON writes in another form than it is. */
const ESCAPED = /["\\\p{Cc}]/u;

/**
 * Looks at the text first: what must be in it as it stands rules most events out without parsing them. Only where
 * nothing in the text is escaped, for an escaped character stands there in another form.
 */
export function matcherOf(condition: Condition, words: readonly string[], terms: EventTerms): Matcher {
  // Of each event its JSON is parsed here: not where there is nothing to test.
  if (condition.kind === 'and' && condition.of.length === 0 && words.length === 0) return () => true;
  const matches = predicateOf(condition, terms);
  const needles = [
    ...[...words, ...needlesOf(condition)].filter((needle) => !ESCAPED.test(needle)),
    ...membersOf(condition).map((name) => `"${fold(name)}"`),
  ];
  return (text, time_ms) => {
    if (needles.length > 0 && !text.includes('\\')) {
      const folded = fold(text);
      for (const needle of needles) if (!folded.includes(needle)) return false;
    }
    const event = parseEventJson(text);
    return matches({ event, time_ms }) && hasWords(event, words);
  };
}

/** Names of members that every event has that the condition holds for. */
function membersOf(condition: Condition): readonly string[] {
  if (condition.kind === 'and') return condition.of.flatMap(membersOf);
  if (condition.kind !== 'field' || condition.field === TIME_FIELD) return [];
  const name = condition.path.findLast((step) => typeof step === 'string');
  return name === undefined || ESCAPED.test(name) ? [] : [name];
}

/** Folded texts that every event has that the condition holds for. */
function needlesOf(condition: Condition): readonly string[] {
  if (condition.kind === 'and') return condition.of.flatMap(needlesOf);
  if (condition.kind !== 'field') return [];
  const { field, test } = condition;
  // A type is compared by its normal form, which need not be what was sent; a time likewise.
  if (field === 'type' || field === TIME_FIELD) return [];
  if (test.op === 'contains') return [test.text];
  if (test.op === 'prefix') return [fold(test.text)];
  const [only] = test.op === 'in' ? test.values : [];
  return test.op === 'in' && test.values.length === 1 && typeof only === 'string' ? [fold(only)] : [];
}
