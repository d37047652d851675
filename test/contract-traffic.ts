import { SeededRandom } from '../engine/index.ts';
import type { Event } from './contract-service.ts';

const DAY_MS = 86_400_000;
export const FIRST_MS = Date.UTC(2025, 2, 20);
export const DAYS = 20;

/** Dimensions that the traffic has, beside `sku`, `category`, `currency`, `type`. */
export const VALUES: Readonly<Record<string, readonly string[]>> = {
  ...{ channel: ['web', 'shop'], country: ['DE', 'FR', 'GB'], warehouse: ['west', 'east'] },
  ...{ payment_method: ['card', 'cash'], customer_segment: ['vip'], campaign: ['spring', 'may'] },
  ...{ status: ['open', 'done'], region: ['north', 'south'], voucher_code: ['SAVE5'] },
  ...{ reason: ['damaged', 'late'], source: ['till', 'shop'], store: ['Köln', 'Paris'] },
};
export const CUSTOM = 'store';
export const SKUS = ['A', 'B', 'C'];
export const CATEGORIES = ['toys', 'books'];
export const CURRENCIES = ['EUR', 'USD', 'JPY'];

/** Names that are one type: the contract's, and those that it takes for them. */
const NAMES: Readonly<Record<string, readonly string[]>> = {
  'order.created': ['order.created', 'Order_Created', 'order.placed', 'order-completed'],
  'order.cancelled': ['order.cancelled', 'order.canceled'],
  'payment.succeeded': ['payment.succeeded', 'payment_succeeded'],
};

/** Events of a shop that go wrong in every way that the contract speaks of, in the order of their arrival. */
export class ShopTraffic {
  readonly #random: SeededRandom;
  readonly #times = new Set<number>();
  #count = 0;

  constructor(seed: number) {
    this.#random = new SeededRandom(seed);
  }

  events(orders: number): readonly Event[] {
    const random = this.#random;
    const all: Event[] = CURRENCIES.slice(1).flatMap((base) => this.#rates(base));
    for (let order = 0; order < orders; order++) all.push(...this.#order(`o-${order}`, orders));
    for (let ticket = 0; ticket < orders / 5; ticket++) all.push(...this.#ticket(`t-${ticket}`));
    // Most come about when they happened, some much earlier or later.
    const arrival = new Map(
      all.map((event) => {
        const shift_ms = random.chance(0.2) ? random.int(-9, 9) * DAY_MS : random.int(0, 600_000);
        return [event, Date.parse(String(event.time)) + shift_ms];
      }),
    );
    const sorted = all.toSorted((a, b) => (arrival.get(a) ?? 0) - (arrival.get(b) ?? 0));
    // Some are sent twice, as they are.
    return sorted.flatMap((event) => (random.chance(0.05) ? [event, event] : [event]));
  }

  /** Each event has its own millisecond: which of two comes first is said by their times. */
  #time(from_ms: number, within_ms: number): string {
    let time_ms = from_ms + this.#random.int(0, within_ms);
    while (this.#times.has(time_ms)) time_ms++;
    this.#times.add(time_ms);
    return new Date(time_ms).toISOString();
  }

  #pick<T>(values: readonly T[]): T {
    return values[this.#random.int(0, values.length - 1)] as T;
  }

  #event(type: string, time: string, members: Event): Event {
    return { event_id: `e-${this.#count++}`, type: this.#pick(NAMES[type] ?? [type]), time, ...members };
  }

  #dimensions(chance: number): Event {
    const random = this.#random;
    const found: Record<string, unknown> = {};
    for (const [name, values] of Object.entries(VALUES)) {
      if (!random.chance(chance)) continue;
      // Nothing, said aloud.
      if (random.chance(0.1)) found[name] = random.chance(0.5) ? null : '';
      else if (name === CUSTOM && random.chance(0.5)) found.data = { [name]: this.#pick(values) };
      else found[name] = this.#pick(values);
    }
    return found;
  }

  #items(): Event {
    const random = this.#random;
    const items = Array.from({ length: random.int(1, 4) }, () => ({
      sku: this.#pick(SKUS),
      ...(random.chance(0.8) ? { category: this.#pick(CATEGORIES) } : {}),
      quantity: random.chance(0.1) ? -1 : random.int(0, 3),
      unit_price: random.int(0, 999),
    }));
    return { items };
  }

  #amounts(chance: number): Event {
    const random = this.#random;
    return Object.fromEntries(
      ['amount', 'discount', 'shipping', 'tax'].flatMap((name) =>
        random.chance(chance)
          ? [[name, random.chance(0.05) ? -random.int(1, 99) : random.int(0, 20_001)]]
          : [],
      ),
    );
  }

  #version(type: string, order_id: string, from_ms: number, share: number, customers: number): Event {
    const random = this.#random;
    return this.#event(type, this.#time(from_ms, 3 * DAY_MS), {
      order_id,
      ...(random.chance(share) ? { customer_id: `c-${random.int(0, customers)}` } : {}),
      ...(random.chance(share / 2) ? { session_id: `s-${random.int(0, customers)}` } : {}),
      ...(type === 'order.created' || random.chance(0.2)
        ? { currency: random.chance(0.1) ? 'eur' : this.#pick(CURRENCIES) }
        : {}),
      ...this.#dimensions(share),
      ...this.#amounts(share),
      ...(random.chance(share) ? this.#items() : random.chance(0.1) ? { sku: this.#pick(SKUS) } : {}),
    });
  }

  #order(order_id: string, orders: number): Event[] {
    const random = this.#random;
    const from_ms = FIRST_MS + random.int(0, (DAYS - 8) * DAY_MS);
    const customers = Math.ceil(orders / 4);
    const events: Event[] = [];
    if (random.chance(0.93)) events.push(this.#version('order.created', order_id, from_ms, 0.7, customers));
    if (random.chance(0.12)) events.push(this.#version('order.created', order_id, from_ms, 0.4, customers));
    for (let edits = random.chance(0.4) ? random.int(1, 3) : 0; edits > 0; edits--)
      events.push(this.#version('order.updated', order_id, from_ms, 0.3, customers));
    if (random.chance(0.05)) {
      const { order_id: _, ...lone } = this.#version('order.created', '', from_ms, 0.7, customers);
      events.push(lone);
    }
    for (const [type, chance] of DEPENDENTS) {
      for (let times = random.chance(chance) ? random.int(1, 2) : 0; times > 0; times--)
        events.push(this.#dependent(type, order_id, from_ms));
    }
    return [...events, ...this.#session(`s-${random.int(0, customers)}`, from_ms)];
  }

  #dependent(type: string, order_id: string, from_ms: number): Event {
    const random = this.#random;
    return this.#event(type, this.#time(from_ms + DAY_MS, 6 * DAY_MS), {
      ...(random.chance(0.96) ? { order_id } : {}),
      ...(random.chance(0.2) ? { currency: this.#pick(CURRENCIES) } : {}),
      ...(random.chance(0.1) ? { customer_id: 'c-0' } : {}),
      ...this.#dimensions(0.1),
      ...(random.chance(0.8) ? { amount: random.int(0, 9_001) } : {}),
      ...(random.chance(0.15) ? { sku: this.#pick(SKUS) } : random.chance(0.15) ? this.#items() : {}),
    });
  }

  #session(session_id: string, from_ms: number): Event[] {
    const random = this.#random;
    return ['visit', 'visit', 'product_viewed', 'add_to_cart', 'newsletter.opened']
      .filter(() => random.chance(0.4))
      .map((type) =>
        this.#event(type, this.#time(from_ms, DAY_MS), {
          ...(random.chance(0.9) ? { session_id } : {}),
          ...this.#dimensions(0.3),
        }),
      );
  }

  #ticket(ticket_id: string): Event[] {
    const random = this.#random;
    const from_ms = FIRST_MS + random.int(0, (DAYS - 2) * DAY_MS);
    const of = (type: string, at_ms: number): Event =>
      this.#event(type, this.#time(at_ms, DAY_MS / 4), { ticket_id, ...this.#dimensions(0.3) });
    return [
      ...(random.chance(0.9) ? [of('ticket.opened', from_ms)] : []),
      ...(random.chance(0.1) ? [of('ticket.opened', from_ms)] : []),
      ...(random.chance(0.8) ? [of('ticket.first_response', from_ms + DAY_MS / 2)] : []),
      ...(random.chance(0.2) ? [of('ticket.first_response', from_ms + DAY_MS / 2)] : []),
    ];
  }

  /** Of each pair from before the first day on, some days twice, some not at all. */
  #rates(quote: string): Event[] {
    const random = this.#random;
    const rate = (): string =>
      `${random.int(quote === 'JPY' ? 140 : 0, quote === 'JPY' ? 170 : 1)}.${random.int(1, 9_999)}`;
    const of = (from_ms: number): Event =>
      this.#event('fx.rate', this.#time(from_ms, DAY_MS - 1), { base: 'EUR', quote, rate: rate() });
    const days = Array.from({ length: DAYS }, (_, day) => FIRST_MS + day * DAY_MS);
    const some = days.flatMap((day_ms) => Array.from({ length: random.int(0, 2) }, () => of(day_ms)));
    return [of(FIRST_MS - 5 * DAY_MS), ...some];
  }
}

const DEPENDENTS: readonly (readonly [type: string, chance: number])[] = [
  ...([
    ['payment.succeeded', 0.7],
    ['payment.failed', 0.1],
    ['order.shipped', 0.5],
    ['order.delivered', 0.4],
    ['order.cancelled', 0.2],
    ['order.rto', 0.1],
    ['refund.issued', 0.3],
    ['return.received', 0.2],
  ] as const),
];
