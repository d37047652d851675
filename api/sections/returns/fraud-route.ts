import { z } from 'zod';
import { fraudSchemaOf, MAX_CLUSTER_EVENTS } from '../../../analytics/index.ts';
import { type AnswerParts, analyticsOf, queryRoute } from '../../answers/index.ts';
import type { Route } from '../../http/index.ts';
import { SearchTurns } from '../events/index.ts';
import { clustersOf } from './ip-search.ts';

const money = z.number().describe('Minor units');
const values = {
  fraud_flags: z.int().describe('`fraud.flagged` events'),
  fraud_amount: money.describe('Σ their `amount`, minor units'),
  chargebacks: z.int().describe('`chargeback.received` events'),
  chargeback_amount: money.describe('Σ their `amount`, minor units'),
  chargeback_rate: z.number().nullable().describe('chargebacks ÷ orders_paid; null without any'),
  orders_paid: z.int(),
  revenue_paid: money,
};

const clustersSchema = z.object({
  complete: z.boolean().describe('false: not all events of the range were read'),
  events_read: z.int().describe('Original events read from the stream, at most'),
  clusters_total: z.int(),
  clusters: z
    .array(
      z.object({
        ip: z.string(),
        customers: z.int().describe('Different customers'),
        cards: z.int().describe('Different payment cards'),
        ...{ orders: z.int(), events: z.int(), fraud_flags: z.int(), chargebacks: z.int() },
        ...{ first_time: z.string(), last_time: z.string() },
        sample_customers: z.array(z.string()).describe('Some of them'),
        list: z.looseObject({}).describe('The request that lists the events behind it'),
      }),
    )
    .describe('Those with the most customers first'),
});

const answerSchema = z.object({
  currency: z.string().optional(),
  groups: z.array(
    z.object({
      key: z.record(z.string(), z.string().nullable()),
      buckets: z.array(
        z.object({
          time: z.string(),
          ...values,
          incomplete: z.literal(true).optional(),
          partial: z.literal(true).optional(),
        }),
      ),
      totals: z.object(values),
    }),
  ),
  groups_total: z.int(),
  truncated: z.boolean().describe('There are more groups than `limit`'),
  ip_clusters: clustersSchema.nullable().describe('null: not asked for, masked, or no payloads to read'),
});

const EXAMPLE = { start: '2025-08-01T00:00:00Z', end: '2025-08-31T23:59:59Z', granularity: '1w' };

/** Section 7: fraud over time, and addresses that several customers or cards share. */
export function fraudRoute(parts: AnswerParts): Route {
  const { custom, queries } = analyticsOf(parts.ports.settings);
  const turns = new SearchTurns();
  return queryRoute(parts, {
    ...{ id: 'queryFraudTrends', path: '/fraud/trends', tag: 'Returns', permission: 'kpis:read' },
    summary: 'Fraud flags and chargebacks over time; suspicious addresses',
    description:
      'Counts and amounts of `fraud.flagged` and `chargeback.received`, and chargebacks ÷ paid orders, by bucket ' +
      'and group. Addresses (`data.ip`) with several customers or payment cards (`data.card_fingerprint`, ' +
      `\`data.card\` or \`data.card_hash\`) are found in the original events, at most ${MAX_CLUSTER_EVENTS}.`,
    ...{ kind: queries.fraud, body: fraudSchemaOf(custom), answer: answerSchema },
    problems: ['too_many_points', 'fx_rate_missing', 'too_busy'],
    body_examples: { august: { summary: 'By week', value: EXAMPLE } },
    answerOf: async (call, query, answer) => {
      const found = await clustersOf(parts, turns, call, query, answer.query_id);
      const { warnings = [], approximate = [] } = answer;
      return {
        ...answer,
        warnings: [...warnings, ...(found.warning === undefined ? [] : [found.warning])],
        approximate: found.clusters?.complete === false ? [...approximate, 'ip_clusters'] : approximate,
        body: { ...answer.body, ip_clusters: found.clusters },
      };
    },
  });
}
