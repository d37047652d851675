import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { orderEvent, startTestApi, type TestApi } from '../fixture-api.ts';
import type { Route } from '../http/index.ts';

type Json = Record<string, unknown>;

let test: TestApi;
let keys: Readonly<Record<'admin' | 'viewer' | 'ingest', string>>;

beforeAll(async () => {
  test = await startTestApi({ RATE_LIMIT_RPS: '1000000', RATE_LIMIT_BURST: '1000000' });
  keys = {
    admin: await test.key('admin'),
    viewer: await test.key('viewer'),
    ingest: await test.key('ingest'),
  };
  const json = [
    orderEvent('e-1', { voucher_code: 'WELCOME10', items: [{ sku: 'tea', quantity: 1, unit_price: 1_000 }] }),
  ];
  expect((await test.send('/ingest', { key: keys.admin, json })).status).toBe(202);
  await test.apply();
});
afterAll(() => test.close());

/** An answer with its type; a text for what has no body. */
async function ask(
  path: string,
  { key, ...init }: RequestInit & { key?: string; json?: unknown } = {},
): Promise<{ readonly status: number; readonly type: string; readonly body: Json }> {
  const response = await test.send(path, { ...init, ...(key === undefined ? {} : { key }) });
  const text = await response.text();
  const type = response.headers.get('content-type') ?? '';
  return { status: response.status, type, body: /json/.test(type) ? (JSON.parse(text) as Json) : { text } };
}

const inBody = (path: string, message: unknown = expect.any(String)) => ({ path, message });

/** The errors of each API, in its own words. */
const first = (status: number, code: string, ...errors: object[]) => ({
  ...{ type: 'application/problem+json', status },
  body: {
    ...{
      type: `urn:millrace:problem:${code}`,
      title: expect.any(String),
      status,
      detail: expect.any(String),
      code,
    },
    instance: expect.any(String),
    ...(errors.length === 0 ? {} : { errors }),
  },
});
const JSON_TYPE = 'application/json; charset=utf-8';
const ecommerce = (status: number, detail: unknown = expect.any(String)) => ({
  ...{ type: JSON_TYPE, status, body: { detail } },
});
const at = (loc: string, type = 'validation_failed') => [
  { loc: ['query', loc], msg: expect.any(String), type },
];
const business = (status: number, error: string, ...details: object[]) => ({
  ...{ type: JSON_TYPE, status },
  body: {
    statusCode: status,
    error,
    message: expect.any(String),
    ...(details.length === 0 ? {} : { details }),
  },
});
const vouchers = (status: number, code: string, details: object = {}) => ({
  ...{ type: JSON_TYPE, status, body: { error: { code, message: expect.any(String), details } } },
});
const period = () => vouchers(400, 'INVALID_TIME_PERIOD', { max_days: 90 });

const KPIS = { metrics: ['orders_count'], start: '2025-08-01T00:00:00Z', end: '2025-09-01T00:00:00Z' };
const REPORT = { reportType: 'revenue', from: '2025-08-01', to: '2025-08-31', format: 'csv' };
const EXPORT = {
  ...{ voucher_ids: ['WELCOME10'], metrics: ['uses'], format: 'csv' },
  time_period: { start: '2025-08-01T00:00:00Z', end: '2025-08-20T23:59:59Z' },
};

const orders = (status: number, code: string, ...members: string[]) => ({
  ...{ type: JSON_TYPE, status },
  body: {
    ...{ message: expect.any(String), code },
    ...(members.length === 0
      ? {}
      : { errors: Object.fromEntries(members.map((name) => [name, [expect.any(String)]])) }),
  },
});

type Row = readonly [what: string, path: string, wanted: object, json?: unknown];

const FIRST: readonly Row[] = [
  [
    'a bad date',
    '/kpis/query',
    first(422, 'invalid_range', inBody('start')),
    { ...KPIS, start: '2025-02-30T00:00:00Z' },
  ],
  [
    'a time without an offset',
    '/kpis/query',
    first(422, 'invalid_range', inBody('start')),
    { ...KPIS, start: '2025-08-01T00:00:00' },
  ],
  [
    'start after end',
    '/kpis/query',
    first(422, 'invalid_range', expect.anything() as object),
    { ...KPIS, end: '2025-07-01T00:00:00Z' },
  ],
  [
    'an unknown granularity',
    '/kpis/query',
    first(422, 'validation_failed', inBody('granularity')),
    { ...KPIS, granularity: '2y' },
  ],
  [
    'an unknown dimension',
    '/kpis/query',
    first(422, 'validation_failed', inBody('group_by.0')),
    { ...KPIS, group_by: ['luck'] },
  ],
  [
    'an unknown metric',
    '/kpis/query',
    first(422, 'validation_failed', inBody('metrics.0')),
    { ...KPIS, metrics: ['luck'] },
  ],
  ['an unknown event', '/events/none', first(404, 'not_found')],
  [
    'an unknown funnel',
    '/funnels/funnel_0/query',
    first(404, 'not_found'),
    { start: KPIS.start, end: KPIS.end },
  ],
  ['an unknown job', '/jobs/job_0', first(404, 'not_found')],
  ['an unknown path', '/luck', first(404, 'route_not_found')],
];
const ECOMMERCE: readonly Row[] = [
  [
    'a bad date',
    '/analytics/sales?start_date=2025-02-30&end_date=2025-03-01',
    ecommerce(422, at('start_date')),
  ],
  [
    'a time for a date',
    '/analytics/sales?start_date=2025-03-01T00:00:00Z&end_date=2025-03-01',
    ecommerce(422, at('start_date')),
  ],
  [
    'start after end',
    '/analytics/sales?start_date=2025-03-02&end_date=2025-03-01',
    ecommerce(422, at('end_date')),
  ],
  ['an unknown range', '/analytics/sales?time_range=fortnight', ecommerce(422, at('time_range'))],
  ['an unknown granularity', '/analytics/revenue/trend?granularity=1d', ecommerce(422, at('granularity'))],
  ['an unknown order', '/analytics/products/top?sort_by=luck', ecommerce(422, at('sort_by'))],
  ['a limit below one', '/analytics/products/top?limit=0', ecommerce(422, at('limit'))],
  ['no currency', '/analytics/sales?currency=pounds', ecommerce(422, at('currency'))],
  [
    'a currency without a rate',
    '/analytics/sales?currency=JPY',
    ecommerce(422, [expect.objectContaining({ type: 'fx_rate_missing' })]),
  ],
  ['an unknown product', '/analytics/products/none', ecommerce(404)],
  ['an unknown path', '/analytics/luck', ecommerce(404)],
];
const BUSINESS: readonly Row[] = [
  [
    'a bad date',
    '/api/analytics/revenue?from=2025-02-30',
    business(400, 'validation_failed', inBody('from')),
  ],
  ['a bad end', '/api/analytics/hr?to=soon', business(400, 'validation_failed', inBody('to'))],
  ['from after to', '/api/analytics/sales?from=2025-08-02&to=2025-08-01', business(422, 'invalid_range')],
  [
    'an unknown groupBy',
    '/api/analytics/revenue?groupBy=fortnight',
    business(400, 'validation_failed', inBody('groupBy')),
  ],
  [
    'an unknown severity',
    '/api/analytics/anomalies?severity=awful',
    business(400, 'validation_failed', inBody('severity')),
  ],
  [
    'an unknown report',
    '/api/analytics/reports/export',
    business(400, 'validation_failed', inBody('reportType')),
    { ...REPORT, reportType: 'luck' },
  ],
  [
    'a report from after to',
    '/api/analytics/reports/export',
    business(422, 'invalid_range'),
    { ...REPORT, to: '2025-07-01' },
  ],
  ['no JSON', '/api/analytics/reports/export', business(400, 'malformed_json', inBody(''))],
  ['an unknown path', '/api/analytics/luck', business(404, 'route_not_found')],
];
const VOUCHERS: readonly Row[] = [
  ['a bad date', '/analytics/vouchers/WELCOME10/trends?start_date=2025-02-30', period()],
  [
    'start after end',
    '/analytics/vouchers/WELCOME10/customers?start_date=2025-08-02&end_date=2025-08-01',
    period(),
  ],
  [
    '91 days',
    '/analytics/vouchers/WELCOME10/performance?start_date=2025-06-03&end_date=2025-09-01',
    period(),
  ],
  [
    'an unknown interval',
    '/analytics/vouchers/WELCOME10/trends?interval=fortnight',
    vouchers(422, 'VALIDATION_FAILED', { errors: [inBody('interval')] }),
  ],
  ['an unknown voucher', '/analytics/vouchers/NONE/performance', vouchers(404, 'NOT_FOUND')],
  [
    'an export of 91 days',
    '/analytics/export',
    period(),
    { ...EXPORT, time_period: { start: '2025-06-03', end: '2025-09-01' } },
  ],
  [
    'an export of no metric',
    '/analytics/export',
    vouchers(422, 'VALIDATION_FAILED', { errors: [inBody('metrics.0')] }),
    { ...EXPORT, metrics: ['luck'] },
  ],
  ['an unknown export', '/analytics/export/none', vouchers(404, 'NOT_FOUND')],
];

const ORDERS: readonly Row[] = [
  [
    'a bad date',
    '/api/v1/orders/analytics/dashboard?from=2025-02-30',
    orders(422, 'validation_failed', 'from'),
  ],
  [
    'from after to',
    '/api/v1/orders/analytics/revenue?from=2025-08-02&to=2025-08-01',
    orders(422, 'validation_failed', 'to'),
  ],
  [
    'an unknown parameter',
    '/api/v1/orders/analytics/sources?groupBy=day',
    orders(422, 'validation_failed', ''),
  ],
  ['a bad date of a list', '/api/v1/orders?date_from=soon', orders(422, 'validation_failed', 'date_from')],
  ['an unknown import', '/api/v1/orders/bulk/import/none', orders(404, 'not_found')],
  ['an unknown webhook', '/api/v1/order-webhooks/none', orders(404, 'not_found')],
  ['an unknown rule', '/api/v1/order-notification-rules/none', orders(404, 'not_found')],
  [
    'no orders',
    '/api/v1/orders/bulk/status',
    orders(422, 'validation_failed', 'order_ids'),
    { order_ids: [], status: 'confirmed' },
  ],
  [
    'an unknown column',
    '/api/v1/orders/bulk/export',
    orders(422, 'validation_failed', 'columns.0'),
    { columns: ['luck'] },
  ],
  [
    'an unknown type',
    '/api/v1/order-custom-fields',
    orders(422, 'validation_failed', 'field_type'),
    { field_key: 'a', field_label: 'A', field_type: 'luck' },
  ],
  ['an unknown path', '/api/v1/luck', orders(404, 'route_not_found')],
];

const APIS = {
  'order analytics': FIRST,
  'e-commerce': ECOMMERCE,
  business: BUSINESS,
  orders: ORDERS,
  vouchers: VOUCHERS,
};

describe.each(Object.entries(APIS))('the API of %s', (_, rows) => {
  it.each(rows.map((row) => [row[0], row] as const))('refuses %s in its own form', async (_what, row) => {
    const [what, path, wanted, json] = row;
    const body = what === 'no JSON' ? { method: 'POST', body: '{' } : json === undefined ? {} : { json };
    expect(await ask(path, { key: keys.admin, ...body })).toEqual(wanted);
  });
});

const WRITERS = /^(events:write|jobs:)/;

describe('every endpoint of every other API', () => {
  const others = (): readonly Route[] =>
    test.api.routes.filter(({ face, permission }) => face !== undefined && permission !== 'none');
  const pathOf = ({ face, path }: Route): string => (face?.base ?? '') + path.replaceAll(/\{\w+\}/g, 'x');

  it.each([
    ['no key', 401, () => ({})],
    ['a key that is none', 401, () => ({ key: 'mr_none' })],
    ['a key of another tenant', 403, () => ({ key: keys.viewer, headers: { 'x-tenant-id': 'other' } })],
    ['a key that only writes events', 403, () => ({ key: keys.ingest })],
  ])('refuses %s in the form that it documents', async (what, status, credentials) => {
    expect(others().length).toBeGreaterThan(25);
    for (const route of others()) {
      // What that role may: events, and jobs, which an export is.
      if (what.includes('only writes') && WRITERS.test(route.permission)) continue;
      const answer = await ask(pathOf(route), { method: route.method, ...credentials() });
      expect([answer.status, answer.type], route.id).toEqual([status, route.face?.media_type]);
      const parsed = route.face?.error.safeParse(answer.body);
      expect(parsed?.error?.issues, `${route.id} ${JSON.stringify(answer.body)}`).toBeUndefined();
      expect(parsed?.data, route.id).toEqual(answer.body);
    }
  });
});
