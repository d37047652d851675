import { z } from 'zod';
import {
  MAX_CUSTOMERS_A_PAGE,
  rfmMembersOf,
  rfmSchemaOf,
  THRESHOLDS_CHECK,
} from '../../../analytics/index.ts';
import { type AnswerParts, analyticsOf, queryRoute } from '../../answers/index.ts';
import type { Cursors, Route } from '../../http/index.ts';
import { customerPage, pageQuery } from './customer-page.ts';

const score = z.int().min(1).max(5);
const group = { customers: z.int(), orders: z.int(), monetary: z.int().describe('Minor units') };

const distribution = {
  customers_total: z.int(),
  segments: z.array(z.object({ segment: z.string(), ...group, share: z.number() })),
  buckets: z.array(z.object({ r: score, f: score, m: score, ...group })),
};

const answerSchema = z.object({
  currency: z.string().optional().describe('Of the money; absent where there is none'),
  scoring: z.enum(['quintile', 'ntile', 'fixed']),
  ...distribution,
  group_by: z.array(z.string()).optional(),
  groups: z
    .array(z.object({ key: z.object({ segment: z.string().nullable() }), ...distribution }))
    .optional()
    .describe('By stored segment; a customer of several counts in each, and scores are those among all'),
  customers: z.array(
    z.object({
      customer_id: z.string().nullable().describe('null: no event that says it is in the stream any more'),
      customer_key: z.string().describe("The log's own name of the customer"),
      ...{ r: score, f: score, m: score, score: z.string(), segment: z.string() },
      recency_days: z.int().describe('Whole days from the last order to `end`'),
      frequency: z.int().describe('Distinct orders'),
      monetary: z.int().describe('Orders less discounts and refunds, minor units'),
      first_order: z.string(),
      last_order: z.string(),
    }),
  ),
  next_cursor: z.string().nullable(),
});

const EXAMPLE = {
  start: '2025-01-01T00:00:00Z',
  end: '2025-12-31T23:59:59Z',
  filters: { channel: 'web' },
  limit: 10,
};

export function rfmRoute(parts: AnswerParts, cursors: Cursors): Route {
  const { custom, queries } = analyticsOf(parts.ports.settings);
  const querySchema = rfmSchemaOf(custom);
  const [passes, { path, error }] = THRESHOLDS_CHECK;
  const body = rfmMembersOf(custom)
    .omit({ offset: true })
    .extend({ cursor: z.string().max(4_096).optional().describe('`next_cursor` of the page before') })
    .refine(passes, { path: [...path], error });
  return queryRoute(parts, {
    id: 'scoreCustomers',
    audited: 'read',
    path: '/customers/rfm',
    tag: 'Customers',
    summary: 'Recency, frequency and money of customers, scored',
    description:
      'Customers with an order in the range, each with scores of 1 to 5 and a named segment; how many there are ' +
      `of each score and segment; and the customers, best first, at most ${MAX_CUSTOMERS_A_PAGE} a page. Pages ` +
      'are of one state.',
    permission: 'kpis:read',
    kind: queries.rfm,
    body,
    body_examples: { year: { summary: 'Customers of a year', value: EXAMPLE } },
    answer: answerSchema,
    problems: [
      'invalid_cursor',
      'cursor_mismatch',
      'currency_required',
      'fx_rate_missing',
      'amount_too_large',
    ],
    queryOf: (_call, { cursor, ...given }) => pageQuery(cursors, querySchema.parse(given), cursor),
    bodyOf: (call, query, answer) => customerPage(parts, call, cursors, query, answer),
  });
}
