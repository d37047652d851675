import { type FieldError, QueryError } from '../query/index.ts';
import {
  type Bound,
  type Condition,
  fieldIn,
  fold,
  MAX_CONDITION_DEPTH,
  MAX_CONDITIONS,
  MAX_IN_VALUES,
  MAX_VALUE_CHARS,
  type Scalar,
  type Test,
} from './condition.ts';
import { normalizerOf, TIME_FIELD, timeOf } from './fields.ts';
import { parsePath } from './path.ts';
import type { EventTerms } from './terms.ts';

const OPERATORS = ['eq', 'ne', 'in', 'range', 'prefix', 'exists', 'contains'] as const;
const SIDES = ['gt', 'gte', 'lt', 'lte'] as const;
const FORMS = '{"and": […]}, {"or": […]}, {"not": …} or {"field": …} with one operator';

/** Left after a part of a query is thrown away; the error says why. */
const NOTHING: Condition = { kind: 'or', of: [] };

/**
 * A query in JSON, as `POST /events/search` takes it, as a condition. Throws QueryError `validation_failed` with
 * every fault and its place below `under`.
 */
export function parseCondition(value: unknown, terms: EventTerms, under = 'query'): Condition {
  const parser = new Parser(terms);
  const condition = parser.condition(value, under, 1);
  const [first] = parser.errors;
  if (first === undefined) return condition;
  throw new QueryError('validation_failed', `${first.path}: ${first.message}.`, parser.errors);
}

class Parser {
  readonly errors: FieldError[] = [];
  readonly #terms: EventTerms;
  #count = 0;

  constructor(terms: EventTerms) {
    this.#terms = terms;
  }

  #refuse(path: string, message: string): Condition {
    if (this.errors.length < MAX_CONDITIONS) this.errors.push({ path, message });
    return NOTHING;
  }

  condition(value: unknown, path: string, depth: number): Condition {
    if (++this.#count > MAX_CONDITIONS)
      return this.#refuse(path, `there are more than ${MAX_CONDITIONS} conditions`);
    if (depth > MAX_CONDITION_DEPTH)
      return this.#refuse(path, `is nested more than ${MAX_CONDITION_DEPTH} deep`);
    if (!isObject(value)) return this.#refuse(path, `must be ${FORMS}`);
    const names = Object.keys(value);
    if (Object.hasOwn(value, 'field')) return this.#field(value, names, path);
    const [name] = names;
    if (names.length !== 1 || (name !== 'and' && name !== 'or' && name !== 'not')) {
      return this.#refuse(path, `must be ${FORMS}`);
    }
    const inner = value[name];
    if (name === 'not') return { kind: 'not', of: this.condition(inner, `${path}.not`, depth + 1) };
    if (!Array.isArray(inner) || inner.length === 0) {
      return this.#refuse(`${path}.${name}`, 'must be a list of one condition at least');
    }
    const of: Condition[] = [];
    for (const [index, part] of inner.entries()) {
      if (this.#count > MAX_CONDITIONS) break;
      of.push(this.condition(part, `${path}.${name}.${index}`, depth + 1));
    }
    return { kind: name, of };
  }

  #field(value: Record<string, unknown>, names: readonly string[], path: string): Condition {
    const { field } = value;
    const steps = typeof field === 'string' ? parsePath(field) : undefined;
    if (typeof field !== 'string' || steps === undefined) {
      return this.#refuse(`${path}.field`, 'must be a path, such as data.custom.x or items[].sku');
    }
    const operators = names.filter((name) => name !== 'field');
    const [operator] = operators;
    const known = OPERATORS.find((name) => name === operator);
    if (operators.length !== 1 || known === undefined) {
      return this.#refuse(path, `takes one of ${OPERATORS.join(', ')}`);
    }
    const isTime = field === TIME_FIELD;
    const at = `${path}.${known}`;
    const of = (test: Test): Condition => ({ kind: 'field', field, path: steps, test });
    const given = value[known];
    if (isTime && (known === 'prefix' || known === 'contains')) {
      return this.#refuse(path, 'time is an instant: it takes eq, ne, in, range and exists');
    }
    switch (known) {
      case 'eq':
      case 'ne': {
        const equal = fieldIn(
          field,
          steps,
          this.#values([given], field, at, () => at),
        );
        return known === 'eq' ? equal : { kind: 'not', of: equal };
      }
      case 'in': {
        if (!Array.isArray(given) || given.length === 0 || given.length > MAX_IN_VALUES) {
          return this.#refuse(at, `must be a list of 1 to ${MAX_IN_VALUES} values`);
        }
        return fieldIn(
          field,
          steps,
          this.#values(given, field, at, (index) => `${at}.${index}`),
        );
      }
      case 'range':
        return this.#range(given, field, at, of);
      case 'prefix':
      case 'contains':
        if (!isText(given) || given === '')
          return this.#refuse(at, textRule('a text of one character at least'));
        return of({
          op: known,
          text: known === 'prefix' ? normalizerOf(field, this.#terms)(given) : fold(given),
        });
      case 'exists':
        if (typeof given !== 'boolean') return this.#refuse(at, 'must be true or false');
        return given ? of({ op: 'exists' }) : { kind: 'not', of: of({ op: 'exists' }) };
    }
  }

  #values(given: readonly unknown[], field: string, at: string, place: (index: number) => string): Scalar[] {
    const normal = normalizerOf(field, this.#terms);
    const values: Scalar[] = [];
    for (const [index, value] of given.entries()) {
      const path = place(index);
      if (field === TIME_FIELD) {
        const time_ms = this.#time(value, path);
        if (time_ms !== undefined) values.push(time_ms);
      } else if (isText(value)) values.push(normal(value));
      else if (typeof value === 'boolean' || isExact(value)) values.push(value);
      else if (value === null) this.#refuse(at, 'null is no value: ask {"exists": false}');
      else this.#refuse(path, VALUE_RULE);
    }
    return values;
  }

  #range(given: unknown, field: string, at: string, of: (test: Test) => Condition): Condition {
    const names = isObject(given) ? Object.keys(given) : [];
    const unknown = names.find((name) => !SIDES.some((side) => side === name));
    if (!isObject(given) || names.length === 0 || unknown !== undefined) {
      return this.#refuse(at, `must have one or several of ${SIDES.join(', ')}`);
    }
    const bounds: Bound[] = [];
    for (const side of SIDES) {
      if (!Object.hasOwn(given, side)) continue;
      const value = given[side];
      if (field === TIME_FIELD) {
        const time_ms = this.#time(value, `${at}.${side}`);
        if (time_ms !== undefined) bounds.push({ side, value: time_ms });
      } else if (isText(value) || isExact(value)) bounds.push({ side, value });
      else this.#refuse(`${at}.${side}`, 'must be a text or a number below 2^53');
    }
    if (new Set(bounds.map(({ value }) => typeof value)).size > 1) {
      return this.#refuse(at, 'must have bounds of one type, texts or numbers');
    }
    return of({ op: 'range', bounds });
  }

  #time(value: unknown, path: string): number | undefined {
    const time_ms = typeof value === 'string' ? timeOf(value) : Number.NaN;
    if (!Number.isNaN(time_ms)) return time_ms;
    this.#refuse(path, 'must be an RFC 3339 date-time with an offset, e.g. 2025-08-01T00:00:00Z');
    return undefined;
  }
}

const VALUE_RULE =
  `must be a text of ${MAX_VALUE_CHARS} characters at most, true, false, or a number below ` +
  '2^53 (a larger integer is compared as the text of its digits)';
const textRule = (what: string): string => `must be ${what}, and of ${MAX_VALUE_CHARS} at most`;

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const isText = (value: unknown): value is string =>
  typeof value === 'string' && value.length <= MAX_VALUE_CHARS;

/** A number that JSON.parse has read as it was written, as far as can be told. */
function isExact(value: unknown): value is number {
  return typeof value === 'number' && (!Number.isInteger(value) || Number.isSafeInteger(value));
}
