import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { orderEvent, PATIENTLY, startTestApi, type TestApi } from './fixture-api.ts';

/** The examples of the document of the orders API, as they stand there. */

type Json = Record<string, unknown>;

const SETTINGS = {
  ...{ SMS_PROVIDER_URL: 'https://sms.example.com/Messages.json', SMS_FROM: '+447700900000' },
  ...{ SMS_PROVIDER_USER: 'account', SMS_PROVIDER_PASSWORD: 'token' },
};

let test: TestApi;
let key: string;

beforeAll(async () => {
  test = await startTestApi(SETTINGS);
  test.clock.advance(Date.parse('2026-04-01T13:00:00Z') - test.clock.now());
  key = await test.key('admin');
  const items = [{ sku: 'tea', name: 'Tea', quantity: 2, unit_price: 500 }];
  const at = (id: string, time: string, members: Json = {}): Json =>
    orderEvent(id, {
      time,
      order_id: `o-${id}`,
      source: 'website',
      payment_method: 'cod',
      status: 'pending',
      items,
      ...members,
    });
  const json = [
    at('jan', '2026-01-05T10:00:00Z', { data: { order_number: 'ORD-20260105-A1B2', customer_name: 'Ada' } }),
    { ...at('sent', '2026-01-07T10:00:00Z'), order_id: 'o-jan', type: 'order.shipped', status: undefined },
    { ...at('there', '2026-01-08T10:00:00Z'), order_id: 'o-jan', type: 'order.delivered', status: undefined },
    at('mar', '2026-03-05T10:00:00Z', { payment_method: 'card' }),
    at('mar2', '2026-03-06T10:00:00Z', { payment_method: 'card' }),
    at('mar3', '2026-03-07T10:00:00Z'),
  ];
  const sent = await test.send('/ingest', { key, json: JSON.parse(JSON.stringify(json)) as unknown });
  expect(await sent.json()).toMatchObject({ accepted: 6, rejected: [] });
  await test.apply();
});
afterAll(() => test.close());

async function answer(path: string, init: RequestInit & { json?: unknown } = {}): Promise<Response> {
  const response = await test.send(path, { key, ...init });
  expect(response.status, `${path} ${await response.clone().text()}`).toBeLessThan(300);
  return response;
}

/** A request as the document writes it: its first line, and a body where there is one. */
async function requested(text: string): Promise<Response> {
  const [line = '', ...rest] = text.trim().split('\n');
  const [method = '', path = ''] = line.split(' ');
  const body = rest.join('\n').trim();
  return answer(path, { method, ...(body === '' ? {} : { json: JSON.parse(body) as unknown }) });
}
const jsonOf = async (text: string): Promise<Json> => (await (await requested(text)).json()) as Json;

describe('the document of the orders API', () => {
  it.each([
    'GET /api/v1/orders/analytics/dashboard?from=2026-03-01&to=2026-03-31',
    'GET /api/v1/orders/analytics/revenue?from=2026-03-01&to=2026-03-31',
    'GET /api/v1/orders/analytics/fulfillment?from=2026-03-01&to=2026-03-31',
    'GET /api/v1/orders/analytics/sources?from=2026-03-01&to=2026-03-31',
    'GET /api/v1/orders/analytics/products?from=2026-03-01&to=2026-03-31',
    'GET /api/v1/orders/analytics/cod-vs-prepaid?from=2026-03-01&to=2026-03-31',
  ])('has %s', async (request) => {
    const found = await jsonOf(request);
    expect(JSON.stringify(found)).toMatch(/"(total_)?orders":/);
    expect(found.meta).toMatchObject({ lag_messages: 0 });
  });

  it('imports a file, and says how far it is', async () => {
    const head =
      'order_number,customer_phone,customer_email,customer_first_name,customer_last_name,item_name,item_quantity,' +
      'item_price,item_sku,total,payment_status,status,notes';
    const form = new FormData();
    const row =
      'CSV-1,+447700900123,ada@example.com,Ada,Example,Tea,2,4.50,TEA,9.00,paid,confirmed,as a gift';
    form.set('file', new File([`${head}\n${row}\n`], 'orders.csv', { type: 'text/csv' }));
    form.set('source', 'csv-import');
    form.set('currency', 'GBP');
    // The app takes requests, whose own headers name the boundary.
    const request = new Request('http://test.invalid', { method: 'POST', body: form });
    const made = await test.send('/api/v1/orders/bulk/import', {
      ...{ key, method: 'POST', body: Buffer.from(await request.arrayBuffer()) },
      headers: { 'content-type': request.headers.get('content-type') ?? '' },
    });
    const { import_id } = (await made.json()) as { import_id: string };
    expect(made.status).toBe(202);
    await vi.waitFor(async () => {
      expect(await jsonOf(`GET /api/v1/orders/bulk/import/${import_id}`)).toMatchObject({
        status: 'succeeded',
        created: 1,
      });
    }, PATIENTLY);
    await test.apply();
    const { data } = (await jsonOf('GET /api/v1/orders?source=csv-import')) as { data: Json[] };
    expect(data).toMatchObject([{ order_number: 'CSV-1', total: '9.00', status: 'confirmed' }]);
  });

  it('exports orders', async () => {
    const file = await requested(`POST /api/v1/orders/bulk/export

{
  "filters": { "status": "delivered", "date_from": "2026-01-01", "date_to": "2026-03-01" },
  "columns": ["order_number", "customer_name", "total", "status", "created_at"]
}`);
    const [head, row] = (await file.text()).trim().split('\r\n');
    expect(head).toBe('order_number,customer_name,total,status,created_at');
    expect(row).toMatch(/^ORD-20260105-A1B2,Ada,10\.00,delivered,2026-01-05/);
  });

  it('changes many orders', async () => {
    const json = { order_ids: ['o-mar', 'none'], status: 'confirmed' };
    const changed = await answer('/api/v1/orders/bulk/status', { json });
    expect(await changed.json()).toMatchObject({ succeeded: 1, failed: 1 });
    await test.apply();
    const shipped = await answer('/api/v1/orders/bulk/ship', {
      json: { shipments: [{ order_id: 'o-mar2', tracking_number: '1Z999', carrier: 'UPS' }] },
    });
    expect(await shipped.json()).toMatchObject({ succeeded: 1, failed: 0 });
    await test.apply();
    const cancelled = await answer('/api/v1/orders/bulk/cancel', {
      json: { order_ids: ['o-mar3'], reason: 'out of stock' },
    });
    expect(await cancelled.json()).toMatchObject({ succeeded: 1, failed: 0 });
  });

  it('has a webhook told', async () => {
    const webhook = await jsonOf(`POST /api/v1/order-webhooks

{
  "url": "https://yourapp.com/webhook/orders",
  "secret": "whsec_your_signing_secret",
  "events": ["order.created", "order.status_changed", "order.delivered"],
  "is_active": true
}`);
    expect(webhook).toMatchObject({
      is_active: true,
      events: ['order.created', 'order.status_changed', 'order.delivered'],
    });
  });

  it('has a rule of notifications, and tries it', async () => {
    const rule = await jsonOf(`POST /api/v1/order-notification-rules

{
  "name": "Order Shipped SMS",
  "event": "order.fulfilled",
  "channel": "sms",
  "recipient_type": "customer",
  "template": "Hi {{customer_name}}, your order #{{order_number}} has been shipped! Track: {{tracking_url}}",
  "conditions": {},
  "is_active": true
}`);
    expect(rule).toMatchObject({ channel: 'sms', is_active: true });
    const tried = await answer(`/api/v1/order-notification-rules/${String(rule.id)}/test`, {
      json: { to: '+447700900123' },
    });
    expect(((await tried.json()) as Json).text).toMatch(
      /^Hi .+, your order #.+ has been shipped! Track: http/,
    );
  });

  it('has a field of its own', async () => {
    const field = await jsonOf(`POST /api/v1/order-custom-fields

{
  "field_key": "priority_level",
  "field_label": "Priority Level",
  "field_type": "select",
  "options": ["low", "normal", "high", "urgent"],
  "is_required": false,
  "is_filterable": true,
  "sort_order": 1
}`);
    expect(field).toMatchObject({
      field_key: 'priority_level',
      options: ['low', 'normal', 'high', 'urgent'],
    });
  });
});
