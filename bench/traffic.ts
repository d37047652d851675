/** Small, fast, seeded random numbers: mulberry32 (Tommy Ettinger, public domain). */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const CHANNELS = ['web', 'mobile', 'store', 'marketplace'];
const COUNTRIES = [
  'GB',
  'DE',
  'FR',
  'ES',
  'IT',
  'NL',
  'PL',
  'SE',
  'US',
  'CA',
  'AU',
  'JP',
  'BR',
  'MX',
  'IN',
  'IE',
  'AT',
  'BE',
  'DK',
  'NO',
];
const CURRENCY_OF = new Map([
  ['GB', 'GBP'],
  ['US', 'USD'],
  ['CA', 'USD'],
  ['SE', 'SEK'],
  ['PL', 'PLN'],
]);
const METHODS = ['card', 'paypal', 'klarna', 'invoice', 'apple_pay'];
const SEGMENTS = ['new', 'returning', 'vip', 'wholesale'];
const WAREHOUSES = ['ams', 'ber', 'lon'];
const SKUS = 2_000;
const CATEGORIES = 24;
const CAMPAIGNS = 30;

export interface TrafficOptions {
  readonly seed: number;
  /** Event time of the first event, ms. */
  readonly start_ms: number;
  /** Mean distance in event time between two events, ms. */
  readonly step_ms: number;
  /** How far an event may be moved back in time, ms. */
  readonly disorder_ms: number;
}

interface Session {
  readonly id: number;
  readonly base: string;
  step: number;
  readonly order: boolean;
  readonly sku: number;
}

/** The life of a session and its order; about one session in three buys. */
const BROWSE = ['visit', 'product_viewed', 'add_to_cart'];
const BUY = [
  'visit',
  'product_viewed',
  'add_to_cart',
  'checkout_initiated',
  'order.created',
  'payment.succeeded',
  'order.shipped',
  'order.delivered',
];
const ACTIVE_SESSIONS = 2_000;

/**
 * An endless shop: sessions that browse and buy, skewed towards a few countries and skus, event times
 * rising with a little disorder, one flat JSON event of about 250 bytes a call.
 */
export function traffic({ seed, start_ms, step_ms, disorder_ms }: TrafficOptions): () => string {
  const next = random(seed);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(next() * next() * list.length)] as T;
  const active: Session[] = [];
  let sessions = 0;
  let events = 0;
  const open = (): Session => {
    const id = sessions++;
    const country = pick(COUNTRIES);
    // The order of the draws is part of what a seed gives.
    const base = [
      `"customer_id":"c-${Math.floor(next() * next() * 2_000_000)}","session_id":"s-${id}"`,
      `"channel":"${pick(CHANNELS)}","country":"${country}","currency":"${CURRENCY_OF.get(country) ?? 'EUR'}"`,
      `"campaign":"cmp-${Math.floor(next() * next() * CAMPAIGNS)}"`,
    ].join(',');
    return { id, base, step: 0, order: next() < 0.35, sku: Math.floor(next() * next() * SKUS) };
  };
  while (active.length < ACTIVE_SESSIONS) active.push(open());
  return () => {
    const index = Math.floor(next() * active.length);
    const session = active[index] as Session;
    const path = session.order ? BUY : BROWSE;
    const type = path[session.step++] as string;
    if (session.step === path.length) active[index] = open();
    const number = events++;
    const time = new Date(start_ms + number * step_ms - Math.floor(next() * disorder_ms)).toISOString();
    const head = `{"event_id":"ev-${seed}-${number.toString().padStart(10, '0')}","type":"${type}","time":"${time}",${session.base}`;
    if (session.step <= 1) return `${head},"source":"shop-frontend"}`;
    const product = `"sku":"SKU-${session.sku}","category":"cat-${session.sku % CATEGORIES}"`;
    if (session.step <= 4) return `${head},"source":"shop",${product}}`;
    const order = `"order_id":"o-${session.id.toString().padStart(9, '0')}"`;
    const amount = 500 + ((session.id * 7_919) % 20_000);
    const end = `"payment_method":"${METHODS[session.id % METHODS.length]}","customer_segment":"${SEGMENTS[session.id % SEGMENTS.length]}"}`;
    if (type === 'order.created')
      return `${head},${order},${product},"amount":${amount},"shipping":495,${end}`;
    if (type === 'payment.succeeded') return `${head},${order},"amount":${amount + 495},${end}`;
    return `${head},${order},"warehouse":"${WAREHOUSES[session.id % WAREHOUSES.length]}"}`;
  };
}

/** A shop seen from its back office: each order is created and paid, two events of about 250 bytes. */
export function orders({ seed, start_ms, step_ms }: TrafficOptions): () => string {
  const next = random(seed);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(next() * next() * list.length)] as T;
  let events = 0;
  let payment = '';
  return () => {
    const number = events++;
    const time = new Date(start_ms + number * step_ms).toISOString();
    const id = `"event_id":"or-${seed}-${number.toString().padStart(10, '0')}","time":"${time}"`;
    if (number % 2 === 1) return `{${id},"type":"payment.succeeded",${payment}`;
    const country = pick(COUNTRIES);
    const order = `"order_id":"o-${(number / 2).toString().padStart(9, '0')}","customer_id":"c-${Math.floor(next() * 300_000)}"`;
    const amount = 500 + Math.floor(next() * 20_000);
    payment = [
      ...[order, `"country":"${country}"`, `"currency":"${CURRENCY_OF.get(country) ?? 'EUR'}"`],
      ...[`"amount":${amount}`, `"payment_method":"${pick(METHODS)}"`, `"channel":"${pick(CHANNELS)}"}`],
    ].join(',');
    return `{${id},"type":"order.created","sku":"SKU-${Math.floor(next() * next() * SKUS)}","campaign":"cmp-${Math.floor(next() * CAMPAIGNS)}",${payment}`;
  };
}
