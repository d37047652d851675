import { CHANNELS, type Customer, customerOf, PRODUCTS, SOURCES, VOUCHERS } from './catalog.ts';
import { chanceOf, weighted } from './chance.ts';
import { CURRENCY, DAY_MS, eventOf, HOUR_MS, MINUTE_MS, type ShopEvent } from './event.ts';
import { lifeOf } from './life.ts';

/** As often a session begins by default: somebody was there in the last five minutes at any time. */
export const SESSION_EVERY_MINUTES = 4;
/** As often one orders for certain: the last hour has an order at any time. */
const SURE_ORDER_MINUTES = 56;
const DAY_MINUTES = DAY_MS / MINUTE_MS;
const SALE_EVERY_DAYS = 11;
const NIGHT_ENDS = 7;
const NIGHT_BEGINS = 23;
const SECOND_MS = 1_000;

/** An order as it is created; amounts in minor units. */
export interface Order {
  readonly order_id: string;
  readonly order_number: string;
  readonly customer: Customer;
  readonly created_ms: number;
  readonly payment_method: string;
  readonly amount: number;
  readonly discount: number;
  readonly shipping: number;
  readonly items: readonly OrderItem[];
}

export interface OrderItem {
  readonly sku: string;
  readonly name: string;
  readonly category: string;
  readonly quantity: number;
  readonly unit_price: number;
}

interface Session {
  readonly id: string;
  readonly start_ms: number;
  readonly isSure: boolean;
  readonly isNight: boolean;
  /** Everything is cheaper: far more is bought. */
  readonly isSale: boolean;
}

/** Sessions that begin on a day, what they order, and what becomes of the orders, on later days too. */
export function salesOf(seed: number, day: number, every_minutes: number): readonly ShopEvent[] {
  const isSale = day % SALE_EVERY_DAYS === 0;
  return Array.from({ length: Math.ceil(DAY_MINUTES / every_minutes) }, (_, slot) => {
    const minute = slot * every_minutes;
    const hour = Math.floor((minute * MINUTE_MS) / HOUR_MS);
    return sessionOf(seed, {
      ...{ id: `${day}-${minute}`, start_ms: day * DAY_MS + minute * MINUTE_MS, isSale },
      isNight: hour < NIGHT_ENDS || hour >= NIGHT_BEGINS,
      isSure: minute % SURE_ORDER_MINUTES < every_minutes,
    });
  }).flat();
}

function sessionOf(seed: number, { id, start_ms, isSure, isNight, isSale }: Session): readonly ShopEvent[] {
  const random = chanceOf(seed, `session/${id}`);
  const customer = customerOf(seed, id);
  const { weight: _, ...origin } = weighted(random, CHANNELS);
  const isKnown = isSure || random.chance(0.6);
  const about = {
    ...{ session_id: `s-${id}`, ...origin, source: 'website' },
    ...{ country: customer.country, region: customer.region },
    ...(isKnown ? { customer_id: customer.customer_id } : {}),
  };
  let at_ms = start_ms + random.int(0, 40) * SECOND_MS;
  const events: ShopEvent[] = [];
  const step = (type: string, wait_s: number, members: Readonly<Record<string, unknown>> = {}): void => {
    at_ms += wait_s * SECOND_MS;
    events.push(eventOf(`${type}/${id}`, type, at_ms, { ...about, ...members }));
  };
  step('visit', 0);
  const goesOn = (share: number): boolean =>
    isSure || random.chance(isNight ? share / 4 : isSale ? Math.sqrt(share) : share);
  if (!goesOn(0.7)) return events;
  const { sku, category } = weighted(random, PRODUCTS);
  step('product_viewed', 20, { sku, category });
  if (!goesOn(0.4)) return events;
  step('add_to_cart', 40, { sku, category });
  if (!goesOn(0.55)) return events;
  step('checkout_initiated', 50);
  const voucher = random.chance(0.3) ? weighted(random, VOUCHERS) : undefined;
  if (voucher !== undefined) step('voucher.validated', 15, { voucher_code: voucher.voucher_code });
  if (!goesOn(0.6)) return events;
  at_ms += 20 * SECOND_MS;
  const used = voucher !== undefined && random.chance(0.8) ? voucher : undefined;
  return [...events, ...orderOf(seed, { id, at_ms, customer, about, sku, voucher: used })];
}

interface Checkout {
  readonly id: string;
  readonly at_ms: number;
  readonly customer: Customer;
  /** Session, channel, campaign, place. */
  readonly about: Readonly<Record<string, unknown>>;
  /** What was laid into the cart. */
  readonly sku: string;
  readonly voucher: (typeof VOUCHERS)[number] | undefined;
}

function orderOf(seed: number, checkout: Checkout): readonly ShopEvent[] {
  const { id, at_ms, customer, about, voucher } = checkout;
  const random = chanceOf(seed, `order/${id}`);
  const items = itemsOf(seed, checkout);
  const amount = items.reduce((sum, { quantity, unit_price }) => sum + quantity * unit_price, 0);
  const discount = voucher === undefined ? 0 : Math.round((amount * voucher.percent) / 100);
  const order: Order = {
    order_id: `o-${id}`,
    order_number: `ORD-${id}`,
    ...{ customer, created_ms: at_ms, amount, discount, items },
    payment_method: random.chance(0.3) ? 'cod' : random.pick(['card', 'card', 'paypal']),
    shipping: amount >= 4_000 ? 0 : 395,
  };
  const { order_id, order_number, payment_method, shipping } = order;
  const { name, email, phone, ip, customer_id, customer_segment } = customer;
  const code = voucher === undefined ? {} : { voucher_code: voucher.voucher_code };
  const created = eventOf(`order.created/${id}`, 'order.created', at_ms, {
    ...{ ...about, customer_id, customer_segment, order_id, payment_method, ...code },
    ...{ source: weighted(random, SOURCES).source, warehouse: 'leeds', status: 'pending' },
    ...{ currency: CURRENCY, amount, discount, shipping, tax: Math.round((amount - discount) / 6), items },
    data: { order_number, customer_name: name, email, phone, ip, card: `card-of-${customer_id}` },
  });
  const redeemed =
    voucher === undefined
      ? []
      : [
          eventOf(`voucher.redeemed/${id}`, 'voucher.redeemed', at_ms, {
            ...{ ...about, ...code, order_id, customer_id, currency: CURRENCY, amount: discount },
          }),
        ];
  return [created, ...redeemed, ...lifeOf(seed, order)];
}

/** What was laid into the cart, and up to two more. */
function itemsOf(seed: number, { id, sku }: Checkout): readonly OrderItem[] {
  const random = chanceOf(seed, `items/${id}`);
  const first = PRODUCTS.filter((one) => one.sku === sku);
  const more = Array.from({ length: random.int(0, 2) }, () => weighted(random, PRODUCTS));
  return [...new Set([...first, ...more])].map((one) => ({
    ...{ sku: one.sku, name: one.name, category: one.category },
    ...{ quantity: random.int(1, 2), unit_price: one.price },
  }));
}
