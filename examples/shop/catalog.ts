import { chanceOf, weighted } from './chance.ts';

/** What the shop sells, to whom, and through what. */

export interface Product {
  readonly sku: string;
  readonly name: string;
  readonly category: string;
  /** Minor units. */
  readonly price: number;
  /** How often it is chosen. */
  readonly weight: number;
  /** Units in stock after a delivery, units sold in stock a day, days from one delivery to the next. */
  readonly stock: {
    readonly full: number;
    readonly daily: number;
    readonly every_days: number;
    readonly reorder_point: number;
  };
}

const product = (
  sku: string,
  name: string,
  category: string,
  price: number,
  weight: number,
  [full, daily, every_days, reorder_point]: readonly [number, number, number, number],
): Product => ({
  ...{ sku, name, category, price, weight },
  stock: { full, daily, every_days, reorder_point },
});

export const PRODUCTS: readonly Product[] = [
  product('tea-assam', 'Assam, 250 g', 'tea', 1_150, 9, [260, 9, 28, 60]),
  product('tea-sencha', 'Sencha, 100 g', 'tea', 1_390, 7, [200, 7, 28, 50]),
  product('tea-oolong', 'Oolong, 100 g', 'tea', 1_790, 4, [90, 4, 21, 20]),
  product('tea-rooibos', 'Rooibos, 250 g', 'tea', 890, 5, [120, 0, 28, 20]),
  product('coffee-house', 'House blend, 500 g', 'coffee', 1_590, 8, [240, 8, 30, 60]),
  product('coffee-decaf', 'Decaf, 500 g', 'coffee', 1_650, 3, [80, 4, 20, 15]),
  product('mug-blue', 'Mug, blue', 'kitchen', 1_200, 6, [900, 3, 60, 40]),
  product('mug-white', 'Mug, white', 'kitchen', 1_200, 4, [140, 2, 60, 30]),
  product('pot-iron', 'Tea pot, cast iron', 'kitchen', 4_900, 3, [0, 0, 60, 5]),
  product('pot-glass', 'Tea pot, glass', 'kitchen', 2_900, 3, [60, 2, 25, 12]),
  product('kettle', 'Kettle with thermometer', 'kitchen', 6_900, 2, [40, 1, 30, 10]),
  product('tin', 'Tin, 250 g', 'kitchen', 650, 4, [2_400, 2, 60, 50]),
  product('gift-tea', 'Gift box of six teas', 'gifts', 3_450, 5, [150, 5, 28, 30]),
  product('gift-card', 'Gift card', 'gifts', 2_500, 2, [500, 1, 60, 10]),
];

export interface Customer {
  readonly customer_id: string;
  readonly name: string;
  readonly email: string;
  readonly phone: string;
  readonly country: string;
  readonly region: string;
  readonly customer_segment: string;
  readonly ip: string;
}

const CUSTOMERS = 420;
const FIRST_NAMES = 'Ada,Ben,Chloe,Dev,Elif,Finn,Grace,Hugo,Ines,Jonas,Kate,Liam,Maya,Noah,Olive,Priya'.split(
  ',',
);
const LAST_NAMES = 'Adams,Byrne,Clarke,Dubois,Evans,Fischer,Green,Hughes,Jansen,Kelly,Lopez,Murphy'.split(
  ',',
);
const PLACES = [
  { country: 'GB', region: 'London', weight: 30 },
  { country: 'GB', region: 'Kent', weight: 12 },
  { country: 'GB', region: 'Scotland', weight: 14 },
  { country: 'IE', region: 'Leinster', weight: 12 },
  { country: 'DE', region: 'Bavaria', weight: 8 },
  { country: 'FR', region: 'Bretagne', weight: 7 },
  { country: 'NL', region: 'Utrecht', weight: 6 },
] as const;
const SEGMENTS = [
  { segment: 'consumer', weight: 7 },
  { segment: 'premium', weight: 2 },
  { segment: 'business', weight: 1 },
] as const;
/** One address for so many customers: somebody orders under several names. */
const SHARED_IP = '203.0.113.77';
const SHARED_BY = 40;

/** A customer: some are drawn far more often than others, and new ones all the time. */
export function customerOf(seed: number, draw: string): Customer {
  const random = chanceOf(seed, `draw/${draw}`);
  const pool = random.chance(0.4) ? CUSTOMERS / 10 : CUSTOMERS;
  return customerAt(seed, random.int(1, pool));
}

export function customerAt(seed: number, number: number): Customer {
  const random = chanceOf(seed, `customer/${number}`);
  const { country, region } = weighted(random, PLACES);
  const name = `${random.pick(FIRST_NAMES)} ${random.pick(LAST_NAMES)}`;
  return {
    customer_id: `c-${number}`,
    name,
    email: `${name.toLowerCase().replace(' ', '.')}.${number}@example.com`,
    phone: `+4477009${String(number).padStart(5, '0')}`,
    ...{ country, region, customer_segment: weighted(random, SEGMENTS).segment },
    ip: number % SHARED_BY === 0 ? SHARED_IP : `198.51.100.${1 + (number % 250)}`,
  };
}

export const CHANNELS = [
  { channel: 'organic_search', weight: 30 },
  { channel: 'direct', weight: 25 },
  { channel: 'email', campaign: 'newsletter', weight: 12 },
  { channel: 'paid_social', campaign: 'autumn-social', weight: 15 },
  { channel: 'paid_search', campaign: 'brand-search', weight: 10 },
  { channel: 'referral', weight: 8 },
] as const;

/** Where an order comes from, beside its channel. */
export const SOURCES = [
  { source: 'website', weight: 14 },
  { source: 'marketplace', weight: 4 },
  { source: 'phone', weight: 2 },
] as const;

export const VOUCHERS = [
  { voucher_code: 'WELCOME10', percent: 10, weight: 6 },
  { voucher_code: 'TEATIME5', percent: 5, weight: 3 },
  { voucher_code: 'VIP20', percent: 20, weight: 1 },
] as const;
