import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { curlRequest } from '../test/shell-words.ts';
import { startTestApi, TEST_NOW_MS, type TestApi } from './fixture-api.ts';

/**
 * The examples of the documents of the APIs, as they stand there. Of a command only the address and the key are other
 * ones; of a sample answer the names and types have to be those of ours.
 */

type Json = Record<string, unknown>;

const NOW = '2026-04-01T13:00:00Z';

let test: TestApi;
let key: string;

/** Some of everything that the examples ask about: March 2024, and each month of 2025 and 2026. */
function events(): Json[] {
  const months = [
    '2024-03',
    ...Array.from(
      { length: 15 },
      (_, at) => `${2025 + Math.floor(at / 12)}-${String(1 + (at % 12)).padStart(2, '0')}`,
    ),
  ];
  const days = months.flatMap((month) => ['02', '09', '16', '23'].map((day) => `${month}-${day}`));
  // The last one is today.
  return [...days, NOW.slice(0, 10)].flatMap(orderOf);
}

function orderOf(date: string, nth: number): Json[] {
  const id = `${date}-${nth}`;
  const channel = nth % 2 === 0 ? 'web' : 'mobile';
  const who = {
    customer_id: `c-${nth % 9}`,
    campaign: 'spring',
    customer_segment: 'premium',
    channel,
    country: 'GB',
    currency: 'USD',
  };
  const step = (type: string, time: string, members: Json = {}): Json => ({
    ...{ event_id: `${type}-${id}`, type, time: `${date}T${time}:00Z`, ...who, ...members },
  });
  const items = [
    {
      sku: 'Shopify Connector',
      category: 'connectors',
      quantity: 1 + (nth % 2),
      unit_price: 4_900 + nth * 10,
    },
  ];
  const amount = items.reduce((sum, { quantity, unit_price }) => sum + quantity * unit_price, 0);
  const order_id = `o-${id}`;
  return [
    step('visit', '10:00'),
    step('add_to_cart', '10:05'),
    step('checkout_initiated', '10:10'),
    step('voucher.validated', '10:11', { voucher_code: 'voucher_123' }),
    step('order.created', '10:20', { order_id, amount, items, discount: 100, voucher_code: 'voucher_123' }),
    step('payment_succeeded', '10:21', { order_id, amount }),
    ...(nth % 5 === 0 ? [step('refund.issued', '12:00', { order_id, amount: 900 })] : []),
    step('campaign.spend', '08:00', { amount: 500, customer_id: undefined }),
    step('lead.stage_changed', '09:00', {
      data: { lead_id: id, stage: nth % 2 === 0 ? 'won' : 'lead', value: 9_000 },
    }),
    step('subscription.started', '11:00', {
      data: { subscription_id: id, plan_amount: 1_200, interval: 'month' },
    }),
  ];
}

beforeAll(async () => {
  test = await startTestApi({ RATE_LIMIT_RPS: '1000000', RATE_LIMIT_BURST: '1000000' });
  test.clock.advance(Date.parse(NOW) - TEST_NOW_MS);
  key = await test.key('admin');
  const sent = await test.send('/ingest', { key, json: events() });
  expect(await sent.json()).toMatchObject({ rejected: [] });
  await test.apply();
});
afterAll(() => test.close());

async function answer(path: string, init: RequestInit & { json?: unknown } = {}): Promise<Json> {
  const response = await test.send(path, { key, ...init });
  const text = await response.text();
  expect(response.status, `${path} ${text}`).toBeLessThan(300);
  return text === '' ? {} : (JSON.parse(text) as Json);
}

/** A request as documents write it: its first line, and a body where there is one. */
function requested(text: string): Promise<Json> {
  const [line = '', ...rest] = text.trim().split('\n');
  const [method = '', path = ''] = line.split(' ');
  const body = rest.join('\n').trim();
  return answer(path, { method, ...(body === '' ? {} : { json: JSON.parse(body) as unknown }) });
}

/** Names that a sample has and an answer has not, or with a value of another kind. `null` is what nobody knows. */
function unlike(sample: unknown, given: unknown, path = '$'): string[] {
  const kind = (value: unknown): string => (Array.isArray(value) ? 'array' : typeof value);
  if (given === null) return [];
  if (kind(sample) !== kind(given)) return [`${path}: ${kind(given)} for ${kind(sample)}`];
  if (Array.isArray(sample)) {
    const [first] = given as unknown[];
    return first === undefined ? [`${path}: empty`] : unlike(sample[0], first, `${path}[]`);
  }
  if (typeof sample !== 'object' || sample === null) return [];
  return Object.entries(sample).flatMap(([name, value]) =>
    Object.hasOwn(given as object, name)
      ? unlike(value, (given as Json)[name], `${path}.${name}`)
      : [`${path}.${name}: missing`],
  );
}

/** What curl would do, at this API with our key. */
async function curl(command: string): Promise<Response> {
  const { method, url, headers, body } = curlRequest(command);
  const { authorization: _, ...others } = headers;
  const { pathname, search } = new URL(url);
  return test.send(pathname + search, {
    method,
    key,
    headers: others,
    ...(body === undefined ? {} : { body }),
  });
}

const KPIS = [
  `POST /v1/order-analytics/kpis/query
  {
    "metrics":["orders_count","revenue","aov","refund_amount","returns_count"],
    "start":"2025-01-01T00:00:00Z",
    "end":"2025-01-31T23:59:59Z",
    "granularity":"1d",
    "group_by":["channel","country"],
    "filters":{"channel":["web","mobile"], "country":"GB"},
    "aggregation":"sum"
  }`,
  `POST /v1/order-analytics/kpis/query
{
  "metrics":["orders_count","revenue_gross"],
  "start":"2025-08-01T00:00:00Z",
  "end":"2025-08-31T23:59:59Z",
  "granularity":"1d",
  "group_by":["country"],
  "filters": { "channel":["web","mobile"] },
  "aggregation":"sum"
}`,
];

describe('the document of order analytics', () => {
  it.each(KPIS)('asks for KPIs', async (text) => {
    const sample = {
      query_id: 'q_123',
      groups: [{ key: { country: 'GB' }, buckets: [{ time: '2025-08-01T00:00:00Z', orders_count: 120 }] }],
      calculated_at: '2025-09-01T02:00:00Z',
    };
    expect(unlike(sample, await requested(text))).toEqual([]);
  });

  it('defines and asks a funnel', async () => {
    const funnel = await requested(`POST /v1/order-analytics/funnels/define
{ "name":"buyers","steps":[{"event":"visit"},{"event":"add_to_cart"},{"event":"checkout_initiated"},{"event":"payment_succeeded"}], "window":"7d" }`);
    const range = { start: '2025-08-01T00:00:00Z', end: '2025-08-31T23:59:59Z' };
    const sample = {
      funnel_id: 'f_1',
      steps: [{ name: 'visit', count: 10000 }],
      dropoffs: [{ from: 'visit', to: 'add_to_cart', count: 7800 }],
      time_to_convert_histogram: { p50: 3600, p90: 7200 },
    };
    const found = await answer(`/v1/order-analytics/funnels/${String(funnel.id)}/query`, { json: range });
    expect(unlike(sample, found)).toEqual([]);
    expect((found.steps as Json[])[3]).toMatchObject({
      name: 'payment_succeeded',
      conversion_from_prev: 100,
    });
  });

  it('registers rules of each method', async () => {
    for (const method of ['seasonal_esd', 'zscore', 'prophet']) {
      const rule = await requested(`POST /v1/order-analytics/anomalies/register
{ "metric":"orders_count","group_by":["country"], "sensitivity":0.95, "window":"1h", "method":"${method}" }`);
      expect(rule).toMatchObject({ method, sensitivity: 0.95 });
      expect(await answer(`/v1/order-analytics/anomalies/${String(rule.id)}`, { method: 'DELETE' })).toEqual(
        {},
      );
    }
  });

  it('attributes by each method', async () => {
    for (const method of ['last_touch', 'first_touch', 'linear', 'time_decay', 'position']) {
      const found = await requested(`POST /v1/order-analytics/attribution/query
{ "method":"${method}","start":"2025-08-01T00:00:00Z","end":"2025-08-31T23:59:59Z","filters":{},"group_by":["campaign","channel"] }`);
      expect((found.results as Json[]).length, method).toBeGreaterThan(0);
    }
  });

  it('saves a query for a dashboard and a report of each format', async () => {
    const query = await answer('/v1/order-analytics/queries', {
      json: { name: 'daily', type: 'kpis', query: { metrics: ['revenue'] }, range: 'last_30d' },
    });
    const layout = '{"x":0,"y":0,"w":6,"h":3}';
    const board = await requested(`POST /v1/order-analytics/dashboards
{ "name":"board", "widgets":[{"type":"timeseries", "queryId":"${String(query.id)}", "layout":${layout}}], "sharing":"tenant" }`);
    expect(board.widgets).toHaveLength(1);
    for (const format of ['csv', 'parquet', 'xlsx']) {
      const report = await requested(`POST /v1/order-analytics/reports/schedule
{ "name":"report as ${format}","query_id":"${String(query.id)}","schedule":"0 6 * * 1","format":"${format}" }`);
      expect(report).toMatchObject({ format });
    }
    // Where they would go is not set up here, and it says so.
    const elsewhere = await test.send('/reports/schedule', {
      key,
      json: {
        ...{ name: 'sent', query_id: query.id, schedule: '0 6 * * 1', format: 'csv' },
        destination: { s3: 's3://bucket/reports', email: 'ops@example.com' },
      },
    });
    expect([elsewhere.status, await elsewhere.json()]).toMatchObject([
      422,
      { code: 'channel_not_configured' },
    ]);
  });

  it('tries a price, asks for a webhook, exports', async () => {
    const whatif = await requested(`POST /v1/order-analytics/whatif
{ "scenario":"increase_price_5pct","affected_skus":["Shopify Connector"], "horizon":"30d" }`);
    expect(whatif).toMatchObject({ scenario: 'increase_price_5pct', confidence: 0.9 });
    const webhook = await requested(`POST /v1/order-analytics/webhooks
{ "url":"https://hooks.example.com/in","events":["anomaly.detected","report.completed","export.failed"], "secret":"whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD" }`);
    expect(webhook).toMatchObject({ events: ['anomaly.detected', 'report.completed', 'export.failed'] });
    const exported = await requested(`POST /v1/order-analytics/exports
{ "query":{}, "format":"parquet", "compression":true }`);
    expect(exported).toMatchObject({ job_id: expect.any(String) });
  });
});

describe('the document of the e-commerce API', () => {
  it.each([
    'curl "http://localhost:8000/analytics/sales?time_range=month"',
    'curl "http://localhost:8000/analytics/products/top?limit=5&sort_by=revenue"',
    'curl "http://localhost:8000/analytics/revenue/trend?granularity=day"',
  ])('has %s', async (command) => {
    const response = await curl(command);
    expect([response.status, await response.json()]).toMatchObject([200, { currency: 'USD', period: {} }]);
  });
});

const BUSINESS: readonly (readonly [request: string, sample: object])[] = [
  [
    'GET /api/analytics/revenue?from=2026-01-01&to=2026-03-31&groupBy=month',
    {
      summary: {
        ...{ totalRevenue: 3780000, revenueGrowth: 0.23, mrr: 1280000, arr: 15360000, avgOrderValue: 54000 },
        currency: 'usd',
      },
      timeSeries: [{ period: '2026-01', revenue: 980000, orders: 18, refunds: 15000 }],
      byProduct: [{ productName: 'Shopify Connector', revenue: 1498000, units: 30 }],
    },
  ],
  [
    'GET /api/analytics/sales?from=2026-01-01&to=2026-03-31',
    {
      funnel: [{ stage: 'leads', count: 420, value: 20580000 }],
      ...{ winRate: 0.167, avgDealSize: 49000, avgCycledays: 18 },
    },
  ],
  [
    'GET /api/analytics/customers?from=2026-01-01&to=2026-03-31',
    {
      ...{
        newCustomers: 48,
        churnedCustomers: 3,
        netGrowth: 45,
        avgLtv: 298000,
        cac: 12000,
        ltvCacRatio: 24.8,
      },
      retentionRate: 0.94,
    },
  ],
  [
    'GET /api/analytics/forecast?periods=3&granularity=month',
    {
      ...{ model: 'linear_regression_with_seasonality', generatedAt: '2026-03-20T12:00:00Z' },
      forecast: [{ period: '2026-04', predicted: 1820000, confidenceLow: 1650000, confidenceHigh: 1990000 }],
      ...{ confidence: 0.87, currency: 'usd' },
    },
  ],
];

describe('the document of the business API', () => {
  it.each(BUSINESS)('has %s', async (request, sample) => {
    expect(unlike(sample, await requested(request))).toEqual([]);
  });

  it('counts what its revenue example counts', async () => {
    const { timeSeries } = await requested(
      'GET /api/analytics/revenue?from=2026-01-01&to=2026-03-31&groupBy=month',
    );
    expect((timeSeries as Json[]).map(({ period }) => period)).toEqual(['2026-01', '2026-02', '2026-03']);
    expect(
      (await requested('GET /api/analytics/forecast?periods=3&granularity=month')).forecast,
    ).toMatchObject([{ period: '2026-04' }, { period: '2026-05' }, { period: '2026-06' }]);
  });

  it('lists anomalies of a severity', async () => {
    expect(await requested('GET /api/analytics/anomalies?severity=high')).toMatchObject({ anomalies: [] });
  });

  it('exports a report by its command', async () => {
    const response = await curl(`curl -o report_q1_2026.xlsx \\
-X POST \\
-H "Authorization: Bearer eco_live_..." \\
-H "Content-Type: application/json" \\
-d '{"reportType":"revenue","from":"2026-01-01","to":"2026-03-31","format":"xlsx","groupBy":"month"}' \\
https://api.ecosire.com/api/analytics/reports/export`);
    expect([response.status, response.headers.get('content-type')]).toEqual([
      200,
      'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet',
    ]);
    expect(
      Buffer.from(await response.arrayBuffer())
        .subarray(0, 2)
        .toString(),
    ).toBe('PK');
  });
});

const VOUCHERS: readonly (readonly [request: string, sample: object])[] = [
  [
    'GET /analytics/vouchers/voucher_123/performance',
    {
      ...{ voucher_id: 'voucher_123', code: 'WELCOME10' },
      performance: {
        ...{ total_uses: 150, total_discount: 1500.0, conversion_rate: 0.75, avg_order_value: 100.0 },
        revenue_impact: 7500.0,
      },
      time_period: { start: '2024-03-01T00:00:00Z', end: '2024-03-20T23:59:59Z' },
    },
  ],
  [
    'GET /analytics/vouchers/voucher_123/trends?interval=day&start_date=2024-03-01&end_date=2024-03-20',
    {
      ...{ voucher_id: 'voucher_123', code: 'WELCOME10' },
      trends: [{ date: '2024-03-01', uses: 10, discount: 100.0, orders: 15 }],
    },
  ],
  [
    'GET /analytics/vouchers/voucher_123/customers',
    {
      ...{ voucher_id: 'voucher_123', code: 'WELCOME10' },
      customer_insights: {
        ...{ total_customers: 120, new_customers: 80, returning_customers: 40, avg_customer_value: 125.0 },
        top_customer_segments: [{ segment: 'premium', count: 45, avg_order_value: 150.0 }],
      },
    },
  ],
  [
    `POST /analytics/export
{
  "voucher_ids": ["voucher_123"],
  "metrics": ["uses", "discount", "orders"],
  "format": "csv",
  "time_period": {
    "start": "2024-03-01T00:00:00Z",
    "end": "2024-03-20T23:59:59Z"
  }
}`,
    { export_id: 'export_123', status: 'processing', estimated_completion: '2024-03-20T10:05:00Z' },
  ],
];

describe('the document of the voucher API', () => {
  it.each(VOUCHERS)('has %s', async (request, sample) => {
    expect(unlike(sample, await requested(request))).toEqual([]);
  });

  it('has the status of an export, and errors of two kinds', async () => {
    const { export_id } = await requested(VOUCHERS[3]?.[0] ?? '');
    const sample = {
      export_id: 'export_123',
      status: 'completed',
      download_url: 'https://x',
      expires_at: '2024',
    };
    expect(unlike(sample, await requested(`GET /analytics/export/${String(export_id)}`))).toEqual([]);
    const long = await test.send(
      '/analytics/vouchers/voucher_123/trends?start_date=2024-01-01&end_date=2024-12-31',
      { key },
    );
    expect([long.status, await long.json()]).toEqual([
      400,
      {
        error: {
          code: 'INVALID_TIME_PERIOD',
          message: expect.stringContaining('Time period exceeds maximum allowed range'),
          details: { max_days: 90 },
        },
      },
    ]);
  });
});
