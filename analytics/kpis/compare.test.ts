import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../../engine/index.ts';
import { seedsOf } from '../../test/long.ts';
import { type ShopEvent, ShopState } from '../fixture-shop.ts';
import type { KpiGroup } from './answer.ts';
import type { KpiAnswer } from './kpi-kind.ts';

const CHANNELS = ['web', 'app', 'shop', 'mail', ''];
const METRICS = ['orders_count', 'revenue', 'aov', 'customers_active', 'refund_rate', 'revenue_net'];

/** Orders of two years, some sent again, some refunded; whole hours. */
function shop(seed: number): ShopEvent[] {
  const random = new SeededRandom(seed);
  const events: ShopEvent[] = [];
  for (let n = 0; n < 600; n++) {
    const at_ms = Date.UTC(2024, random.int(0, 20), random.int(1, 28), random.int(0, 23));
    const channel = random.pick(CHANNELS);
    const order = {
      ...{ order_id: `o${n}`, customer_id: `c${random.int(1, 40)}`, currency: 'EUR' },
      ...(channel === '' ? {} : { channel }),
    };
    const send = (id: string, type: string, time_ms: number, members: object) =>
      events.push({ event_id: `${id}${n}`, type, time: new Date(time_ms).toISOString(), ...members });
    send('a', 'order.created', at_ms, { ...order, amount: random.int(1, 9_999), discount: random.int(0, 9) });
    if (random.int(1, 6) === 1)
      send('b', 'order.updated', at_ms + 1_000, { ...order, amount: random.int(1, 9_999) });
    if (random.int(1, 3) === 1)
      send('r', 'refund.issued', at_ms + 86_400_000, { order_id: `o${n}`, amount: random.int(1, 500) });
  }
  return events;
}

type Values = Readonly<Record<string, number | null>>;
const pick = (of: object): Values =>
  Object.fromEntries(METRICS.map((name) => [name, (of as Values)[name] ?? null]));

function expectChange(now: Values, before: Values, group: Pick<KpiGroup, 'delta' | 'delta_pct'>): void {
  for (const name of METRICS) {
    const [a, b] = [now[name] ?? null, before[name] ?? null];
    expect(group.delta?.[name]).toBe(a === null || b === null ? null : a - b);
    const pct = a === null || b === null || b === 0 ? null : (100 * (a - b)) / Math.abs(b);
    expect(group.delta_pct?.[name]).toBe(pct);
  }
}

const NONE: Values = {
  ...Object.fromEntries(METRICS.map((name) => [name, 0])),
  aov: null,
  refund_rate: null,
};
const keyOf = ({ key }: Pick<KpiGroup, 'key'>): string => JSON.stringify(key);

describe('a comparison', () => {
  it.each([
    [1, 'previous_period', '2025-03-01', '2025-04-01', '2025-01-29', '1d', 'UTC'],
    [2, 'previous_year', '2025-02-20', '2025-04-10', '2024-02-20', '1d', 'UTC'],
    [3, 'previous_year', '2025-01-01', '2025-07-01', '2024-01-01', '1M', 'Europe/Berlin'],
    [4, 'previous_period', '2025-03-25', '2025-04-05', '2025-03-14', '1h', 'Europe/Berlin'],
    [5, 'previous_year', '2025-01-06', '2025-03-03', '2024-01-06', '1w', 'America/New_York'],
  ] as const)(
    'is two queries beside each other (seed %i, %s)',
    async (seed, compare, from, to, before, granularity, timezone) => {
      const events = shop(seed);
      const state = await ShopState.of(events);
      const ask = (query: object, of = state) => of.ask(of.kinds.kpis, query) as Promise<KpiAnswer>;
      const local = (day: string) => localMidnight(day, timezone);
      const query = { metrics: METRICS, group_by: ['channel'], granularity, timezone, limit: 1_000 };
      const until = compare === 'previous_period' ? from : `${Number(to.slice(0, 4)) - 1}${to.slice(4)}`;
      const range = { start: local(from), end: local(to) };
      const both = await ask({ ...query, ...range, compare });
      const now = await ask({ ...query, ...range });
      const earlier = await ask({ ...query, start: local(before), end: local(until) });
      expect(both.groups.map(keyOf).toSorted()).toEqual(
        [...new Set([...now.groups, ...earlier.groups].map(keyOf))].toSorted(),
      );
      const byWall = new Map<string, number>();
      for (const [at, { time }] of (earlier.groups[0] as KpiGroup).buckets.entries())
        if (!byWall.has(time.slice(0, 19))) byWall.set(time.slice(0, 19), at);
      for (const group of both.groups) {
        const own = now.groups.find((one) => keyOf(one) === keyOf(group));
        const other = earlier.groups.find((one) => keyOf(one) === keyOf(group));
        expect(pick(group.totals)).toEqual(own === undefined ? NONE : pick(own.totals));
        expect(pick(group.previous_totals ?? {})).toEqual(other === undefined ? NONE : pick(other.totals));
        expectChange(pick(group.totals), pick(group.previous_totals ?? {}), group);
        for (const [at, bucket] of group.buckets.entries()) {
          const days = Math.round((Date.parse(from) - Date.parse(before)) / 86_400_000);
          const pair = granularity === '1w' ? at : byWall.get(earlierWall(bucket.time, compare, days));
          if (pair === undefined) {
            expect(bucket).toMatchObject({ previous: null, delta: null, delta_pct: null });
            continue;
          }
          const beside = (earlier.groups[0] as KpiGroup).buckets[pair];
          if (beside === undefined) throw new Error('a counterpart');
          expect(bucket.previous?.time).toBe(beside.time);
          const values = other === undefined ? NONE : pick(other.buckets[pair] ?? {});
          expect(pick(bucket.previous ?? {})).toEqual(values);
          expectChange(pick(bucket), values, bucket as Pick<KpiGroup, 'delta' | 'delta_pct'>);
        }
      }
      const shuffled = await ShopState.of(events, { shuffle: seed, commit_events: 53 });
      const again = await ask({ ...query, ...range, compare }, shuffled);
      expect(JSON.stringify(again.groups)).toBe(JSON.stringify(both.groups));
    },
  );

  it('leaves 29 February without a counterpart, and goes by local dates across a change of the clock', async () => {
    const order = (n: number, time: string): ShopEvent => ({
      ...{ event_id: `e${n}`, type: 'order.created', time, order_id: `o${n}`, amount: 100, currency: 'EUR' },
    });
    const state = await ShopState.of([
      ...[
        order(1, '2024-02-28T12:00:00Z'),
        order(2, '2024-02-29T12:00:00Z'),
        order(3, '2023-02-28T12:00:00Z'),
      ],
      // Half past midnight in Berlin, in summer and in winter time.
      ...[
        order(4, '2024-03-31T22:30:00Z'),
        order(5, '2023-03-31T22:30:00Z'),
        order(6, '2023-03-31T21:30:00Z'),
      ],
    ]);
    const base = { metrics: ['orders_count'], granularity: '1d', compare: 'previous_year' };
    const leap = { start: '2024-02-28T00:00:00Z', end: '2024-03-02T00:00:00Z' };
    const { groups } = await state.ask(state.kinds.kpis, { ...base, ...leap });
    expect(groups[0]?.buckets.map(({ previous }) => previous?.orders_count ?? null)).toEqual([1, null, 0]);
    expect(groups[0]).toMatchObject({ totals: { orders_count: 2 }, previous_totals: { orders_count: 1 } });
    const april = { start: '2024-04-01T00:00:00+02:00', end: '2024-04-02T00:00:00+02:00' };
    const berlin = await state.ask(state.kinds.kpis, { ...base, ...april, timezone: 'Europe/Berlin' });
    expect(berlin.groups[0]?.buckets).toMatchObject([
      {
        orders_count: 1,
        previous: { time: '2023-04-01T00:00:00+02:00', orders_count: 1 },
        delta_pct: { orders_count: 0 },
      },
    ]);
  });

  it('compares no two currencies', async () => {
    const order = (n: number, currency: string, time: string): ShopEvent => ({
      ...{ event_id: `e${n}`, type: 'order.created', time, order_id: `o${n}`, amount: 100, currency },
    });
    const state = await ShopState.of([
      order(1, 'EUR', '2025-02-01T00:00:00Z'),
      order(2, 'USD', '2025-01-15T00:00:00Z'),
    ]);
    const query = { start: '2025-02-01T00:00:00Z', end: '2025-03-01T00:00:00Z', compare: 'previous_period' };
    const ask = (more: object) => state.ask(state.kinds.kpis, { ...query, ...more });
    await expect(ask({ metrics: ['revenue'] })).rejects.toMatchObject({ code: 'currency_required' });
    const { groups, currency } = await ask({ metrics: ['revenue'], group_by: ['currency'] });
    expect(currency).toBeUndefined();
    const dollars = { metrics: ['revenue'], filters: { currency: 'USD' } };
    expect(await ask(dollars)).toMatchObject({ currency: 'USD', groups: [{ totals: { revenue: 0 } }] });
    expect(groups).toMatchObject([
      { key: { currency: 'EUR' }, totals: { revenue: 100 }, previous_totals: { revenue: 0 } },
      { key: { currency: 'USD' }, totals: { revenue: 0 }, delta_pct: { revenue: -100 } },
    ]);
    expect((await ask({ metrics: ['orders_count'] })).groups[0]?.delta).toEqual({ orders_count: 0 });
  });
});

/** The wall clock of a bucket before, by the calendar of texts. */
function earlierWall(time: string, compare: string, days: number): string {
  const [date, clock] = [time.slice(0, 10), time.slice(10, 19)];
  if (compare === 'previous_year') return `${Number(date.slice(0, 4)) - 1}${date.slice(4)}${clock}`;
  return new Date(Date.parse(date) - days * 86_400_000).toISOString().slice(0, 10) + clock;
}

/** RFC 3339 of a local midnight, found by what Intl says of the zone. */
function localMidnight(day: string, timeZone: string): string {
  const name = new Intl.DateTimeFormat('en', { timeZone, timeZoneName: 'longOffset' })
    .formatToParts(new Date(`${day}T00:00:00Z`))
    .find(({ type }) => type === 'timeZoneName')?.value;
  const offset = name === undefined || name === 'GMT' ? 'Z' : name.slice(3);
  return `${day}T00:00:00${offset}`;
}

describe('the first groups by a metric', () => {
  it.each(seedsOf(6, 7))('and the rest as one: its sums, ratios and customers (seed %i)', async (seed) => {
    const events = shop(seed);
    const state = await ShopState.of(events);
    const query = {
      ...{ metrics: METRICS, group_by: ['channel'], granularity: '1M', start: '2024-01-01T00:00:00Z' },
      end: '2025-12-01T00:00:00Z',
    };
    const ask = (more: object) => state.ask(state.kinds.kpis, { ...query, ...more });
    const whole = (await ask({})).groups;
    for (const [metric, direction] of [
      ['revenue', 'desc'],
      ['aov', 'asc'],
      ['customers_active', 'desc'],
    ] as const) {
      const sign = direction === 'asc' ? 1 : -1;
      const ranked = whole.toSorted(
        (a, b) =>
          sign * (Number(a.totals[metric]) - Number(b.totals[metric])) || (keyOf(a) < keyOf(b) ? -1 : 1),
      );
      const asked = { order_by: { metric, direction }, limit: 2 };
      const top = await ask(asked);
      expect(top.groups.map(({ totals }) => totals[metric])).toEqual(
        ranked.slice(0, 2).map(({ totals }) => totals[metric]),
      );
      expect(top).toMatchObject({ groups_total: whole.length, truncated: true });
      const { groups } = await ask({ ...asked, other: true, compare: 'previous_year' });
      expect(groups).toHaveLength(3);
      const [, , other] = groups;
      expect(other).toMatchObject({ key: { channel: '__other__' }, others: whole.length - 2 });
      const rest = ranked.slice(2).map(({ key }) => key.channel);
      // By hand over a filter: the rest is what these channels are together.
      const alone = await ask({ group_by: [], filters: { channel: rest } });
      expect(pick(other?.totals ?? {})).toEqual(pick(alone.groups[0]?.totals ?? {}));
      for (const [at, bucket] of (other?.buckets ?? []).entries())
        expect(pick(bucket)).toEqual(pick(alone.groups[0]?.buckets[at] ?? {}));
      const revenue = groups.reduce((sum, { totals }) => sum + Number(totals.revenue), 0);
      const all = await ask({ group_by: [] });
      expect(revenue).toBe(all.groups[0]?.totals.revenue);
    }
  });

  it('refuses what it cannot order by or add up', async () => {
    const order = (n: number, currency: string): ShopEvent => ({
      ...{ event_id: `e${n}`, type: 'order.created', time: '2025-02-01T00:00:00Z', order_id: `o${n}` },
      ...{ amount: 100, currency, channel: `c${n}` },
    });
    const state = await ShopState.of([order(1, 'EUR'), order(2, 'USD'), order(3, 'USD')]);
    const query = {
      start: '2025-02-01T00:00:00Z',
      end: '2025-03-01T00:00:00Z',
      group_by: ['channel'],
      limit: 1,
    };
    const ask = (more: object) => state.ask(state.kinds.kpis, { ...query, ...more });
    const other = { metrics: ['revenue'], other: true };
    await expect(ask(other)).rejects.toMatchObject({ code: 'currency_required' });
    await expect(ask({ ...other, group_by: ['currency'] })).rejects.toMatchObject({
      code: 'currency_required',
    });
    await expect(ask({ metrics: ['revenue'], order_by: { metric: 'orders_count' } })).rejects.toMatchObject({
      code: 'validation_failed',
    });
    const { groups } = await ask({ metrics: ['orders_count'], other: true });
    expect(groups.map(({ totals }) => totals.orders_count)).toEqual([1, 2]);
  });
});
