import { eventSchema, parseEventTime, TIME_ALIASES } from '../events/index.ts';
import { ROW_DIMENSIONS } from '../rows/index.ts';
import { anyAt, type Path } from './path.ts';
import type { EventTerms } from './terms.ts';

/** Members of an event that the schema names; any other counts as a member of `data`, wherever it was sent. */
const NAMED = new Set<string>([...Object.keys(eventSchema.shape), ...TIME_ALIASES]);

export const ID_FIELDS = ['order_id', 'customer_id', 'session_id'] as const;
export type IdField = (typeof ID_FIELDS)[number];

/** The log's hash column of an id. */
export const ID_COLUMN: Readonly<Record<IdField, string>> = {
  order_id: 'order',
  customer_id: 'customer',
  session_id: 'session',
};

/** Fields that an equality test finds by a text column of the log. */
export const TEXT_FIELDS = ['type', 'currency', ...ROW_DIMENSIONS] as const;

/** Compared as an instant: the event's time, under whatever name it was sent. */
export const TIME_FIELD = 'time';

/** How values of a field are made comparable: `type` by its normal form, `currency` without case. */
export function normalizerOf(field: string, terms: EventTerms): (text: string) => string {
  if (field === 'type') return (text) => terms.typeOf(text);
  if (field === 'currency') return (text) => text.toUpperCase();
  return (text) => text;
}

export function timeOf(text: string): number {
  const bytes = Buffer.from(text);
  return parseEventTime(bytes, 0, bytes.length);
}

/**
 * Whether `test` holds for any value of the event at the path. What the schema does not name is found under its own
 * name and below `data`, whichever way it was sent.
 */
export function anyOf(event: unknown, path: Path, test: (value: unknown) => boolean): boolean {
  if (anyAt(event, path, test)) return true;
  const [first, second] = path;
  if (first === 'data')
    return typeof second === 'string' && !NAMED.has(second) && anyAt(event, path.slice(1), test);
  return typeof first === 'string' && !NAMED.has(first) && anyAt(event, ['data', ...path], test);
}
