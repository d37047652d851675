/** Which test looks at what an endpoint of the five documents answers: tests, and their endpoints. */

/** It sends a request to every endpoint of a running service. */
export const EVERY_ENDPOINT = 'test/example-shop.test.ts';

const FIRST: readonly (readonly [test: string, endpoints: readonly string[]])[] = [
  ['ingest/ingest-routes', ['POST /ingest', 'POST /ingest/validate']],
  ['ingest/bulk-routes', ['POST /ingest/bulk']],
  ['connectors/connectors', ['POST /connectors', 'GET /connectors/{id}/status']],
  ['events/event-routes', ['GET /events', 'GET /events/{eventId}', 'POST /events/search']],
  ['kpis/kpi-routes', ['POST /kpis/query', 'GET /kpis/summary', 'POST /kpis/batch']],
  ['funnels/funnel-routes', ['POST /funnels/define', 'POST /funnels/{id}/query', 'POST /funnels/adhoc']],
  [
    'cohorts/cohort-routes',
    ['POST /cohorts/define', 'POST /cohorts/{id}/retention', 'POST /cohorts/adhoc-retention'],
  ],
  ['customers/rfm-route', ['POST /customers/rfm']],
  ['customers/ltv-route', ['POST /customers/ltv']],
  ['customers/segment-routes', ['POST /customers/segment']],
  [
    'attribution/attribution-routes',
    [
      ...['POST /attribution/query', 'POST /attribution/compare'],
      ...['POST /marketing/roi', 'POST /marketing/multi-touch'],
    ],
  ],
  ['returns/return-routes', ['POST /returns/summary', 'POST /refunds/impact']],
  ['returns/fraud-route', ['POST /fraud/trends']],
  [
    'anomalies/anomaly-routes',
    [
      ...[
        'POST /anomalies/register',
        'GET /anomalies/{id}',
        'PATCH /anomalies/{id}',
        'DELETE /anomalies/{id}',
      ],
      ...['POST /anomalies/scan', 'GET /anomalies/history'],
    ],
  ],
  ['alerts/alert-routes', ['POST /alerts']],
  [
    'dashboards/dashboard-routes',
    [
      ...['GET /dashboards', 'POST /dashboards', 'GET /dashboards/{id}'],
      ...['POST /widgets/preview', 'POST /queries', 'POST /queries/{id}/run'],
    ],
  ],
  ['reports/report-routes', ['POST /reports/schedule', 'GET /reports/{id}']],
  ['reports/seam', ['PATCH /reports/{id}']],
  ['exports/export-routes', ['POST /exports', 'GET /exports/{jobId}']],
  ['jobs/job-routes', ['POST /jobs/backfill', 'GET /jobs/{jobId}', 'GET /jobs']],
  ['jobs/rollup', ['POST /jobs/rollup']],
  ['models/model-routes', ['POST /models/train', 'GET /models/{modelId}', 'POST /models/{modelId}/predict']],
  ['whatif/whatif-route', ['POST /whatif']],
  [
    'webhooks/webhook-routes',
    ['GET /webhooks', 'POST /webhooks', 'DELETE /webhooks/{id}', 'POST /webhooks/test'],
  ],
];

const OTHERS: readonly (readonly [test: string, endpoints: readonly string[]])[] = [
  ['test/connectors.test.ts', ['POST /connectors/{id}/run']],
  [
    'api/access/rights.test.ts',
    ['GET /keys', 'POST /keys', 'GET /roles', 'POST /roles', 'GET /permissions/me'],
  ],
  ['api/operation.test.ts', ['GET /health', 'GET /diagnostics']],
  ['api/access/auth.test.ts', ['GET /metrics']],
];

/** Bases of the other APIs, and their tests. */
const DIALECTS: readonly (readonly [pattern: RegExp, test: string])[] = [
  [/ \/analytics\/(vouchers|export)/, 'api/dialects/vouchers/vouchers.test.ts'],
  [/ \/api\/v1\/orders\/analytics\//, 'api/dialects/orders/analytics.test.ts'],
  [/ \/api\/v1\/order-custom-fields/, 'api/dialects/orders/fields.test.ts'],
  [/ \/api\/v1\/orders\/bulk\/import/, 'api/dialects/orders/import.test.ts'],
  [/ \/api\/v1\/orders\/bulk\//, 'api/dialects/orders/bulk.test.ts'],
  [/ \/api\/v1\/orders/, 'api/dialects/orders/list.test.ts'],
  [/ \/analytics\/| \/$/, 'api/dialects/ecommerce/ecommerce.test.ts'],
  [/ \/api\/analytics\//, 'api/dialects/business/business.test.ts'],
  [/ \/api\/v1\/order-webhooks/, 'api/dialects/orders-hooks/order-webhooks.test.ts'],
  [/ \/api\/v1\/order-notification/, 'api/dialects/orders-hooks/order-rules.test.ts'],
];

const TESTS: ReadonlyMap<string, string> = new Map(
  [
    ...FIRST.map(([test, endpoints]) => [`api/sections/${test}.test.ts`, endpoints] as const),
    ...OTHERS,
  ].flatMap(([test, endpoints]) => endpoints.map((endpoint) => [endpoint, test] as const)),
);

/** The test of what an endpoint answers; of some only that it does. */
export function testOf(endpoint: string): string {
  const [, dialect] = DIALECTS.find(([pattern]) => pattern.test(endpoint)) ?? [];
  return TESTS.get(endpoint) ?? dialect ?? EVERY_ENDPOINT;
}

/**
 * Whether the text of a test has a request of an endpoint: its path as a literal, parameters filled in by whatever, and
 * beside it the method of what changes or deletes.
 */
export function asks(text: string, endpoint: string): boolean {
  const [method = '', path = ''] = endpoint.split(' ');
  const pattern = path.replaceAll(/[.]/g, '\\.').replaceAll(/\{\w+\}/g, '(?:\\$\\{[^`]*?\\}|[\\w-]+)');
  const requests = text.matchAll(new RegExp(`["'\`}]${pattern}(?=["'\`?\\\\])`, 'g'));
  const needsWord = { PATCH: /PATCH|patch/, DELETE: /DELETE|remove/ }[method];
  return [...requests].some(
    ({ index, 0: { length } }) =>
      needsWord === undefined || needsWord.test(text.slice(Math.max(0, index - 60), index + length + 160)),
  );
}
