/** The event types that the default analytics understand, in their normal form. */
export const EVENT_TYPES = [
  'visit',
  'product.viewed',
  'add.to.cart',
  'checkout.initiated',
  'order.created',
  'order.updated',
  'order.status.changed',
  'order.confirmed',
  'order.shipped',
  'order.delivered',
  'order.cancelled',
  'order.rto',
  'payment.succeeded',
  'payment.failed',
  'refund.issued',
  'return.requested',
  'return.received',
  'chargeback.received',
  'fraud.flagged',
  'campaign.spend',
  'campaign.sent',
  'campaign.opened',
  'campaign.clicked',
  'voucher.validated',
  'voucher.redeemed',
  'inventory.level',
  'ticket.opened',
  'ticket.first.response',
  'ticket.resolved',
  'employee.joined',
  'employee.left',
  'employee.attended',
  'lead.stage.changed',
  'subscription.started',
  'subscription.changed',
  'subscription.cancelled',
  'fx.rate',
  'event.retracted',
] as const;
export type EventType = (typeof EVENT_TYPES)[number];

/** Index of a type; -1 for types that the analytics do not know. */
export const T = Object.fromEntries(EVENT_TYPES.map((name, index) => [name, index])) as Record<
  EventType,
  number
>;
export const OTHER_TYPE = -1;

/** Other names of known types, in normal form. */
const ALIASES: ReadonlyMap<string, EventType> = new Map([
  ['order.canceled', 'order.cancelled'],
  ['order.placed', 'order.created'],
  ['order.completed', 'order.created'],
]);

/**
 * The one name of a type: `payment_succeeded`, `Payment.Succeeded` and `payment-succeeded` are
 * `payment.succeeded`, and `order.placed` is `order.created`.
 */
export function normalType(type: string): string {
  const plain = type.toLowerCase().replaceAll(/[_-]/g, '.');
  return ALIASES.get(plain) ?? plain;
}

const codes = new Map<string, number>(EVENT_TYPES.map((name, index) => [name, index]));

export function typeCode(type: string): number {
  return codes.get(normalType(type)) ?? OTHER_TYPE;
}
