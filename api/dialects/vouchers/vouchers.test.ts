import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { PATIENTLY, startTestApi, type TestApi } from '../../fixture-api.ts';

type Json = Record<string, unknown>;

let test: TestApi;
let analyst: string;
let next = 0;

const event = (type: string, time: string, members: Json = {}): Json => ({
  ...{ event_id: `e-${++next}`, type, time, currency: 'EUR' },
  ...members,
});
const order = (
  order_id: string,
  customer_id: string,
  time: string,
  amount: number,
  members: Json = {},
): Json => event('order.created', time, { order_id, customer_id, amount, ...members });
const TEN = { voucher_code: 'WELCOME10', customer_segment: 'premium' };

const EVENTS: readonly Json[] = [
  order('o1', 'old', '2025-06-01T10:00:00Z', 5_000),
  // The first order of a customer, refunded in part; then one more with the voucher, which is not the first.
  order('o2', 'ann', '2025-08-02T10:00:00Z', 10_000, { ...TEN, discount: 1_000 }),
  event('refund.issued', '2025-08-09T10:00:00Z', { order_id: 'o2', amount: 500 }),
  order('o3', 'ann', '2025-08-03T10:00:00Z', 20_000, { ...TEN, discount: 2_000 }),
  order('o4', 'old', '2025-08-03T11:00:00Z', 4_000, { voucher_code: 'WELCOME10', discount: 400 }),
  order('o5', 'bob', '2025-08-03T12:00:00Z', 7_000),
  order('o6', 'eve', '2025-08-04T12:00:00Z', 3_000, { voucher_code: 'OTHER', discount: 300 }),
  ...[1, 2, 3, 4].map((n) =>
    event('voucher.validated', `2025-08-0${n}T09:00:00Z`, { voucher_code: 'WELCOME10' }),
  ),
];
const AUGUST = 'start_date=2025-08-01&end_date=2025-08-31';

async function get(path: string, key = analyst): Promise<{ readonly status: number; readonly json: Json }> {
  const response = await test.send(path, { key });
  return { status: response.status, json: (await response.json()) as Json };
}
const answerOf = async (path: string): Promise<Json> => {
  const { status, json } = await get(path);
  expect(status, `${path} ${JSON.stringify(json)}`).toBe(200);
  return json;
};

beforeAll(async () => {
  test = await startTestApi();
  analyst = await test.key('analyst');
  const sent = await test.send('/ingest', { key: await test.key('admin'), json: EVENTS });
  expect(await sent.json()).toMatchObject({ accepted: EVENTS.length });
  await test.apply();
});
afterAll(() => test.close());

describe('a voucher', () => {
  it('has a performance', async () => {
    expect(await answerOf(`/analytics/vouchers/WELCOME10/performance?${AUGUST}`)).toEqual({
      ...{ voucher_id: 'WELCOME10', code: 'WELCOME10' },
      performance: {
        ...{ total_uses: 3, total_discount: 34, conversion_rate: 0.75 },
        // (10,000 − 1,000 + 20,000 − 2,000 + 4,000 − 400) ÷ 3; 10,000 − 1,000 − 500
        ...{ avg_order_value: 102, revenue_impact: 85, currency: 'EUR' },
      },
      time_period: { start: '2025-08-01T00:00:00Z', end: '2025-08-31T23:59:59Z' },
      meta: expect.objectContaining({ lag_messages: 0, warnings: [] }),
    });
    const other = await answerOf(`/analytics/vouchers/OTHER/performance?${AUGUST}`);
    expect(other.performance).toMatchObject({ total_uses: 1, conversion_rate: null, revenue_impact: 27 });
  });

  it('has uses over time, beside all orders', async () => {
    const { trends } = await answerOf(`/analytics/vouchers/WELCOME10/trends?${AUGUST}&interval=day`);
    expect((trends as readonly Json[]).slice(0, 4)).toEqual([
      { date: '2025-08-01', uses: 0, discount: 0, orders: 0 },
      { date: '2025-08-02', uses: 1, discount: 10, orders: 1 },
      { date: '2025-08-03', uses: 2, discount: 24, orders: 3 },
      { date: '2025-08-04', uses: 0, discount: 0, orders: 1 },
    ]);
    const months = await answerOf(`/analytics/vouchers/WELCOME10/trends?${AUGUST}&interval=month`);
    expect(months.trends).toEqual([{ date: '2025-08-01', uses: 3, discount: 34, orders: 5 }]);
  });

  it('has customers', async () => {
    expect(await answerOf(`/analytics/vouchers/WELCOME10/customers?${AUGUST}`)).toMatchObject({
      customer_insights: {
        ...{ total_customers: 2, new_customers: 1, returning_customers: 1 },
        // (30,600 − 500) ÷ 2
        ...{ avg_customer_value: 150.5, currency: 'EUR' },
        top_customer_segments: [{ segment: 'premium', count: 1, avg_order_value: 135 }],
      },
    });
  });

  it('says the metrics of the first API', async () => {
    const body = {
      ...{ start: '2025-08-01T00:00:00Z', end: '2025-09-01T00:00:00Z' },
      ...{
        metrics: ['orders_count', 'discount_total', 'vouchers_validated'],
        filters: { voucher_code: 'WELCOME10' },
      },
    };
    const response = await test.send('/kpis/query', { key: analyst, json: body });
    expect(await response.json()).toMatchObject({
      groups: [{ totals: { orders_count: 3, discount_total: 3_400, vouchers_validated: 4 } }],
    });
  });

  it('that nobody ever used is not there', async () => {
    expect(await get('/analytics/vouchers/none/performance')).toEqual({
      status: 404,
      json: { error: { code: 'NOT_FOUND', message: expect.stringContaining('"none"'), details: {} } },
    });
  });
});

describe('a time period', () => {
  it.each([
    ['of more than 90 days', 'start_date=2025-01-01&end_date=2025-04-01'],
    ['that ends before it begins', 'start_date=2025-08-02&end_date=2025-08-01'],
    ['that is none', 'start_date=yesterday'],
    ['with a time without an offset', 'start_date=2025-08-01T00:00:00'],
  ])('%s is refused', async (_, query) => {
    expect(await get(`/analytics/vouchers/WELCOME10/performance?${query}`)).toEqual({
      status: 400,
      json: {
        error: { code: 'INVALID_TIME_PERIOD', message: expect.any(String), details: { max_days: 90 } },
      },
    });
  });

  it('of 90 days is taken, and without one it is the last 30', async () => {
    await answerOf('/analytics/vouchers/WELCOME10/performance?start_date=2025-06-04&end_date=2025-09-01');
    const { time_period } = await answerOf('/analytics/vouchers/WELCOME10/performance');
    expect(time_period).toEqual({ start: '2025-08-03T00:00:00Z', end: '2025-09-01T23:59:59Z' });
  });
});

describe('an export', () => {
  const body = {
    ...{ voucher_ids: ['WELCOME10'], metrics: ['uses', 'discount', 'orders'], format: 'csv' },
    time_period: { start: '2025-08-01T00:00:00Z', end: '2025-08-20T23:59:59Z' },
  };

  it('is made, and its file has the numbers', async () => {
    const made = await test.send('/analytics/export', { key: analyst, json: body });
    const { export_id, ...rest } = (await made.json()) as Json;
    expect([made.status, rest]).toEqual([
      202,
      { status: 'processing', estimated_completion: expect.any(String) },
    ]);
    const done = await vi.waitFor(async () => {
      const found = await answerOf(`/analytics/export/${String(export_id)}`);
      expect(found).toMatchObject({ export_id, status: 'completed', expires_at: expect.any(String) });
      return found;
    }, PATIENTLY);
    const { pathname, search } = new URL(String(done.download_url));
    const file = await test.send(pathname + search);
    const lines = (await file.text()).trim().split(/\r?\n/);
    expect(lines[0]).toContain('voucher_code');
    expect(lines.filter((line) => line.includes('2025-08-03'))).toEqual([expect.stringContaining('2,24.00')]);
  });

  it.each([
    [
      'of too long a time',
      { ...body, time_period: { start: '2025-01-01', end: '2025-08-01' } },
      400,
      'INVALID_TIME_PERIOD',
    ],
    ['of nothing', { ...body, voucher_ids: [] }, 422, 'VALIDATION_FAILED'],
    ['of an unknown metric', { ...body, metrics: ['luck'] }, 422, 'VALIDATION_FAILED'],
  ])('%s is refused', async (_, json, status, code) => {
    const response = await test.send('/analytics/export', { key: analyst, json });
    expect([response.status, await response.json()]).toMatchObject([status, { error: { code } }]);
  });

  it('is for those who may, and found by its id alone', async () => {
    const viewer = await test.key('viewer');
    const refused = await test.send('/analytics/export', { key: viewer, json: body });
    expect([refused.status, await refused.json()]).toMatchObject([
      403,
      { error: { code: 'ROLE_FORBIDDEN' } },
    ]);
    expect(await get('/analytics/export/none')).toMatchObject({
      status: 404,
      json: { error: { code: 'NOT_FOUND' } },
    });
  });
});
