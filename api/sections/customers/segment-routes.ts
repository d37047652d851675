import { z } from 'zod';
import { type SegmentQuery, segmentMembersOf } from '../../../analytics/index.ts';
import type { KindDefinitions } from '../../../runtime/index.ts';
import {
  type AnswerParts,
  analyticsOf,
  endOfMinute,
  HEAD_PROBLEMS,
  metaOf,
  metaSchema,
  queryRoute,
  runQuery,
  wishOf,
} from '../../answers/index.ts';
import { definitionRoutes } from '../../definitions/index.ts';
import { ApiError, type Cursors, listQuery, type ProblemCode, type Route, route } from '../../http/index.ts';
import type { SegmentBody } from '../../tenants/index.ts';
import { customerPage, pageQuery } from './customer-page.ts';

const PROBLEMS = [
  ...(['invalid_cursor', 'cursor_mismatch', 'currency_required'] as const),
  ...(['fx_rate_missing', 'amount_too_large'] as const),
] as const satisfies readonly ProblemCode[];

const answerSchema = z.object({
  segment_id: z.string().optional(),
  name: z.string().optional(),
  currency: z.string().optional().describe('Of the money in the rule'),
  end: z.string().describe('The customers are those at this time'),
  customers_total: z.int().describe('Size of the segment'),
  customers: z.array(
    z.object({
      customer_id: z.string().nullable().describe('null: no event that says it is in the stream any more'),
      customer_key: z.string().describe("The log's own name of the customer"),
    }),
  ),
  next_cursor: z.string().nullable(),
});

const RULE = {
  and: [
    { measure: 'spend_net', gt: 50_000 },
    { measure: 'last_order', lt: '-90d' },
    { not: { order: 'last', filters: { channel: 'marketplace' } } },
  ],
};
const VISITORS = {
  and: [
    { event: 'visit', within: '30d', gte: 3 },
    { measure: 'orders', eq: 0 },
  ],
};

const DESCRIPTION =
  'A rule over customers: measures (`spend_net`, `spend_gross`, `refunds`, `aov` in minor units; `orders`, ' +
  '`days_since_last_order`; `first_order`, `last_order`), dimensions of the first or last order, and how often ' +
  'events of a type came, joined by `and`, `or` and `not`. Who is in it is found out for each query, as of its end.';

/** Section 5: segments by rule. */
export function segmentRoutes(
  parts: AnswerParts,
  segments: KindDefinitions<SegmentBody>,
  cursors: Cursors,
): readonly Route[] {
  const { custom, queries } = analyticsOf(parts.ports.settings);
  const members = segmentMembersOf(custom);
  const { clock } = parts.ports;
  const queryOf = (given: Readonly<Record<string, unknown>>, cursor: string | undefined): SegmentQuery => {
    const isNow = given.end === undefined ? { end_is_now: true } : {};
    const query = { ...members.parse({ ...given, end: given.end ?? endOfMinute(clock.now()) }), ...isNow };
    return pageQuery(cursors, query, cursor);
  };
  const head = { permission: 'kpis:read', tag: 'Segments' } as const;
  return [
    queryRoute(parts, {
      ...{
        ...head,
        audited: 'read',
        id: 'queryCustomerSegment',
        path: '/customers/segment',
        kind: queries.segment,
      },
      summary: 'Size and customers of a rule that is not stored',
      description: `${DESCRIPTION} \`POST /segments\` stores a rule under a name.`,
      body: members.omit({ offset: true }).extend({
        end: members.shape.end.optional().describe('The customers as they are at this time; default: now'),
        cursor: z.string().max(4_096).optional().describe('`next_cursor` of the page before'),
      }),
      body_examples: { lapsed: { summary: 'Good customers who are away', value: { rule: RULE, limit: 10 } } },
      answer: answerSchema,
      problems: PROBLEMS,
      queryOf: (_call, { cursor, ...given }): SegmentQuery => queryOf(given, cursor),
      bodyOf: (call, query, answer) => customerPage(parts, call, cursors, query, answer),
    }),
    route({
      ...{
        ...head,
        audited: 'read',
        id: 'listSegmentCustomers',
        method: 'GET',
        path: '/segments/{id}/customers',
      },
      summary: 'Size and customers of a stored segment',
      description: 'In no order that means anything, but always the same. Pages are of one state.',
      params: z.object({ id: z.string().max(128) }),
      query: z.strictObject({
        end: z.string().max(64).optional().describe('The customers as they are at this time; default: now'),
        limit: listQuery.limit,
        cursor: listQuery.cursor,
      }),
      answers: { 200: { description: 'A page', schema: answerSchema.extend({ meta: metaSchema }) } },
      problems: [...new Set<ProblemCode>([...HEAD_PROBLEMS, ...PROBLEMS, 'not_found'])],
      handle: async (call) => {
        const found = segments.get(call.tenant, call.params.id);
        if (found === undefined) throw new ApiError('not_found', 'There is no segment with this id.');
        const { id, name, body } = found;
        const { end, limit, cursor } = call.query;
        const query = queryOf({ ...body, limit, ...(end === undefined ? {} : { end }) }, cursor);
        const wish = wishOf(query);
        const { answer, state } = await runQuery(parts, call, queries.segment, query, { wish });
        const { header, source, warnings = [] } = answer;
        return {
          status: 200,
          json: {
            ...{ segment_id: id, name },
            ...(await customerPage(parts, call, cursors, query, answer)),
            meta: metaOf(state, call.tenant, { ...header, source, warnings }),
          },
        };
      },
    }),
    ...definitionRoutes(segments, cursors, {
      ...{ path: '/segments', noun: 'segment', tag: 'Segments', aliases: ['define'] },
      description: `${DESCRIPTION} Stored ones are filters and groups of other queries: \`segment\`.`,
      examples: {
        lapsed: { summary: 'Good customers who are away', value: { name: 'lapsed', rule: RULE } },
        visitors: { summary: 'Who looks and never buys', value: { name: 'visitors', rule: VISITORS } },
      },
    }),
  ];
}
