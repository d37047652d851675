import { z } from 'zod';
import {
  AGGREGATIONS,
  allowsAggregation,
  type CustomMetricBody,
  METRICS,
  type MetricDefinition,
  OwnMetrics,
  READY_METRICS,
} from '../../../analytics/index.ts';
import type { Definition } from '../../../runtime/index.ts';
import {
  DEFINITION_MEMBERS,
  type DefinitionRoutesSpec,
  definitionPage,
  definitionRoutes,
  definitionView,
  withMembers,
} from '../../definitions/index.ts';
import { type Cursors, type Examples, listQuery, type Route, route } from '../../http/index.ts';
import type { Tenants } from '../../tenants/index.ts';

const EXAMPLES: Examples = {
  count: {
    summary: 'Events of a type',
    value: { name: 'wishlist_adds', type: 'count', event: 'wishlist.added', filters: { channel: ['app'] } },
  },
  sum: {
    summary: 'Money of a type of event',
    value: { name: 'gift_cards_sold', type: 'sum', event: 'gift_card.sold', field: 'amount' },
  },
  avg: {
    summary: 'The mean of the events that have the amount',
    value: { name: 'refund_mean', type: 'avg', event: 'refund.issued', field: 'amount' },
  },
  distinct: {
    summary: 'Different customers',
    value: { name: 'customers_chatting', type: 'distinct', event: 'chat.opened', field: 'customer_id' },
  },
  ratio: {
    summary: 'One number divided by another',
    value: {
      name: 'orders_per_customer',
      type: 'ratio',
      numerator: 'orders_count',
      denominator: { type: 'distinct', event: 'order.created', field: 'customer_id' },
    },
  },
};

const DESCRIPTION =
  'A metric of your own counts events of one or several types, row by row: each event once, as it is now ' +
  '(an order as its newest version, a payment with what it has from its order). `count` counts them, `sum` ' +
  'and `avg` take a money member (or the quantity of items), `distinct` counts different ids (exact up to ' +
  '10,000 a cell), `ratio` divides two of these or two metrics by name. `filters` are those of KPI queries. ' +
  'It is answered at once, for all events that are kept, beside the metrics that are there: in KPI queries, ' +
  'batches and summaries, by any group, filter, granularity, zone and currency, and `as_of`.';

const SPEC: DefinitionRoutesSpec = {
  path: '/metrics-catalog',
  noun: 'metric',
  tag: 'KPIs',
  description: DESCRIPTION,
  examples: EXAMPLES,
  aliases: ['define'],
};

const metricMembers = {
  unit: z.enum(['money', 'count', 'ratio', 'days', 'seconds', 'distinct']),
  aggregations: z.array(z.enum(AGGREGATIONS)).describe('What `aggregation` of a query may be'),
};
const builtInSchema = z.object({
  name: z.string(),
  aliases: z.array(z.string()),
  title: z.string(),
  description: z.string(),
  ...metricMembers,
});

function membersOf(metric: MetricDefinition) {
  return { unit: metric.unit, aggregations: AGGREGATIONS.filter((one) => allowsAggregation(metric, one)) };
}

function builtInView(metric: MetricDefinition): z.input<typeof builtInSchema> {
  const { name, aliases, title, description } = metric;
  return { name, aliases: [...aliases], title, description, ...membersOf(metric) };
}

const ready = new OwnMetrics(READY_METRICS);
const BUILT_IN: readonly MetricDefinition[] = [
  ...METRICS,
  ...READY_METRICS.flatMap(({ name }) => ready.find(name) ?? []),
];

/** The metrics there are: those of every tenant, and those that the tenant defined. */
export function catalogRoutes(tenants: Tenants, cursors: Cursors): readonly Route[] {
  const { metrics } = tenants;
  const ownView = (metric: Definition<CustomMetricBody>): object => {
    const found = new OwnMetrics(tenants.metricsOf(metric.tenant, [metric.name])).find(metric.name);
    return { ...definitionView(metric), ...(found === undefined ? {} : membersOf(found)) };
  };
  const list = route({
    id: 'listMetrics',
    method: 'GET',
    path: SPEC.path,
    tag: SPEC.tag,
    summary: 'The metrics that a KPI query may ask for',
    description:
      '`built_in` are those of every tenant; `metrics` those that the tenant defined, oldest first.',
    permission: 'definitions:read',
    query: z.strictObject(listQuery),
    answers: {
      200: {
        description: 'The metrics of every tenant, and a page of the tenant’s own',
        schema: z.object({
          built_in: z.array(builtInSchema),
          metrics: z.array(withMembers(metrics.kind.schema, { ...DEFINITION_MEMBERS, ...metricMembers })),
          next_cursor: z.string().nullable(),
        }),
      },
    },
    problems: ['invalid_cursor', 'cursor_mismatch'],
    handle: ({ tenant, query }) => {
      const { items, next_cursor } = definitionPage(metrics, cursors, tenant, query);
      const json = { built_in: BUILT_IN.map(builtInView), metrics: items.map(ownView), next_cursor };
      return { status: 200, json };
    },
  });
  return [...definitionRoutes(metrics, cursors, SPEC).filter(({ id }) => id !== list.id), list];
}
