import { z } from 'zod';

const interval = z.object({ mean: z.number(), lower: z.number(), upper: z.number() });
const money = interval.describe('Minor units; 90 of 100 draws lie from `lower` to `upper`');

export const whatifAnswerSchema = z.object({
  scenario: z.string(),
  horizon: z.string(),
  currency: z.string().nullable(),
  confidence: z.number().describe('Of all intervals'),
  baseline: z
    .object({
      revenue: z.int().describe('Minor units'),
      units: z.number(),
      margin: z.int().nullable().describe('null without `margin_pct`'),
    })
    .describe('Of what changes, in the horizon, if nothing did'),
  change: z.object({
    revenue: money,
    revenue_pct: interval.describe('Of the baseline, percent'),
    units: interval,
    margin: money.nullable().describe('null without `margin_pct`'),
  }),
  probability_of_more_revenue: z.number(),
  elasticities: z.array(
    z.object({
      sku: z.string(),
      category: z.string().nullable(),
      price: z.int().describe('Minor units, as it is'),
      elasticity: interval,
      source: z
        .enum(['history', 'category', 'prior'])
        .describe('Its own prices; those of its category; a published mean, as prices never moved'),
    }),
  ),
  spend_responses: z.array(
    z.object({
      dimension: z.string(),
      value: z.string(),
      daily_spend: z.int().describe('Minor units, as it is'),
      elasticity: interval.describe('Percent of revenue for one percent of spend'),
      source: z.enum(['history', 'prior']),
    }),
  ),
  sensitivity: z
    .array(
      z.object({
        assumption: z.enum(['baseline', 'elasticity', 'substitution', 'spend_response', 'recapture']),
        revenue: money.describe('The change of revenue while only this one is uncertain'),
        share: z.number().describe('Of the variance'),
      }),
    )
    .describe('What the answer hangs on, the most important first'),
  assumptions: z.array(z.string()),
  warnings: z.array(z.string()),
  seed: z.int(),
  draws: z.int(),
  code_version: z.int(),
  definition_hash: z.string(),
  provenance: z.array(z.looseObject({})).describe('Searches that list the events behind the history'),
  calculated_at: z.string(),
});
