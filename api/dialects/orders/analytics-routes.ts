import { z } from 'zod';
import { type RawCall, type Route, route } from '../../http/index.ts';
import { type Asking, type Inquiries, totalsOf } from '../asking/index.ts';
import { ORDERS } from '../orders-hooks/index.ts';
import {
  ASKED_PROBLEMS,
  CONTINUOUS,
  currencyMember,
  metaSchema,
  money,
  moneyText,
  rate,
} from './order-api-route.ts';
import { dateText, SPAN_MEMBERS, type Span, type SpanParams, spanOf, spanSchema } from './span.ts';

/** Sources, and products at most. */
const MAX_LISTED = 1_000;
const DEFAULT_PRODUCTS = 10;

const outcomeSchema = z.looseObject({
  ...{ orders: z.int(), shipped: z.int(), delivered: z.int(), cancelled: z.int(), rto: z.int() },
  gross: z.number(),
  delivery_rate: z.number().nullable(),
  cancellation_rate: z.number().nullable(),
  rto_rate: z.number().nullable(),
});
const share = { share: z.number().nullable() };
const outcomesSchema = z.looseObject({
  currency: z.string().optional(),
  totals: outcomeSchema,
  statuses: z.array(outcomeSchema.extend({ status: z.string(), ...share })),
  payment_statuses: z.array(outcomeSchema.extend({ payment_status: z.string(), ...share })),
  payment_kinds: z.array(outcomeSchema.extend({ payment_kind: z.string(), ...share })),
});

const outcomes = (asking: Asking, call: RawCall, { query }: Span) =>
  asking.ask(call, '/orders/outcomes', { ...query, limit: MAX_LISTED }, outcomesSchema);

interface Endpoint<Q extends z.ZodRawShape> {
  readonly id: string;
  readonly path: string;
  readonly summary: string;
  readonly description: string;
  readonly query?: Q;
  readonly data: z.ZodType;
  dataOf(asking: Asking, call: RawCall, span: Span, query: z.output<z.ZodObject<Q>>): Promise<unknown>;
}

/** An endpoint over whole days, whose answer says them. */
function endpoint<Q extends z.ZodRawShape>(inquiries: Inquiries, spec: Endpoint<Q>): Route {
  const { id, path, summary, description, data } = spec;
  return route({
    ...{ id, method: 'GET' as const, path: `/orders/analytics/${path}`, tag: 'Orders', summary, description },
    ...{ face: ORDERS, permission: 'kpis:read' as const },
    query: z.strictObject({ ...SPAN_MEMBERS, ...spec.query }),
    query_example: { from: '2025-08-01', to: '2025-08-31' },
    answers: {
      200: { description: summary, schema: z.object({ period: spanSchema, data, meta: metaSchema }) },
    },
    problems: ASKED_PROBLEMS,
    handle: async (call) => {
      const span = spanOf(inquiries, call, call.query as SpanParams);
      const { answer, meta } = await inquiries.answered((asking) =>
        spec.dataOf(asking, call, span, call.query as z.output<z.ZodObject<Q>>),
      );
      return { status: 200, json: { period: span.said, data: answer, meta: { ...meta, ...CONTINUOUS } } };
    },
  });
}

/** The six analytics endpoints. */
export function analyticsRoutes(inquiries: Inquiries): readonly Route[] {
  return [
    dashboardRoute(inquiries),
    revenueRoute(inquiries),
    fulfillmentRoute(inquiries),
    sourcesRoute(inquiries),
    productsRoute(inquiries),
    splitRoute(inquiries),
  ];
}

const counted = { orders: z.int(), revenue: money('Gross'), share: rate('Of all orders') };

function dashboardRoute(inquiries: Inquiries): Route {
  return endpoint(inquiries, {
    ...{
      id: 'ordersDashboard',
      path: 'dashboard',
      summary: 'Orders, revenue, customers; by status and payment',
    },
    description: 'Of the orders that were created on these days; statuses are those that they have now.',
    data: z.object({
      ...{
        total_orders: z.int(),
        total_revenue: money('Gross'),
        average_order_value: money('After discount'),
      },
      ...{ unique_customers: z.int(), currency: currencyMember },
      by_status: z.array(z.object({ status: z.string(), ...counted })),
      by_payment_status: z.array(z.object({ payment_status: z.string(), ...counted })),
    }),
    dataOf: async (asking, call, span) => {
      const metrics = ['orders_count', 'revenue', 'aov', 'customers_active'];
      const kpis = await asking.kpis(call, { ...span.query, metrics });
      const { now } = totalsOf(kpis);
      const { currency } = kpis;
      const { statuses, payment_statuses } = await outcomes(asking, call, span);
      const counts = ({
        orders,
        gross,
        share: part,
      }: (typeof statuses)[number] | (typeof payment_statuses)[number]) => ({
        ...{ orders, revenue: moneyText(gross, currency), share: part },
      });
      return {
        ...{ total_orders: now.orders_count ?? 0, total_revenue: moneyText(now.revenue ?? 0, currency) },
        ...{ average_order_value: moneyText(now.aov, currency), unique_customers: now.customers_active ?? 0 },
        currency,
        by_status: statuses.map((one) => ({ status: one.status, ...counts(one) })),
        by_payment_status: payment_statuses.map((one) => ({
          payment_status: one.payment_status,
          ...counts(one),
        })),
      };
    },
  });
}

function revenueRoute(inquiries: Inquiries): Route {
  return endpoint(inquiries, {
    ...{ id: 'ordersRevenue', path: 'revenue', summary: 'Orders and revenue by day' },
    description: "Days of the tenant's time zone, also those without an order.",
    data: z.object({
      currency: currencyMember,
      series: z.array(z.object({ date: z.string(), orders: z.int(), revenue: money('Gross') })),
    }),
    dataOf: async (asking, call, span) => {
      const query = { ...span.query, metrics: ['orders_count', 'revenue'], granularity: '1d' };
      const { groups, currency } = await asking.kpis(call, query);
      return {
        currency,
        series: (groups[0]?.buckets ?? []).map(({ time, orders_count, revenue }) => ({
          date: dateText(span.zone.localDay(Date.parse(time))),
          orders: orders_count ?? 0,
          revenue: moneyText(typeof revenue === 'number' ? revenue : 0, currency),
        })),
      };
    },
  });
}

function fulfillmentRoute(inquiries: Inquiries): Route {
  return endpoint(inquiries, {
    ...{ id: 'ordersFulfillment', path: 'fulfillment', summary: 'Delivery, cancellation and RTO rates' },
    description: 'Of the orders that were created on these days, by the status that they have now.',
    data: z.object({
      ...{ total_orders: z.int(), shipped: z.int(), delivered: z.int(), cancelled: z.int(), rto: z.int() },
      delivery_rate: rate('delivered ÷ orders'),
      cancellation_rate: rate('cancelled ÷ orders'),
      rto_rate: rate('rto ÷ orders'),
    }),
    dataOf: async (asking, call, span) => {
      const { orders, shipped, delivered, cancelled, rto, ...rates } = (await outcomes(asking, call, span))
        .totals;
      const { delivery_rate, cancellation_rate, rto_rate } = rates;
      return {
        ...{ total_orders: orders, shipped, delivered, cancelled, rto },
        ...{ delivery_rate, cancellation_rate, rto_rate },
      };
    },
  });
}

function sourcesRoute(inquiries: Inquiries): Route {
  return endpoint(inquiries, {
    ...{ id: 'ordersSources', path: 'sources', summary: 'Orders and revenue by source' },
    description: `By the \`source\` of the order's event, the ${MAX_LISTED} with the most revenue.`,
    data: z.object({
      currency: currencyMember,
      sources: z.array(z.object({ source: z.string().nullable(), orders: z.int(), revenue: money('Gross') })),
    }),
    dataOf: async (asking, call, span) => {
      const { groups, currency } = await asking.kpis(call, {
        ...{ ...span.query, metrics: ['orders_count', 'revenue'], group_by: ['source'], limit: MAX_LISTED },
        ...{ order_by: { metric: 'revenue' } },
      });
      return {
        currency,
        sources: groups.flatMap(({ key, totals }) =>
          (totals.orders_count ?? 0) === 0
            ? []
            : {
                ...{ source: key.source ?? null, orders: totals.orders_count ?? 0 },
                revenue: moneyText(totals.revenue ?? 0, currency),
              },
        ),
      };
    },
  });
}

function productsRoute(inquiries: Inquiries): Route {
  return endpoint(inquiries, {
    ...{ id: 'ordersProducts', path: 'products', summary: 'Top products by quantity or revenue' },
    description: 'Revenue is that of the lines of orders: quantity × unit price.',
    query: {
      limit: z.coerce.number().int().min(1).max(MAX_LISTED).default(DEFAULT_PRODUCTS),
      sort_by: z.enum(['revenue', 'quantity']).default('revenue'),
    },
    data: z.object({
      currency: currencyMember,
      products: z.array(
        z.object({ sku: z.string(), quantity: z.number(), orders: z.int(), revenue: money('Gross') }),
      ),
    }),
    dataOf: async (asking, call, span, { limit, sort_by }) => {
      const metric = sort_by === 'revenue' ? 'revenue' : 'units_sold';
      const metrics = ['revenue', 'units_sold', 'orders_count'];
      // One more: orders without an item are a group, too.
      const { groups, currency } = await asking.kpis(call, {
        ...{ ...span.query, metrics, group_by: ['sku'], order_by: { metric } },
        limit: Math.min(MAX_LISTED, limit + 1),
      });
      const products = groups.flatMap(({ key, totals }) =>
        key.sku === null || key.sku === undefined || (totals.orders_count ?? 0) === 0
          ? []
          : {
              ...{ sku: key.sku, quantity: totals.units_sold ?? 0, orders: totals.orders_count ?? 0 },
              revenue: moneyText(totals.revenue ?? 0, currency),
            },
      );
      return { currency, products: products.slice(0, limit) };
    },
  });
}

function splitRoute(inquiries: Inquiries): Route {
  const part = z.object({
    ...counted,
    delivery_rate: rate('delivered ÷ orders'),
    rto_rate: rate('rto ÷ orders'),
  });
  return endpoint(inquiries, {
    ...{ id: 'ordersCodVsPrepaid', path: 'cod-vs-prepaid', summary: 'COD and prepaid: orders and revenue' },
    description:
      '`cod`: the payment method of the order is `cod` or `cash_on_delivery`, in any spelling; `prepaid`: any other; ' +
      '`unknown`: it names none.',
    data: z.object({ currency: currencyMember, cod: part, prepaid: part, unknown: part }),
    dataOf: async (asking, call, span) => {
      const { currency = null, payment_kinds } = await outcomes(asking, call, span);
      const of = (kind: string) => {
        const found = payment_kinds.find(({ payment_kind }) => payment_kind === kind);
        const { orders = 0, gross = 0, share: part = 0, delivery_rate = null, rto_rate = null } = found ?? {};
        return { orders, revenue: moneyText(gross, currency), share: part, delivery_rate, rto_rate };
      };
      return { currency, cod: of('cod'), prepaid: of('prepaid'), unknown: of('unknown') };
    },
  });
}
