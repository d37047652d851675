import type { ORDERS } from './endpoints.ts';
import { newName, type ShopRequest, type Subjects } from './request.ts';

/** Two orders as a spreadsheet has them. */
export const ORDERS_CSV = [
  'order_number,customer_email,customer_first_name,item_name,item_sku,item_quantity,item_price,payment_status,status',
  'CSV-1,ada@example.com,Ada,Assam 250 g,tea-assam,2,11.50,paid,confirmed',
  'CSV-2,ben@example.com,Ben,Tea pot of glass,pot-glass,1,29.00,pending,pending',
].join('\n');

export const ORDER_RULE = {
  ...{
    event: 'order.fulfilled',
    channel: 'in_app',
    recipient_type: 'customer',
    conditions: {},
    is_active: true,
  },
  template: 'Hi {{customer_name}}, your order #{{order_number}} has been shipped! Track: {{tracking_url}}',
};

/** Requests of the orders API, by endpoint. */
export function ordersRequests(subjects: Subjects): Readonly<Record<(typeof ORDERS)[number], ShopRequest>> {
  const { first, today, now_ms, ids, orders } = subjects;
  const get = (path: string): ShopRequest => ({ method: 'GET', path: `/api/v1${path}` });
  const post = (path: string, json: unknown): ShopRequest => ({
    method: 'POST',
    path: `/api/v1${path}`,
    json,
  });
  const analytics = (what: string): ShopRequest => get(`/orders/analytics/${what}?from=${first}&to=${today}`);
  const [one = '', other = '', third = ''] = orders;
  return {
    'GET /api/v1/orders/analytics/dashboard': analytics('dashboard'),
    'GET /api/v1/orders/analytics/revenue': analytics('revenue'),
    'GET /api/v1/orders/analytics/fulfillment': analytics('fulfillment'),
    'GET /api/v1/orders/analytics/sources': analytics('sources'),
    'GET /api/v1/orders/analytics/products': analytics('products'),
    'GET /api/v1/orders/analytics/cod-vs-prepaid': analytics('cod-vs-prepaid'),
    'POST /api/v1/orders/bulk/import': {
      ...{ method: 'POST', path: '/api/v1/orders/bulk/import' },
      form: { name: 'orders.csv', text: ORDERS_CSV, fields: { source: 'csv-import', currency: 'GBP' } },
    },
    'GET /api/v1/orders/bulk/import/{importId}': get(`/orders/bulk/import/${ids.import}`),
    'POST /api/v1/orders/bulk/export': post('/orders/bulk/export', {
      filters: { status: 'delivered', date_from: first, date_to: today },
      columns: ['order_number', 'customer_name', 'total', 'status', 'created_at'],
    }),
    'POST /api/v1/orders/bulk/status': post('/orders/bulk/status', { order_ids: [one], status: 'confirmed' }),
    'POST /api/v1/orders/bulk/ship': post('/orders/bulk/ship', {
      shipments: [{ order_id: other, tracking_number: '1Z999AA1', carrier: 'UPS' }],
    }),
    'POST /api/v1/orders/bulk/cancel': post('/orders/bulk/cancel', {
      order_ids: [third],
      reason: 'out of stock',
    }),
    'POST /api/v1/order-webhooks': post('/order-webhooks', {
      ...{ name: newName('orders', subjects), url: 'https://hooks.example.com/orders', is_active: true },
      events: ['order.created', 'order.status_changed', 'order.delivered'],
      secret: 'whsec_your_signing_secret',
    }),
    'POST /api/v1/order-notification-rules': post('/order-notification-rules', {
      ...{ name: newName('shipped', subjects), ...ORDER_RULE },
    }),
    'POST /api/v1/order-notification-rules/{rule}/test': post(
      `/order-notification-rules/${ids.orderRule}/test`,
      {},
    ),
    'POST /api/v1/order-custom-fields': post('/order-custom-fields', {
      ...{
        field_key: `priority_${Math.floor(now_ms / 1_000)}`,
        field_label: 'Priority',
        field_type: 'select',
      },
      ...{ options: ['low', 'normal', 'high'], is_required: false, is_filterable: false, sort_order: 1 },
    }),
    'GET /api/v1/orders': get(`/orders?status=delivered&date_from=${first}&limit=3`),
  };
}
