import type { Numbers } from '../../scripts/api-page.ts';
import { BUSINESS_NUMBERS } from './fixture-business.ts';
import { ECOMMERCE_NUMBERS } from './fixture-ecommerce.ts';
import { FIRST_NUMBERS } from './fixture-first-api.ts';
import { ORDERS_NUMBERS } from './fixture-orders.ts';
import { OUTPUT_NUMBERS } from './fixture-outputs.ts';
import { VOUCHER_NUMBERS } from './fixture-vouchers.ts';
import type { Comparison } from './fixture-world.ts';

/** Where the numbers of each endpoint of the five documents are compared with something else than themselves. For tests. */

export const COMPARED: Readonly<Record<string, readonly Comparison[]>> = {
  'order analytics': [...FIRST_NUMBERS, ...OUTPUT_NUMBERS],
  'e-commerce': ECOMMERCE_NUMBERS,
  business: BUSINESS_NUMBERS,
  orders: ORDERS_NUMBERS,
  vouchers: VOUCHER_NUMBERS,
};
const TABLE = 'api/numbers/numbers.test.ts';

interface Elsewhere {
  readonly test: string;
  /** A part of the name of the test. */
  readonly named: string;
}

const section = (name: string): string => `api/sections/${name}.test.ts`;

/** Compared by a test of their own: by hand, or with another implementation. Of the first API below its base. */
export const ELSEWHERE: Readonly<Record<string, Elsewhere>> = {
  'POST /ingest': {
    test: section('ingest/ingest-routes'),
    named: 'takes part of a list and says what it did not take',
  },
  'POST /ingest/bulk': { test: section('ingest/bulk-routes'), named: 'publishes a file line by line' },
  'POST /ingest/validate': {
    test: section('ingest/ingest-routes'),
    named: 'reports on each event and stores none',
  },
  'POST /connectors/{id}/run': {
    test: 'test/connectors.test.ts',
    named: 'each order once, and one in a thousand is a dead letter',
  },
  'GET /connectors/{id}/status': {
    test: section('connectors/connectors'),
    named: 'takes the webhooks of a shop, each once, and counts them',
  },
  'GET /anomalies/history': {
    test: section('anomalies/anomaly-routes'),
    named: 'is listed by pages and filters',
  },
  'GET /anomalies/{id}': {
    test: section('anomalies/anomaly-routes'),
    named: 'is listed by pages and filters',
  },
  'GET /api/analytics/anomalies': {
    test: section('anomalies/anomaly-routes'),
    named: 'is listed by pages and filters',
  },
  'GET /jobs': { test: section('jobs/job-routes'), named: 'are taken over, finished ones with their errors' },
  'GET /jobs/{jobId}': { test: section('ingest/bulk-routes'), named: 'publishes a file line by line' },
  'POST /jobs/rollup': { test: section('jobs/rollup'), named: 'counts them again as a job' },
  'POST /jobs/backfill': { test: 'test/backfill.test.ts', named: 'counts wrong cells of a range again' },
  'POST /models/train': { test: section('models/model-routes'), named: 'forecast each group from the day' },
  'GET /models/{modelId}': {
    test: section('models/model-routes'),
    named: 'forecast each group from the day',
  },
  'POST /models/{modelId}/predict': {
    test: section('models/model-routes'),
    named: 'forecast each group from the day',
  },
  'POST /whatif': { test: section('whatif/whatif-route'), named: 'holds the truth of a shop' },
  'GET /metrics': { test: 'api/metrics.test.ts', named: 'is what GET /metrics gives' },
  'POST /api/v1/orders/bulk/import': {
    test: 'api/dialects/orders/import.test.ts',
    named: 'creates orders, updates them, and says what is wrong by line',
  },
  'GET /api/v1/orders/bulk/import/{importId}': {
    test: 'api/dialects/orders/import.test.ts',
    named: 'creates orders, updates them, and says what is wrong by line',
  },
  ...Object.fromEntries(
    ['status', 'ship', 'cancel'].map((action) => [
      `POST /api/v1/orders/bulk/${action}`,
      { test: 'api/dialects/orders/bulk.test.ts', named: 'are events, and errors of their rows' },
    ]),
  ),
  'GET /analytics/export/{export_id}': {
    test: 'api/dialects/vouchers/vouchers.test.ts',
    named: 'is made, and its file has the numbers',
  },
};

/** Answers without a number that is counted or computed, by what they are. */
export const NONE: Readonly<Record<string, readonly string[]>> = {
  'a definition: no numbers': [
    ...['POST /connectors', 'POST /funnels/define', 'POST /cohorts/define', 'POST /anomalies/register'],
    ...['PATCH /anomalies/{id}', 'DELETE /anomalies/{id}', 'POST /alerts', 'GET /dashboards'],
    ...['POST /dashboards', 'PATCH /dashboards/{id}', 'DELETE /dashboards/{id}', 'POST /queries'],
    ...['POST /reports/schedule', 'GET /reports/{id}', 'PATCH /reports/{id}', 'DELETE /reports/{id}'],
    ...['GET /webhooks', 'POST /webhooks', 'DELETE /webhooks/{id}', 'POST /api/v1/order-webhooks'],
    ...['POST /api/v1/order-notification-rules', 'POST /api/v1/order-custom-fields'],
  ],
  'a list of names: no numbers': [
    ...['GET /', 'GET /keys', 'POST /keys', 'GET /roles', 'POST /roles', 'GET /permissions/me'],
  ],
  'a state: no numbers': ['GET /health'],
  'a message that is sent: no numbers': [
    ...['POST /webhooks/test', 'POST /api/v1/order-notification-rules/{rule}/test'],
  ],
};

export function numbersOf(endpoint: string): Numbers | undefined {
  const first = endpoint.replace(' /v1/order-analytics', ' ');
  if (Object.values(COMPARED).some((all) => all.some(([one]) => one === endpoint))) return { test: TABLE };
  const elsewhere = ELSEWHERE[first];
  if (elsewhere !== undefined) return { test: elsewhere.test };
  const none = Object.entries(NONE).find(([, endpoints]) => endpoints.includes(first));
  return none === undefined ? undefined : { none: none[0] };
}
