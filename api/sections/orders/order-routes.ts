import { z } from 'zod';
import {
  type OrdersQuery,
  ordersMembersOf,
  ordersSchemaOf,
  outcomesSchemaOf,
  PAYMENT_KINDS,
  PAYMENT_STATUSES,
} from '../../../analytics/index.ts';
import { type AnswerParts, analyticsOf, maskFor, queryRoute } from '../../answers/index.ts';
import { ApiError, type Cursors, type RawCall, type Route } from '../../http/index.ts';
import { orderPage, pageQuery } from './order-page.ts';

const money = z.int().describe('Minor units');
const ratio = (what: string) => z.number().nullable().describe(`${what}; null without any`);

const outcome = {
  orders: z.int(),
  shipped: z.int().describe('That were shipped, whatever came after'),
  delivered: z.int().describe('That are delivered now; so of the other statuses'),
  cancelled: z.int(),
  rto: z.int().describe('Returned to origin'),
  gross: money.describe('Σ amount; by sku and category Σ quantity × unit_price of the lines'),
  discount: money,
  delivery_rate: ratio('delivered ÷ orders'),
  cancellation_rate: ratio('cancelled ÷ orders'),
  rto_rate: ratio('rto ÷ orders'),
};
const share = ratio('Of all orders');

const outcomesAnswer = z.object({
  currency: z.string().optional().describe('Of the money; absent where there is none'),
  totals: z.object(outcome),
  statuses_total: z.int(),
  statuses: z.array(z.object({ status: z.string(), ...outcome, share })).describe('The most orders first'),
  payment_statuses: z.array(z.object({ payment_status: z.enum(PAYMENT_STATUSES), ...outcome, share })),
  payment_kinds: z.array(z.object({ payment_kind: z.enum(PAYMENT_KINDS), ...outcome, share })),
  groups_total: z.int().optional(),
  groups: z
    .array(z.object({ key: z.record(z.string(), z.string().nullable()), ...outcome }))
    .optional()
    .describe('By `group_by`, the most orders first'),
});

const orderSchema = z.object({
  order_id: z
    .string()
    .nullable()
    .describe('null: an order by itself, or no event that says it is in the stream any more'),
  order_key: z.string().describe("The log's own name of the order"),
  customer_id: z.string().nullable(),
  created_at: z.string(),
  updated_at: z.string().describe('Of its last event'),
  ...{ status: z.string(), status_at: z.string() },
  payment_status: z.enum(PAYMENT_STATUSES),
  payment_kind: z.enum(PAYMENT_KINDS),
  currency: z.string().nullable(),
  ...{ amount: money.nullable(), discount: money.nullable(), shipping: money.nullable() },
  tax: money.nullable(),
  total: money.describe('amount − discount + shipping + tax, minor units'),
  ...{ paid: money, refunded: money },
  members: z
    .looseObject({})
    .nullable()
    .describe(
      'What its events say of it otherwise, the newest of each member; null where they are not in the stream any more',
    ),
});

const listAnswer = z.object({
  orders_total: z.int().nullable().describe('All that fit; null with `count: false`'),
  orders: z.array(orderSchema),
  next_cursor: z.string().nullable(),
});

const AUGUST = { start: '2025-08-01T00:00:00Z', end: '2025-08-31T23:59:59Z' };

/** What became of orders, and the orders themselves. */
export function orderRoutes(parts: AnswerParts, cursors: Cursors): readonly Route[] {
  const { custom, queries } = analyticsOf(parts.ports.settings);
  return [
    queryRoute(parts, {
      ...{ id: 'queryOrderOutcomes', path: '/orders/outcomes', tag: 'Orders', permission: 'kpis:read' },
      summary: 'What became of orders: by status, payment, and how they were to be paid',
      description:
        'Of the orders that were created in the range, as they are now: how many have each status, were paid, ' +
        'delivered, cancelled or returned to origin, and what they were worth. docs/orders.md says what a status is.',
      ...{ kind: queries.outcomes, body: outcomesSchemaOf(custom), answer: outcomesAnswer },
      problems: ['too_many_groups', 'amount_too_large', 'currency_required', 'fx_rate_missing'],
      body_examples: { august: { summary: 'By channel', value: { ...AUGUST, group_by: ['channel'] } } },
    }),
    searchRoute(parts, cursors),
  ];
}

function searchRoute(parts: AnswerParts, cursors: Cursors): Route {
  const { custom, queries } = analyticsOf(parts.ports.settings);
  const querySchema = ordersSchemaOf(custom);
  const body = ordersMembersOf(custom).extend({
    cursor: z.string().max(4_096).optional().describe('`next_cursor` of the page before'),
  });
  return queryRoute(parts, {
    ...{ id: 'searchOrders', path: '/orders/search', tag: 'Orders', permission: 'events:read' },
    audited: 'read',
    summary: 'Orders one by one, as they are now',
    description:
      'The orders that were created in the range and fit, each with its status, payments and members. Pages are of ' +
      'one state. `members` come from the original events in the stream.',
    ...{ kind: queries.orders, body, answer: listAnswer },
    problems: ['invalid_cursor', 'cursor_mismatch', 'field_masked'],
    body_examples: {
      delivered: { summary: 'Delivered in August', value: { ...AUGUST, statuses: ['delivered'], limit: 10 } },
    },
    queryOf: (call, { cursor, ...given }) => {
      requireNamesSeen(parts, call, given);
      return pageQuery(cursors, querySchema.parse(given), cursor);
    },
    bodyOf: (call, query, answer) => orderPage(parts, call, cursors, query, answer),
  });
}

/** Nobody finds out by a filter what is masked. */
function requireNamesSeen(
  { tenants }: AnswerParts,
  { principal, tenant }: RawCall,
  { order_ids, customer_ids, statuses }: Pick<OrdersQuery, 'order_ids' | 'customer_ids' | 'statuses'>,
): void {
  const mask = maskFor(principal, tenants?.maskedOf(tenant));
  const named = { order_id: order_ids, customer_id: customer_ids, status: statuses };
  for (const [member, asked] of Object.entries(named)) {
    if (asked !== undefined && mask.hides(member))
      throw new ApiError('field_masked', `"${member}" is masked for your role: do not ask by it.`);
  }
}
