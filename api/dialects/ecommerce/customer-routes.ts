import { z } from 'zod';
import type { RawCall, Route } from '../../http/index.ts';
import { type Asking, decimalOf, type Inquiries, shareOf, spoken, totalsOf } from '../asking/index.ts';
import { amount, count, currencyMember, endpoint, rate } from './ecommerce-route.ts';
import type { Period } from './periods.ts';

/** Before every event. */
const ALL_TIME = '1970-01-01T00:00:00Z';

const rfmSchema = z.looseObject({
  currency: z.string().optional(),
  customers_total: z.int(),
  segments: z.array(
    z.looseObject({
      segment: z.string(),
      customers: z.int(),
      orders: z.int(),
      monetary: z.number(),
      share: z.number(),
    }),
  ),
});
const membersSchema = z.looseObject({ customers_total: z.int() });

/** Who buys, who comes back, and what they are worth. */
export function customerRoutes(inquiries: Inquiries): Route[] {
  return [
    endpoint(inquiries, {
      id: 'ecommerceCustomers',
      path: '/customers',
      summary: 'Customers of the period: new, returning, retained and lost',
      description:
        'Retained are customers of the span before who ordered in this one; churned are those who did not. The ' +
        'lifetime value is what customers have spent by the end of the period, net of discounts and refunds, a customer.',
      answer: {
        total_customers: count,
        new_customers: count,
        returning_customers: count,
        retention_rate: rate.describe('Retained customers ÷ customers of the span before'),
        churned_customers: count,
        average_lifetime_value: amount,
        currency: currencyMember,
      },
      answerOf: async (asking, call, period) => {
        const [{ now, before }, retained, value] = await Promise.all([
          activeCustomers(asking, call, period),
          retainedCustomers(asking, call, period),
          lifetimeValue(asking, call, period),
        ]);
        const [total, earlier] = [now.customers_active ?? 0, before.customers_active ?? 0];
        return {
          total_customers: total,
          new_customers: now.customers_new ?? 0,
          returning_customers: total - (now.customers_new ?? 0),
          retention_rate: shareOf(retained, earlier),
          churned_customers: earlier - retained,
          ...value,
        };
      },
    }),
    endpoint(inquiries, {
      id: 'ecommerceCustomerSegments',
      path: '/customers/segments',
      summary: 'Customers by recency, frequency and money',
      description: 'The named RFM segments of customers who ordered in the period.',
      answer: {
        currency: currencyMember,
        total_customers: count,
        segments: z.array(
          z.object({
            ...{ segment: z.string(), customers: count, orders: count, revenue: amount },
            share: z.number().describe('Of the customers'),
          }),
        ),
      },
      answerOf: async (asking, call, period) => {
        const found = await asking.ask(call, '/customers/rfm', { ...period.query, limit: 0 }, rfmSchema);
        const currency = found.currency ?? null;
        return {
          currency,
          total_customers: found.customers_total,
          segments: found.segments.map(({ segment, customers, orders, monetary, share }) => ({
            ...{ segment, customers, orders, revenue: decimalOf(monetary, currency), share },
          })),
        };
      },
    }),
  ];
}

async function activeCustomers(
  asking: Asking,
  call: RawCall,
  { query: { start, end } }: Period,
): Promise<ReturnType<typeof totalsOf>> {
  const metrics = ['customers_active', 'customers_new'];
  return totalsOf(await asking.kpis(call, { start, end, metrics, compare: 'previous_period' }));
}

/** Customers of the span before who ordered again: their first order of both spans is in it, their last one is not. */
async function retainedCustomers(
  asking: Asking,
  call: RawCall,
  { before, zone, said }: Period,
): Promise<number> {
  const body = {
    start: spoken(before, zone).start,
    end: said.end,
    rule: {
      and: [
        { measure: 'first_order', lt: said.start },
        { measure: 'last_order', gte: said.start },
      ],
    },
    limit: 0,
  };
  return (await asking.ask(call, '/customers/segment', body, membersSchema)).customers_total;
}

async function lifetimeValue(
  asking: Asking,
  call: RawCall,
  { query }: Period,
): Promise<{ readonly average_lifetime_value: number | null; readonly currency: string | null }> {
  const body = { ...query, start: ALL_TIME, limit: 0 };
  const {
    segments,
    customers_total,
    currency = null,
  } = await asking.ask(call, '/customers/rfm', body, rfmSchema);
  let spent = 0;
  for (const { monetary } of segments) spent += monetary;
  return {
    average_lifetime_value: customers_total === 0 ? null : decimalOf(spent / customers_total, currency),
    currency,
  };
}
