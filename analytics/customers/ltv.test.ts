import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../../engine/index.ts';
import { seedsOf } from '../../test/long.ts';
import { type ShopEvent, ShopState } from '../fixture-shop.ts';

const DAY_MS = 86_400_000;
const START_MS = Date.UTC(2025, 0, 1);
const RANGE = { start: '2025-01-01T00:00:00Z', end: '2025-05-01T00:00:00Z' };
/** The last event of all: the watermark stands there. */
const LAST = '2025-10-01T00:00:00Z';

interface Order {
  readonly id: string;
  readonly customer: string;
  readonly at_ms: number;
  readonly net: number;
  readonly refund: { readonly at_ms: number; readonly amount: number } | undefined;
  readonly country: string;
}

/** `leaving`: customers differ in how often they buy, and stay for a time of their own. */
function shop(seed: number, leaving = false): { readonly events: ShopEvent[]; readonly orders: Order[] } {
  const random = new SeededRandom(seed);
  const events: ShopEvent[] = [];
  const orders: Order[] = [];
  const iso = (at_ms: number): string => new Date(at_ms).toISOString();
  const stay_ms = Array.from({ length: 121 }, () => random.int(1, 500) * DAY_MS);
  for (let n = 0; n < (leaving ? 1_200 : 400); n++) {
    const at_ms = START_MS - 20 * DAY_MS + random.int(0, 280 * 24) * 3_600_000;
    const [amount, discount] = [random.int(1, 40) * 500, random.int(0, 3) * 100];
    const country = random.pick(['DE', 'GB']);
    const who = random.int(1, leaving ? random.int(1, 120) : 120);
    if (leaving && at_ms > START_MS + (stay_ms[who] as number)) continue;
    const ids = { order_id: `o${n}`, customer_id: `c${who}`, currency: 'EUR', country };
    events.push({ event_id: `a${n}`, type: 'order.created', time: iso(at_ms), ...ids, amount, discount });
    const refund = random.chance(0.2)
      ? { at_ms: at_ms + random.int(1, 60) * DAY_MS, amount: random.int(1, amount) }
      : undefined;
    if (refund !== undefined) {
      const { order_id } = ids;
      const time = iso(refund.at_ms);
      events.push({ event_id: `r${n}`, type: 'refund.issued', time, order_id, amount: refund.amount });
    }
    orders.push({
      id: ids.order_id,
      customer: ids.customer_id,
      at_ms,
      net: amount - discount,
      refund,
      country,
    });
  }
  events.push({ event_id: 'last', type: 'visit', time: LAST });
  return { events, orders };
}

/** The customers with their first order in the range, each with the first and all orders, by time. */
function acquired(orders: readonly Order[], country?: string, end = RANGE.end): Order[][] {
  const all = new Map<string, Order[]>();
  for (const order of orders.toSorted((a, b) => a.at_ms - b.at_ms))
    all.set(order.customer, [...(all.get(order.customer) ?? []), order]);
  return [...all.values()].filter(([first]) => {
    if (first === undefined || (country !== undefined && first.country !== country)) return false;
    return first.at_ms >= START_MS && first.at_ms < Date.parse(end);
  });
}

/** month → [size, revenue by age of 30 days]. */
function expectedCohorts(orders: readonly Order[], periods: number, country?: string): unknown[] {
  const cohorts = new Map<string, { size: number; revenue: number[] }>();
  for (const own of acquired(orders, country)) {
    const first_ms = own[0]?.at_ms ?? 0;
    const month = new Date(first_ms).toISOString().slice(0, 7);
    const cohort = cohorts.get(month) ?? { size: 0, revenue: new Array<number>(periods).fill(0) };
    cohorts.set(month, cohort);
    cohort.size++;
    const add = (at_ms: number, amount: number): void => {
      const age = Math.floor((at_ms - first_ms) / (30 * DAY_MS));
      if (age < periods) (cohort.revenue[age] as number) += amount;
    };
    for (const { at_ms, net, refund } of own) {
      add(at_ms, net);
      if (refund !== undefined) add(refund.at_ms, -refund.amount);
    }
  }
  return [...cohorts].sort(([a], [b]) => (a < b ? -1 : 1)).map(([month, cohort]) => ({ month, ...cohort }));
}

interface Answered {
  readonly customers_total: number;
  readonly currency: string;
  readonly cohorts: readonly {
    readonly cohort: string;
    readonly size: number;
    readonly ages: readonly {
      readonly revenue: number | null;
      readonly cumulative: number;
      readonly ltv: number;
    }[];
  }[];
  readonly fit: { readonly purchases: Readonly<Record<string, number>> };
  readonly totals: Readonly<Record<string, number>>;
  readonly customers: readonly Readonly<Record<string, unknown>>[];
}

const bare = (value: unknown): string =>
  JSON.stringify(value, (key, member) => (key === 'events' ? [] : member));

describe('lifetime value', () => {
  it.each(seedsOf(1, 2, 3))(
    'by age is that of a brute force, whatever the arrival (seed %i)',
    async (seed) => {
      const { events, orders } = shop(seed);
      const state = await ShopState.of(events);
      const shuffled = await ShopState.of(events, { shuffle: seed, commit_events: 37 });
      for (const country of [undefined, 'DE']) {
        const filters = country === undefined ? {} : { country };
        const query = { ...RANGE, periods: 4, filters };
        const { body } = await state.ask(state.kinds.ltv, query);
        const { cohorts, customers_total } = body as unknown as Answered;
        expect(customers_total).toBe(acquired(orders, country).length);
        expect(
          cohorts.map(({ cohort, size, ages }) => ({
            month: cohort.slice(0, 7),
            size,
            revenue: ages.map(({ revenue }) => revenue),
          })),
        ).toEqual(expectedCohorts(orders, 4, country));
        for (const { ages, size } of cohorts) {
          let sum = 0;
          for (const { revenue, cumulative, ltv } of ages) {
            sum += revenue ?? 0;
            expect([cumulative, ltv]).toEqual([sum, Math.round(sum / size)]);
          }
        }
        for (const asked of [query, { ...query, model: 'predictive' }]) {
          const one = await state.ask(state.kinds.ltv, asked);
          expect(bare((await shuffled.ask(shuffled.kinds.ltv, asked)).body)).toBe(bare(one.body));
        }
      }
    },
  );

  it('marks ages that are not over at the watermark, and knows nothing of those after it', async () => {
    const order = (n: number, time: string): ShopEvent => ({
      ...{ event_id: `e${n}`, type: 'order.created', time, order_id: `o${n}`, customer_id: 'c1' },
      ...{ currency: 'EUR', amount: 1_000 },
    });
    const state = await ShopState.of([order(1, '2025-01-10T00:00:00Z'), order(2, '2025-03-01T00:00:00Z')]);
    const query = { start: RANGE.start, end: '2025-02-01T00:00:00Z', bucket: 'day', periods: 4 };
    const { body } = await state.ask(state.kinds.ltv, query);
    expect((body as unknown as Answered).cohorts).toMatchObject([
      {
        size: 1,
        ages: [
          { revenue: 1_000, cumulative: 1_000 },
          { revenue: 1_000, cumulative: 2_000, incomplete: true },
          { revenue: null, cumulative: null },
          { revenue: null },
        ],
      },
    ]);
    expect((body as unknown as Answered).cohorts[0]?.ages[0]).not.toHaveProperty('incomplete');
  });

  it('is predicted from what each customer did, and ranks by what is expected', async () => {
    const { events, orders } = shop(4, true);
    const state = await ShopState.of(events);
    const query = { ...RANGE, end: '2025-09-01T00:00:00Z', model: 'predictive', limit: 1_000 };
    const { body } = await state.ask(state.kinds.ltv, query);
    const answer = body as unknown as Answered;
    const end_ms = Date.parse(query.end);
    const past = acquired(orders, undefined, query.end).map((all) => {
      const seen = all.filter(({ at_ms }) => at_ms < end_ms);
      const days = seen.map(({ at_ms }) => new Date(at_ms).toISOString().slice(0, 10));
      const refunded = seen.map(({ refund }) => (refund && refund.at_ms < end_ms ? refund.amount : 0));
      return {
        ...{ purchase_days: new Set(days).size, first_day: days[0], last_day: days.at(-1) },
        value_to_date: seen.reduce((sum, { net }, at) => sum + net - (refunded[at] as number), 0),
      };
    });
    const members = (all: readonly Readonly<Record<string, unknown>>[]): string[] =>
      all
        .map(({ purchase_days, first_day, last_day, value_to_date }) =>
          JSON.stringify([purchase_days, first_day, last_day, value_to_date]),
        )
        .sort();
    expect(members(answer.customers)).toEqual(members(past));
    const { fit, totals, customers } = answer;
    expect(fit.purchases.log_likelihood).toBeLessThan(0);
    expect(fit.purchases).toMatchObject({ converged: true });
    const sum = customers.reduce((all, { expected_purchases }) => all + Number(expected_purchases), 0);
    expect(totals.expected_purchases).toBeCloseTo(sum, 6);
    for (const customer of customers) {
      if (customer.purchase_days === 1) expect(customer.probability_alive).toBe(1);
      const [low, high] = customer.purchases_interval as [number, number];
      expect(low).toBeLessThanOrEqual(Number(customer.expected_purchases));
      expect(high).toBeGreaterThanOrEqual(Math.floor(Number(customer.expected_purchases) / 2));
    }
    const values = customers.map(({ expected_value }) => Number(expected_value));
    expect(values).toEqual(values.toSorted((a, b) => b - a));
    const discounted = await state.ask(state.kinds.ltv, { ...query, discount_rate: 0.5 });
    const { expected_value: less } = (discounted.body as unknown as Answered).totals;
    expect(less).toBeLessThan(totals.expected_value as number);
    expect(less).toBeGreaterThan((totals.expected_value as number) * 0.6);
    // A late order changes what it should, and a refund says what a purchase was worth.
    const late = { event_id: 'late', type: 'order.created', time: '2025-04-01T00:00:00Z', order_id: 'late' };
    await state.add([{ ...late, customer_id: 'new', currency: 'EUR', amount: 500 }]);
    const after = await state.ask(state.kinds.ltv, query);
    expect((after.body as unknown as Answered).customers_total).toBe(answer.customers_total + 1);
  });

  it('says plainly where the data do not tell the parameters', async () => {
    // All come back every week: no two customers differ, so the model's likelihood grows without end.
    const events = Array.from({ length: 40 * 9 }, (_, n): ShopEvent => {
      const [customer, week] = [n % 40, Math.floor(n / 40)];
      const time = new Date(Date.UTC(2025, 0, 6 + 7 * week, 12)).toISOString();
      const order = {
        order_id: `o${n}`,
        customer_id: `c${customer}`,
        currency: 'EUR',
        amount: 100 + customer,
      };
      return { event_id: `e${n}`, type: 'order.created', time, ...order };
    });
    const state = await ShopState.of(events);
    const asked = { ...RANGE, end: '2025-03-06T00:00:00Z', model: 'predictive' };
    const { body, warnings, approximate } = await state.ask(state.kinds.ltv, asked);
    const { fit, customers } = body as unknown as Answered;
    expect(fit.purchases).toMatchObject({ converged: false });
    expect(warnings?.join()).toMatch(/do not tell the parameters of BG\/NBD/);
    expect(approximate?.join()).toMatch(/^expected_purchases/);
    expect(customers.length).toBe(40);
    for (const customer of customers)
      expect(customer).toMatchObject({ purchases_interval: null, value_interval: null });
  });

  it('is refused by name where there is too little to fit', async () => {
    const state = await ShopState.of(shop(5).events);
    const query = { ...RANGE, end: '2025-01-03T00:00:00Z', model: 'predictive' };
    await expect(state.ask(state.kinds.ltv, query)).rejects.toMatchObject({ code: 'not_enough_data' });
    // Many customers, nobody of whom comes back.
    const once = Array.from(
      { length: 60 },
      (_, n): ShopEvent => ({
        ...{ event_id: `e${n}`, type: 'order.created', time: '2025-02-01T00:00:00Z', order_id: `o${n}` },
        ...{ customer_id: `c${n}`, currency: 'EUR', amount: 100 },
      }),
    );
    const silent = await ShopState.of([...once, { event_id: 'z', type: 'visit', time: LAST }]);
    const asked = { ...RANGE, model: 'predictive' };
    await expect(silent.ask(silent.kinds.ltv, asked)).rejects.toMatchObject({ code: 'not_enough_data' });
  });
});
