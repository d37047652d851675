import {
  Distributions,
  type ItemHistory,
  type MediumHistory,
  type WhatifChange,
  type WhatifTask,
} from '../analytics/index.ts';

/** A question about a generated shop, and what the change truly brings. */
export interface WhatifCase {
  readonly kind: 'price_all' | 'discount_some' | 'price_category' | 'spend';
  readonly task: WhatifTask;
  /** Of expected revenue, minor units. */
  readonly truth: number;
  readonly elasticities: ReadonlyMap<string, number>;
}

const DAYS = 182;
const HORIZON_DAYS = 30;
const CATEGORIES = 3;
const ITEMS = 4;
const WEEK = [0.8, 0.85, 0.95, 1, 1.15, 1.3, 0.95];
/** Variance of a day's units beyond Poisson's, as a share of their mean. */
const EXTRA_VARIANCE = 0.4;
const KINDS = ['price_all', 'discount_some', 'price_category', 'spend'] as const;
const COUNTED_MAX = 10_000;

class Draws extends Distributions {
  between(low: number, high: number): number {
    return low + (high - low) * this.uniform();
  }

  /** By Knuth (1969), in steps for large means. */
  poisson(mean: number): number {
    let [count, left] = [0, mean];
    while (left > 30) {
      count += this.poisson(30);
      left -= 30;
    }
    for (
      let product = this.uniform();
      product > Math.exp(-left) && count < COUNTED_MAX;
      product *= this.uniform()
    ) {
      count++;
    }
    return count;
  }
}

/** A shop whose elasticities, response to spend and level are known; half a year, and the month that follows. */
export function whatifCase(seed: number): WhatifCase {
  const random = new Draws(seed * 7_919 + 13);
  const kind = KINDS[seed % KINDS.length] as WhatifCase['kind'];
  const levels = levelsOf(random);
  return kind === 'spend' ? spendCase(random, levels, seed) : priceCase(random, levels, kind, seed);
}

/** Days of the week, a trend, and a level that wanders. */
function levelsOf(random: Draws): readonly number[] {
  const growth = random.between(-0.15, 0.25);
  let wander = 0;
  return Array.from({ length: DAYS + HORIZON_DAYS }, (_, day) => {
    wander = 0.97 * wander + 0.012 * random.normal();
    return (WEEK[day % 7] as number) * Math.exp(wander + (growth * day) / DAYS);
  });
}

interface Item {
  readonly history: ItemHistory;
  readonly elasticity: number;
  readonly price: number;
  /** Expected units of each day of the horizon at that price, together. */
  readonly expected: number;
}

function itemOf(random: Draws, levels: readonly number[], category: number, at: number, mean: number): Item {
  const elasticity = mean + 0.4 * random.normal();
  const base = Math.round(random.between(500, 5_000));
  const daily = Math.exp(random.between(Math.log(2), Math.log(25)));
  const isFixed = random.uniform() < 0.15;
  let [price, until] = [base, 0];
  const units: number[] = [];
  const revenue: number[] = [];
  for (let day = 0; day < DAYS; day++) {
    if (day === until) {
      price = isFixed ? base : Math.round(base * random.between(0.82, 1.15));
      until = day + Math.round(random.between(10, 30));
    }
    const expected = daily * (levels[day] as number) * (price / base) ** elasticity;
    const count = random.poisson(random.gamma(expected / EXTRA_VARIANCE) * EXTRA_VARIANCE);
    units.push(count);
    revenue.push(count * price);
  }
  const ahead = levels
    .slice(DAYS)
    .reduce((sum, level) => sum + daily * level * (price / base) ** elasticity, 0);
  const history = { sku: `s${category}-${at}`, category: `c${category}`, units, revenue };
  return { history, elasticity, price, expected: ahead };
}

function priceCase(
  random: Draws,
  levels: readonly number[],
  kind: WhatifCase['kind'],
  seed: number,
): WhatifCase {
  const items = Array.from({ length: CATEGORIES }, (_, category) => {
    const mean = -2.2 + 0.6 * random.normal();
    return Array.from({ length: ITEMS }, (__, at) => itemOf(random, levels, category, at, mean));
  }).flat();
  const percent = Math.round(random.between(3, 12));
  const changes: WhatifChange[] =
    kind === 'price_all'
      ? [{ dimension: 'all', price_pct: percent }]
      : kind === 'price_category'
        ? [{ dimension: 'category', value: 'c1', price_pct: random.uniform() < 0.5 ? percent : -percent }]
        : [0, 4, 7].map((at) => ({
            dimension: 'sku',
            value: items[at]?.history.sku ?? '',
            price_pct: -percent,
          }));
  const truth = items.reduce((sum, { history, price, expected, elasticity }) => {
    const mine = changes.find(
      ({ dimension, value }) =>
        dimension === 'all' || value === (dimension === 'sku' ? history.sku : history.category),
    );
    const factor = 1 + (mine?.price_pct ?? 0) / 100;
    return sum + expected * price * (factor ** (1 + elasticity) - 1);
  }, 0);
  return {
    ...{ kind, truth },
    task: {
      items: items.map(({ history }) => history),
      media: [],
      changes,
      horizon_days: HORIZON_DAYS,
      seed,
    },
    elasticities: new Map(items.map(({ history, elasticity }) => [history.sku, elasticity])),
  };
}

function spendCase(random: Draws, levels: readonly number[], seed: number): WhatifCase {
  const base = random.between(50_000, 200_000);
  const mean = base * random.between(0.05, 0.2);
  const half = mean * random.between(0.5, 3);
  const gain = base * random.between(0.2, 1);
  const carry = random.between(0.1, 0.7);
  let [carried, spend, until] = [mean, mean, 0];
  const history: { spend: number[]; revenue: number[]; units: number[] } = {
    spend: [],
    revenue: [],
    units: [],
  };
  for (let day = 0; day < DAYS; day++) {
    if (day === until) {
      spend = mean * random.between(0.2, 2);
      until = day + Math.round(random.between(5, 16));
    }
    carried = carry * carried + (1 - carry) * spend;
    const expected = base * (levels[day] as number) + (gain * carried) / (half + carried);
    const sold = Math.max(0, expected * (1 + 0.06 * random.normal()));
    history.spend.push(spend);
    history.revenue.push(sold);
    history.units.push(sold / 2_000);
  }
  const daily = history.spend.slice(-28).reduce((sum, one) => sum + one, 0) / 28;
  const spend_pct = Math.round(random.between(10, 50)) * (random.uniform() < 0.5 ? 1 : -1);
  const truth = ahead(daily * (1 + spend_pct / 100)) - ahead(daily);
  function ahead(each: number): number {
    let [left, sum] = [daily, 0];
    for (let day = 0; day < HORIZON_DAYS; day++) {
      left = carry * left + (1 - carry) * each;
      sum += (gain * left) / (half + left);
    }
    return sum;
  }
  const media: MediumHistory[] = [{ dimension: 'channel', value: 'search', ...history }];
  const changes: WhatifChange[] = [{ dimension: 'channel', value: 'search', spend_pct }];
  return {
    ...{ kind: 'spend', truth, elasticities: new Map() },
    task: { items: [], media, changes, horizon_days: HORIZON_DAYS, seed },
  };
}
