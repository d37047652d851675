import { z } from 'zod';
import {
  type EntityPlace,
  MAX_CUSTOMERS_A_PAGE,
  type RfmQuery,
  rfmMembersOf,
  rfmSchemaOf,
  THRESHOLDS_CHECK,
} from '../../../analytics/index.ts';
import { type AnswerParts, analyticsOf, namedEntities, queryRoute } from '../../answers/index.ts';
import type { Cursors, Route } from '../../http/index.ts';

const score = z.int().min(1).max(5);
const group = { customers: z.int(), orders: z.int(), monetary: z.int().describe('Minor units') };

const answerSchema = z.object({
  currency: z.string().optional().describe('Of the money; absent where there is none'),
  scoring: z.enum(['quintile', 'ntile', 'fixed']),
  customers_total: z.int(),
  segments: z.array(z.object({ segment: z.string(), ...group, share: z.number() })),
  buckets: z.array(z.object({ r: score, f: score, m: score, ...group })),
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

/** The place of a page: the position of the first one's state, so that events that arrive change no page. */
interface Place {
  readonly as_of: NonNullable<RfmQuery['as_of']>;
  readonly offset: number;
}

/** What a cursor is bound to. */
function filterOf({ offset: _, as_of: __, limit: ___, explain: ____, ...query }: RfmQuery): object {
  return query;
}

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
    queryOf: (_call, { cursor, ...given }) => {
      const query = querySchema.parse(given);
      if (cursor === undefined) return query;
      return { ...query, ...(cursors.decode(filterOf(query), cursor) as Place) };
    },
    bodyOf: async (call, query, { query_id, body: members }) => {
      const found = members.customers as readonly ({ readonly customer: EntityPlace } & object)[];
      const named = await namedEntities(
        parts.ports,
        call,
        'customer_id',
        found.map(({ customer }) => customer),
      );
      const offset = query.offset + found.length;
      const place: Place = { as_of: query.as_of ?? { query_id }, offset };
      const isLast = found.length === 0 || offset >= (members.customers_total as number);
      return {
        ...members,
        customers: found.map(({ customer: _, ...rest }, at) => ({
          ...{ customer_id: named[at]?.id ?? null, customer_key: named[at]?.key },
          ...rest,
        })),
        next_cursor: isLast ? null : cursors.encode(filterOf(query), place),
      };
    },
  });
}
