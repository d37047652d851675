import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../../engine/index.ts';
import { seedsOf } from '../../test/long.ts';
import { type ShopEvent, ShopState } from '../fixture-shop.ts';

const START = '2025-01-01T00:00:00Z';
const END = '2025-07-01T00:00:00Z';
const DAY_MS = 86_400_000;
const REFUNDED_AFTER_MS = 3 * DAY_MS;

interface Order {
  readonly customer: number;
  readonly channel: string;
  readonly at_ms: number;
  amount: number;
  discount: number;
  refund: number;
}

/** Orders of a few customers, some sent again with another amount, some refunded. */
function shop(seed: number): { readonly events: ShopEvent[]; readonly orders: Order[] } {
  const random = new SeededRandom(seed);
  const events: ShopEvent[] = [];
  const orders: Order[] = [];
  const iso = (at_ms: number): string => new Date(at_ms).toISOString();
  for (let n = 0; n < 300; n++) {
    const order = {
      ...{ customer: random.int(1, 60), channel: random.pick(['web', 'app', 'shop']) },
      // Whole days: ties in recency.
      at_ms: Date.parse(START) + random.int(0, 170) * DAY_MS,
      ...{ amount: random.int(1, 40) * 500, discount: random.int(0, 3) * 100, refund: 0 },
    };
    const ids = { order_id: `o${n}`, customer_id: `c${order.customer}`, currency: 'EUR' };
    const { amount, discount, channel } = order;
    const send = (id: string, type: string, at_ms: number, members: object): void => {
      events.push({ event_id: `${id}-${n}`, type, time: iso(at_ms), ...ids, ...members });
    };
    send('a', 'order.created', order.at_ms, { amount, discount, channel });
    if (random.int(1, 5) === 1) {
      order.amount = random.int(1, 40) * 500;
      send('b', 'order.updated', order.at_ms + 60_000, { amount: order.amount });
    }
    if (random.int(1, 4) === 1) {
      order.refund = random.int(1, order.amount);
      const { order_id } = ids;
      const time = iso(order.at_ms + REFUNDED_AFTER_MS);
      events.push({ event_id: `r-${n}`, type: 'refund.issued', time, order_id, amount: order.refund });
    }
    orders.push(order);
  }
  return { events, orders };
}

interface Expected {
  readonly customer_id: string;
  readonly frequency: number;
  readonly monetary: number;
  readonly last_ms: number;
}

function expected(orders: readonly Order[]): Expected[] {
  return [...new Set(orders.map(({ customer }) => customer))].map((customer) => {
    const own = orders.filter((order) => order.customer === customer);
    return {
      customer_id: `c${customer}`,
      frequency: own.length,
      monetary: own.reduce((sum, { amount, discount, refund }) => sum + amount - discount - refund, 0),
      last_ms: Math.max(...own.map(({ at_ms }) => at_ms)),
    };
  });
}

interface Question {
  readonly start_ms: number;
  readonly end_ms: number;
  readonly channel: string | undefined;
  readonly thresholds: Readonly<Record<'recency_days' | 'frequency' | 'monetary', number[]>> | undefined;
}

function randomQuestion(random: SeededRandom): Question {
  const start_ms = Date.parse(START) + random.int(0, 90) * DAY_MS;
  const limits = (most: number): number[] => {
    const found = new Set<number>();
    while (found.size < 4) found.add(random.int(1, most));
    return [...found].sort((a, b) => a - b);
  };
  return {
    ...{ start_ms, end_ms: start_ms + random.int(20, 90) * DAY_MS },
    channel: random.pick([undefined, 'web', 'app']),
    thresholds: random.pick([
      undefined,
      { recency_days: limits(90), frequency: limits(6), monetary: limits(40_000) },
    ]),
  };
}

/** What the events within a range say of each customer with an order in it, with the scores. */
function scored(orders: readonly Order[], { start_ms, end_ms, channel, thresholds }: Question): string[] {
  const isIn = (at_ms: number): boolean => at_ms >= start_ms && at_ms < end_ms;
  const asked = orders.filter((order) => channel === undefined || order.channel === channel);
  const customers = [...new Set(asked.filter(({ at_ms }) => isIn(at_ms)).map(({ customer }) => customer))];
  const all = customers.map((customer) => {
    const own = asked.filter((order) => order.customer === customer);
    const made = own.filter(({ at_ms }) => isIn(at_ms));
    const refunded = own.filter(({ at_ms }) => isIn(at_ms + REFUNDED_AFTER_MS));
    const monetary =
      made.reduce((sum, { amount, discount }) => sum + amount - discount, 0) -
      refunded.reduce((sum, { refund }) => sum + refund, 0);
    return { last_ms: Math.max(...made.map(({ at_ms }) => at_ms)), frequency: made.length, monetary };
  });
  const reached = (value: number, limits: readonly number[]): number =>
    1 + limits.filter((limit) => value >= limit).length;
  const by = (member: 'last_ms' | 'frequency' | 'monetary'): number[] => all.map((one) => one[member]);
  return all.map(({ last_ms, frequency, monetary }) => {
    const days = (end_ms - last_ms) / DAY_MS;
    const [r, f, m] =
      thresholds === undefined
        ? [
            quintile(by('last_ms'), last_ms),
            quintile(by('frequency'), frequency),
            quintile(by('monetary'), monetary),
          ]
        : [
            5 - thresholds.recency_days.filter((limit) => days > limit).length,
            reached(frequency, thresholds.frequency),
            reached(monetary, thresholds.monetary),
          ];
    return JSON.stringify({ r, f, m, monetary, frequency, recency_days: Math.floor(days) });
  });
}

const quintile = (values: readonly number[], value: number): number =>
  1 + Math.floor((5 * values.filter((other) => other < value).length) / values.length);

interface Answered {
  readonly customers_total: number;
  readonly currency: string;
  readonly customers: readonly Readonly<Record<string, number | string>>[];
  readonly buckets: readonly { readonly customers: number; readonly monetary: number }[];
  readonly segments: readonly { readonly segment: string; readonly customers: number }[];
}

describe('RFM', () => {
  it.each(seedsOf(1, 2, 3))(
    'scores customers as a brute force does, whatever the arrival (seed %i)',
    async (seed) => {
      const { events, orders } = shop(seed);
      const state = await ShopState.of(events);
      const query = { start: START, end: END, limit: 1_000 };
      const { body } = await state.ask(state.kinds.rfm, query);
      const answer = body as unknown as Answered;
      const all = expected(orders);
      const [last, frequency, monetary] = (['last_ms', 'frequency', 'monetary'] as const).map((member) =>
        all.map((customer) => customer[member]),
      ) as [number[], number[], number[]];
      const wanted = all
        .map((one) => ({
          ...{ r: quintile(last, one.last_ms), f: quintile(frequency, one.frequency) },
          ...{ m: quintile(monetary, one.monetary), monetary: one.monetary, frequency: one.frequency },
          recency_days: Math.floor((Date.parse(END) - one.last_ms) / DAY_MS),
        }))
        .map((one) => JSON.stringify(one));
      const found = answer.customers.map(({ r, f, m, monetary: money, frequency: times, recency_days }) =>
        JSON.stringify({ r, f, m, monetary: money, frequency: times, recency_days }),
      );
      expect(found.sort()).toEqual(wanted.sort());
      expect(answer).toMatchObject({ customers_total: all.length, currency: 'EUR' });
      expect(answer.buckets.reduce((sum, { customers }) => sum + customers, 0)).toBe(all.length);
      expect(answer.segments.reduce((sum, { customers }) => sum + customers, 0)).toBe(all.length);

      const shuffled = await ShopState.of(events, { shuffle: seed, commit_events: 33 });
      const { body: again } = await shuffled.ask(shuffled.kinds.rfm, query);
      const bare = (value: unknown) =>
        JSON.stringify(value, (key, member) => (key === 'events' ? [] : member));
      expect(bare(again)).toBe(bare(body));
    },
  );

  it.each(seedsOf(4, 5, 6))('answers 30 random questions as a brute force does (seed %i)', async (seed) => {
    const { events, orders } = shop(seed);
    const state = await ShopState.of(events, { shuffle: seed, commit_events: 71 });
    const random = new SeededRandom(seed);
    let some = 0;
    for (let n = 0; n < 30; n++) {
      const question = randomQuestion(random);
      const { start_ms, end_ms, channel, thresholds } = question;
      const { body } = await state.ask(state.kinds.rfm, {
        ...{ start: new Date(start_ms).toISOString(), end: new Date(end_ms).toISOString(), limit: 1_000 },
        filters: channel === undefined ? {} : { channel },
        ...(thresholds === undefined ? {} : { scoring: 'fixed', thresholds }),
      });
      const { customers } = body as unknown as Answered;
      const found = customers.map(({ r, f, m, monetary, frequency, recency_days }) =>
        JSON.stringify({ r, f, m, monetary, frequency, recency_days }),
      );
      const wanted = scored(orders, question);
      expect(found.sort(), JSON.stringify(question)).toEqual(wanted.sort());
      if (wanted.length > 10) some++;
    }
    expect(some).toBeGreaterThan(15);
  });

  it('gives groups of equal size, or by thresholds, where asked', async () => {
    const { events, orders } = shop(4);
    const state = await ShopState.of(events);
    const query = { start: START, end: END, limit: 1_000 };
    const ask = async (more: object) =>
      (await state.ask(state.kinds.rfm, { ...query, ...more })).body as unknown as Answered;
    const tiles = await ask({ scoring: 'ntile' });
    for (const member of ['r', 'f', 'm']) {
      const sizes = [1, 2, 3, 4, 5].map(
        (score) => tiles.customers.filter((customer) => customer[member] === score).length,
      );
      expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
    }
    const thresholds = {
      ...{
        recency_days: [20, 40, 80, 120],
        frequency: [3, 5, 7, 9],
        monetary: [1_000, 20_000, 40_000, 80_000],
      },
    };
    const fixed = await ask({ scoring: 'fixed', thresholds });
    for (const { f, frequency, m, monetary, r, recency_days } of fixed.customers) {
      expect(f).toBe(1 + thresholds.frequency.filter((limit) => Number(frequency) >= limit).length);
      expect(m).toBe(1 + thresholds.monetary.filter((limit) => Number(monetary) >= limit).length);
      expect(r).toBe(5 - thresholds.recency_days.filter((limit) => Number(recency_days) > limit).length);
    }
    expect(fixed.customers).toHaveLength(expected(orders).length);
    const segments = [{ name: 'often', f: [5, 5] }];
    const named = await ask({ scoring: 'fixed', thresholds, segments });
    const often = expected(orders).filter(({ frequency }) => frequency >= 9).length;
    expect(named.segments).toContainEqual(expect.objectContaining({ segment: 'often', customers: often }));
  });

  it('refuses to add up several currencies, and converts them when asked', async () => {
    const order = (n: number, currency: string, amount: number): ShopEvent => ({
      ...{ event_id: `e${n}`, type: 'order.created', time: '2025-02-01T10:00:00Z', order_id: `o${n}` },
      ...{ customer_id: `c${n}`, currency, amount },
    });
    const rate = { event_id: 'fx', type: 'fx.rate', time: '2025-01-01T00:00:00Z' };
    const state = await ShopState.of([
      order(1, 'EUR', 1_000),
      order(2, 'USD', 1_001),
      { ...rate, data: { base: 'USD', quote: 'EUR', rate: '0.5' } },
    ]);
    const query = { start: START, end: END };
    await expect(state.ask(state.kinds.rfm, query)).rejects.toMatchObject({ code: 'currency_required' });
    const { body } = await state.ask(state.kinds.rfm, { ...query, currency: 'EUR' });
    const { customers } = body as unknown as Answered;
    expect(customers.map(({ monetary }) => monetary).sort()).toEqual([1_000, 501]);
    await expect(state.ask(state.kinds.rfm, { ...query, currency: 'GBP' })).rejects.toMatchObject({
      code: 'fx_rate_missing',
    });
  });
});
