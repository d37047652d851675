/** Payloads with the members that the sources' public documentation names, cut to what matters here. */
import type { SourceRecordBody } from './scope.ts';

type Json = Readonly<Record<string, unknown>>;

export function shopify(topic: string, event: string, body: Json): SourceRecordBody {
  return { body, headers: { 'x-shopify-topic': topic, 'x-shopify-event-id': event } };
}

export const shopifyOrder = (more: Json = {}): Json => ({
  ...{ id: 820982911946154500n, name: '#1001', test: false, currency: 'USD', presentment_currency: 'CAD' },
  ...{ created_at: '2026-03-02T09:00:00-05:00', processed_at: '2026-03-02T09:00:00-05:00' },
  ...{ updated_at: '2026-03-02T09:00:00-05:00', cancelled_at: null, source_name: 'web' },
  ...{ financial_status: 'paid', total_price: '115.94', total_tax: '5.00', total_discounts: '10.00' },
  discount_codes: [{ code: 'SPRING', amount: '10.00', type: 'fixed_amount' }],
  total_shipping_price_set: {
    shop_money: { amount: '10.95', currency_code: 'USD' },
    presentment_money: { amount: '14.80', currency_code: 'CAD' },
  },
  customer: { id: 115310627314723950n },
  shipping_address: { country_code: 'US' },
  payment_gateway_names: ['visa'],
  line_items: [
    { id: 1, sku: 'IPOD-NANO', title: 'IPod Nano', quantity: 2, current_quantity: 2, price: '49.99' },
    {
      id: 2,
      sku: '',
      variant_id: 808950810,
      title: 'Sleeve',
      quantity: 1,
      current_quantity: 1,
      price: '10.01',
    },
  ],
  ...more,
});

export const shopifyRefund = (more: Json = {}): Json => ({
  ...{ id: 509562969, order_id: 820982911946154500n, note: 'damaged', user_id: null },
  ...{ created_at: '2026-03-05T12:00:00-05:00', processed_at: '2026-03-05T12:00:00-05:00' },
  refund_line_items: [
    {
      ...{ quantity: 1, subtotal: '49.99', total_tax: '2.50', restock_type: 'return' },
      subtotal_set: {
        shop_money: { amount: '49.99', currency_code: 'USD' },
        presentment_money: { amount: '67.60', currency_code: 'CAD' },
      },
    },
  ],
  order_adjustments: [
    { kind: 'refund_discrepancy', amount: '-0.01', reason: 'Refund discrepancy' },
    { kind: 'shipping_refund', amount: '-5.00', reason: 'Shipping refund' },
  ],
  transactions: [{ kind: 'refund', status: 'success', amount: '57.50', currency: 'USD', test: false }],
  ...more,
});

export function woo(topic: string, delivery: string, body: Json): SourceRecordBody {
  return { body, headers: { 'x-wc-webhook-topic': topic, 'x-wc-webhook-delivery-id': delivery } };
}

export const wooOrder = (more: Json = {}): Json => ({
  ...{ id: 727, number: '727', status: 'processing', currency: 'EUR', created_via: 'checkout' },
  ...{ date_created_gmt: '2026-03-03T10:00:00', date_modified_gmt: '2026-03-03T10:00:05' },
  ...{ date_paid_gmt: '2026-03-03T10:00:05', customer_id: 0, payment_method: 'bacs' },
  ...{ discount_total: '0.00', shipping_total: '4.90', total: '24.90', total_tax: '0.00' },
  billing: { country: 'DE' },
  shipping: { country: '' },
  line_items: [
    { id: 315, name: 'Socks', product_id: 93, quantity: 3, subtotal: '10.00', price: 3.3333333333 },
    { id: 316, name: 'Shirt', sku: 'SH', quantity: 1, subtotal: '10.00', price: 10 },
  ],
  coupon_lines: [],
  refunds: [],
  ...more,
});

export function stripe(id: string, type: string, object: Json, more: Json = {}): SourceRecordBody {
  const { previous_attributes, ...event } = more;
  const data = { object, ...(previous_attributes === undefined ? {} : { previous_attributes }) };
  return {
    body: { id, object: 'event', type, created: 1772532000, livemode: true, data, ...event },
    headers: {},
  };
}
