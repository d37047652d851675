import { z } from 'zod';
import { refundsSchemaOf, returnsSchemaOf } from '../../../analytics/index.ts';
import { type AnswerParts, analyticsOf, queryRoute } from '../../answers/index.ts';
import type { ProblemCode, Route } from '../../http/index.ts';

const money = z.int().describe('Minor units');
const ratio = (what: string) => z.number().nullable().describe(`${what}; null without any`);
const basis = z.enum(['event', 'order']);

const rates = {
  orders: z.int().describe('Orders sold'),
  units_sold: z.int().describe('Σ quantity of the items of these orders'),
  returns: z.int().describe('Return events'),
  units_returned: z
    .int()
    .describe("Σ quantity of the items of these events; an event without items has its order's"),
  orders_returned: z.int().describe('Orders with such an event'),
  unit_return_rate: ratio('units_returned ÷ units_sold'),
  order_return_rate: ratio('returns ÷ orders'),
};

const returnsAnswer = z.object({
  basis,
  event: z.enum(['return.received', 'return.requested']),
  by: z.enum(['units', 'orders']),
  min_orders: z.int(),
  totals: z.object(rates),
  skus_total: z.int().describe('SKUs with enough orders'),
  reasons_total: z.int(),
  skus: z.array(z.object({ sku: z.string(), ...rates })).describe('The highest rates first'),
  reasons: z.array(
    z.object({
      reason: z.string().nullable(),
      ...{ returns: z.int(), units_returned: z.int(), share: ratio('Of all returns') },
    }),
  ),
  processing: z.object({
    requests: z.int().describe('`return.requested` events'),
    finished_by_receipt: z.int(),
    finished_by_refund: z.int().describe('Without a receipt, but with a later `refund.issued` of the order'),
    open: z.int().describe('With neither yet'),
    mean_hours: ratio('Mean time from a request to its end'),
    p90_hours: ratio('The time that 90 % of them do not exceed (nearest rank)'),
  }),
  groups_total: z.int().optional(),
  groups: z
    .array(z.object({ key: z.record(z.string(), z.string().nullable()), ...rates }))
    .optional()
    .describe('By `group_by`, those with the most returns first'),
});

const impact = {
  orders: z.int(),
  gross: money.describe('Σ amount of orders; by sku and category Σ quantity × unit_price of the lines'),
  ...{ discount: money, refund_events: z.int(), refunds: money },
  net: money.describe('gross − discount − refunds'),
  refund_rate: ratio('refunds ÷ gross'),
};
const compared = {
  previous: z.object(impact),
  delta: z.object({ gross: money, refunds: money, net: money, refund_rate: z.number().nullable() }),
};

const refundsAnswer = z.object({
  basis,
  currency: z.string().optional(),
  totals: z.object(impact),
  compared: z
    .object({ range: z.object({ start: z.string(), end: z.string() }), ...compared })
    .optional()
    .describe('The earlier range, where `compare` asks for it'),
  drivers: z.record(
    z.string(),
    z.object({
      values_total: z.int(),
      truncated: z.boolean().describe('There are more values than `limit`'),
      values: z.array(
        z.object({
          value: z.string().nullable().describe('null: events without it'),
          ...impact,
          share_of_refunds: ratio('refunds ÷ all refunds'),
          contribution: ratio('refunds ÷ gross of all: what it adds to the refund rate'),
          compared: z.object(compared).optional(),
        }),
      ),
    }),
  ),
});

const AUGUST = { start: '2025-08-01T00:00:00Z', end: '2025-08-31T23:59:59Z' };

/** Section 7: what comes back and what it costs. */
export function returnRoutes(parts: AnswerParts): readonly Route[] {
  const { custom, queries } = analyticsOf(parts.ports.settings);
  const problems = ['too_many_groups', 'amount_too_large'] as const satisfies readonly ProblemCode[];
  return [
    queryRoute(parts, {
      ...{ id: 'summarizeReturns', path: '/returns/summary', tag: 'Returns', permission: 'kpis:read' },
      summary: 'SKUs that come back, reasons, and how long returns take',
      description:
        'SKUs by their return rate (of those with at least `min_orders` orders), reasons, and the time from ' +
        '`return.requested` to `return.received`, else to the next `refund.issued` of the order.',
      ...{ kind: queries.returns, body: returnsSchemaOf(custom), answer: returnsAnswer, problems },
      body_examples: { august: { summary: 'By country', value: { ...AUGUST, group_by: ['country'] } } },
    }),
    queryRoute(parts, {
      ...{ id: 'queryRefundImpact', path: '/refunds/impact', tag: 'Returns', permission: 'kpis:read' },
      summary: 'Net revenue after refunds, and what drives them',
      description:
        'Gross revenue, discounts, refunds and what is left, with the channels, SKUs or other `drivers` that ' +
        'refunds come from; beside an earlier range on request.',
      ...{ kind: queries.refunds, body: refundsSchemaOf(custom), answer: refundsAnswer },
      problems: [...problems, 'currency_required', 'fx_rate_missing'],
      body_examples: {
        august: {
          summary: 'Beside the month before',
          value: { ...AUGUST, compare: 'previous_period', limit: 5 },
        },
      },
    }),
  ];
}
