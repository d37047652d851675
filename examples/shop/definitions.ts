import { ask, byName, ensure, type Service, untilDone } from './client.ts';
import { BASE } from './endpoints.ts';
import { DAY_MS, dateOf, MINUTE_MS, timeOf } from './event.ts';
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
  event_id: string,
): Promise<Subjects> {
  const day = Math.floor(now_ms / DAY_MS);
  const dates = {
    ...{ first: dateOf(day - days), today: dateOf(day), middle: dateOf(day - Math.floor(days / 2)) },
    until: timeOf(Math.ceil(now_ms / MINUTE_MS) * MINUTE_MS),
  };
  const range = { start: `${dates.first}T00:00:00Z`, end: `${dates.today}T00:00:00Z` };
  const ids = {
    event: event_id,
    ...(await defined(service, `${dates.middle}T00:00:00Z`)),
    ...(await computed(service, range, dates.until)),
  };
  return { now_ms, ...dates, ids };
}

type Defined = Exclude<Subject, 'event' | 'model' | 'export' | 'voucherExport'>;

/** Definitions, each with a name of its own. */
async function defined(service: Service, since: string): Promise<Record<Defined, string>> {
  const make = (path: string, list: string, name: string, body: object): Promise<string> =>
    ensure(service, path, list, { name, ...body });
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
): Promise<Record<'model' | 'export' | 'voucherExport', string>> {
  const orders = { query: { field: 'type', eq: 'order.created' }, from: range.start };
  const exported = await ask(service, 'POST', `${BASE}/exports`, { query: orders, format: 'csv' });
  const vouchers = await ask(service, 'POST', '/analytics/export', {
    ...{ voucher_ids: ['WELCOME10'], metrics: ['uses', 'discount'], format: 'csv' },
    time_period: { start: range.start, end: until },
  });
  const jobs = { export: String(exported.job_id), voucherExport: String(vouchers.export_id) };
  const model = (await byName(service, '/models', 'models', MODEL)) ?? (await trained(service, range));
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
