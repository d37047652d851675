import { BASE, type OrderAnalyticsEndpoint } from './endpoints.ts';
import { CURRENCY, timeOf } from './event.ts';
import { newName, type ShopRequest, type Subjects } from './request.ts';

/** What a request has beside its method; a path where that of the endpoint has parameters. */
type Part = Omit<ShopRequest, 'method' | 'path'> & {
  readonly id?: string;
  readonly query?: Readonly<Record<string, string>>;
};
type Parts<E extends OrderAnalyticsEndpoint = OrderAnalyticsEndpoint> = Readonly<Record<E, Part>>;

/** A request of each endpoint of the first API, by endpoint. */
export function orderAnalyticsRequests(subjects: Subjects): Readonly<Record<string, ShopRequest>> {
  const parts: Parts = {
    ...eventParts(subjects),
    ...questionParts(subjects),
    ...definitionParts(subjects),
    ...otherParts(subjects),
  };
  return Object.fromEntries(
    Object.entries<Part>(parts).map(([endpoint, { id, query, ...rest }]) => {
      const [method = '', path = ''] = endpoint.split(' ');
      const filled = path.replace(/\{\w+\}/, encodeURIComponent(id ?? ''));
      const search = query === undefined ? '' : `?${new URLSearchParams(query)}`;
      return [`${method} ${BASE}${path}`, { method, path: `${BASE}${filled}${search}`, ...rest }];
    }),
  );
}

const rangeOf = ({ first, until }: Subjects) => ({ start: `${first}T00:00:00Z`, end: until });
const dayRange = ({ first, today }: Subjects) => ({ start: `${first}T00:00:00Z`, end: `${today}T00:00:00Z` });

function eventParts(subjects: Subjects) {
  const { now_ms, ids } = subjects;
  const visit = {
    event_id: `shop/curl/${now_ms}`,
    type: 'visit',
    time: timeOf(now_ms),
    session_id: 'curl',
    channel: 'direct',
  };
  return {
    'POST /ingest': { json: visit },
    'POST /ingest/bulk': {
      body: {
        type: 'application/x-ndjson',
        text: `${JSON.stringify({ ...visit, event_id: `${visit.event_id}/bulk` })}`,
      },
    },
    'POST /ingest/validate': {
      json: { ...visit, type: 'order.created', order_id: 'o-curl', currency: CURRENCY, amount: 1_150 },
    },
    'POST /connectors': {
      json: {
        ...{ name: newName('shop webhook', subjects), type: 'webhook' },
        ...{ config: { secret: 'the secret that the sender signs with' }, mapping: { preset: 'shopify' } },
      },
    },
    'POST /connectors/{id}/run': { id: ids.connector, json: {} },
    'GET /connectors/{id}/status': { id: ids.connector },
    'GET /events': { query: { type: 'refund.issued', limit: '3' } },
    'GET /events/{eventId}': { id: ids.event },
    'POST /events/search': {
      json: {
        query: {
          and: [
            { field: 'type', eq: 'order.created' },
            { field: 'items[].sku', in: ['tea-assam', 'tea-oolong'] },
          ],
        },
        ...{ text: 'Assam', limit: 3 },
      },
    },
  };
}

const STEPS = ['visit', 'add_to_cart', 'checkout_initiated', 'order.created'].map((event) => ({ event }));

function questionParts(subjects: Subjects) {
  const range = rangeOf(subjects);
  const credited = { ...range, group_by: ['campaign'] };
  const { ids, middle, until } = subjects;
  const weekly = { type: 'acquisition', bucket: 'week' };
  return {
    'POST /kpis/query': {
      json: {
        ...{ metrics: ['orders_count', 'revenue', 'aov', 'refund_amount', 'returns_count'], ...range },
        ...{ granularity: '1d', group_by: ['country'], filters: { channel: ['direct', 'email'] } },
      },
    },
    'GET /kpis/summary': { query: { start: `${middle}T00:00:00Z`, end: until } },
    'POST /kpis/batch': {
      json: {
        queries: [
          { id: 'orders', metrics: ['orders_count'], ...range, granularity: '1w' },
          { id: 'paid', metrics: ['revenue_paid', 'conversion_rate'], ...range },
        ],
      },
    },
    'POST /funnels/{id}/query': { id: ids.funnel, json: { ...range, group_by: ['channel'] } },
    'POST /funnels/adhoc': { json: { steps: STEPS, entity: 'session_id', window: '1d', ...range } },
    'POST /cohorts/{id}/retention': { id: ids.cohort, json: { ...range, periods: 4 } },
    'POST /cohorts/adhoc-retention': { json: { ...range, criteria: weekly, periods: 4 } },
    'POST /customers/rfm': { json: { ...range, limit: 5 } },
    'POST /customers/ltv': { json: { ...range, model: 'historical' } },
    'POST /customers/segment': { json: { rule: { measure: 'spend_net', gt: 10_000 }, limit: 5 } },
    'POST /attribution/query': { json: { ...credited, method: 'linear' } },
    'POST /attribution/compare': { json: { ...credited, methods: ['first_touch', 'last_touch', 'markov'] } },
    'POST /returns/summary': { json: range },
    'POST /refunds/impact': { json: { ...range, limit: 5 } },
    'POST /fraud/trends': { json: { ...range, granularity: '1w' } },
    'POST /anomalies/scan': {
      json: {
        rule: { metric: 'revenue', window: '1d', method: 'zscore', sensitivity: 0.9 },
        ...{ ...dayRange(subjects), scores: true },
      },
    },
    'GET /anomalies/history': { query: { limit: '5' } },
    'POST /marketing/roi': { json: { ...credited, method: 'linear' } },
    'POST /marketing/multi-touch': { json: credited },
    'POST /whatif': {
      json: { scenario: 'increase_price_5pct', affected_skus: ['tea-assam'], horizon: '30d' },
    },
  };
}

const KPIS = {
  type: 'kpis',
  query: { metrics: ['revenue_net', 'orders_count'], granularity: '1d' },
  range: 'last_30d',
};

function definitionParts(subjects: Subjects) {
  const { ids } = subjects;
  const named = (what: string) => ({ name: newName(what, subjects) });
  const threshold = { metric: 'orders_count', window: '1h', below: 1 };
  return {
    'POST /funnels/define': { json: { ...named('checkout'), steps: STEPS, window: '7d' } },
    'POST /cohorts/define': {
      json: { ...named('by month'), criteria: { type: 'acquisition', bucket: 'month' } },
    },
    'POST /anomalies/register': {
      json: {
        ...named('orders'),
        metric: 'orders_count',
        group_by: ['country'],
        window: '1h',
        method: 'zscore',
      },
    },
    'GET /anomalies/{id}': { id: ids.rule },
    'PATCH /anomalies/{id}': { id: ids.rule, json: { sensitivity: 0.99 } },
    'DELETE /anomalies/{id}': { id: ids.spareRule },
    'POST /alerts': {
      json: {
        ...named('no orders'),
        condition: { threshold },
        channels: [{ type: 'webhook', webhook_id: ids.webhook }],
      },
    },
    'GET /dashboards': {},
    'POST /dashboards': { json: { ...named('sales'), widgets: [{ type: 'timeseries', query: KPIS }] } },
    'GET /dashboards/{id}': { id: ids.dashboard, query: { data: 'true' } },
    'PATCH /dashboards/{id}': { id: ids.dashboard, json: { description: 'What the shop sells' } },
    'DELETE /dashboards/{id}': { id: ids.spareDashboard },
    'POST /widgets/preview': { json: { type: 'timeseries', query: KPIS } },
    'POST /queries': { json: { ...named('daily'), ...KPIS } },
    'POST /queries/{id}/run': { id: ids.query, json: { range: 'last_7d' } },
    'POST /reports/schedule': {
      json: { ...named('weekly'), ...KPIS, range: 'previous_week', schedule: '0 6 * * 1', format: 'csv' },
    },
    'GET /reports/{id}': { id: ids.report },
    'PATCH /reports/{id}': { id: ids.report, json: { schedule: '0 7 * * 1' } },
    'DELETE /reports/{id}': { id: ids.spareReport },
    'GET /keys': {},
    'POST /keys': { json: { ...named('checkout'), role: 'ingest' } },
    'GET /roles': {},
    'POST /roles': {
      json: {
        name: `marketing_${Math.floor(subjects.now_ms / 1_000)}`,
        permissions: ['kpis:read', 'definitions:read', 'definitions:write'],
      },
    },
    'GET /permissions/me': {},
    'GET /webhooks': {},
    'POST /webhooks': {
      json: { ...named('alarm'), url: 'https://hooks.example.com/millrace', events: ['anomaly.detected'] },
    },
    'DELETE /webhooks/{id}': { id: ids.spareWebhook },
    'POST /webhooks/test': { json: { webhook_id: ids.webhook } },
  };
}

function otherParts(subjects: Subjects) {
  const { ids } = subjects;
  const days = dayRange(subjects);
  return {
    'POST /exports': {
      json: { query: { query: { field: 'type', eq: 'order.created' }, from: days.start }, format: 'parquet' },
    },
    'GET /exports/{jobId}': { id: ids.export },
    'POST /jobs/backfill': { json: { ...days, mode: 'range', reason: 'a look at it' } },
    'POST /jobs/rollup': { json: { ...days, dimensions: ['country'] } },
    'GET /jobs/{jobId}': { id: ids.export },
    'GET /jobs': { query: { limit: '5' } },
    'POST /models/train': {
      json: {
        ...{ type: 'demand_forecast', name: newName('orders', subjects), params: { horizon: 7 } },
        dataset: { metric: 'orders_count', granularity: '1d', ...days },
      },
    },
    'GET /models/{modelId}': { id: ids.model },
    'POST /models/{modelId}/predict': { id: ids.model, json: { horizon: 7 } },
    'GET /health': {},
    'GET /metrics': {},
    'GET /diagnostics': {},
  };
}
