import { normalType } from '../events/index.ts';
import { normalStatus, ORDER_STEPS, stepOf } from '../order-names/index.ts';

/** The status that an event of a type means, whatever its members say. */
const MEANT: ReadonlyMap<string, string> = new Map(
  ORDER_STEPS.map(({ status }) => [`order.${status}`, status]),
);

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

export const isSameStatus = (a: string | null, b: string | null): boolean =>
  a === null || b === null ? a === b : normalStatus(a) === normalStatus(b);

/** The event that a status stands for, `order.shipped` of `Fulfilled`; undefined for one that has none. */
export function statusEvent(status: string | null): string | undefined {
  const step = status === null ? undefined : stepOf(status);
  return step === undefined ? undefined : `order.${step}`;
}

/** The status that an event of a type puts its order into; undefined: its members say. */
export const meantStatus = (type: string): string | undefined => MEANT.get(normalType(type));

/** Whether events of a type, however spelt, are looked at. */
export function isOrderChangeType(type: string): boolean {
  const normal = normalType(type);
  return normal.startsWith('order.') || ABOUT_ORDERS.includes(normal);
}
