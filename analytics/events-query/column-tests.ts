import type { Bound, Condition } from './condition.ts';
import { ID_COLUMN, ID_FIELDS, TEXT_FIELDS, TIME_FIELD } from './fields.ts';
import type { EventTerms, IdHash } from './terms.ts';

/** What a row's columns must say for its event to be a candidate. Plain data: texts, not codes. */
export type ColumnTest =
  /** One of the row's columns, or a column of one of its items, has one of the texts. */
  | {
      readonly kind: 'text';
      readonly columns: readonly string[];
      readonly items: readonly string[];
      readonly texts: readonly string[];
    }
  | { readonly kind: 'code'; readonly column: string; readonly codes: readonly number[] }
  | { readonly kind: 'hash'; readonly column: string; readonly hashes: readonly IdHash[] };

/** Columns of text in which no event has what its order says. */
const OWN_TEXTS = ['type', 'source'];

/** Whether a row always has the event's own value there, whatever its order says. */
export function isOwnTest(test: ColumnTest): boolean {
  if (test.kind === 'code') return true;
  if (test.kind === 'hash') return test.column === 'order';
  return test.items.length === 0 && test.columns.every((name) => OWN_TEXTS.includes(name));
}

export interface Prefilter {
  readonly tests: readonly ColumnTest[];
  /** Half-open. */
  readonly start_ms: number;
  readonly end_ms: number;
  /** The tests and the times say all that the condition does: a row that passes needs no look at its event. */
  readonly isExact: boolean;
}

const SKU = 'sku';
const ITEM_SKU = 'items/sku';
const ITEM_TEXTS: Readonly<Record<string, string>> = { [ITEM_SKU]: SKU, 'items/category': 'category' };

/**
 * What a condition implies for the columns: the tests and times that every event passes that the condition holds
 * for. From what must hold at once (`and`); other parts imply nothing here. An event's row has the event's own value
 * in each column, or one that it inherits where it has none of its own: so a column that says another text rules the
 * event out, and one that says the same does not prove it.
 */
export function prefilterOf(condition: Condition, tenant: string, terms: EventTerms): Prefilter {
  const tests: ColumnTest[] = [];
  let [start_ms, end_ms] = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
  let isExact = true;
  const visit = (part: Condition): void => {
    if (part.kind === 'and') {
      part.of.forEach(visit);
      return;
    }
    const bounds = timesOf(part);
    if (bounds !== undefined) {
      start_ms = Math.max(start_ms, bounds[0]);
      end_ms = Math.min(end_ms, bounds[1]);
      isExact &&= bounds[2];
      return;
    }
    const test = testOf(part, tenant, terms);
    // A few bits of an event id find candidates, they prove nothing.
    if (test === undefined || test.kind === 'code') isExact = false;
    if (test !== undefined) tests.push(test);
  };
  visit(condition);
  return { tests, start_ms, end_ms, isExact };
}

/** Start, exclusive end, and whether they are all that the condition says. Times are whole ms. */
function timesOf(condition: Condition): readonly [number, number, boolean] | undefined {
  if (condition.kind !== 'field' || condition.field !== TIME_FIELD) return undefined;
  const { test } = condition;
  if (test.op === 'in') {
    const times = test.values.filter((value) => typeof value === 'number');
    return [Math.min(...times), Math.max(...times) + 1, times.length === 1];
  }
  if (test.op !== 'range') return undefined;
  const side = (bound: Bound): readonly [number, number] => {
    const time_ms = Number(bound.value);
    if (bound.side === 'gte') return [time_ms, Number.POSITIVE_INFINITY];
    if (bound.side === 'gt') return [time_ms + 1, Number.POSITIVE_INFINITY];
    return [Number.NEGATIVE_INFINITY, bound.side === 'lt' ? time_ms : time_ms + 1];
  };
  const sides = test.bounds.map(side);
  return [Math.max(...sides.map(([from]) => from)), Math.min(...sides.map(([, to]) => to)), true];
}

function testOf(condition: Condition, tenant: string, terms: EventTerms): ColumnTest | undefined {
  if (condition.kind === 'or') return anyOfTexts(condition.of, tenant, terms);
  if (condition.kind !== 'field' || condition.test.op !== 'in') return undefined;
  const { path, test } = condition;
  const texts = test.values.filter((value) => typeof value === 'string' && value !== '').map(String);
  // An event without a text has what it inherits in the column; other kinds of values have no column.
  if (texts.length !== test.values.length) return undefined;
  const field = path.join('/');
  const id = ID_FIELDS.find((name) => name === field);
  if (id !== undefined) {
    return { kind: 'hash', column: ID_COLUMN[id], hashes: texts.map((text) => terms.idHash(tenant, text)) };
  }
  if (field === 'event_id') {
    return { kind: 'code', column: 'event', codes: texts.map((text) => terms.eventCode(tenant, text)) };
  }
  const item = ITEM_TEXTS[field];
  if (item !== undefined) return { kind: 'text', columns: [], items: [item], texts };
  if (!TEXT_FIELDS.some((name) => name === field)) return undefined;
  return { kind: 'text', columns: [field], items: [], texts };
}

/** `sku` or that of any item: alternatives over texts are one test. */
function anyOfTexts(parts: readonly Condition[], tenant: string, terms: EventTerms): ColumnTest | undefined {
  const tests: Extract<ColumnTest, { kind: 'text' }>[] = [];
  for (const part of parts) {
    const test = testOf(part, tenant, terms);
    if (test?.kind !== 'text') return undefined;
    tests.push(test);
  }
  const [first] = tests;
  if (first === undefined) return undefined;
  const isSame = tests.every(({ texts }) => texts.join('\0') === first.texts.join('\0'));
  if (!isSame) return undefined;
  return {
    kind: 'text',
    columns: [...new Set(tests.flatMap(({ columns }) => columns))],
    items: [...new Set(tests.flatMap(({ items }) => items))],
    texts: first.texts,
  };
}
