import type { Body, FormField } from '../../answers/index.ts';
import type { Options } from '../../parts/index.ts';

/** A report to begin with. */
export const REPORT: Body = {
  ...{ name: 'Weekly revenue', type: 'kpis', range: 'previous_week', format: 'xlsx', schedule: '0 6 * * 1' },
  query: { metrics: ['revenue_net', 'orders_count'], granularity: '1d' },
};

const isStored = ({ query_id }: Body): boolean => query_id !== undefined && query_id !== null;
const isOfKpis = (body: Body): boolean => !isStored(body) && body.type === 'kpis';

/** Reports by form: of a saved query, or of metrics; other queries are written as JSON. */
export const reportFields = (queries: Options): readonly FormField[] => [
  { path: 'name', title: 'Name', isRequired: true },
  {
    ...{ path: 'query_id', title: 'Query' },
    options: [['', 'one of its own'], ...queries],
    write: (body, id) => {
      const { query_id: _, query: __, type: ___, ...rest } = body;
      return id === '' ? { ...rest, type: 'kpis', query: REPORT.query } : { ...rest, query_id: id };
    },
  },
  { path: 'query.metrics', title: 'Metrics', kind: 'list', isWide: true, isFor: isOfKpis },
  { path: 'query.group_by', title: 'By', kind: 'list', isFor: isOfKpis },
  {
    ...{ path: 'query.granularity', title: 'Every', isFor: isOfKpis, fallback: '' },
    options: [
      ['', 'whole range'],
      ['1h', 'hour'],
      ['1d', 'day'],
      ['1w', 'week'],
      ['1M', 'month'],
    ],
  },
  {
    ...{ path: 'range', title: 'Of' },
    offers: ['yesterday', 'previous_week', 'previous_month', 'previous_quarter', 'last_7d', 'last_30d'],
  },
  {
    ...{ path: 'format', title: 'Format', fallback: 'csv' },
    options: ['csv', 'xlsx', 'parquet', 'ndjson'].map((one) => [one, one] as const),
  },
  {
    ...{ path: 'schedule', title: 'Schedule', offers: ['0 6 * * *', '0 6 * * 1', '0 6 1 * *'] },
    hint: 'Minute, hour, day of month, month, day of week',
  },
  {
    path: 'timezone',
    title: 'Time zone',
    fallback: 'UTC',
    offers: ['UTC', 'Europe/Berlin', 'America/New_York'],
  },
  {
    ...{ path: 'destination.email', title: 'Mail to', kind: 'list' },
    isFor: ({ destination }) => typeof destination !== 'string',
  },
  { path: 'enabled', title: 'On', kind: 'check', fallback: true },
];
