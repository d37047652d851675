import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestApi, type TestApi } from '../../fixture-api.ts';

type Json = Record<string, unknown>;

let test: TestApi;
let viewer: string;
let next = 0;

const event = (type: string, time: string, members: Json = {}): Json => ({
  event_id: `e-${++next}`,
  type,
  time,
  currency: 'GBP',
  ...members,
});

const order = (
  id: string,
  customer_id: string,
  time: string,
  lines: readonly [string, number, number][],
): Json =>
  event('order.created', time, {
    order_id: id,
    customer_id,
    channel: id.length % 2 === 0 ? 'web' : 'app',
    country: customer_id === 'c-1' ? 'GB' : 'IE',
    ...(customer_id === 'c-1' ? { region: 'Kent' } : {}),
    amount: lines.reduce((sum, [, quantity, price]) => sum + quantity * price, 0),
    items: lines.map(([sku, quantity, unit_price]) => ({ sku, category: `of-${sku}`, quantity, unit_price })),
  });

/** Now is 2025-09-01T12:00:00Z. */
const EVENTS: readonly Json[] = [
  order('jul1', 'c-1', '2025-07-03T10:00:00Z', [['tea', 1, 500]]),
  order('jul02', 'c-2', '2025-07-30T10:00:00Z', [['cup', 1, 900]]),
  order('aug1', 'c-1', '2025-08-04T10:00:00Z', [
    ['tea', 3, 500],
    ['cup', 1, 950],
  ]),
  order('aug02', 'c-3', '2025-08-31T23:30:00Z', [['tea', 2, 499]]),
  event('refund.issued', '2025-08-20T10:00:00Z', { order_id: 'aug1', amount: 100 }),
  event('return.received', '2025-08-21T10:00:00Z', {
    order_id: 'aug1',
    items: [{ sku: 'tea', quantity: 1, unit_price: 500 }],
  }),
  event('visit', '2025-08-04T09:00:00Z', { session_id: 's-1', customer_id: 'c-1' }),
  event('add_to_cart', '2025-08-04T09:01:00Z', { session_id: 's-1' }),
  event('checkout_initiated', '2025-08-04T09:02:00Z', { session_id: 's-1' }),
  event('visit', '2025-08-05T09:00:00Z', { session_id: 's-2' }),
  event('add_to_cart', '2025-08-05T09:01:00Z', { session_id: 's-2' }),
  event('visit', '2025-08-06T09:00:00Z', { session_id: 's-3' }),
  event('visit', '2025-09-01T11:56:00Z', { session_id: 's-9' }),
  event('product_viewed', '2025-09-01T11:57:00Z', { session_id: 's-9' }),
  event('visit', '2025-09-01T11:50:00Z', { session_id: 's-8' }),
  order('now1', 'c-9', '2025-09-01T11:30:00Z', [['tea', 1, 700]]),
  event('inventory.level', '2025-08-30T10:00:00Z', { sku: 'tea', data: { quantity: 90, reorder_point: 10 } }),
  event('inventory_level', '2025-08-31T10:00:00Z', { sku: 'tea', quantity: 4, reorder_point: 10 }),
  event('inventory.level', '2025-08-31T10:00:00Z', { sku: 'cup', quantity: 0, reorder_point: 5 }),
  event('inventory.level', '2025-08-31T10:00:00Z', { sku: 'pot', quantity: 12, reorder_point: 2 }),
  event('inventory.level', '2025-08-31T10:00:00Z', { sku: 'jug', quantity: 2, reorder_point: 2 }),
];

/** Of all events, and of nothing that may be wrong. */
const META = {
  ...{ position: { EVENTS: { 0: expect.any(Number) } }, complete_until: '2025-09-01T11:56:30Z' },
  ...{ staleness_ms: 0, lag_messages: 0, late_events: 15, approximate: [], warnings: [] },
};
const AUGUST = 'time_range=custom&start_date=2025-08-01&end_date=2025-08-31';

async function get(path: string, key = viewer): Promise<{ readonly status: number; readonly json: Json }> {
  const response = await test.send(path, { key });
  return { status: response.status, json: (await response.json()) as Json };
}

async function answerOf(path: string): Promise<Json> {
  const { status, json } = await get(path);
  expect(status, `${path} ${JSON.stringify(json)}`).toBe(200);
  return json;
}

const kpis = async (body: Json): Promise<Json> => {
  const response = await test.send('/kpis/query', { key: viewer, json: body });
  const { groups } = (await response.json()) as { groups: readonly { totals: Json }[] };
  return groups[0]?.totals ?? {};
};

beforeAll(async () => {
  test = await startTestApi();
  viewer = await test.key('viewer');
  const admin = await test.key('admin');
  const sent = await test.send('/ingest', { key: admin, json: EVENTS });
  expect(await sent.json()).toMatchObject({ accepted: EVENTS.length });
  await test.apply();
});
afterAll(() => test.close());

describe('sales', () => {
  it('are the numbers of the first API, in major units, with their growth', async () => {
    const sales = await answerOf(`/analytics/sales?${AUGUST}`);
    expect(sales).toEqual({
      period: { start: '2025-08-01T00:00:00Z', end: '2025-09-01T00:00:00Z' },
      currency: 'GBP',
      ...{ revenue: 34.48, orders: 2, average_order_value: 17.24, items_sold: 6 },
      growth: {
        revenue: (3448 - 1400) / 1400,
        orders: 0,
        average_order_value: (1724 - 700) / 700,
        items_sold: 2,
      },
      previous: {
        period: { start: '2025-07-01T00:00:00Z', end: '2025-08-01T00:00:00Z' },
        ...{ revenue: 14, orders: 2, average_order_value: 7, items_sold: 2 },
      },
      meta: META,
    });
    const range = { start: '2025-08-01T00:00:00Z', end: '2025-09-01T00:00:00Z' };
    const first = await kpis({ ...range, metrics: ['revenue', 'orders_count', 'aov', 'units_sold'] });
    expect(first).toMatchObject({ revenue: 3448, orders_count: 2, aov: 1724, units_sold: 6 });
  });

  it('go by the calendar of the tenant, to date', async () => {
    const today = await answerOf('/analytics/sales?time_range=today');
    expect(today).toMatchObject({
      period: { start: '2025-09-01T00:00:00Z', end: '2025-09-01T12:01:00Z' },
      orders: 1,
    });
    expect(await answerOf('/analytics/sales')).toMatchObject({ revenue: 7, orders: 1 });
    const quarter = await answerOf('/analytics/sales?time_range=quarter');
    expect(quarter).toMatchObject({ period: { start: '2025-07-01T00:00:00Z' }, orders: 5 });
  });

  it('are shown over time, and by channel, category and place', async () => {
    const trend = await answerOf(`/analytics/revenue/trend?${AUGUST}&granularity=day`);
    const days = trend.trend as readonly Json[];
    expect(days).toHaveLength(31);
    expect(days[3]).toEqual({
      date: '2025-08-04T00:00:00Z',
      revenue: 24.5,
      average_order_value: 24.5,
      orders: 1,
    });
    const { channels } = await answerOf(`/analytics/revenue/by-channel?${AUGUST}`);
    expect(channels).toMatchObject([
      { channel: 'web', revenue: 24.5, orders: 1, share: 2450 / 3448 },
      { channel: 'app', revenue: 9.98, orders: 1 },
    ]);
    const { categories } = await answerOf(`/analytics/categories?${AUGUST}`);
    expect(categories).toMatchObject([
      { category: 'of-tea', revenue: 24.98, items_sold: 5, orders: 2 },
      { category: 'of-cup', revenue: 9.5, items_sold: 1, orders: 1 },
    ]);
    const { countries, regions } = await answerOf(`/analytics/geographic?${AUGUST}`);
    expect(countries).toMatchObject([
      { country: 'GB', revenue: 24.5 },
      { country: 'IE', revenue: 9.98 },
    ]);
    expect(regions).toMatchObject([
      { region: 'Kent', revenue: 24.5 },
      { region: null, revenue: 9.98 },
    ]);
  });
});

describe('customers', () => {
  it('are new, returning, retained or lost', async () => {
    expect(await answerOf(`/analytics/customers?${AUGUST}`)).toMatchObject({
      ...{ total_customers: 2, new_customers: 1, returning_customers: 1 },
      ...{ retention_rate: 0.5, churned_customers: 1 },
      // (500 + 900 + 2,450 − 100 + 998) ÷ 3 customers
      ...{ average_lifetime_value: 15.83, currency: 'GBP' },
    });
  });

  it('have segments', async () => {
    const { segments, total_customers } = await answerOf(`/analytics/customers/segments?${AUGUST}`);
    expect(total_customers).toBe(2);
    const all = segments as readonly { customers: number; revenue: number }[];
    expect(all.reduce((sum, { customers }) => sum + customers, 0)).toBe(2);
    expect(all.reduce((sum, { revenue }) => sum + revenue, 0)).toBeCloseTo(33.48, 9);
  });
});

describe('products', () => {
  it('are ranked as asked', async () => {
    const by = async (sort: string) =>
      (await answerOf(`/analytics/products/top?${AUGUST}&limit=1&sort_by=${sort}`)).products;
    expect(await by('revenue')).toEqual([
      { product_id: 'tea', revenue: 24.98, quantity: 5, orders: 2, share: 2498 / 3448 },
    ]);
    expect(await by('quantity')).toMatchObject([{ product_id: 'tea', quantity: 5 }]);
    expect(await by('orders')).toMatchObject([{ product_id: 'tea', orders: 2 }]);
  });

  it('are told of by warehouse', async () => {
    const key = await test.key('admin', { tenant: 'stores' });
    const level = (warehouse: string, quantity: number, event_id: string) => ({
      ...event('inventory.level', '2025-08-31T10:00:00Z', { sku: 'tea', quantity, reorder_point: 3 }),
      ...{ warehouse, event_id },
    });
    // Of two levels of one time that with the greater id counts, whichever came first.
    const json = [level('north', 2, 'b'), level('north', 900, 'a'), level('south', 1, 'c')];
    await test.send('/ingest', { key, json });
    await test.apply();
    const { json: answer } = await get('/analytics/inventory/alerts', key);
    expect(answer.alerts).toMatchObject([
      { product_id: 'tea', alert: 'low_stock', quantity: 3, reorder_point: 6 },
    ]);
  });

  it('have a page each, and 404 where none was ever sold', async () => {
    const tea = await answerOf(`/analytics/products/tea?${AUGUST}`);
    expect(tea).toMatchObject({
      ...{ product_id: 'tea', revenue: 24.98, quantity: 5, orders: 2 },
      ...{ share_of_revenue: 2498 / 3448, units_returned: 1, return_rate: 0.2 },
    });
    expect((tea.daily_trend as readonly Json[])[30]).toMatchObject({ revenue: 9.98, quantity: 2 });
    expect(await get('/analytics/products/none')).toEqual({
      status: 404,
      json: { detail: 'No order has an item of the product "none".' },
    });
  });

  it('are told of when they run out, by the newest level', async () => {
    const { alerts, products } = await answerOf('/analytics/inventory/alerts');
    expect(products).toBe(4);
    expect(alerts).toMatchObject([
      { product_id: 'cup', alert: 'out_of_stock', quantity: 0 },
      { product_id: 'tea', alert: 'low_stock', quantity: 4, units_sold_28d: 3, days_of_cover: (4 * 28) / 3 },
      { product_id: 'jug', alert: 'low_stock', quantity: 2, days_of_cover: null },
      { product_id: 'pot', alert: 'overstocked', quantity: 12, days_of_cover: null },
    ]);
  });
});

describe('what happens now', () => {
  it('has sessions, orders and the newest events', async () => {
    const now = await answerOf('/analytics/realtime');
    expect(now).toMatchObject({
      ...{ timestamp: '2025-09-01T12:00:00Z', active_sessions: 1, currency: 'GBP' },
      ...{ last_hour: { orders: 1, revenue: 7 }, today: { orders: 1, revenue: 7 } },
    });
    const recent = now.recent_activity as readonly Json[];
    expect(recent).toHaveLength(20);
    expect(recent[0]).toMatchObject({ type: 'product.viewed', session_id: 's-9' });
  });

  it('has a funnel of sessions', async () => {
    expect(await answerOf(`/analytics/conversion?${AUGUST}`)).toEqual({
      period: expect.anything(),
      sessions: 3,
      funnel: [
        { stage: 'sessions', count: 3, rate: 1 },
        { stage: 'carts', count: 2, rate: 2 / 3 },
        { stage: 'checkouts', count: 1, rate: 1 / 3 },
        { stage: 'orders', count: 0, rate: 0 },
      ],
      conversion_rate: 2 / 3,
      cart_abandonment_rate: 1,
      checkout_abandonment_rate: 1,
      meta: META,
    });
  });
});

describe('requests that mean nothing', () => {
  it.each([
    ['custom without dates', '/analytics/sales?time_range=custom', 'start_date'],
    ['no date', '/analytics/sales?start_date=2025-02-30&end_date=2025-03-01', 'start_date'],
    ['dates the wrong way round', '/analytics/sales?start_date=2025-03-02&end_date=2025-03-01', 'end_date'],
    [
      'dates beside a period',
      '/analytics/sales?time_range=week&start_date=2025-03-02&end_date=2025-03-02',
      'time_range',
    ],
    ['no period', '/analytics/sales?time_range=fortnight', 'time_range'],
    ['no granularity', '/analytics/revenue/trend?granularity=decade', 'granularity'],
    ['no number', '/analytics/products/top?limit=many', 'limit'],
    ['a misspelt parameter', '/analytics/sales?time_rnage=week', undefined],
  ])('%s is a 422 with its place', async (_, path, name) => {
    const { status, json } = await get(path);
    expect(status).toBe(422);
    const [first] = json.detail as readonly { loc: readonly string[]; msg: string; type: string }[];
    expect(first).toEqual({ loc: expect.any(Array), msg: expect.any(String), type: 'validation_failed' });
    expect(first?.loc).toEqual(name === undefined ? ['query'] : ['query', name]);
  });

  it('have an error in the form of this API, whoever refuses them', async () => {
    for (const [path, key, status] of [
      ['/analytics/sales', '', 401],
      ['/analytics/nothing', viewer, 404],
    ] as const) {
      const response = await test.send(path, key === '' ? {} : { key });
      expect(response.status).toBe(status);
      expect(Object.keys((await response.json()) as Json)).toEqual(['detail']);
    }
    const writer = await test.key('ingest');
    expect((await get('/analytics/sales', writer)).status).toBe(403);
    const other = await test.send('/analytics/sales', { key: viewer, headers: { 'x-tenant-id': 'other' } });
    expect([other.status, await other.json()]).toEqual([403, { detail: expect.any(String) }]);
  });

  it('are told which currency to choose', async () => {
    const key = await test.key('admin', { tenant: 'two' });
    const json = [
      order('x1', 'c', '2025-08-02T00:00:00Z', [['a', 1, 100]]),
      { ...order('x2', 'c', '2025-08-02T00:00:00Z', [['a', 1, 100]]), currency: 'EUR' },
    ];
    await test.send('/ingest', { key, json });
    await test.apply();
    const { status, json: refused } = await get(`/analytics/sales?${AUGUST}`, key);
    expect([status, refused.detail]).toEqual([
      422,
      [
        {
          loc: ['query', 'currency'],
          msg: expect.stringContaining('EUR and GBP'),
          type: 'currency_required',
        },
      ],
    ]);
  });
});

it('lists all endpoints, at the root too', async () => {
  const root = await answerOf('/');
  expect(root).toMatchObject({ docs: '/docs', openapi: '/openapi.json' });
  expect(root.endpoints).toContainEqual({
    method: 'GET',
    path: '/analytics/sales',
    summary: expect.any(String),
  });
  expect(await answerOf('/analytics')).toEqual(root);
});
