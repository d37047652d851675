import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestApi, type TestApi } from '../../fixture-api.ts';

type Json = Record<string, unknown>;

let test: TestApi;
let viewer: string;
let next = 0;

const event = (type: string, time: string, members: Json = {}): Json => ({
  ...{ event_id: `e-${++next}`, type, time, currency: 'USD' },
  ...members,
});
const order = (
  order_id: string,
  customer_id: string,
  time: string,
  amount: number,
  members: Json = {},
): Json =>
  event('order.created', time, {
    ...{ order_id, customer_id, amount, channel: 'direct' },
    items: [{ sku: amount > 4_000 ? 'big' : 'small', quantity: 1, unit_price: amount }],
    ...members,
  });
const month = (n: number): string => String(n).padStart(2, '0');

/** Now is 2025-09-01T12:00:00Z. */
const EVENTS: readonly Json[] = [
  // Ten months of one order each for the forecast, of a customer who is not there in summer.
  ...Array.from({ length: 8 }, (_, at) =>
    order(`h${at}`, 'past', `2024-${month(at + 5)}-15T10:00:00Z`, 1_000 + at * 100),
  ),
  order('a1', 'ann', '2025-06-05T10:00:00Z', 2_000),
  order('a2', 'ann', '2025-07-05T10:00:00Z', 5_000),
  order('b1', 'bob', '2025-07-06T10:00:00Z', 3_000, { channel: 'referral' }),
  order('b2', 'bob', '2025-08-06T10:00:00Z', 7_000, { channel: 'referral' }),
  order('c1', 'cyd', '2025-08-07T10:00:00Z', 1_000, { channel: 'referral' }),
  event('refund.issued', '2025-08-10T10:00:00Z', { order_id: 'b2', amount: 500 }),
  event('campaign.spend', '2025-08-02T10:00:00Z', { campaign: 'spring', amount: 1_200 }),
  ...[1, 2, 3, 4].map((n) => event('campaign.sent', `2025-08-03T10:0${n}:00Z`, { campaign: 'spring' })),
  event('campaign.opened', '2025-08-03T11:00:00Z', { campaign: 'spring' }),
  // More campaigns with spend than are listed; those with messages are the last of them, or have none.
  ...Array.from({ length: 101 }, (_, at) =>
    event('campaign.spend', '2024-01-02T10:00:00Z', { campaign: `paid-${at}`, amount: 1_000 - at }),
  ),
  ...['mail', 'paid-99', 'mail'].map((campaign) =>
    event('campaign.sent', '2024-01-03T10:00:00Z', { campaign }),
  ),
  event('subscription.started', '2025-07-01T10:00:00Z', {
    data: { subscription_id: 's1', plan_amount: 1_200, interval: 'year' },
  }),
  event('subscription.started', '2025-07-02T10:00:00Z', {
    data: { subscription_id: 's2', plan_amount: 300, interval: 'month' },
  }),
  event('subscription.cancelled', '2025-08-20T10:00:00Z', { data: { subscription_id: 's2' } }),
  event('lead.stage_changed', '2025-08-01T10:00:00Z', {
    data: { lead_id: 'l1', stage: 'lead', value: 9_000 },
  }),
  event('lead.stage_changed', '2025-08-03T10:00:00Z', { data: { lead_id: 'l1', stage: 'qualified' } }),
  event('lead.stage_changed', '2025-08-11T10:00:00Z', { data: { lead_id: 'l1', stage: 'won' } }),
  event('lead.stage_changed', '2025-08-02T10:00:00Z', {
    data: { lead_id: 'l2', stage: 'lead', value: 1_000 },
  }),
  event('ticket.opened', '2025-08-05T10:00:00Z', { data: { ticket_id: 't1' } }),
  event('ticket.first_response', '2025-08-05T10:30:00Z', { data: { ticket_id: 't1' } }),
  event('ticket.opened', '2025-08-30T10:00:00Z', { data: { ticket_id: 't2' } }),
  event('employee.joined', '2025-01-01T10:00:00Z', { data: { employee_id: 'm1', department: 'ops' } }),
  event('employee.joined', '2025-08-04T08:00:00Z', { data: { employee_id: 'm2', department: 'ops' } }),
  event('employee.attended', '2025-08-05T08:00:00Z', { data: { employee_id: 'm2' } }),
  event('inventory.level', '2025-08-05T08:00:00Z', { sku: 'big', data: { quantity: 0, reorder_point: 2 } }),
  event('visit', '2025-09-01T11:00:00Z', { session_id: 's' }),
];
const META = expect.objectContaining({ lag_messages: 0, approximate: [], warnings: [] });
const AUGUST = 'from=2025-08-01&to=2025-08-31';

async function get(path: string, key = viewer): Promise<{ readonly status: number; readonly json: Json }> {
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
  viewer = await test.key('viewer');
  const sent = await test.send('/ingest', { key: await test.key('admin'), json: EVENTS });
  expect(await sent.json()).toMatchObject({ accepted: EVENTS.length, rejected: [] });
  await test.apply();
});
afterAll(() => test.close());

describe('reports', () => {
  it('of revenue have the numbers of the first API, and what recurs', async () => {
    const revenue = await answerOf('/api/analytics/revenue?from=2025-07-01&to=2025-08-31&groupBy=month');
    expect(revenue).toEqual({
      summary: {
        ...{ totalRevenue: 16_000, revenueGrowth: (16_000 - 2_000) / 2_000 },
        ...{ mrr: 100, arr: 1_200, avgOrderValue: 4_000, currency: 'usd' },
      },
      timeSeries: [
        { period: '2025-07', revenue: 8_000, orders: 2, refunds: 0 },
        { period: '2025-08', revenue: 8_000, orders: 2, refunds: 500 },
      ],
      byProduct: [
        { productName: 'big', revenue: 12_000, units: 2 },
        { productName: 'small', revenue: 4_000, units: 2 },
      ],
      meta: META,
    });
    const kpis = await test.send('/kpis/query', {
      key: viewer,
      json: {
        ...{
          metrics: ['revenue', 'orders_count', 'aov'],
          start: '2025-07-01T00:00:00Z',
          end: '2025-09-01T00:00:00Z',
        },
      },
    });
    expect(await kpis.json()).toMatchObject({
      groups: [{ totals: { revenue: 16_000, orders_count: 4, aov: 4_000 } }],
    });
    const quarters = await answerOf('/api/analytics/revenue?from=2025-04-01&to=2025-09-30&groupBy=quarter');
    expect(quarters.timeSeries).toMatchObject([{ period: '2025-Q2', revenue: 2_000 }, { period: '2025-Q3' }]);
  });

  it('of sales have leads in each stage that they reached', async () => {
    expect(await answerOf(`/api/analytics/sales?${AUGUST}`)).toMatchObject({
      funnel: [
        { stage: 'leads', count: 2, value: 10_000 },
        { stage: 'qualified', count: 1, value: 9_000 },
        { stage: 'proposal', count: 0 },
        { stage: 'negotiation', count: 0 },
        { stage: 'won', count: 1, value: 9_000 },
      ],
      ...{ winRate: 0.5, avgDealSize: 9_000, avgCycledays: 10, currency: 'usd' },
    });
  });

  it('of customers count who came and went', async () => {
    expect(await answerOf(`/api/analytics/customers?${AUGUST}`)).toEqual({
      ...{
        newCustomers: 1,
        churnedCustomers: 1,
        netGrowth: 0,
        churnedBy: 'subscriptions',
        retentionRate: 0.5,
      },
      // (10,800 + 7,000 + 9,500 + 1,000) ÷ 4
      ...{ avgLtv: 7_075, cac: 1_200, ltvCacRatio: 7_075 / 1_200, currency: 'usd' },
      byAcquisitionChannel: [{ channel: 'referral', customers: 1, percent: 1 }],
      meta: META,
    });
  });

  it('of marketing, stock, staff and support are of their events', async () => {
    expect(await answerOf(`/api/analytics/marketing?${AUGUST}`)).toMatchObject({
      summary: { spend: 1_200, sent: 4, opened: 1, clicked: 0, openRate: 0.25, roas: 0 },
      campaigns: [{ campaign: 'spring', spend: 1_200, sent: 4 }],
    });
    const many = await answerOf('/api/analytics/marketing?from=2024-01-01&to=2024-01-31');
    const campaigns = many.campaigns as readonly Json[];
    expect(campaigns).toHaveLength(102);
    expect(campaigns.find(({ campaign }) => campaign === 'mail')).toMatchObject({ spend: 0, sent: 2 });
    expect(campaigns.find(({ campaign }) => campaign === 'paid-99')).toMatchObject({ spend: 901, sent: 1 });
    expect(await answerOf(`/api/analytics/inventory?${AUGUST}`)).toMatchObject({
      summary: { totalSkus: 1, totalUnits: 0, outOfStock: 1, healthy: 0 },
      alerts: [{ sku: 'big', status: 'out_of_stock' }],
    });
    expect(await answerOf(`/api/analytics/hr?${AUGUST}`)).toEqual({
      ...{ headcount: 2, joins: 1, leaves: 0, netChange: 1, turnoverRate: 0, attendanceRate: 0.5 },
      byDepartment: [{ department: 'ops', headcount: 2 }],
      meta: META,
    });
    expect(await answerOf(`/api/analytics/support?${AUGUST}`)).toEqual({
      ...{ opened: 2, resolved: 0, backlog: 2, slaShare: 0.5 },
      firstResponseMinutes: { p50: 30, p90: 30 },
      resolutionMinutes: { p50: null, p90: null },
      meta: META,
    });
    expect(await answerOf(`/api/analytics/products?${AUGUST}`)).toMatchObject({
      products: [
        { productName: 'big', revenue: 7_000, units: 1, orders: 1, share: 7 / 8 },
        { productName: 'small' },
      ],
    });
  });

  it('are files, too', async () => {
    const file = async (format: string): Promise<Response> =>
      test.send('/api/analytics/reports/export', {
        key: viewer,
        json: { reportType: 'revenue', from: '2025-07-01', to: '2025-08-31', format, groupBy: 'month' },
      });
    const csv = await file('csv');
    expect([csv.status, csv.headers.get('content-type')]).toEqual([200, 'text/csv; charset=utf-8']);
    expect((await csv.text()).trim().split(/\r?\n/)).toEqual([
      'period,revenue,orders,refunds',
      '2025-07,8000,2,0',
      '2025-08,8000,2,500',
    ]);
    const xlsx = await file('xlsx');
    expect(JSON.parse(xlsx.headers.get('x-meta') ?? '')).toMatchObject({ lag_messages: 0, warnings: [] });
    expect(xlsx.headers.get('content-disposition')).toContain('report_revenue_2025-07-01.xlsx');
    expect(
      Buffer.from(await xlsx.arrayBuffer())
        .subarray(0, 2)
        .toString(),
    ).toBe('PK');
  });
});

describe('what comes, and what is out of line', () => {
  it('is forecast for the periods after the last complete one', async () => {
    const forecast = await answerOf('/api/analytics/forecast?periods=3&granularity=month');
    expect(forecast).toMatchObject({ model: 'linear_regression_with_seasonality', currency: 'usd' });
    const points = forecast.forecast as readonly Record<string, number>[];
    expect(points.map(({ period }) => period)).toEqual(['2025-09', '2025-10', '2025-11']);
    for (const { predicted = 0, confidenceLow = 0, confidenceHigh = 0 } of points) {
      expect(confidenceLow).toBeLessThanOrEqual(predicted);
      expect(confidenceHigh).toBeGreaterThanOrEqual(predicted);
    }
    expect(await get('/api/analytics/forecast?granularity=quarter')).toMatchObject({
      status: 422,
      json: { error: 'not_enough_data' },
    });
  });

  it('has lists of anomalies and dashboards', async () => {
    expect(await answerOf('/api/analytics/anomalies?severity=high')).toEqual({ anomalies: [] });
    const { dashboards } = await answerOf('/api/analytics/dashboards');
    expect((dashboards as readonly Json[]).map(({ name }) => name)).toContain('Overview');
  });
});

describe('requests that mean nothing', () => {
  it.each([
    ['no date', 'revenue?from=yesterday', 400, 'validation_failed'],
    ['no such day', 'revenue?from=2025-02-30', 400, 'validation_failed'],
    ['no group', 'revenue?groupBy=fortnight', 400, 'validation_failed'],
    ['from after to', 'sales?from=2025-08-02&to=2025-08-01', 422, 'invalid_range'],
    ['no report', 'luck', 404, 'route_not_found'],
    ['no severity', 'anomalies?severity=awful', 400, 'validation_failed'],
    ['too many periods', 'forecast?periods=1000', 400, 'validation_failed'],
  ])('%s is said in the form of this API', async (_, path, status, error) => {
    const answer = await get(`/api/analytics/${path}`);
    expect(answer).toMatchObject({
      status,
      json: { statusCode: status, error, message: expect.any(String) },
    });
  });

  it('and callers who may not are refused', async () => {
    const other = await test.send('/api/analytics/revenue', {
      key: viewer,
      headers: { 'x-tenant-id': 'other' },
    });
    expect([other.status, await other.json()]).toMatchObject([403, { error: 'tenant_forbidden' }]);
    const open = await test.send('/api/analytics/revenue');
    expect([open.status, await open.json()]).toMatchObject([401, { error: 'unauthorized' }]);
  });

  it('nothing is counted by a mask', async () => {
    const admin = await test.key('admin');
    const masked = await test.send('/settings', {
      key: admin,
      method: 'PATCH',
      json: { pii_fields: ['data.ticket_id'] },
    });
    expect(masked.status).toBe(200);
    const refused = await get(`/api/analytics/support?${AUGUST}`);
    expect(refused).toMatchObject({ status: 403, json: { error: 'field_masked' } });
    expect(await get(`/api/analytics/support?${AUGUST}`, admin)).toMatchObject({
      status: 200,
      json: { opened: 2 },
    });
  });
});
