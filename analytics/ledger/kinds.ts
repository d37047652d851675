import { EVENT_TYPES, T } from '../events/index.ts';
import { MARK } from '../rows/index.ts';

/** Index by kind + 1, so that -1 (a type no metric knows) has a place. */
function byKind(values: Readonly<Record<number, number>>): Int32Array {
  const table = new Int32Array(EVENT_TYPES.length + 1);
  for (const [kind, value] of Object.entries(values)) table[Number(kind) + 1] = value;
  return table;
}

/** What each event of a kind counts for, whatever came before. */
export const ALWAYS = byKind({
  [T.visit]: MARK.visits,
  [T['payment.succeeded']]: MARK.payment,
  [T['refund.issued']]: MARK.refund,
  [T['return.received']]: MARK.returns,
});

/** What the earliest event of a kind counts for in its order. */
export const FIRST_OF_ORDER = byKind({
  [T['payment.succeeded']]: MARK.orders_paid,
  [T['order.shipped']]: MARK.orders_shipped,
  [T['order.delivered']]: MARK.orders_delivered,
  [T['order.cancelled']]: MARK.orders_cancelled,
  [T['order.rto']]: MARK.orders_rto,
  [T['refund.issued']]: MARK.orders_refunded,
});

export const CLASS = {
  other: 0,
  version: 1,
  dependent: 2,
  visit: 3,
  cart: 4,
  opened: 5,
  response: 6,
} as const;

/** How the ledger treats a kind. */
export const CLASS_OF = byKind({
  [T['order.created']]: CLASS.version,
  [T['order.updated']]: CLASS.version,
  [T['payment.succeeded']]: CLASS.dependent,
  [T['payment.failed']]: CLASS.dependent,
  [T['refund.issued']]: CLASS.dependent,
  [T['order.shipped']]: CLASS.dependent,
  [T['order.delivered']]: CLASS.dependent,
  [T['order.cancelled']]: CLASS.dependent,
  [T['order.rto']]: CLASS.dependent,
  [T['return.requested']]: CLASS.dependent,
  [T['return.received']]: CLASS.dependent,
  [T['chargeback.received']]: CLASS.dependent,
  [T.visit]: CLASS.visit,
  [T['add.to.cart']]: CLASS.cart,
  [T['ticket.opened']]: CLASS.opened,
  [T['ticket.first.response']]: CLASS.response,
});

export const CREATED = T['order.created'];
export const SHIPPED = T['order.shipped'];
export const CANCELLED = T['order.cancelled'];
export const KINDS = EVENT_TYPES.length + 1;
