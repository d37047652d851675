import { z } from 'zod';

export const WHATIF_MAX_ITEMS = 400;
const HORIZON_MAX_DAYS = 180;
const MAX_CHANGES = 100;
/** Of a price or of spend, percent. */
const PCT_MAX = 1_000;
const NAMED =
  /^(increase_price|decrease_price|discount|increase_spend|decrease_spend)_(\d{1,3}(?:\.\d{1,2})?)pct$/;
export const WHATIF_SCENARIOS = ['change_spend', 'remove_channel', 'stock_out'] as const;

const HORIZON = /^(\d{1,3})(d|w)$/;

/** Days of `30d` or `4w`. */
export function horizonDaysOf(given: string): number {
  const [, count, unit] = HORIZON.exec(given) ?? [];
  return Number(count) * (unit === 'w' ? 7 : 1);
}

const text = z.string().min(1).max(128);
const pct = z.number().min(-100).max(PCT_MAX);

const changeSchema = z
  .strictObject({
    dimension: z.enum(['sku', 'category', 'all', 'channel', 'campaign']),
    value: text.optional().describe('Not for `all`'),
    price_pct: z
      .number()
      .gt(-100)
      .max(PCT_MAX)
      .optional()
      .describe('Percent on the price, for sku, category, all'),
    spend_pct: pct.optional().describe('Percent on `campaign.spend`, for channel and campaign'),
    availability: z
      .number()
      .min(0)
      .max(1)
      .optional()
      .describe('Share of the horizon in which it can be bought, for sku, category, all; of a channel: 0'),
  })
  .superRefine((change, context) => {
    const problem = problemOf(change);
    if (problem !== undefined)
      context.addIssue({ code: 'custom', path: [problem.path], message: problem.message });
  });

export type WhatifChange = z.output<typeof changeSchema>;

function problemOf({
  dimension,
  value,
  price_pct,
  spend_pct,
  availability,
}: {
  readonly dimension: string;
  readonly value?: string | undefined;
  readonly price_pct?: number | undefined;
  readonly spend_pct?: number | undefined;
  readonly availability?: number | undefined;
}): { readonly path: string; readonly message: string } | undefined {
  const isMedium = dimension === 'channel' || dimension === 'campaign';
  if (dimension === 'all' && value !== undefined) return { path: 'value', message: 'does not go with `all`' };
  if (dimension !== 'all' && value === undefined) return { path: 'value', message: `which ${dimension}?` };
  if (price_pct === undefined && spend_pct === undefined && availability === undefined) {
    return { path: 'price_pct', message: 'give one of price_pct, spend_pct, availability' };
  }
  if (isMedium && price_pct !== undefined)
    return { path: 'price_pct', message: 'goes with sku, category or all' };
  if (!isMedium && spend_pct !== undefined)
    return { path: 'spend_pct', message: 'goes with channel or campaign' };
  if (!isMedium || availability === undefined) return undefined;
  if (availability !== 0)
    return { path: 'availability', message: 'of a channel or campaign it can only be 0' };
  return spend_pct === undefined
    ? undefined
    : { path: 'spend_pct', message: 'does not go with availability 0' };
}

export const WHATIF_MEMBERS = {
  scenario: z
    .string()
    .max(64)
    .refine((name) => NAMED.test(name) || (WHATIF_SCENARIOS as readonly string[]).includes(name), {
      error:
        'increase_price_Npct, decrease_price_Npct, discount_Npct, increase_spend_Npct, decrease_spend_Npct, ' +
        `${WHATIF_SCENARIOS.join(', ')}; or give \`changes\``,
    })
    .optional()
    .describe(
      'Such as `increase_price_5pct`, `discount_10pct`, `change_spend`, `remove_channel`, `stock_out`',
    ),
  changes: z.array(changeSchema).min(1).max(MAX_CHANGES).optional().describe('In place of a scenario'),
  affected_skus: z
    .array(text)
    .min(1)
    .max(WHATIF_MAX_ITEMS)
    .optional()
    .describe('For prices and stock-outs; default: all'),
  affected_categories: z.array(text).min(1).max(MAX_CHANGES).optional(),
  channel: text.optional().describe('For scenarios of spend and `remove_channel`'),
  campaign: text.optional().describe('In place of `channel`'),
  spend_pct: pct.optional().describe('For `change_spend`'),
  horizon: z
    .string()
    .regex(HORIZON, 'days or weeks: 30d, 4w')
    .refine((given) => horizonDaysOf(given) >= 1 && horizonDaysOf(given) <= HORIZON_MAX_DAYS, {
      error: `1 to ${HORIZON_MAX_DAYS} days`,
    })
    .default('30d'),
  margin_pct: z
    .number()
    .min(0)
    .max(100)
    .optional()
    .describe('Of the price as it is; events have no costs, so without it no margin is answered'),
  recapture: z
    .number()
    .min(0)
    .max(1)
    .optional()
    .describe('For `remove_channel`: the share of its orders that comes by another channel'),
  substitution: z
    .number()
    .min(0)
    .max(1)
    .optional()
    .describe('For stock-outs: the share of customers who take another item of the category'),
  seed: z
    .int()
    .min(0)
    .max(2 ** 31)
    .default(1)
    .describe('The same seed gives the same answer'),
};

const membersSchema = z.object(WHATIF_MEMBERS);
type Given = z.output<typeof membersSchema>;

/** What is wrong with a scenario as a whole, by member. */
export interface ScenarioProblem {
  readonly path: string;
  readonly message: string;
}

/** The changes that a scenario means, or what it lacks. */
export function changesOf(given: Given): readonly WhatifChange[] | ScenarioProblem {
  const { scenario, changes, affected_skus = [], affected_categories = [], channel, campaign } = given;
  if ((scenario === undefined) === (changes === undefined)) {
    return { path: 'scenario', message: 'give either `scenario` or `changes`' };
  }
  if (changes !== undefined) return changes;
  const media = [
    ...(channel === undefined ? [] : [{ dimension: 'channel' as const, value: channel }]),
    ...(campaign === undefined ? [] : [{ dimension: 'campaign' as const, value: campaign }]),
  ];
  const items = [
    ...affected_skus.map((value) => ({ dimension: 'sku' as const, value })),
    ...affected_categories.map((value) => ({ dimension: 'category' as const, value })),
  ];
  const [, kind, percent] = NAMED.exec(scenario ?? '') ?? [];
  const by = Number(percent ?? 0);
  const needsMedium: ScenarioProblem = { path: 'channel', message: 'name a `channel` or a `campaign`' };
  if (kind === 'increase_price' || kind === 'decrease_price' || kind === 'discount') {
    const price_pct = kind === 'increase_price' ? by : -by;
    if (price_pct <= -100) return { path: 'scenario', message: 'a price stays above 0' };
    return (items.length === 0 ? [{ dimension: 'all' as const }] : items).map((one) => ({
      ...one,
      price_pct,
    }));
  }
  if (scenario === 'stock_out') {
    if (items.length === 0) return { path: 'affected_skus', message: 'which items are out of stock?' };
    return items.map((one) => ({ ...one, availability: 0 }));
  }
  if (media.length === 0) return needsMedium;
  if (scenario === 'remove_channel') return media.map((one) => ({ ...one, availability: 0 }));
  const spend_pct = kind === 'increase_spend' ? by : kind === 'decrease_spend' ? -by : given.spend_pct;
  if (spend_pct === undefined) return { path: 'spend_pct', message: 'by how much does the spend change?' };
  if (spend_pct < -100) return { path: 'scenario', message: 'spend cannot fall by more than 100 percent' };
  return media.map((one) => ({ ...one, spend_pct }));
}
