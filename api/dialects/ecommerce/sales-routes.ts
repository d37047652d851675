import { z } from 'zod';
import type { RawCall, Route } from '../../http/index.ts';
import {
  type Asking,
  decimalOf,
  growthOf,
  type Inquiries,
  shareOf,
  spoken,
  totalsOf,
} from '../asking/index.ts';
import { amount, count, currencyMember, endpoint, rate } from './ecommerce-route.ts';
import { type Period, periodSchema } from './periods.ts';

const salesMembers = {
  revenue: amount,
  orders: count,
  average_order_value: amount,
  items_sold: count,
};

const SALES = ['revenue', 'orders_count', 'aov', 'units_sold'] as const;

/** A month is split by these; the answer names the granularity of the first API that it means. */
const GRANULARITIES = { hour: '1h', day: '1d', week: '1w', month: '1M' } as const;

const salesOf = (numbers: Readonly<Record<string, number | null>>, currency: string | null) => ({
  revenue: decimalOf(numbers.revenue ?? 0, currency),
  orders: numbers.orders_count ?? 0,
  average_order_value: decimalOf(numbers.aov, currency),
  items_sold: numbers.units_sold ?? 0,
});

/** Revenue, orders and what they grew by. */
export function salesRoutes(inquiries: Inquiries): Route[] {
  return [
    endpoint(inquiries, {
      id: 'ecommerceSales',
      path: '/sales',
      summary: 'Revenue, orders, average order value and items sold, and the growth of each',
      description: 'Growth is against the span of the same length before, as a fraction.',
      query_example: { time_range: 'month' },
      answer: {
        currency: currencyMember,
        ...salesMembers,
        growth: z.object({ revenue: rate, orders: rate, average_order_value: rate, items_sold: rate }),
        previous: z.object({ period: periodSchema, ...salesMembers }),
      },
      answerOf: async (asking, call, period) => {
        const query = { ...period.query, metrics: SALES, compare: 'previous_period' };
        const answer = await asking.kpis(call, query);
        const { now, before } = totalsOf(answer);
        return {
          currency: answer.currency,
          ...salesOf(now, answer.currency),
          growth: {
            revenue: growthOf(now.revenue, before.revenue),
            orders: growthOf(now.orders_count, before.orders_count),
            average_order_value: growthOf(now.aov, before.aov),
            items_sold: growthOf(now.units_sold, before.units_sold),
          },
          previous: { period: spoken(period.before, period.zone), ...salesOf(before, answer.currency) },
        };
      },
    }),
    endpoint(inquiries, {
      id: 'ecommerceRevenueTrend',
      path: '/revenue/trend',
      summary: 'Revenue and orders over time',
      query: { granularity: z.enum(['hour', 'day', 'week', 'month']).default('day') },
      query_example: { granularity: 'day' },
      answer: {
        currency: currencyMember,
        granularity: z.string(),
        trend: z.array(
          z.object({
            ...{ date: z.string().describe('Start of the bucket'), revenue: amount, orders: count },
            ...{ average_order_value: amount, incomplete: z.literal(true).optional() },
          }),
        ),
      },
      answerOf: async (asking, call, period) => {
        const { granularity } = call.query;
        const query = {
          ...period.query,
          ...{ metrics: ['revenue', 'orders_count', 'aov'], granularity: GRANULARITIES[granularity] },
        };
        const { groups, currency } = await asking.kpis(call, query);
        const trend = (groups[0]?.buckets ?? []).map((bucket) => {
          const {
            items_sold: _,
            orders,
            ...money
          } = salesOf(bucket as Readonly<Record<string, number>>, currency);
          return { date: bucket.time, ...money, orders, ...unfinished(bucket) };
        });
        return { currency, granularity, trend };
      },
    }),
    ...splitRoutes(inquiries),
    conversionRoute(inquiries),
  ];
}

/** It ends after the watermark: events of it may still come. */
const unfinished = ({ incomplete }: Readonly<Record<string, unknown>>) =>
  incomplete === true ? { incomplete: true } : {};

/** Values of a dimension that are listed. */
const MAX_VALUES = 1_000;

/** Revenue by the values of a dimension, the largest first; `share` is of the revenue of all. */
async function splitBy(
  asking: Asking,
  call: RawCall,
  { query }: Period,
  dimension: string,
  named: string,
): Promise<{ readonly currency: string | null; readonly rows: readonly object[] }> {
  const metrics = ['revenue', 'orders_count', 'units_sold', 'aov'];
  const [{ groups, groups_total, currency }, all] = await Promise.all([
    asking.kpis(call, { ...query, metrics, group_by: [dimension], limit: MAX_VALUES }),
    asking.kpis(call, { ...query, metrics: ['revenue'] }),
  ]);
  if (groups_total > MAX_VALUES) {
    asking.warn(
      `There are ${groups_total} values of ${dimension}; the ${MAX_VALUES} with the most revenue are listed.`,
    );
  }
  const whole = totalsOf(all).now.revenue;
  const rows = groups
    .filter(({ totals }) => Object.values(totals).some((value) => value !== null && value !== 0))
    .map(({ key, totals }) => ({
      [named]: key[dimension] ?? null,
      ...salesOf(totals, currency),
      share: shareOf(totals.revenue ?? 0, whole),
    }));
  return { currency: currency ?? all.currency, rows };
}

const splitSchema = (named: string) =>
  z.array(
    z.object({ [named]: z.string().nullable().describe('null: not known'), ...salesMembers, share: rate }),
  );

function splitRoutes(inquiries: Inquiries): Route[] {
  return [
    endpoint(inquiries, {
      id: 'ecommerceCategories',
      path: '/categories',
      summary: 'Revenue, orders and items sold by category',
      description: 'By the categories of the items of orders: `share` is of the revenue of all orders.',
      answer: { currency: currencyMember, categories: splitSchema('category') },
      answerOf: async (asking, call, period) => {
        const { currency, rows } = await splitBy(asking, call, period, 'category', 'category');
        return { currency, categories: rows };
      },
    }),
    endpoint(inquiries, {
      id: 'ecommerceRevenueByChannel',
      path: '/revenue/by-channel',
      summary: 'Revenue by sales channel',
      answer: { currency: currencyMember, channels: splitSchema('channel') },
      answerOf: async (asking, call, period) => {
        const { currency, rows } = await splitBy(asking, call, period, 'channel', 'channel');
        return { currency, channels: rows };
      },
    }),
    endpoint(inquiries, {
      id: 'ecommerceGeographic',
      path: '/geographic',
      summary: 'Revenue by country and by region',
      answer: {
        ...{ currency: currencyMember, countries: splitSchema('country'), regions: splitSchema('region') },
      },
      answerOf: async (asking, call, period) => {
        const [countries, regions] = await Promise.all(
          ['country', 'region'].map((dimension) => splitBy(asking, call, period, dimension, dimension)),
        );
        const { currency = null } = countries ?? {};
        return { currency, countries: countries?.rows ?? [], regions: regions?.rows ?? [] };
      },
    }),
  ];
}

const STEPS = ['visit', 'add_to_cart', 'checkout_initiated', 'order.created'] as const;
/** A session that takes longer to order is not the same visit any more. */
const SESSION_WINDOW = '1d';

const funnelSchema = z.looseObject({
  entered: z.int(),
  steps: z.array(z.looseObject({ count: z.int() })),
});

function conversionRoute(inquiries: Inquiries): Route {
  const stage = z.object({ stage: z.string(), count, rate });
  return endpoint(inquiries, {
    id: 'ecommerceConversion',
    path: '/conversion',
    summary: 'Sessions that come to a cart, a checkout and an order, and how many leave on the way',
    description:
      'A funnel of sessions that begin in the period, each stage within a day after the first. `conversion_rate` and ' +
      '`cart_abandonment_rate` are the metrics of these names.',
    answer: {
      sessions: count,
      funnel: z.array(stage),
      conversion_rate: rate,
      cart_abandonment_rate: rate,
      checkout_abandonment_rate: rate.describe('1 − sessions with an order ÷ sessions with a checkout'),
    },
    answerOf: async (asking, call, period) => {
      const { start, end } = period.query;
      const names = ['sessions', 'carts', 'checkouts', 'orders'];
      const steps = STEPS.map((event, at) => ({ event, name: names[at] }));
      const body = { start, end, steps, entity: 'session_id', window: SESSION_WINDOW };
      const metrics = ['sessions', 'conversion_rate', 'cart_abandonment_rate'];
      const [funnel, kpis] = await Promise.all([
        asking.ask(call, '/funnels/adhoc', body, funnelSchema),
        asking.kpis(call, { start, end, metrics }),
      ]);
      const counts = funnel.steps.map((step) => step.count);
      const { now } = totalsOf(kpis);
      const finished = shareOf(counts[3], counts[2]);
      return {
        sessions: now.sessions ?? 0,
        funnel: names.map((name, at) => ({
          stage: name,
          count: counts[at],
          rate: shareOf(counts[at], counts[0]),
        })),
        conversion_rate: now.conversion_rate ?? null,
        cart_abandonment_rate: now.cart_abandonment_rate ?? null,
        checkout_abandonment_rate: finished === null ? null : 1 - finished,
      };
    },
  });
}
