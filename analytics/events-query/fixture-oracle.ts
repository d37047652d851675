import type { Placed } from './fixture-events.ts';
import { TEST_TERMS, type TestEvent } from './fixture-log.ts';

/** What the search language means, said a second time and as simply as possible: for comparison. */

const SCHEMA = new Set([
  ...['event_id', 'type', 'time', 'source', 'order_id', 'customer_id', 'session_id', 'currency', 'channel'],
  ...['country', 'sku', 'category', 'warehouse', 'payment_method', 'customer_segment', 'campaign', 'status'],
  ...['region', 'voucher_code', 'reason', 'amount', 'discount', 'shipping', 'tax', 'items', 'data'],
  ...['ts', 'timestamp', 'occurred_at'],
]);

function valuesAt(event: TestEvent, field: string): unknown[] {
  const names = field.split('.');
  const [first = ''] = names;
  const top = first.replace(/\[.*/, '');
  const roots = [walk([event], names)];
  if (first === 'data' && names.length > 1 && !SCHEMA.has(names[1] as string))
    roots.push(walk([event], names.slice(1)));
  if (!SCHEMA.has(top)) roots.push(walk([event], ['data', ...names]));
  return roots.flat().flatMap((value) => (Array.isArray(value) ? value.flat(9) : [value]));
}

function walk(values: unknown[], [name, ...rest]: string[]): unknown[] {
  if (name === undefined) return values;
  const [, member = '', index] = /^([^[]*)(?:\[(\d*)\])?$/.exec(name) ?? [];
  const found = values
    .flatMap((value) => (Array.isArray(value) ? value.flat(9) : [value]))
    .filter((value): value is TestEvent => typeof value === 'object' && value !== null && member in value)
    .map((value) => value[member])
    .flatMap((value) => {
      if (index === undefined || index === '') return [value];
      return Array.isArray(value) && value.length > Number(index) ? [value[Number(index)]] : [];
    });
  return walk(found, rest);
}

const normal = (field: string, value: unknown): unknown => {
  if (typeof value !== 'string') return value;
  if (field === 'type') return TEST_TERMS.typeOf(value);
  return field === 'currency' ? value.toUpperCase() : value;
};

/** Whether an event passes a query. */
export function passes(query: TestEvent, placed: Placed): boolean {
  if ('and' in query) return (query.and as TestEvent[]).every((part) => passes(part, placed));
  if ('or' in query) return (query.or as TestEvent[]).some((part) => passes(part, placed));
  if ('not' in query) return !passes(query.not as TestEvent, placed);
  const field = String(query.field);
  const isTime = field === 'time';
  const values = isTime ? [placed.time_ms] : valuesAt(placed.event, field);
  const asked = (value: unknown): unknown => (isTime ? Date.parse(String(value)) : normal(field, value));
  const equals = (value: unknown): boolean => values.some((each) => normal(field, each) === asked(value));
  if ('eq' in query) return equals(query.eq);
  if ('ne' in query) return !equals(query.ne);
  if ('in' in query) return (query.in as unknown[]).some(equals);
  if ('exists' in query) return values.some((value) => value !== null) === query.exists;
  const texts = values.filter((value) => typeof value === 'string');
  if ('prefix' in query) {
    return texts.some((value) =>
      String(normal(field, value)).startsWith(String(normal(field, query.prefix))),
    );
  }
  if ('contains' in query) {
    return texts.some((value) => value.toUpperCase().includes(String(query.contains).toUpperCase()));
  }
  const range = query.range as Record<string, unknown>;
  return values.some((value) =>
    Object.entries(range).every(([side, limit]) => {
      const edge = isTime ? asked(limit) : limit;
      if (typeof value !== typeof edge || typeof value === 'boolean') return false;
      const [a, b] = [value as number, edge as number];
      return side === 'gt' ? a > b : side === 'gte' ? a >= b : side === 'lt' ? a < b : a <= b;
    }),
  );
}

/** Every text of a value, names of members left out. */
export function textsIn(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  if (typeof value !== 'object' || value === null) return [];
  return Object.values(value).flatMap(textsIn);
}
