/** Types of events, in the order of their bits behind those of `BITS`. */
export const LIFE_TYPES = [
  'order.created',
  'order.updated',
  'order.status.changed',
  'order.confirmed',
  'order.shipped',
  'order.delivered',
  'order.cancelled',
  'order.rto',
  'payment.failed',
] as const;
/** What a row is beside its type: the order itself; one that passes the filters; a payment; a refund. */
export const LIFE_BITS = { order: 1, counted: 2, payment: 4, refund: 8 } as const;
const FIRST_TYPE_BIT = 4;

/** An event of an order, of whatever type, that names a status. */
export const NAMES_STATUS = 1 << (FIRST_TYPE_BIT + LIFE_TYPES.length);

export function typeBit(type: (typeof LIFE_TYPES)[number]): number {
  return 1 << (FIRST_TYPE_BIT + LIFE_TYPES.indexOf(type));
}
