import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestApi, type TestApi } from '../../fixture-api.ts';

type Json = Record<string, unknown>;

let test: TestApi;
let viewer: string;
let next = 0;

const event = (type: string, time: string, members: Json = {}): Json => ({
  ...{ event_id: `e-${++next}`, type, time, currency: 'EUR' },
  ...members,
});
const order = (order_id: string, time: string, amount: number, members: Json = {}): Json =>
  event('order.created', time, {
    ...{ order_id, customer_id: `c-${order_id.slice(0, 1)}`, amount, source: 'shop' },
    items: [{ sku: amount > 4_000 ? 'big' : 'small', quantity: 2, unit_price: amount / 2 }],
    ...members,
  });

/** Now is 2025-09-01T12:00:00Z; the tenant's days are those of Berlin. */
const EVENTS: readonly Json[] = [
  order('a1', '2025-07-31T22:30:00Z', 5_000, { payment_method: 'cod', discount: 100 }),
  order('a2', '2025-08-02T10:00:00Z', 1_000, { payment_method: 'Cash on Delivery' }),
  order('b1', '2025-08-02T11:00:00Z', 3_000, { payment_method: 'card', source: 'app' }),
  order('c1', '2025-08-31T21:59:59Z', 2_000, { payment_method: 'upi', items: undefined }),
  order('d1', '2025-08-31T22:00:00Z', 7_770, { payment_method: 'cod' }),
  event('order.shipped', '2025-08-03T10:00:00Z', { order_id: 'a1' }),
  event('order.delivered', '2025-08-05T10:00:00Z', { order_id: 'a1' }),
  event('order.shipped', '2025-08-03T10:00:00Z', { order_id: 'a2' }),
  event('order.rto', '2025-08-08T10:00:00Z', { order_id: 'a2' }),
  event('payment.succeeded', '2025-08-02T11:01:00Z', { order_id: 'b1', amount: 3_000 }),
  event('order.cancelled', '2025-08-02T12:00:00Z', { order_id: 'b1' }),
  event('refund.issued', '2025-08-02T12:01:00Z', { order_id: 'b1', amount: 1_000 }),
];
const AUGUST = 'from=2025-08-01&to=2025-08-31';
const QUERY = { start: '2025-08-01T00:00:00+02:00', end: '2025-09-01T00:00:00+02:00' };

async function get(path: string, key = viewer): Promise<{ readonly status: number; readonly json: Json }> {
  const response = await test.send(path, { key });
  return { status: response.status, json: (await response.json()) as Json };
}
async function dataOf(path: string): Promise<Json> {
  const { status, json } = await get(path);
  expect(status, JSON.stringify(json)).toBe(200);
  expect(json.meta).toMatchObject({ refresh: 'continuous', lag_messages: 0, approximate: [], warnings: [] });
  return json.data as Json;
}

beforeAll(async () => {
  test = await startTestApi();
  viewer = await test.key('viewer');
  const admin = await test.key('admin');
  await test.send('/settings', { key: admin, method: 'PATCH', json: { timezone: 'Europe/Berlin' } });
  const sent = await test.send('/ingest', { key: admin, json: EVENTS });
  expect(await sent.json()).toMatchObject({ accepted: EVENTS.length, rejected: [] });
  await test.apply();
});
afterAll(() => test.close());

describe('analytics of the orders API', () => {
  it('have a dashboard of whole local days, with the numbers of the first API', async () => {
    const data = await dataOf(`/api/v1/orders/analytics/dashboard?${AUGUST}`);
    expect(data).toEqual({
      ...{ total_orders: 4, total_revenue: '110.00', average_order_value: '27.25', unique_customers: 3 },
      currency: 'EUR',
      by_status: [
        { status: 'cancelled', orders: 1, revenue: '30.00', share: 0.25 },
        { status: 'delivered', orders: 1, revenue: '50.00', share: 0.25 },
        { status: 'pending', orders: 1, revenue: '20.00', share: 0.25 },
        { status: 'rto', orders: 1, revenue: '10.00', share: 0.25 },
      ],
      by_payment_status: [
        { payment_status: 'pending', orders: 3, revenue: '80.00', share: 0.75 },
        { payment_status: 'partially_refunded', orders: 1, revenue: '30.00', share: 0.25 },
      ],
    });
    const kpis = await test.send('/kpis/query', {
      key: viewer,
      json: { ...QUERY, metrics: ['orders_count', 'revenue', 'aov', 'customers_active'] },
    });
    expect(await kpis.json()).toMatchObject({
      groups: [{ totals: { orders_count: 4, revenue: 11_000, aov: 2_725, customers_active: 3 } }],
    });
  });

  it('have revenue by day, sources and products', async () => {
    const { series, currency } = (await dataOf(`/api/v1/orders/analytics/revenue?${AUGUST}`)) as {
      series: Json[];
      currency: string;
    };
    expect(currency).toBe('EUR');
    expect(series).toHaveLength(31);
    expect(series.slice(0, 3)).toEqual([
      { date: '2025-08-01', orders: 1, revenue: '50.00' },
      { date: '2025-08-02', orders: 2, revenue: '40.00' },
      { date: '2025-08-03', orders: 0, revenue: '0.00' },
    ]);
    expect(series.at(-1)).toEqual({ date: '2025-08-31', orders: 1, revenue: '20.00' });
    expect(await dataOf(`/api/v1/orders/analytics/sources?${AUGUST}`)).toEqual({
      currency: 'EUR',
      sources: [
        { source: 'shop', orders: 3, revenue: '80.00' },
        { source: 'app', orders: 1, revenue: '30.00' },
      ],
    });
    expect(await dataOf(`/api/v1/orders/analytics/products?${AUGUST}&sort_by=quantity&limit=1`)).toEqual({
      currency: 'EUR',
      products: [{ sku: 'small', quantity: 4, orders: 2, revenue: '40.00' }],
    });
    expect(
      ((await dataOf(`/api/v1/orders/analytics/products?${AUGUST}`)).products as Json[]).map(
        ({ sku }) => sku,
      ),
    ).toEqual(['big', 'small']);
  });

  it('have rates of fulfillment, and cash on delivery beside prepaid, as the first API says', async () => {
    expect(await dataOf(`/api/v1/orders/analytics/fulfillment?${AUGUST}`)).toEqual({
      ...{ total_orders: 4, shipped: 2, delivered: 1, cancelled: 1, rto: 1 },
      ...{ delivery_rate: 0.25, cancellation_rate: 0.25, rto_rate: 0.25 },
    });
    expect(await dataOf(`/api/v1/orders/analytics/cod-vs-prepaid?${AUGUST}`)).toEqual({
      currency: 'EUR',
      cod: { orders: 2, revenue: '60.00', share: 0.5, delivery_rate: 0.5, rto_rate: 0.5 },
      prepaid: { orders: 2, revenue: '50.00', share: 0.5, delivery_rate: 0, rto_rate: 0 },
      unknown: { orders: 0, revenue: '0.00', share: 0, delivery_rate: null, rto_rate: null },
    });
    const first = await test.send('/orders/outcomes', { key: viewer, json: { ...QUERY, explain: true } });
    expect(await first.json()).toMatchObject({
      totals: { orders: 4, delivered: 1, cancelled: 1, rto: 1, gross: 11_000, discount: 100 },
      payment_kinds: [
        { payment_kind: 'cod', orders: 2, gross: 6_000 },
        { payment_kind: 'prepaid', orders: 2, gross: 5_000 },
      ],
      explain: { source: 'scan', entity: 'order_id', events: { path: '/events/search' } },
    });
  });

  it('take the month to date without dates', async () => {
    expect((await get('/api/v1/orders/analytics/fulfillment')).json).toMatchObject({
      period: { from: '2025-09-01', to: '2025-09-01' },
      data: { total_orders: 1 },
    });
    expect((await get('/api/v1/orders/analytics/fulfillment?to=2025-08-31')).json.period).toEqual({
      from: '2025-08-01',
      to: '2025-08-31',
    });
  });

  it('say what is wrong in their own form', async () => {
    for (const name of ['dashboard', 'revenue', 'fulfillment', 'sources', 'products', 'cod-vs-prepaid']) {
      const path = `/api/v1/orders/analytics/${name}`;
      expect(await get(`${path}?from=2025-02-30&to=2025-03-01`)).toEqual({
        status: 422,
        json: {
          message: 'from must be a date that exists, as YYYY-MM-DD.',
          code: 'validation_failed',
          errors: { from: ['must be a date that exists, as YYYY-MM-DD'] },
        },
      });
      expect(await get(`${path}?from=2025-03-02&to=2025-03-01`)).toMatchObject({
        status: 422,
        json: { code: 'validation_failed', errors: { to: ['lies before from'] } },
      });
      expect((await test.send(path)).status).toBe(401);
      const other = await test.send(path, {
        key: viewer,
        headers: { 'x-tenant-id': 'another' },
      });
      expect([other.status, ((await other.json()) as Json).code]).toEqual([403, 'tenant_forbidden']);
    }
    expect(await get('/api/v1/orders/analytics/nothing')).toMatchObject({
      status: 404,
      json: { code: 'route_not_found' },
    });
    expect(await get('/api/v1/orders/analytics/dashboard?days=3')).toMatchObject({
      status: 422,
      json: { code: 'validation_failed' },
    });
  });
});
