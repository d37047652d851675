import { type Effects, type ItemEffect, RECAPTURE, SUBSTITUTION } from './effects.ts';
import { type Elasticities, type ElasticityView, PRIOR } from './elasticities.ts';
import type { PriceResponse } from './price-response.ts';
import { SPEND_PRIOR, type SpendResponse } from './spend-response.ts';
import type { WhatifTask } from './task.ts';

/** What an answer was made of. */
export interface Findings {
  readonly effects: Effects;
  readonly elasticities: Elasticities;
  readonly responses: readonly PriceResponse[];
  readonly items: readonly ItemEffect[];
  readonly spends: readonly SpendResponse[];
  readonly task: WhatifTask;
}

const MAX_NAMES = 5;

function named(names: readonly string[]): string {
  const rest = names.length - MAX_NAMES;
  return `${names.slice(0, MAX_NAMES).join(', ')}${rest > 0 ? ` and ${rest} more` : ''}`;
}

export function assumptionsOf(findings: Findings): readonly string[] {
  const { task, effects } = findings;
  return [
    `Without the change, the next ${task.horizon_days} days go on as the history did, at the prices of its last days.`,
    ...(effects.items.length > 0 ? itemWords(findings) : []),
    ...mediaWords(findings),
    task.margin_pct === undefined
      ? 'Events have no costs, so no margin is answered: give margin_pct for it.'
      : `Of the price as it is, ${task.margin_pct} % is margin; costs of a unit do not change.`,
    'Competitors do not react.',
  ];
}

function itemWords({ effects, items, responses, elasticities, task }: Findings): readonly string[] {
  const isPriced = items.some(({ priceFactor }) => priceFactor !== 1);
  const isOut = items.some(({ availability }) => availability < 1);
  const of = (source: ElasticityView['source']): string[] =>
    items.flatMap(({ place }) =>
      elasticities.views[place]?.source === source ? [responses[place]?.sku ?? ''] : [],
    );
  const words: string[] = [];
  if (isPriced) {
    const [own, category, prior] = [of('history'), of('category'), of('prior')];
    words.push(
      'Units go with the price to the power of the elasticity; other items do not gain or lose by it.',
    );
    if (own.length > 0)
      words.push(
        `Elasticities of ${own.length} items come from their own prices, drawn to their category's.`,
      );
    if (category.length > 0)
      words.push(`Prices of ${named(category)} never moved: their elasticity is that of their category.`);
    if (prior.length > 0)
      words.push(
        `Prices of ${named(prior)} never moved, nor others of the category: the elasticity is ${PRIOR.mean} ± ` +
          `${PRIOR.deviation}, the mean of 1,851 published ones (Bijmolt, van Heerde & Pieters 2005), not this shop's.`,
      );
  }
  if (isOut) {
    const { substitution = SUBSTITUTION.mean } = task;
    const source = task.substitution === undefined ? ' (Gruen, Corsten & Bharadwaj 2002)' : ', as given';
    words.push(
      !items.some(({ availability, category }) => availability < 1 && effects.substitutes.has(category))
        ? 'There is nothing else to take instead: what is out of stock is lost.'
        : `Of the customers of what is out of stock, ${Math.round(100 * substitution)} of 100 take another item of ` +
            `the category${source}; the others are lost.`,
    );
  }
  return words;
}

function mediaWords({ effects, spends, task }: Findings): readonly string[] {
  const removed = effects.media.filter(({ isRemoved }) => isRemoved);
  const words = spends
    .filter(({ value }) => !removed.some((medium) => medium.value === value))
    .map(({ dimension, value, source }) =>
      source === 'history'
        ? `Revenue of the ${dimension} ${value} answers to its spend as it did, with carry-over and saturation.`
        : `Spend on ${value} never moved: its elasticity is ${SPEND_PRIOR.mean}, the mean of 751 published ones ` +
          "(Sethuraman, Tellis & Briesch 2011), not this shop's.",
    );
  if (removed.length === 0) return words;
  const { recapture = RECAPTURE.mean } = task;
  const share = Math.round(100 * recapture);
  const source = task.recapture === undefined ? 'a guess: give recapture if you know it' : 'as given';
  return [...words, `Of the orders of a removed channel, ${share} of 100 come by another one (${source}).`];
}

/** A price is asked about that is this far beyond those that were seen. */
const BEYOND_SHARE = 0.02;

export function warningsOf({ effects, items, responses, elasticities }: Findings): readonly string[] {
  const warnings: string[] = [];
  const skuOf = ({ place }: ItemEffect): string => responses[place]?.sku ?? '';
  const beyond = items.filter(({ place, price, priceFactor }) => {
    const { lowest = 0, highest = 0 } = responses[place] ?? {};
    const after = price * priceFactor;
    return priceFactor !== 1 && (after > highest * (1 + BEYOND_SHARE) || after < lowest * (1 - BEYOND_SHARE));
  });
  if (beyond.length > 0)
    warnings.push(`Prices of ${named(beyond.map(skuOf))} go beyond those that the history has seen.`);
  const rising = items.filter(({ place }) => (elasticities.views[place]?.mean ?? -1) > 0);
  if (rising.length > 0)
    warnings.push(
      `In the history ${named(rising.map(skuOf))} sold more at higher prices: something else drove that.`,
    );
  const gone = items.filter(({ share }) => share === 0);
  if (gone.length > 0) warnings.push(`Nothing was sold of ${named(gone.map(skuOf))} in the last 28 days.`);
  const untried = [
    ...(items.length > 0 ? [effects.itemBaseline] : []),
    ...effects.media.map((one) => one.baseline),
  ];
  if (untried.some(({ origins }) => origins < 2))
    warnings.push(
      'The history is too short to try its forecast: the baseline may be a third off either way.',
    );
  if (items.length > 0 && effects.media.length > 0)
    warnings.push('What is sold of the items through the channel counts in both.');
  return warnings;
}
