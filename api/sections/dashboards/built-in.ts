import type { Definition } from '../../../runtime/index.ts';
import { type Dashboard, dashboardSchema } from './dashboard-schema.ts';

const query = (members: object, range = 'last_30d'): object => ({
  type: 'kpis',
  query: members,
  range,
  anchor: 'data',
});
const other = (type: string, members: object, range = 'last_30d'): object => ({
  ...{ type, query: members, range },
  anchor: 'data',
});
const at = (x: number, y: number, w: number, h: number): object => ({ x, y, w, h });

const number = (metric: string, title: string, x: number): object => ({
  ...{ type: 'number', title, layout: at(x, 0, 3, 2) },
  query: query({ metrics: [metric], compare: 'previous_period' }),
});

const OVERVIEW = {
  description: 'Orders and revenue of the last 30 days, beside the 30 before',
  widgets: [
    number('orders_count', 'Orders', 0),
    number('revenue_gross', 'Revenue', 3),
    number('aov', 'Average order', 6),
    number('customers_new', 'New customers', 9),
    {
      ...{ type: 'timeseries', title: 'Revenue by day', layout: at(0, 2, 12, 4) },
      query: query({ metrics: ['revenue_gross', 'revenue_net'], granularity: '1d' }),
    },
    {
      ...{ type: 'bar', title: 'Revenue by country', layout: at(0, 6, 6, 4) },
      query: query({
        ...{ metrics: ['revenue_gross'], group_by: ['country'], limit: 10, other: true },
        order_by: { metric: 'revenue_gross', direction: 'desc' },
      }),
    },
    {
      ...{ type: 'bar', title: 'Orders by channel', layout: at(6, 6, 6, 4) },
      query: query({
        ...{ metrics: ['orders_count'], group_by: ['channel'], limit: 10, other: true },
        order_by: { metric: 'orders_count', direction: 'desc' },
      }),
    },
  ],
};

const ACQUISITION = {
  description: 'Where customers come from, and what becomes of them',
  widgets: [
    {
      ...{ type: 'timeseries', title: 'New and active customers by week', layout: at(0, 0, 6, 4) },
      query: query({ metrics: ['customers_new', 'customers_active'], granularity: '1w' }, 'last_13w'),
    },
    {
      ...{ type: 'funnel', title: 'From visit to order', layout: at(6, 0, 6, 4) },
      query: other('funnel', {
        steps: [{ event: 'visit' }, { event: 'add_to_cart' }, { event: 'order.created' }],
        window: '7d',
      }),
    },
    {
      ...{ type: 'table', title: 'Revenue by campaign, linear', layout: at(0, 4, 6, 4) },
      query: other('attribution', { method: 'linear', group_by: ['campaign'] }),
    },
    {
      ...{ type: 'heatmap', title: 'Retention by month', layout: at(6, 4, 6, 4) },
      query: other('retention', {}, 'last_6m'),
    },
  ],
};

const OPERATIONS = {
  description: 'What happens to orders after they are placed',
  widgets: [
    {
      ...{ type: 'timeseries', title: 'Orders by day and state', layout: at(0, 0, 12, 4) },
      query: query({
        metrics: ['orders_count', 'orders_shipped', 'orders_delivered', 'orders_cancelled'],
        granularity: '1d',
      }),
    },
    {
      ...{ type: 'number', title: 'Days to ship', layout: at(0, 4, 3, 2) },
      query: query({ metrics: ['days_to_ship_avg'], compare: 'previous_period' }),
    },
    {
      ...{ type: 'number', title: 'Refund rate', layout: at(3, 4, 3, 2) },
      query: query({ metrics: ['refund_rate'], compare: 'previous_period' }),
    },
    {
      ...{ type: 'table', title: 'What comes back', layout: at(0, 6, 6, 4) },
      query: other('returns', {}, 'last_3m'),
    },
    {
      ...{ type: 'table', title: 'Refunds by channel and article', layout: at(6, 6, 6, 4) },
      query: other('refunds', {}, 'last_3m'),
    },
  ],
};

const BODIES: readonly (readonly [id: string, name: string, body: object])[] = [
  ['dashboard_overview', 'Overview', OVERVIEW],
  ['dashboard_acquisition', 'Acquisition', ACQUISITION],
  ['dashboard_operations', 'Operations', OPERATIONS],
];

/** Dashboards that every tenant has: as of its newest event, so that they show something over data of any time. */
export function builtInDashboards(tenant: string): readonly Definition<Dashboard>[] {
  return BODIES.map(([id, name, body], index) => ({
    ...{ id, name, tenant, kind: 'dashboard', revision: 0, created_by: 'millrace' },
    // Before any that were made, in this order.
    ...{ created_at_ms: index, updated_at_ms: index },
    body: dashboardSchema.parse(body),
  }));
}
