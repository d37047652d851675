import { normalType } from '../events/index.ts';

/** Statuses that have an event of their own, by their normal form. */
const EVENTS: ReadonlyMap<string, string> = new Map([
  ['confirmed', 'order.confirmed'],
  ['shipped', 'order.shipped'],
  ['fulfilled', 'order.shipped'],
  ['delivered', 'order.delivered'],
  ['cancelled', 'order.cancelled'],
  ['canceled', 'order.cancelled'],
  ['rto', 'order.rto'],
  ['returned_to_origin', 'order.rto'],
]);

/** The status that an event of a type means, whatever its members say. */
const MEANT: ReadonlyMap<string, string> = new Map([
  ['order.confirmed', 'confirmed'],
  ['order.shipped', 'shipped'],
  ['order.fulfilled', 'shipped'],
  ['order.delivered', 'delivered'],
  ['order.cancelled', 'cancelled'],
  ['order.rto', 'rto'],
]);

/** What is told of an order beside its own events. */
const ABOUT_ORDERS: readonly string[] = [
  'payment.succeeded',
  'payment.failed',
  'refund.issued',
  'return.requested',
  'return.received',
  'chargeback.received',
];

/** The status of an order that says none. */
export const FIRST_STATUS = 'pending';

/** A status without case, its words parted by `_`. */
const normalStatus = (status: string): string =>
  status
    .trim()
    .toLowerCase()
    .replaceAll(/[\s.-]+/gu, '_');

export const isSameStatus = (a: string | null, b: string | null): boolean =>
  a === null || b === null ? a === b : normalStatus(a) === normalStatus(b);

/** The event that a status stands for, `order.shipped` of `Fulfilled`; undefined for one that has none. */
export const statusEvent = (status: string | null): string | undefined =>
  status === null ? undefined : EVENTS.get(normalStatus(status));

/** The status that an event of a type, in normal form, puts its order into; undefined: its members say. */
export const meantStatus = (type: string): string | undefined => MEANT.get(type);

/** The status with an event of its own that a text stands for, `shipped` of `Fulfilled`; undefined: none of them. */
export function standardStatus(text: string): string | undefined {
  const event = statusEvent(text);
  return event === undefined ? undefined : meantStatus(event);
}

/** Whether events of a type, however spelt, are looked at. */
export function isOrderChangeType(type: string): boolean {
  const normal = normalType(type);
  return normal.startsWith('order.') || ABOUT_ORDERS.includes(normal);
}
