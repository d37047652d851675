import { z } from 'zod';
import {
  ATTRIBUTION_METHODS,
  type AttributionQuery,
  attributionMembersOf,
} from '../../../analytics/index.ts';
import { type AnswerParts, analyticsOf, queryRoute } from '../../answers/index.ts';
import type { ProblemCode, Route } from '../../http/index.ts';

const money = z.int().describe('Minor units');
const ratio = (what: string) => z.number().nullable().describe(what);

const credit = {
  conversions: z.number().describe('Parts of orders'),
  revenue: money,
  share: ratio('Of all revenue of the range'),
  new_customers: z.number().describe('Parts of first orders of customers'),
  roi: ratio('(revenue − spend) ÷ spend; null without spend'),
  roas: ratio('revenue ÷ spend; null without spend'),
  cac: ratio('spend ÷ new_customers, minor units; null where either is 0'),
};
const spend = money.describe('`campaign.spend` events of the range with these values, minor units');
const key = z.record(z.string(), z.string().nullable()).describe('Values of the touches; null is none');
const common = {
  currency: z.string().optional(),
  groups_total: z.int(),
  truncated: z.boolean().describe('There are more groups than `limit`'),
  unattributed: z
    .object({ conversions: z.number(), revenue: money })
    .describe('Orders without a touch in the lookback'),
  totals: z.object({ conversions: z.number(), revenue: money, spend: money }),
};

const method = z.enum(ATTRIBUTION_METHODS);
const oneAnswer = z.object({ method, ...common, results: z.array(z.object({ key, ...credit, spend })) });
const manyAnswer = z.object({
  methods: z.array(method),
  ...common,
  results: z.array(
    z.object({ key, spend, methods: z.partialRecord(method, z.object(credit)).describe('By method') }),
  ),
});

const PROBLEMS = [
  'currency_required',
  'fx_rate_missing',
  'amount_too_large',
  'too_many_groups',
] as const satisfies readonly ProblemCode[];

const EXAMPLE = { start: '2025-08-01T00:00:00Z', end: '2025-08-31T23:59:59Z', group_by: ['campaign'] };

const RULES =
  'A journey is what a customer touched before an order, at most `lookback` before it and after the order before. ' +
  'The credit of an order is divided exactly, to the minor unit; refunds take it back with the same weights, ' +
  'whenever they come. ';

/** Sections 6 and 13: revenue credited to campaigns and channels, beside what they cost. */
export function attributionRoutes(parts: AnswerParts): readonly Route[] {
  const { custom, queries } = analyticsOf(parts.ports.settings);
  const members = attributionMembersOf(custom);
  const withMethod = (fallback: (typeof ATTRIBUTION_METHODS)[number]) =>
    members.extend({ method: method.default(fallback) });
  const one = (spec: {
    readonly id: string;
    readonly path: string;
    readonly summary: string;
    readonly description: string;
    readonly body: ReturnType<typeof withMethod>;
    readonly tag: string;
  }): Route =>
    queryRoute(parts, {
      ...{ ...spec, permission: 'kpis:read', kind: queries.attribution, answer: oneAnswer },
      body_examples: { august: { summary: 'By campaign', value: { ...EXAMPLE, method: 'linear' } } },
      problems: PROBLEMS,
      queryOf: (_call, { method: asked, ...query }): AttributionQuery => ({ ...query, methods: [asked] }),
    });
  const compared = members.extend({
    methods: z
      .array(method)
      .min(1)
      .max(ATTRIBUTION_METHODS.length)
      .refine((given) => new Set(given).size === given.length, 'A method is repeated')
      .default([...ATTRIBUTION_METHODS]),
  });
  return [
    one({
      ...{ id: 'queryAttribution', path: '/attribution/query', tag: 'Attribution' },
      summary: 'Revenue credited to the touches before it',
      description: `${RULES}With \`campaign.spend\` events also ROI, ROAS and CAC.`,
      body: withMethod('last_touch'),
    }),
    queryRoute(parts, {
      ...{ id: 'compareAttribution', path: '/attribution/compare', tag: 'Attribution' },
      summary: 'Several methods of attribution side by side, on the same journeys',
      description: `${RULES}\`markov\` is the removal effect, \`shapley\` the Shapley value.`,
      ...{ permission: 'kpis:read', kind: queries.attribution, answer: manyAnswer, problems: PROBLEMS },
      body: compared,
      body_examples: {
        august: {
          summary: 'Three methods',
          value: { ...EXAMPLE, methods: ['last_touch', 'linear', 'markov'] },
        },
      },
      // One method is answered in the same form as several.
      queryOf: (_call, query): AttributionQuery => ({ ...query, isCompared: true }),
    }),
    one({
      ...{ id: 'queryMarketingRoi', path: '/marketing/roi', tag: 'Attribution' },
      summary: 'What campaigns cost and what they brought',
      description: `${RULES}ROI, ROAS and CAC by the last touch that is not direct, unless another method is asked for.`,
      body: withMethod('last_non_direct'),
    }),
    one({
      ...{ id: 'queryMultiTouch', path: '/marketing/multi-touch', tag: 'Attribution' },
      summary: 'Credit to all touches of a journey, with spend',
      description: `${RULES}By position unless another method is asked for.`,
      body: withMethod('position'),
    }),
  ];
}
