import { ORDER_STEPS } from '../order-names/index.ts';

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
const ALIASES: ReadonlyMap<string, EventType> = new Map<string, EventType>([
  ['order.placed', 'order.created'],
  ['order.completed', 'order.created'],
  ...ORDER_STEPS.flatMap(({ status, names }) =>
    names.map((name) => [`order.${plainOf(name)}`, `order.${status}`] as const),
  ),
]);

/**
 * The one name of a type: `payment_succeeded`, `Payment.Succeeded` and `payment-succeeded` are
 * `payment.succeeded`, `order.placed` is `order.created`, and `order.fulfilled` is `order.shipped`.
 */
export function normalType(type: string): string {
  const plain = plainOf(type);
  return ALIASES.get(plain) ?? plain;
}

function plainOf(type: string): string {
  return type.toLowerCase().replaceAll(/[_-]/g, '.');
}

const codes = new Map<string, number>(EVENT_TYPES.map((name, index) => [name, index]));

export function typeCode(type: string): number {
  return codes.get(normalType(type)) ?? OTHER_TYPE;
}
