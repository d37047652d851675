import type { Distributions } from '../numeric/index.ts';
import type { PriceResponse } from './price-response.ts';

/**
 * Where prices never moved: the mean of 1,851 published elasticities, and how far they lie apart (Bijmolt, van Heerde &
 * Pieters, New Empirical Generalizations on the Determinants of Price Elasticity, J. Marketing Research 42, 2005).
 */
export const PRIOR = { mean: -2.62, deviation: 2.21 } as const;
/** How far items of a category lie apart, before the data say: half of a normal distribution. */
const SPREAD_SCALE = 0.7;
const SPREADS = Array.from({ length: 24 }, (_, at) => 0.05 * 1.18 ** at);

export interface ElasticityView {
  readonly mean: number;
  readonly deviation: number;
  /** `history`: of the item itself; `category`: of others in its category; `prior`: of neither. */
  readonly source: 'history' | 'category' | 'prior';
}

/** A spread with its probability, and the mean of the category given that. */
interface SpreadCell {
  readonly spread: number;
  readonly weight: number;
  readonly mean: number;
  readonly variance: number;
}

/**
 * Elasticities of items, drawn to that of their category by how little each says: each is normal around its category's,
 * which is normal around the prior (a hierarchical model: Gelman & Hill, Data Analysis Using Regression, 2007, ch. 12).
 * The spread within a category is not known either, and is averaged over on a grid.
 */
export class Elasticities {
  readonly #responses: readonly PriceResponse[];
  readonly #cells = new Map<string, readonly SpreadCell[]>();
  readonly #views: readonly ElasticityView[];

  constructor(responses: readonly PriceResponse[]) {
    this.#responses = responses;
    for (const category of new Set(responses.map(({ category: name }) => name))) {
      this.#cells.set(category, cellsOf(responses.filter((one) => one.category === category)));
    }
    this.#views = responses.map((response) => this.#viewOf(response));
  }

  /** In the order of the items. */
  get views(): readonly ElasticityView[] {
    return this.#views;
  }

  /** One draw of all of them together: items of a category share what is not known of it. */
  draw(random: Distributions): Float64Array {
    const drawn = new Map<string, { readonly mean: number; readonly spread: number }>();
    for (const [category, cells] of this.#cells) {
      const { mean, variance, spread } = pick(cells, random.uniform());
      drawn.set(category, { mean: mean + Math.sqrt(variance) * random.normal(), spread });
    }
    return Float64Array.from(this.#responses, ({ category, own }) => {
      const { mean, spread } = drawn.get(category) ?? { mean: PRIOR.mean, spread: PRIOR.deviation };
      const { mean: at, variance } = given(own, mean, spread);
      return at + Math.sqrt(variance) * random.normal();
    });
  }

  #viewOf({ category, own }: PriceResponse): ElasticityView {
    let [mean, square] = [0, 0];
    for (const cell of this.#cells.get(category) ?? []) {
      const inner = given(own, cell.mean, cell.spread);
      const share = own === undefined ? 1 : own.error ** 2 / (own.error ** 2 + cell.spread ** 2);
      mean += cell.weight * inner.mean;
      square += cell.weight * (inner.variance + share ** 2 * cell.variance + inner.mean ** 2);
    }
    const others = this.#responses.some((one) => one.category === category && one.own !== undefined);
    const source = own !== undefined ? 'history' : others ? 'category' : 'prior';
    return { mean, deviation: Math.sqrt(Math.max(square - mean ** 2, 0)), source };
  }
}

/** An item's elasticity, given its category's mean and spread. */
function given(
  own: PriceResponse['own'],
  mean: number,
  spread: number,
): { readonly mean: number; readonly variance: number } {
  if (own === undefined) return { mean, variance: spread ** 2 };
  const [data, around] = [1 / own.error ** 2, 1 / spread ** 2];
  return { mean: (own.elasticity * data + mean * around) / (data + around), variance: 1 / (data + around) };
}

function cellsOf(responses: readonly PriceResponse[]): readonly SpreadCell[] {
  const known = responses.flatMap(({ own }) => (own === undefined ? [] : [own]));
  const cells = SPREADS.map((spread, at) => {
    let [precision, sum] = [1 / PRIOR.deviation ** 2, PRIOR.mean / PRIOR.deviation ** 2];
    for (const { elasticity, error } of known) {
      const weight = 1 / (error ** 2 + spread ** 2);
      precision += weight;
      sum += weight * elasticity;
    }
    const mean = sum / precision;
    // ln of the probability of the data, the mean integrated out.
    let log = -0.5 * Math.log(precision) - 0.5 * ((mean - PRIOR.mean) / PRIOR.deviation) ** 2;
    for (const { elasticity, error } of known) {
      const variance = error ** 2 + spread ** 2;
      log -= 0.5 * (Math.log(variance) + (elasticity - mean) ** 2 / variance);
    }
    const width = (SPREADS[at + 1] ?? spread * 1.18) - spread;
    return {
      spread,
      mean,
      variance: 1 / precision,
      log: log - 0.5 * (spread / SPREAD_SCALE) ** 2 + Math.log(width),
    };
  });
  const largest = Math.max(...cells.map(({ log }) => log));
  const total = cells.reduce((sum, { log }) => sum + Math.exp(log - largest), 0);
  return cells.map(({ log, ...cell }) => ({ ...cell, weight: Math.exp(log - largest) / total }));
}

function pick(cells: readonly SpreadCell[], share: number): SpreadCell {
  let left = share;
  for (const cell of cells) {
    left -= cell.weight;
    if (left <= 0) return cell;
  }
  return cells.at(-1) as SpreadCell;
}
