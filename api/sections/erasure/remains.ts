import { createHmac } from 'node:crypto';
import {
  contentHash,
  type DimensionPath,
  exactJsonText,
  isObject,
  type Members,
  namedStatus,
  normalType,
  own,
  ROW_DIMENSIONS,
  TIME_ALIASES,
  typeCode,
} from '../../../analytics/index.ts';

const MEMBERS = [
  ...['event_id', 'type', 'source', 'order_id', 'session_id', 'currency'],
  ...['amount', 'discount', 'shipping', 'tax', 'ticket_id', 'supersedes', 'version'],
  ...ROW_DIMENSIONS,
];
const ITEM_MEMBERS = ['sku', 'category', 'quantity', 'unit_price'];
/** What only some types count by, in the event or its `data`, by how these begin. */
const OF_TYPES: Readonly<Record<string, readonly string[]>> = {
  subscription: ['subscription_id', 'plan_amount', 'interval'],
  lead: ['lead_id', 'stage', 'new_stage', 'value'],
  employee: ['employee_id', 'department', 'present'],
  ticket: ['sla_minutes'],
  fx: ['base', 'quote', 'rate'],
};
const RETRACTION = typeCode('event.retracted');
const HEX_DIGITS = 32;

/** What a customer is called from an erasure on: the same each time, and of no use without the installation's key. */
export function pseudonymOf(key: Uint8Array, tenant: string, customer_id: string): string {
  const mac = createHmac('sha256', key).update(`${tenant}\0${customer_id}`).digest('hex');
  return `erased_${mac.slice(0, HEX_DIGITS)}`;
}

/** What counts in the events of a tenant beside the members that all have. */
export interface Counting {
  /** Declared dimensions. */
  readonly custom: readonly string[];
  /** Where those lie that are not the member of their name. */
  readonly paths: readonly DimensionPath[];
}

/**
 * What is left of a person's event: what numbers are made of, with a pseudonym in place of the customer. Everything
 * else goes: names, addresses, `data`.
 */
export function withoutPerson(event: Members, pseudonym: string, { custom, paths }: Counting): Members {
  const data = own(event, 'data');
  const inData = isObject(data) ? data : {};
  const left: Record<string, unknown> = {};
  for (const name of MEMBERS) if (own(event, name) != null) left[name] = own(event, name);
  // What the columns have as the status of an order may have another name, and lie in its data.
  const status = namedStatus(normalType(typeof event.type === 'string' ? event.type : ''), event);
  if (status !== undefined) left.status = status;
  const time = ['time', ...TIME_ALIASES].find((name) => own(event, name) != null);
  if (time !== undefined) left.time = own(event, time);
  const type = typeof event.type === 'string' ? event.type.toLowerCase() : '';
  const ofType = Object.entries(OF_TYPES).find(([prefix]) => type.startsWith(prefix))?.[1] ?? [];
  for (const name of ['ticket_id', ...ofType, ...custom]) {
    const value = own(event, name) ?? own(inData, name);
    if (value != null && typeof value !== 'object') left[name] = value;
  }
  const retracts = own(event, 'retracts') ?? own(inData, 'retracts');
  if (retracts != null && type.startsWith('event')) left.retracts = retracts;
  if (own(event, 'customer_id') != null) left.customer_id = pseudonym;
  const items = own(event, 'items');
  if (Array.isArray(items)) left.items = items.map(itemOf);
  for (const path of paths) keepAt(left, event, path);
  return left;
}

/** Keeps what lies at the path of a dimension, there or in `data`, where nothing else of the event is left. */
function keepAt(left: Record<string, unknown>, event: Members, path: DimensionPath): void {
  const steps = valueAt(event, path) == null ? ['data', ...path] : path;
  const value = valueAt(event, steps);
  const [first] = steps;
  const isOther = first === 'customer_id' || (first !== 'data' && Object.hasOwn(left, String(first)));
  if (value == null || typeof value === 'object' || isOther || steps.includes('__proto__')) return;
  let holder: Record<string | number, unknown> | unknown[] = left;
  for (const [at, step] of steps.entries()) {
    const next = steps[at + 1];
    const child =
      next === undefined ? value : (Reflect.get(holder, step) ?? (typeof next === 'number' ? [] : {}));
    Reflect.set(holder, step, child);
    if (next !== undefined) holder = child as typeof holder;
  }
}

function valueAt(root: unknown, path: DimensionPath): unknown {
  let value = root;
  for (const step of path) {
    if (typeof step === 'number') value = Array.isArray(value) ? value[step] : undefined;
    else value = isObject(value) ? own(value, step) : undefined;
  }
  return value;
}

/** Whether an event that names nobody says nothing more than what numbers are made of. */
export function isBare(event: Members, counting: Counting): boolean {
  const { erased: _, erased_payload: __, first_payload: ___, ...said } = event;
  return sortedText(withoutPerson(event, '', counting)) === sortedText(said);
}

const sortedText = (members: Members): string =>
  exactJsonText(
    Object.fromEntries(
      Object.entries(members)
        .filter(([, value]) => value != null)
        .sort(([a], [b]) => (a < b ? -1 : 1)),
    ),
  );

function itemOf(item: unknown): unknown {
  if (!isObject(item)) return item;
  return Object.fromEntries(
    ITEM_MEMBERS.flatMap((name) => (own(item, name) == null ? [] : [[name, own(item, name)]])),
  );
}

/**
 * What is put into the stream in the place of an event that is erased, as JSON: what is left of it, which stands where it
 * stood among the contents of its id, and by which it is known to a state that is built without it. It is the same
 * whether the event counts or another stands in its place: that may change until the message is gone, and afterwards. Of
 * a correction the note that the archive has, too.
 */
export function replacementsOf(event: Members, left: Members): readonly string[] {
  const type = own(event, 'type');
  // Nothing supersedes these.
  if (typeof type === 'string' && typeCode(type) === RETRACTION) return [retractionOf(event, left)];
  const hash = contentHash(event);
  const remains = { ...left, supersedes: true, erased: true };
  // What is left of one that is no correction is weaker than any.
  if (own(event, 'supersedes') !== true)
    return [exactJsonText({ ...remains, version: 0, first_payload: hash })];
  const first = own(event, 'first_payload');
  const of = first == null ? {} : { first_payload: first };
  return [exactJsonText({ ...remains, erased_payload: hash, ...of }), exactJsonText(goneOf(event))];
}

/** What is left of an event in the archive, marked for the rules of custom fields; what counts of a correction is in the stream. */
export function archivedRemains(event: Members, left: Members): Members {
  const type = own(event, 'type');
  if (typeof type === 'string' && typeCode(type) === RETRACTION)
    return { ...left, erased_payload: own(event, 'erased_payload') ?? contentHash(event) };
  if (own(event, 'supersedes') === true) return goneOf(event);
  return { ...left, erased: 'archived', first_payload: own(event, 'first_payload') ?? contentHash(event) };
}

/** A retraction is known by its id, and stays the one that it was. */
const retractionOf = (event: Members, left: Members): string =>
  exactJsonText({ ...left, erased_payload: own(event, 'erased_payload') ?? contentHash(event) });

/** Of a correction: that one was there. */
function goneOf(event: Members): Members {
  const time = ['time', ...TIME_ALIASES].find((name) => own(event, name) != null) ?? 'time';
  return {
    ...{ event_id: own(event, 'event_id'), type: own(event, 'type'), time: own(event, time) },
    ...{ supersedes: true, version: 0, erased: 'gone' },
    erased_payload: contentHash(event),
  };
}
