import type { MappingRule, ValueSpec } from './mapping-schema.ts';
import type { Preset } from './preset.ts';

const TOPIC = '@x-wc-webhook-topic';
const ORDERS = ['order.created', 'order.updated'];
const DELIVERY = '@x-wc-webhook-delivery-id';
const id = (what: string, path: string): ValueSpec => ({ join: [{ const: `woocommerce:${what}:` }, path] });
const utc = (...path: string[]): ValueSpec => ({ path, format: 'utc' });

const order = (type: string, time: ValueSpec): MappingRule => ({
  when: { [TOPIC]: type },
  event: {
    event_id: id(type, DELIVERY),
    type: { const: type },
    time,
    source: { const: 'woocommerce' },
    order_id: 'id',
    currency: 'currency',
    channel: 'created_via',
    country: { path: ['shipping.country', 'billing.country'] },
    payment_method: 'payment_method',
    voucher_code: 'coupon_lines.0.code',
    status: 'status',
    discount: 'discount_total',
    shipping: 'shipping_total',
    tax: 'total_tax',
  },
  items: {
    each: 'line_items',
    sku: ['sku', 'product_id'],
    name: 'name',
    quantity: 'quantity',
    // `price` is after discounts, and may have more decimals than the currency.
    line_total: 'subtotal',
  },
  amount_of_items: true,
  data: { order_number: 'number', ip: 'customer_ip_address' },
});

/** A guest's `customer_id` is 0. */
const withCustomer = (rule: MappingRule): MappingRule => ({
  ...rule,
  event: { ...rule.event, customer_id: { path: 'customer_id', map: { 0: '' } } },
});

/** WooCommerce's webhooks (woocommerce.github.io/woocommerce-rest-api-docs, "Webhooks" and "Order properties"). */
export const WOOCOMMERCE: Preset = {
  name: 'woocommerce',
  signature: { scheme: 'hmac', header: 'x-wc-webhook-signature', algorithm: 'sha256', encoding: 'base64' },
  mapping: {
    rules: [
      { when: { status: ['checkout-draft', 'auto-draft'] }, drop: 'draft' },
      withCustomer(order('order.created', utc('date_created_gmt'))),
      withCustomer(order('order.updated', utc('date_modified_gmt'))),
      {
        when: { [TOPIC]: ORDERS, date_paid_gmt: { exists: true } },
        event: {
          event_id: id('payment', 'id'),
          type: { const: 'payment.succeeded' },
          time: utc('date_paid_gmt'),
          ...{ source: { const: 'woocommerce' }, order_id: 'id', currency: 'currency', amount: 'total' },
          payment_method: 'payment_method',
        },
      },
      {
        when: { [TOPIC]: ORDERS, status: 'cancelled' },
        event: {
          event_id: id('cancelled', DELIVERY),
          type: { const: 'order.cancelled' },
          time: utc('date_modified_gmt'),
          ...{ source: { const: 'woocommerce' }, order_id: 'id' },
        },
      },
      {
        // An order lists all its refunds each time: a refund counts once, by its own id. It says no time of its own.
        when: { [TOPIC]: 'order.updated' },
        each: 'refunds',
        event: {
          event_id: id('refund', 'id'),
          type: { const: 'refund.issued' },
          time: utc('$.date_modified_gmt'),
          ...{ source: { const: 'woocommerce' }, order_id: '$.id', currency: '$.currency', reason: 'reason' },
          amount: { path: 'total', negate: true },
        },
      },
    ],
  },
};
