import type { Distributions } from '../numeric/index.ts';
import { type Baseline, drawFactor } from './baseline.ts';
import type { Elasticities } from './elasticities.ts';
import { meanRevenueChange, revenueChange, type SpendResponse } from './spend-response.ts';

/** What an answer is not sure of; each can be held at its middle to see what the others do. */
export const UNCERTAINTIES = [
  'baseline',
  'elasticity',
  'substitution',
  'spend_response',
  'recapture',
] as const;
export type Uncertainty = (typeof UNCERTAINTIES)[number];

/** An item that changes. */
export interface ItemEffect {
  /** Its place among the elasticities. */
  readonly place: number;
  readonly category: string;
  /** Minor units, before. */
  readonly price: number;
  /** Of the baseline's revenue. */
  readonly share: number;
  /** Of the logarithm of its share. */
  readonly deviation: number;
  readonly priceFactor: number;
  readonly availability: number;
}

/** A channel or campaign that changes. */
export interface MediumEffect {
  readonly dimension: string;
  readonly value: string;
  readonly baseline: Baseline;
  /** Minor units; 0: no units are known. */
  readonly perUnit: number;
  readonly daily_spend: number;
  readonly isRemoved: boolean;
  readonly spendFactor: number;
  readonly response: SpendResponse | undefined;
}

/** Everything that a draw is made of. */
export interface Effects {
  readonly horizon_days: number;
  readonly items: readonly ItemEffect[];
  readonly itemBaseline: Baseline;
  readonly elasticities: Elasticities;
  /** By category: revenue of a unit of the items that customers may take instead; absent where there are none. */
  readonly substitutes: ReadonlyMap<string, number>;
  readonly media: readonly MediumEffect[];
  /** Of the price, as it is; undefined: not known. */
  readonly margin: number | undefined;
  readonly substitution: number | undefined;
  readonly recapture: number | undefined;
}

/** Before, and by how much it changes: of one draw, or in the middle. */
export interface Outcome {
  revenue: number;
  units: number;
  margin: number;
  base_revenue: number;
  base_units: number;
  base_margin: number;
}

/**
 * 45 of 100 customers took another item of the shop when theirs was out of stock (Gruen, Corsten & Bharadwaj, Retail
 * Out-of-Stocks, 2002: 19 of the same brand, 26 of another).
 */
export const SUBSTITUTION = { mean: 0.45, a: 4.5, b: 5.5 } as const;
/** Of a removed channel: nothing published says it for any shop. */
export const RECAPTURE = { mean: 0.25, a: 2, b: 6 } as const;

/** One draw; what is not `active` stays in the middle. */
export function drawOutcome(
  effects: Effects,
  random: Distributions,
  active: ReadonlySet<Uncertainty>,
): Outcome {
  const outcome = { revenue: 0, units: 0, margin: 0, base_revenue: 0, base_units: 0, base_margin: 0 };
  addItems(outcome, effects, random, active);
  for (const medium of effects.media) addMedium(outcome, effects, medium, random, active);
  return outcome;
}

function addItems(
  outcome: Outcome,
  { items, itemBaseline, elasticities, substitutes, margin = 0, substitution }: Effects,
  random: Distributions,
  active: ReadonlySet<Uncertainty>,
): void {
  if (items.length === 0) return;
  const total = itemBaseline.total * (active.has('baseline') ? drawFactor(itemBaseline, random) : 1);
  const drawn = active.has('elasticity') ? elasticities.draw(random) : undefined;
  const taken =
    substitution ??
    (active.has('substitution') ? random.beta(SUBSTITUTION.a, SUBSTITUTION.b) : SUBSTITUTION.mean);
  for (const { place, category, price, share, deviation, priceFactor, availability } of items) {
    const noise = active.has('baseline') ? Math.exp(deviation * random.normal()) : 1;
    const units = (total * share * noise) / price;
    const elasticity = drawn?.[place] ?? elasticities.views[place]?.mean ?? 0;
    const after = units * priceFactor ** elasticity * availability;
    const cost = price * (1 - margin);
    outcome.base_revenue += units * price;
    outcome.base_units += units;
    outcome.base_margin += units * (price - cost);
    outcome.revenue += after * price * priceFactor - units * price;
    outcome.units += after - units;
    outcome.margin += after * (price * priceFactor - cost) - units * (price - cost);
    const instead = substitutes.get(category);
    if (availability === 1 || instead === undefined) continue;
    const moved = units * priceFactor ** elasticity * (1 - availability) * taken;
    outcome.revenue += moved * instead;
    outcome.units += moved;
    outcome.margin += moved * instead * margin;
  }
}

function addMedium(
  outcome: Outcome,
  { horizon_days, margin = 0, recapture }: Effects,
  { baseline, perUnit, daily_spend, isRemoved, spendFactor, response }: MediumEffect,
  random: Distributions,
  active: ReadonlySet<Uncertainty>,
): void {
  const before = baseline.total * (active.has('baseline') ? drawFactor(baseline, random) : 1);
  const spend = daily_spend * horizon_days;
  const kept =
    recapture ?? (active.has('recapture') ? random.beta(RECAPTURE.a, RECAPTURE.b) : RECAPTURE.mean);
  const change = isRemoved
    ? -before * (1 - kept)
    : response === undefined
      ? 0
      : active.has('spend_response')
        ? revenueChange(response, spendFactor, horizon_days, random)
        : meanRevenueChange(response, spendFactor, horizon_days);
  outcome.base_revenue += before;
  outcome.base_margin += before * margin - spend;
  outcome.revenue += change;
  outcome.margin += change * margin - spend * ((isRemoved ? 0 : spendFactor) - 1);
  if (perUnit <= 0) return;
  outcome.base_units += before / perUnit;
  outcome.units += change / perUnit;
}
