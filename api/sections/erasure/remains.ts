import { createHmac } from 'node:crypto';
import {
  exactJsonText,
  isObject,
  type Members,
  own,
  parseExact,
  ROW_DIMENSIONS,
  typeCode,
} from '../../../analytics/index.ts';

const DEPTH_MAX = 64;
const MEMBERS = [
  ...['event_id', 'type', 'time', 'source', 'order_id', 'session_id', 'currency'],
  ...['amount', 'discount', 'shipping', 'tax', 'ticket_id', 'supersedes', 'version', 'retracts'],
  ...ROW_DIMENSIONS,
];
const ITEM_MEMBERS = ['sku', 'category', 'quantity', 'unit_price'];
/** Types that nothing supersedes. */
const PLAIN = new Set(['event.retracted', 'fx.rate'].map(typeCode));
const HEX_DIGITS = 32;

/** What a customer is called from an erasure on: the same each time, and of no use without the installation's key. */
export function pseudonymOf(key: Uint8Array, tenant: string, customer_id: string): string {
  const mac = createHmac('sha256', key).update(`${tenant}\0${customer_id}`).digest('hex');
  return `erased_${mac.slice(0, HEX_DIGITS)}`;
}

/**
 * What is left of a person's event: what numbers are made of, with a pseudonym in place of the customer. Everything
 * else goes: names, addresses, `data`.
 */
export function withoutPerson(event: Members, pseudonym: string, custom: readonly string[]): Members {
  const data = own(event, 'data');
  const inData = isObject(data) ? data : {};
  const left: Record<string, unknown> = {};
  for (const name of MEMBERS) if (own(event, name) != null) left[name] = own(event, name);
  for (const name of ['ticket_id', ...custom]) {
    const value = own(event, name) ?? own(inData, name);
    if (value != null && typeof value !== 'object') left[name] = value;
  }
  if (own(event, 'customer_id') != null) left.customer_id = pseudonym;
  const items = own(event, 'items');
  if (Array.isArray(items)) left.items = items.map(itemOf);
  return left;
}

function itemOf(item: unknown): unknown {
  if (!isObject(item)) return item;
  return Object.fromEntries(
    ITEM_MEMBERS.flatMap((name) => (own(item, name) == null ? [] : [[name, own(item, name)]])),
  );
}

/** The members of an event's JSON; undefined where it is none. */
export function membersOf(text: string): Members | undefined {
  const parsed = parseExact(Buffer.from(text), DEPTH_MAX);
  return parsed.ok && isObject(parsed.value) ? parsed.value : undefined;
}

/** The event that is put into an erased one's place, as JSON: it supersedes whatever its id was before. */
export function replacementOf(members: Members): string {
  const type = own(members, 'type');
  if (typeof type !== 'string' || PLAIN.has(typeCode(type))) return exactJsonText(members);
  const version = own(members, 'version');
  const former = typeof version === 'number' ? version : 1;
  // Weaker than any correction of an event that has none.
  const next = own(members, 'supersedes') === true ? former + 1 : 0;
  return exactJsonText({ ...members, supersedes: true, version: next, erased: true });
}
