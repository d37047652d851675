import { MillraceError } from '../../engine/index.ts';
import { Distributions, quantileOf } from '../numeric/index.ts';
import { baselineOf } from './baseline.ts';
import {
  drawOutcome,
  type Effects,
  type ItemEffect,
  type MediumEffect,
  type Outcome,
  UNCERTAINTIES,
  type Uncertainty,
} from './effects.ts';
import { Elasticities } from './elasticities.ts';
import { type ItemHistory, sumOf } from './history.ts';
import { type PriceResponse, priceResponse } from './price-response.ts';
import type { WhatifChange } from './scenario.ts';
import { type SpendResponse, spendResponse } from './spend-response.ts';
import type { WhatifTask } from './task.ts';
import { assumptionsOf, type Findings, warningsOf } from './words.ts';

export const WHATIF_VERSION = 1;
/** Of days with complete history. */
export const WHATIF_MIN_DAYS = 28;
const DRAWS = 4_000;
const SENSITIVITY_DRAWS = 1_000;
const LEVEL_DAYS = 28;
/** Of a distribution of sales over items, beside that of Poisson. */
const SHARE_DISPERSION = 1.5;
const SHARE_MAX_DEVIATION = 0.5;

/** Of 100 draws, 5 lie below and 5 above. Money in minor units. */
export interface WhatifInterval {
  readonly mean: number;
  readonly lower: number;
  readonly upper: number;
}

export interface WhatifOutcome {
  readonly baseline: { readonly revenue: number; readonly units: number; readonly margin: number | null };
  readonly change: {
    readonly revenue: WhatifInterval;
    /** Of the baseline, percent. */
    readonly revenue_pct: WhatifInterval;
    readonly units: WhatifInterval;
    /** null: not asked for. */
    readonly margin: WhatifInterval | null;
  };
  /** Share of draws with more revenue. */
  readonly probability_of_more_revenue: number;
  readonly elasticities: readonly {
    readonly sku: string;
    readonly category: string | null;
    readonly price: number;
    readonly elasticity: WhatifInterval;
    readonly source: 'history' | 'category' | 'prior';
  }[];
  readonly spend_responses: readonly {
    readonly dimension: string;
    readonly value: string;
    readonly daily_spend: number;
    readonly elasticity: WhatifInterval;
    readonly source: 'history' | 'prior';
  }[];
  readonly sensitivity: readonly {
    readonly assumption: Uncertainty;
    /** The change of revenue while only this one moves. */
    readonly revenue: WhatifInterval;
    /** Of the variance of all of them. */
    readonly share: number;
  }[];
  readonly assumptions: readonly string[];
  readonly warnings: readonly string[];
  readonly draws: number;
}

/**
 * What changes do to revenue, units and margin of the horizon: the history's responses, drawn many times. The same task
 * gives the same answer. Throws MillraceError `not_enough_data`, `unknown_value`.
 */
export function simulateWhatif(task: WhatifTask): WhatifOutcome {
  const { effects, findings } = effectsOf(task);
  const all = drawAll(effects, new Set(UNCERTAINTIES), DRAWS, task.seed);
  const isKnown = task.margin_pct !== undefined;
  const column = (of: (outcome: Outcome) => number): WhatifInterval => intervalOf(all.map(of));
  const base = (of: (outcome: Outcome) => number): number => sumOf(all.map(of)) / all.length;
  return {
    baseline: {
      revenue: base((one) => one.base_revenue),
      units: base((one) => one.base_units),
      margin: isKnown ? base((one) => one.base_margin) : null,
    },
    change: {
      revenue: column((one) => one.revenue),
      revenue_pct: column((one) => (one.base_revenue === 0 ? 0 : (100 * one.revenue) / one.base_revenue)),
      units: column((one) => one.units),
      margin: isKnown ? column((one) => one.margin) : null,
    },
    probability_of_more_revenue: all.filter(({ revenue }) => revenue > 0).length / all.length,
    elasticities: elasticitiesOf(findings),
    spend_responses: findings.spends.map(({ dimension, value, daily, elasticity, source }) => ({
      ...{ dimension, value, source, daily_spend: daily },
      elasticity: normalInterval(elasticity.mean, elasticity.deviation, 0),
    })),
    sensitivity: sensitivityOf(effects, task.seed),
    assumptions: assumptionsOf(findings),
    warnings: warningsOf(findings),
    draws: DRAWS,
  };
}

function drawAll(
  effects: Effects,
  active: ReadonlySet<Uncertainty>,
  draws: number,
  seed: number,
): readonly Outcome[] {
  const random = new Distributions(seed);
  return Array.from({ length: draws }, () => drawOutcome(effects, random, active));
}

function intervalOf(values: readonly number[]): WhatifInterval {
  const sorted = Float64Array.from(values).sort();
  return {
    mean: sumOf(values) / values.length,
    lower: quantileOf(sorted, 0.05),
    upper: quantileOf(sorted, 0.95),
  };
}

const NORMAL_90 = 1.645;
/** Of a variance: what rounding leaves. */
const NOTHING = 1e-6;

function normalInterval(mean: number, deviation: number, least: number): WhatifInterval {
  const half = NORMAL_90 * deviation;
  return { mean, lower: Math.max(mean - half, least), upper: mean + half };
}

function elasticitiesOf({ elasticities, items, responses }: Findings): WhatifOutcome['elasticities'] {
  return items.flatMap(({ place, price }) => {
    const [response, view] = [responses[place], elasticities.views[place]];
    if (response === undefined || view === undefined) return [];
    const elasticity = normalInterval(view.mean, view.deviation, Number.NEGATIVE_INFINITY);
    const { sku, category } = response;
    return [{ sku, category: category === '' ? null : category, price, elasticity, source: view.source }];
  });
}

function sensitivityOf(effects: Effects, seed: number): WhatifOutcome['sensitivity'] {
  const each = UNCERTAINTIES.map((assumption) => {
    const drawn = drawAll(effects, new Set([assumption]), SENSITIVITY_DRAWS, seed).map(
      ({ revenue }) => revenue,
    );
    const revenue = intervalOf(drawn);
    const variance = sumOf(drawn.map((one) => (one - revenue.mean) ** 2)) / drawn.length;
    return { assumption, revenue, variance };
  });
  const total = sumOf(each.map(({ variance }) => variance));
  return each
    .filter(({ variance }) => variance > NOTHING * total)
    .map(({ variance, ...one }) => ({ ...one, share: variance / total }))
    .sort((a, b) => b.share - a.share);
}

function effectsOf(task: WhatifTask): { readonly effects: Effects; readonly findings: Findings } {
  const { items: histories, horizon_days, changes, margin_pct, substitution, recapture } = task;
  const known = histories.flatMap((history) => {
    const response = priceResponse(history);
    return response === undefined ? [] : [{ history, response }];
  });
  const responses = known.map(({ response }) => response);
  const elasticities = new Elasticities(responses);
  const onItems = changes.filter(({ dimension }) => dimension !== 'channel' && dimension !== 'campaign');
  for (const change of onItems) requireKnown(change, responses);
  const touched = responses.flatMap((response, place) => (isTouched(response, onItems) ? [place] : []));
  const daily = dailyAtPrice(known, touched, elasticities);
  const itemBaseline =
    touched.length === 0 ? { total: 0, deviation: 0, origins: 0 } : baselineOf(daily.total, horizon_days);
  const items = touched.map((place, at) =>
    itemEffect(responses[place] as PriceResponse, place, daily.each[at] ?? [], daily.total, onItems),
  );
  const media = mediaOf(task);
  const spends = media.flatMap(({ response }) => (response === undefined ? [] : [response]));
  const substitutes = substitutesOf(known, items);
  const effects: Effects = {
    ...{ horizon_days, items, itemBaseline, elasticities, substitutes, media, substitution, recapture },
    margin: margin_pct === undefined ? undefined : margin_pct / 100,
  };
  return { effects, findings: { effects, elasticities, responses, items, spends, task } };
}

const matches = ({ sku, category }: PriceResponse, { dimension, value }: WhatifChange): boolean =>
  dimension === 'all' || (dimension === 'sku' ? sku === value : category === value);

const isTouched = (response: PriceResponse, changes: readonly WhatifChange[]): boolean =>
  changes.some((change) => matches(response, change));

function requireKnown(change: WhatifChange, responses: readonly PriceResponse[]): void {
  if (responses.some((response) => matches(response, change))) return;
  if (change.dimension === 'all') {
    const message = 'No order of the history has items with prices: a change of prices cannot be answered.';
    throw new MillraceError('not_enough_data', `${message} Send \`items\` with \`sku\` and \`unit_price\`.`);
  }
  const message = `Nothing was sold of the ${change.dimension} "${change.value}" in the history.`;
  throw new MillraceError('unknown_value', message);
}

interface Daily {
  readonly total: readonly number[];
  /** In the order of the items. */
  readonly each: readonly (readonly number[])[];
}

/** What each day would have sold at today's prices, minor units. */
function dailyAtPrice(
  known: readonly { readonly history: ItemHistory; readonly response: PriceResponse }[],
  touched: readonly number[],
  elasticities: Elasticities,
): Daily {
  const each = touched.map((place) => {
    const one = known[place];
    if (one === undefined) return [];
    const { price, prices, own } = one.response;
    const elasticity = own === undefined ? 0 : (elasticities.views[place]?.mean ?? 0);
    return one.history.units.map(
      (units, day) =>
        units * price * Math.min(Math.max((price / (prices[day] ?? price)) ** elasticity, 0.1), 10),
    );
  });
  const days = each[0]?.length ?? 0;
  return { each, total: Array.from({ length: days }, (_, day) => sumOf(each.map((one) => one[day] ?? 0))) };
}

function itemEffect(
  response: PriceResponse,
  place: number,
  own: readonly number[],
  total: readonly number[],
  changes: readonly WhatifChange[],
): ItemEffect {
  const mine = changes.filter((change) => matches(response, change));
  const [recent, all] = [sumOf(own.slice(-LEVEL_DAYS)), sumOf(total.slice(-LEVEL_DAYS))];
  const units = recent / response.price;
  return {
    ...{ place, category: response.category, price: response.price },
    share: all <= 0 ? 0 : recent / all,
    deviation: Math.min(Math.sqrt(SHARE_DISPERSION / Math.max(units, 1)), SHARE_MAX_DEVIATION),
    priceFactor: mine.reduce((factor, { price_pct = 0 }) => factor * (1 + price_pct / 100), 1),
    availability: mine.reduce((share, { availability = 1 }) => share * availability, 1),
  };
}

/** By category what a unit of the items brings that customers may take when theirs is not there. */
function substitutesOf(
  known: readonly { readonly history: ItemHistory; readonly response: PriceResponse }[],
  items: readonly ItemEffect[],
): ReadonlyMap<string, number> {
  const gone = new Set(items.filter(({ availability }) => availability < 1).map(({ place }) => place));
  const found = new Map<string, { revenue: number; units: number }>();
  for (const [place, { history, response }] of known.entries()) {
    if (gone.has(place)) continue;
    const units = sumOf(history.units.slice(-LEVEL_DAYS));
    const factor = items.find((item) => item.place === place)?.priceFactor ?? 1;
    const own = found.get(response.category) ?? { revenue: 0, units: 0 };
    found.set(response.category, {
      revenue: own.revenue + units * response.price * factor,
      units: own.units + units,
    });
  }
  return new Map(
    [...found].flatMap(([category, { revenue, units }]) =>
      units > 0 ? [[category, revenue / units] as const] : [],
    ),
  );
}

function mediaOf({ media, changes, horizon_days }: WhatifTask): readonly MediumEffect[] {
  return changes.flatMap((change): MediumEffect[] => {
    const { dimension, value, spend_pct = 0, availability } = change;
    if (dimension !== 'channel' && dimension !== 'campaign') return [];
    const history = media.find((one) => one.dimension === dimension && one.value === value);
    const isRemoved = availability === 0;
    const sold = sumOf(history?.revenue ?? []);
    const response: SpendResponse | undefined = history === undefined ? undefined : spendResponse(history);
    if (history === undefined || (sold <= 0 && response === undefined)) {
      const message = `Nothing was sold or spent on the ${dimension} "${value}" in the history.`;
      throw new MillraceError('unknown_value', message);
    }
    if (!isRemoved && response === undefined) {
      const message = `The history has no spend on the ${dimension} "${value}" in its last ${LEVEL_DAYS} days.`;
      throw new MillraceError(
        'not_enough_data',
        `${message} Send \`campaign.spend\` events with that ${dimension}.`,
      );
    }
    const units = sumOf(history.units);
    return [
      {
        ...{ dimension, value: value ?? '', isRemoved, response },
        baseline: baselineOf(history.revenue, horizon_days),
        perUnit: units > 0 ? sold / units : 0,
        daily_spend: response?.daily ?? 0,
        spendFactor: 1 + spend_pct / 100,
      },
    ];
  });
}
