import type { MappingRule, ValueSpec } from './mapping-schema.ts';
import type { Preset } from './preset.ts';

const TOPIC = '@x-shopify-topic';
/** The same in every retry of a delivery. */
const event_id: ValueSpec = {
  join: [{ const: 'shopify:' }, TOPIC, { const: ':' }, '@x-shopify-event-id'],
};
const source: ValueSpec = { const: 'shopify' };

const of = (topic: string, rule: MappingRule): MappingRule => ({
  ...rule,
  when: { [TOPIC]: topic, ...rule.when },
  event: { event_id, source, ...rule.event },
});

/** Of the shop: without `_set` it is so too, but may be a number with the digits of binary fractions. */
const AMOUNT = ['amount_set.shop_money.amount', 'amount'];

/** `quantity` counts what was ordered, removed lines too: what is removed or sent back comes as a refund. */
const order: MappingRule = {
  event: {
    order_id: 'id',
    customer_id: 'customer.id',
    currency: 'currency',
    channel: 'source_name',
    country: { path: ['shipping_address.country_code', 'billing_address.country_code'] },
    payment_method: 'payment_gateway_names.0',
    voucher_code: 'discount_codes.0.code',
    status: 'financial_status',
    // `total_discounts` has discounts of the shipping too, which the price of the lines never had.
    discount: { sum: [{ each: 'line_items.discount_allocations', path: AMOUNT }], or: 'total_discounts' },
    shipping: {
      sum: [
        {
          each: 'shipping_lines',
          path: ['discounted_price_set.shop_money.amount', 'discounted_price'],
          when: { is_removed: { not: [true] } },
        },
      ],
      or: 'total_shipping_price_set.shop_money.amount',
    },
    tax: 'total_tax',
  },
  items: {
    each: 'line_items',
    sku: ['sku', 'variant_id', 'product_id', 'title'],
    name: 'title',
    quantity: 'quantity',
    unit_price: 'price',
  },
  amount_of_items: true,
  data: { order_number: 'name', ip: 'browser_ip' },
};

const orderEvent = (type: string, time: ValueSpec): MappingRule => ({
  ...order,
  event: { ...order.event, type: { const: type }, time },
});

/** Shopify's webhooks (shopify.dev/docs/api/webhooks). Money is that of the shop, not that shown to the buyer. */
export const SHOPIFY: Preset = {
  name: 'shopify',
  signature: { scheme: 'hmac', header: 'x-shopify-hmac-sha256', algorithm: 'sha256', encoding: 'base64' },
  mapping: {
    rules: [
      { when: { test: true }, drop: 'test' },
      { when: { '@x-shopify-test': 'true' }, drop: 'test' },
      { when: { 'transactions.0.test': true }, drop: 'test' },
      of('orders/create', orderEvent('order.created', { path: ['processed_at', 'created_at'] })),
      of('orders/updated', orderEvent('order.updated', 'updated_at')),
      { when: { [TOPIC]: 'orders/edited' }, drop: 'said_by_orders_updated' },
      of('orders/cancelled', {
        event: {
          type: { const: 'order.cancelled' },
          time: 'cancelled_at',
          order_id: 'id',
          reason: 'cancel_reason',
        },
      }),
      of('orders/paid', {
        event: {
          type: { const: 'payment.succeeded' },
          ...{ time: 'updated_at', order_id: 'id', currency: 'currency', amount: 'total_price' },
          payment_method: 'payment_gateway_names.0',
        },
      }),
      of('refunds/create', {
        event: {
          type: { const: 'refund.issued' },
          time: { path: ['processed_at', 'created_at'] },
          order_id: 'order_id',
          reason: 'note',
          currency: {
            path: [
              'refund_line_items.0.subtotal_set.shop_money.currency_code',
              'order_adjustments.0.amount_set.shop_money.currency_code',
              'transactions.0.currency',
            ],
          },
          amount: {
            sum: [
              { each: 'refund_line_items', path: ['subtotal_set.shop_money.amount', 'subtotal'] },
              // What was given back beyond the lines is said as a negative adjustment.
              {
                ...{ each: 'order_adjustments', path: AMOUNT, negate: true },
                when: { kind: 'refund_discrepancy' },
              },
            ],
          },
        },
      }),
      of('fulfillments/create', {
        event: { type: { const: 'order.shipped' }, time: 'created_at', order_id: 'order_id' },
        data: { tracking_company: 'tracking_company' },
      }),
      of('fulfillments/update', {
        when: { shipment_status: 'delivered' },
        event: { type: { const: 'order.delivered' }, time: 'updated_at', order_id: 'order_id' },
      }),
    ],
  },
};
