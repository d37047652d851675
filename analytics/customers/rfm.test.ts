import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../../engine/index.ts';
import { type ShopEvent, ShopState } from '../fixture-shop.ts';

const START = '2025-01-01T00:00:00Z';
const END = '2025-07-01T00:00:00Z';
const DAY_MS = 86_400_000;

interface Order {
  readonly customer: number;
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
      customer: random.int(1, 60),
      // Whole days: ties in recency.
      at_ms: Date.parse(START) + random.int(0, 170) * DAY_MS,
      ...{ amount: random.int(1, 40) * 500, discount: random.int(0, 3) * 100, refund: 0 },
    };
    const ids = { order_id: `o${n}`, customer_id: `c${order.customer}`, currency: 'EUR' };
    const { amount, discount } = order;
    const send = (id: string, type: string, at_ms: number, members: object): void => {
      events.push({ event_id: `${id}-${n}`, type, time: iso(at_ms), ...ids, ...members });
    };
    send('a', 'order.created', order.at_ms, { amount, discount });
    if (random.int(1, 5) === 1) {
      order.amount = random.int(1, 40) * 500;
      send('b', 'order.updated', order.at_ms + 60_000, { amount: order.amount });
    }
    if (random.int(1, 4) === 1) {
      order.refund = random.int(1, order.amount);
      const { order_id } = ids;
      const time = iso(order.at_ms + 3 * DAY_MS);
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
  it.each([1, 2, 3])(
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
