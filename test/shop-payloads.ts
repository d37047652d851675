import { createHmac } from 'node:crypto';

/** Payloads as the sources' public documentation shows them, cut to the members that matter here. */

type Json = Readonly<Record<string, unknown>>;

/** A request of a source: its body as bytes, and its headers with the signature. */
export interface Sent {
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
}

export const SECRETS = { shopify: 'shpss_hush-hush', woocommerce: 'ck_hush-hush', stripe: 'whsec_hush-hush' };

const hmac = (secret: string, text: string, encoding: 'base64' | 'hex'): string =>
  createHmac('sha256', secret).update(text).digest(encoding);

/** shopify.dev/docs/api/webhooks */
export function shopify(topic: string, event: string, payload: Json): Sent {
  const body = JSON.stringify(payload);
  return {
    body,
    headers: {
      'X-Shopify-Topic': topic,
      'X-Shopify-Event-Id': event,
      'X-Shopify-Hmac-Sha256': hmac(SECRETS.shopify, body, 'base64'),
    },
  };
}

export const shopifyOrder = (id: number, more: Json = {}): Json => ({
  ...{ id, name: `#${id}`, test: false, currency: 'GBP', presentment_currency: 'EUR', source_name: 'web' },
  ...{ created_at: '2025-03-10T09:00:00+00:00', processed_at: '2025-03-10T09:00:00+00:00' },
  ...{ updated_at: '2025-03-10T09:00:00+00:00', cancelled_at: null, financial_status: 'paid' },
  ...{ total_price: '27.95', total_tax: '1.00', total_discounts: '2.00' },
  total_shipping_price_set: { shop_money: { amount: '3.95', currency_code: 'GBP' } },
  customer: { id: 115_310_627_314_723 },
  shipping_address: { country_code: 'GB' },
  payment_gateway_names: ['visa'],
  line_items: [
    { id: 1, sku: 'TEA', title: 'Tea', quantity: 2, current_quantity: 2, price: '9.99' },
    {
      id: 2,
      sku: '',
      variant_id: 808_950_810,
      title: 'Cup',
      quantity: 1,
      current_quantity: 1,
      price: '5.00',
    },
  ],
  ...more,
});

export const shopifyRefund = (id: number, order_id: number): Json => ({
  ...{
    id,
    order_id,
    note: 'damaged',
    created_at: '2025-03-10T12:00:00Z',
    processed_at: '2025-03-10T12:00:00Z',
  },
  refund_line_items: [
    {
      ...{ quantity: 1, subtotal: '9.99', total_tax: '0.50' },
      subtotal_set: { shop_money: { amount: '9.99', currency_code: 'GBP' } },
    },
  ],
  order_adjustments: [{ kind: 'shipping_refund', amount: '-3.95', reason: 'Shipping refund' }],
  transactions: [{ kind: 'refund', status: 'success', amount: '14.44', currency: 'GBP', test: false }],
});

/** woocommerce.github.io/woocommerce-rest-api-docs, "Webhooks" */
export function woo(topic: string, delivery: string, payload: Json): Sent {
  const body = JSON.stringify(payload);
  return {
    body,
    headers: {
      'X-WC-Webhook-Topic': topic,
      'X-WC-Webhook-Delivery-ID': delivery,
      'X-WC-Webhook-Signature': hmac(SECRETS.woocommerce, body, 'base64'),
    },
  };
}

export const wooOrder = (id: number, more: Json = {}): Json => ({
  ...{ id, number: String(id), status: 'processing', currency: 'EUR', created_via: 'checkout' },
  ...{ date_created_gmt: '2025-03-10T10:00:00', date_modified_gmt: '2025-03-10T10:00:05' },
  ...{ date_paid_gmt: '2025-03-10T10:00:05', customer_id: 0, payment_method: 'bacs' },
  ...{ discount_total: '1.00', shipping_total: '4.90', total: '23.90', total_tax: '0.00' },
  ...{
    billing: { country: 'DE' },
    shipping: { country: '' },
    coupon_lines: [{ code: 'spring' }],
    refunds: [],
  },
  line_items: [
    // 10.00 for three does not divide.
    { id: 315, name: 'Socks', product_id: 93, quantity: 3, subtotal: '10.00', price: 3.3333333333 },
    { id: 316, name: 'Shirt', sku: 'SH', quantity: 1, subtotal: '10.00', price: 10 },
  ],
  ...more,
});

/** docs.stripe.com/webhooks */
export function stripe(payload: Json): Sent {
  const body = JSON.stringify(payload);
  const time = Math.floor(Date.now() / 1_000);
  return {
    body,
    headers: { 'Stripe-Signature': `t=${time},v1=${hmac(SECRETS.stripe, `${time}.${body}`, 'hex')}` },
  };
}

export const stripeEvent = (id: string, type: string, object: Json, more: Json = {}): Json => {
  const { previous_attributes, ...event } = more;
  const data = { object, ...(previous_attributes === undefined ? {} : { previous_attributes }) };
  return { id, object: 'event', type, created: 1_741_608_000, livemode: true, data, ...event };
};
