/** The commonest questions about a shop's last month, as its dashboard asks them. */

const DAY_MS = 86_400_000;

export interface DashboardQuestion {
  readonly name: string;
  /** Of the API; a body makes it a POST. */
  readonly path: string;
  readonly body?: unknown;
  /** Whether something is kept from which it is answered; the others read the log. */
  readonly hasView: boolean;
}

const KPIS = {
  metrics: ['orders_count', 'revenue', 'aov', 'refund_amount', 'conversion_rate'],
  limit: 1_000,
};

/** Money of several currencies is not compared without it. */
const ORDERS = { metrics: ['orders_count', 'conversion_rate'] };
/** No exchange rates are published. */
const EUR = { currency: ['EUR'] };

export const STORED_FUNNEL = {
  name: 'bench-checkout',
  steps: [
    { event: 'visit' },
    { event: 'add_to_cart' },
    { event: 'checkout_initiated' },
    { event: 'order.created' },
  ],
  window: '7d',
};

/** `now_ms`: the end of what was published; `funnel`: the id of the stored one. */
export function dashboardQuestions(now_ms: number, funnel: string): readonly DashboardQuestion[] {
  const iso = (time_ms: number): string => new Date(time_ms).toISOString();
  const tomorrow_ms = now_ms - (now_ms % DAY_MS) + DAY_MS;
  const today = { start: iso(tomorrow_ms - DAY_MS), end: iso(tomorrow_ms) };
  const month = { start: iso(tomorrow_ms - 31 * DAY_MS), end: iso(tomorrow_ms) };
  const views: [name: string, path: string, body?: unknown][] = [
    ['kpis_today', '/kpis/query', { ...KPIS, ...today, granularity: '1h' }],
    ['kpis_month_by_day', '/kpis/query', { ...KPIS, ...month, granularity: '1d' }],
    ['kpis_by_country', '/kpis/query', { ...KPIS, ...month, granularity: '1d', group_by: ['country'] }],
    ['kpis_compared', '/kpis/query', { ...ORDERS, ...month, granularity: '1d', compare: 'previous_period' }],
    ['stored_funnel', `/funnels/${funnel}/query`, month],
    ['events_page', '/events?limit=50'],
  ];
  const scans: [name: string, path: string, body: unknown][] = [
    ['retention', '/cohorts/adhoc-retention', { ...month, criteria: { bucket: 'day' }, periods: 14 }],
    ['rfm_page', '/customers/rfm', { ...month, filters: EUR, limit: 50 }],
    ['attribution', '/attribution/query', { ...month, filters: EUR, method: 'linear' }],
    ['returns', '/returns/summary', { ...month, filters: EUR }],
  ];
  return [
    ...views.map(([name, path, body]) => ({ name, path, body, hasView: true })),
    ...scans.map(([name, path, body]) => ({ name, path, body, hasView: false })),
  ];
}
