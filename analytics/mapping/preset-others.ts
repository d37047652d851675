import type { MappingRule, ValueSpec } from './mapping-schema.ts';
import type { Preset } from './preset.ts';

const OBJECT = 'data.object';

const stripe = (types: string, type: string, event: Record<string, ValueSpec>): MappingRule => ({
  when: { type: types },
  event: {
    event_id: 'id',
    type: { const: type },
    time: { path: 'created', format: 'epoch_s' },
    source: { const: 'stripe' },
    order_id: { path: [`${OBJECT}.metadata.order_id`, `${OBJECT}.metadata.order`] },
    customer_id: `${OBJECT}.customer`,
    currency: `${OBJECT}.currency`,
    ...event,
  },
  data: { payment_intent: { path: [`${OBJECT}.payment_intent`, `${OBJECT}.id`] } },
});

const minor = (path: string): ValueSpec => ({ path: `${OBJECT}.${path}`, as: 'minor' });

/** Stripe's events (docs.stripe.com/api/events). The order is the `order_id` of the metadata that the shop sets. */
export const STRIPE: Preset = {
  name: 'stripe',
  signature: { scheme: 'timestamped', header: 'stripe-signature', tolerance_ms: 300_000 },
  mapping: {
    // docs.stripe.com/currencies, "Special cases" and "Zero-decimal currencies".
    exponents: { ISK: 2, UGX: 2, MGA: 0 },
    rules: [
      { when: { livemode: false }, drop: 'test' },
      stripe('payment_intent.succeeded', 'payment.succeeded', {
        amount: minor('amount_received'),
        payment_method: `${OBJECT}.payment_method_types.0`,
      }),
      stripe('payment_intent.payment_failed', 'payment.failed', {
        amount: minor('amount'),
        reason: `${OBJECT}.last_payment_error.code`,
      }),
      stripe('charge.refunded', 'refund.issued', {
        // `amount_refunded` is of all refunds of the charge so far.
        amount: {
          ...{ path: `${OBJECT}.amount_refunded`, as: 'minor' },
          minus: 'data.previous_attributes.amount_refunded',
        },
      }),
      stripe('charge.dispute.created', 'chargeback.received', {
        ...{ amount: minor('amount'), reason: `${OBJECT}.reason` },
      }),
    ],
  },
};

/** Events that are CloudEvents, or flat ones, already. CloudEvents have no signature: a token stands for it. */
export const CLOUDEVENTS: Preset = {
  name: 'cloudevents',
  signature: { scheme: 'token', header: 'authorization' },
  mapping: { rules: [{ flat: true }] },
};

const NAMES: Readonly<Record<string, string>> = {
  'Product Viewed': 'product_viewed',
  'Product Added': 'add_to_cart',
  'Checkout Started': 'checkout_initiated',
  'Order Completed': 'order.created',
  'Order Updated': 'order.updated',
  'Order Cancelled': 'order.cancelled',
  'Order Refunded': 'refund.issued',
};
const ORDER = ['Order Completed', 'Order Updated'];

const call: Record<string, ValueSpec> = {
  event_id: 'messageId',
  time: { path: ['timestamp', 'sentAt'] },
  source: { const: 'segment' },
  customer_id: 'userId',
  session_id: 'anonymousId',
  campaign: 'context.campaign.name',
};
const track: Record<string, ValueSpec> = {
  ...call,
  type: { path: 'event', map: { ...NAMES }, slug: true },
  order_id: 'properties.order_id',
  currency: 'properties.currency',
};

/** Track and page calls (segment.com/docs/connections/spec/ecommerce/v2). */
export const SEGMENT: Preset = {
  name: 'segment',
  signature: { scheme: 'hmac', header: 'x-signature', algorithm: 'sha1', encoding: 'hex' },
  mapping: {
    rules: [
      { when: { type: 'page' }, event: { ...call, type: { const: 'visit' } } },
      {
        when: { type: 'track', event: ORDER },
        event: {
          ...track,
          discount: 'properties.discount',
          shipping: 'properties.shipping',
          tax: 'properties.tax',
          voucher_code: 'properties.coupon',
        },
        items: {
          ...{ each: 'properties.products', sku: ['sku', 'product_id'], name: 'name', category: 'category' },
          ...{ quantity: 'quantity', unit_price: 'price' },
        },
        amount_of_items: true,
      },
      {
        when: { type: 'track', event: 'Order Refunded' },
        event: { ...track, amount: { path: ['properties.total', 'properties.revenue'] } },
      },
      {
        when: { type: 'track', event: { not: [...ORDER, 'Order Refunded'] } },
        event: track,
        data: { properties: { path: 'properties', as: 'any' } },
      },
    ],
  },
};
