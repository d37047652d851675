import { z } from 'zod';
import { type LtvQuery, ltvMembersOf } from '../../../analytics/index.ts';
import { type AnswerParts, analyticsOf, queryRoute } from '../../answers/index.ts';
import type { Cursors, Route } from '../../http/index.ts';
import { customerPage, pageQuery } from './customer-page.ts';

const money = (what: string) => z.int().nullable().describe(`${what}, minor units`);
const interval = z.tuple([z.int(), z.int()]);
const fitFacts = {
  log_likelihood: z.number(),
  converged: z.boolean().describe('false: the likelihood has no maximum inside, or the search did not end'),
  customers: z.int().describe('That the model is fitted to'),
};

const answerSchema = z.object({
  model: z.enum(['historical', 'predictive']),
  currency: z.string().optional().describe('Of the money; absent where there is none'),
  customers_total: z.int().describe('With their first order in the range'),
  bucket: z.string().optional(),
  period: z.string().optional(),
  periods: z.int().optional(),
  alignment: z.string().optional(),
  cohorts: z
    .array(
      z.object({
        cohort: z.string().nullable().describe('Start of the bucket'),
        key: z.record(z.string(), z.string().nullable()).optional().describe('Values of the first order'),
        size: z.int().describe('Customers'),
        ages: z.array(
          z.object({
            age: z.int(),
            revenue: money('Net revenue at that age; null: it has not begun for any customer'),
            cumulative: money('Up to and with that age'),
            ltv: money('`cumulative` ÷ `size`, rounded'),
            incomplete: z.literal(true).optional().describe('Not over for every customer'),
          }),
        ),
      }),
    )
    .optional()
    .describe('Of `historical`'),
  observed_until: z.string().optional().describe('Of `predictive`: the horizon begins here'),
  horizon: z.string().optional(),
  discount_rate: z.number().optional(),
  interval: z.number().optional(),
  fit: z
    .object({
      purchases: z.object({
        ...{ r: z.number(), alpha: z.number(), a: z.number(), b: z.number(), unit: z.string(), ...fitFacts },
      }),
      value: z
        .object({ p: z.number(), q: z.number(), gamma: z.number(), ...fitFacts })
        .nullable()
        .describe('`gamma` in minor units; null: too few repeat purchases'),
    })
    .optional()
    .describe('Maximum likelihood'),
  totals: z
    .object({
      expected_purchases: z.number(),
      expected_value: money('Of all customers'),
      expected_alive: z.number(),
    })
    .optional(),
  customers: z
    .array(
      z.object({
        customer_id: z.string().nullable().describe('null: no event that says it is in the stream any more'),
        customer_key: z.string().describe("The log's own name of the customer"),
        purchase_days: z.int().describe('Days with an order'),
        value_to_date: z.int().describe('Net revenue, minor units'),
        first_day: z.string(),
        last_day: z.string(),
        probability_alive: z
          .number()
          .describe('1 for every customer with one purchase day: it ranks none of them'),
        expected_purchases: z.number().describe('In the horizon, undiscounted'),
        purchases_interval: interval.nullable().describe('null: the fit has no maximum'),
        expected_value: money('In the horizon, discounted'),
        value_interval: interval.nullable().describe('Undiscounted'),
      }),
    )
    .optional()
    .describe('Of `predictive`'),
  next_cursor: z.string().nullable().optional(),
});

const RANGE = { start: '2025-01-01T00:00:00Z', end: '2025-12-31T23:59:59Z' };

export function ltvRoute(parts: AnswerParts, cursors: Cursors): Route {
  const { custom, queries } = analyticsOf(parts.ports.settings);
  const members = ltvMembersOf(custom);
  return queryRoute(parts, {
    id: 'valueCustomers',
    audited: 'read',
    path: '/customers/ltv',
    tag: 'Customers',
    summary: 'Lifetime value of customers: what they brought, or are expected to bring',
    description:
      'Of the customers whose first order lies in [start, end) and passes the filters. `historical`: net revenue ' +
      '(orders less discounts, refunds when they come) by age and cohort. `predictive`: BG/NBD with Gamma–Gamma, ' +
      'fitted by maximum likelihood. P(alive) is 1 for a customer with one order, whatever the silence since: ' +
      'rank churn by expected purchases (`order_by: churn`). Pages are of one state.',
    permission: 'kpis:read',
    kind: queries.ltv,
    body: members
      .omit({ offset: true })
      .extend({ cursor: z.string().max(4_096).optional().describe('`next_cursor` of the page before') }),
    body_examples: {
      historical: { summary: 'By month of the first order', value: { ...RANGE, model: 'historical' } },
      predictive: {
        summary: 'The next half year of the customers most likely to be lost',
        value: { ...RANGE, model: 'predictive', horizon: '26w', discount_rate: 0.1, order_by: 'churn' },
      },
    },
    answer: answerSchema,
    problems: [
      ...(['invalid_cursor', 'cursor_mismatch', 'currency_required', 'fx_rate_missing'] as const),
      ...(['amount_too_large', 'too_many_points', 'too_many_groups', 'not_enough_data'] as const),
    ],
    queryOf: (_call, { cursor, ...given }): LtvQuery => pageQuery(cursors, members.parse(given), cursor),
    bodyOf: async (call, query, answer) =>
      query.model === 'historical' ? answer.body : customerPage(parts, call, cursors, query, answer),
  });
}
