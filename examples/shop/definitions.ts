import { ask, byName, ensure, type Service, untilDone } from './client.ts';
import { BASE } from './endpoints.ts';
import { CURRENCY, DAY_MS, dateOf, MINUTE_MS, type ShopEvent, timeOf } from './event.ts';
import { ORDER_RULE, ORDERS_CSV } from './orders-requests.ts';
import type { Subject, Subjects } from './request.ts';

const SPARE = 'shop: to be deleted';
const MODEL = 'shop orders';
const KPIS = { type: 'kpis', query: { metrics: ['revenue_net', 'orders_count'], granularity: '1d' } };

export interface Span {
  readonly now_ms: number;
  readonly days: number;
}

/** What requests are about. Whatever is defined already is taken as it is. */
export async function subjectsOf(
  service: Service,
  { now_ms, days }: Span,
  events: readonly ShopEvent[],
): Promise<Subjects> {
  const day = Math.floor(now_ms / DAY_MS);
  const dates = {
    ...{ first: dateOf(day - days), today: dateOf(day), middle: dateOf(day - Math.floor(days / 2)) },
    until: timeOf(Math.ceil(now_ms / MINUTE_MS) * MINUTE_MS),
  };
  const range = { start: `${dates.first}T00:00:00Z`, end: `${dates.today}T00:00:00Z` };
  const created = events.filter(({ type }) => type === 'order.created').toReversed();
  const orders = created.slice(0, 3).map(({ order_id }) => String(order_id));
  const ids = {
    event: created[0]?.event_id ?? '',
    ...(await defined(service, `${dates.middle}T00:00:00Z`)),
    ...(await computed(service, range, dates.until)),
    ...(await ofOrders(service)),
  };
  return { now_ms, ...dates, orders, ids };
}

type Computed = 'model' | 'export' | 'voucherExport';
type OfOrders = 'import' | 'orderRule';
type Defined = Exclude<Subject, 'event' | Computed | OfOrders>;

/** Definitions, each with a name of its own. */
async function defined(service: Service, since: string): Promise<Record<Defined, string>> {
  const make = (path: string, list: string, name: string, body: object): Promise<string> =>
    ensure(service, `${BASE}${path}`, list, { name, ...body });
  const steps = ['visit', 'add_to_cart', 'checkout_initiated', 'order.created'].map((event) => ({ event }));
  const rule = { metric: 'revenue', window: '1d', method: 'zscore', sensitivity: 0.95, since };
  const report = { ...KPIS, range: 'previous_week', schedule: '0 6 * * 1', format: 'csv' };
  const widgets = [{ type: 'timeseries', title: 'Revenue by day', query: { ...KPIS, range: 'last_30d' } }];
  const webhook = { url: 'https://hooks.example.com/millrace', events: ['anomaly.detected'] };
  const connector = {
    ...{ type: 'http_poll', mapping: { rules: [{ flat: true, event: {} }] } },
    config: { url: 'https://shop.example.com/api/events', interval_s: 86_400 },
  };
  return {
    connector: await make('/connectors', 'connectors', 'shop API', connector),
    funnel: await make('/funnels', 'funnels', 'shop checkout', { steps, entity: 'session_id', window: '1d' }),
    cohort: await make('/cohorts', 'cohorts', 'shop weekly', {
      criteria: { type: 'acquisition', bucket: 'week' },
    }),
    rule: await make('/anomalies/rules', 'rules', 'shop revenue', rule),
    query: await make('/queries', 'queries', 'shop daily', { ...KPIS, range: 'last_30d' }),
    dashboard: await make('/dashboards', 'dashboards', 'Shop', { widgets }),
    report: await make('/reports', 'reports', 'shop weekly', report),
    webhook: await make('/webhooks', 'webhooks', 'shop alarm', webhook),
    spareRule: await make('/anomalies/rules', 'rules', SPARE, { ...rule, metric: 'visits' }),
    spareDashboard: await make('/dashboards', 'dashboards', SPARE, { widgets: [] }),
    spareReport: await make('/reports', 'reports', SPARE, report),
    spareWebhook: await make('/webhooks', 'webhooks', SPARE, webhook),
  };
}

/** What jobs make: files, and a model unless there is one. */
async function computed(
  service: Service,
  range: { readonly start: string; readonly end: string },
  until: string,
): Promise<Record<Computed, string>> {
  const orders = { query: { field: 'type', eq: 'order.created' }, from: range.start };
  const exported = await ask(service, 'POST', `${BASE}/exports`, { query: orders, format: 'csv' });
  const vouchers = await ask(service, 'POST', '/analytics/export', {
    ...{ voucher_ids: ['WELCOME10'], metrics: ['uses', 'discount'], format: 'csv' },
    time_period: { start: range.start, end: until },
  });
  const jobs = { export: String(exported.job_id), voucherExport: String(vouchers.export_id) };
  const model = (await byName(service, `${BASE}/models`, 'models', MODEL)) ?? (await trained(service, range));
  for (const job_id of Object.values(jobs)) await untilDone(service, job_id);
  return { ...jobs, model };
}

async function trained(service: Service, range: object): Promise<string> {
  const dataset = { metric: 'orders_count', granularity: '1d', ...range };
  const body = { type: 'demand_forecast', name: MODEL, params: { horizon: 7 }, dataset };
  const { job_id } = await ask(service, 'POST', `${BASE}/models/train`, body);
  const { result } = await untilDone(service, String(job_id));
  return String((result as { readonly model_id: unknown }).model_id);
}

/** Of the orders API: a rule that tells people, and orders of a file. */
async function ofOrders(service: Service): Promise<Record<OfOrders, string>> {
  const rule = { name: 'shop shipped', ...ORDER_RULE };
  const form = new FormData();
  form.set('source', 'csv-import');
  form.set('currency', CURRENCY);
  form.set('file', new File([ORDERS_CSV], 'orders.csv', { type: 'text/csv' }));
  const { import_id } = await ask(service, 'POST', '/api/v1/orders/bulk/import', form);
  await untilDone(service, String(import_id));
  return {
    import: String(import_id),
    orderRule: await ensure(service, '/api/v1/order-notification-rules', 'data', rule),
  };
}
