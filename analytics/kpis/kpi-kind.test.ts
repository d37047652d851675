import { describe, expect, it } from 'vitest';
import { QueryError, toJsonText } from '../query/index.ts';
import type { TestRow } from './fixture-rows.ts';
import { cubeOf, KpiStore } from './fixture-store.ts';
import type { KpiQueryInput } from './schema.ts';

const DAY = { start: '2025-08-01T00:00:00Z', end: '2025-08-02T00:00:00Z' };
const at = (time: string): number => Date.parse(time);

function order(time: string, amount: number, more: Partial<TestRow> = {}): TestRow {
  return { time_ms: at(time), sequence: 1, marks: ['orders'], currency: 'GBP', amount, ...more };
}

async function totals(rows: readonly TestRow[], query: Partial<KpiQueryInput> & { metrics: string[] }) {
  return (await KpiStore.of(rows)).ask({ ...DAY, ...query } as KpiQueryInput).groups[0]?.totals;
}

describe('metrics', () => {
  it('are what the contract says, by hand', async () => {
    const item = (quantity: number) => ({ sku: 'a', category: 'x', quantity, unit_price: 1 });
    const rows: TestRow[] = [
      order('2025-08-01T10:00:00Z', 1_000, { discount: 100, tax: 50, shipping: 5, items: [item(3)] }),
      order('2025-08-01T11:00:00Z', 2_000, { marks: ['orders', 'customers_new'], customer: 7 }),
      order('2025-08-01T12:00:00Z', 501, { customer: 8 }),
      {
        time_ms: at('2025-08-01T13:00:00Z'),
        sequence: 2,
        marks: ['refund', 'orders_refunded'],
        currency: 'GBP',
        amount: 700,
      },
      {
        time_ms: at('2025-08-01T13:00:00Z'),
        sequence: 2,
        marks: ['orders_cancelled', 'cancelled'],
        currency: 'GBP',
        value: 501,
      },
      { time_ms: at('2025-08-01T14:00:00Z'), sequence: 3, marks: ['shipped_in'], value: 108_000_000 },
      {
        time_ms: at('2025-08-01T14:00:00Z'),
        sequence: 3,
        marks: ['visits', 'sessions', 'sessions_with_cart'],
      },
      { time_ms: at('2025-08-01T15:00:00Z'), sequence: 3, marks: ['responded'], value: 90_500 },
    ];
    const metrics = [
      ...['orders_count', 'revenue', 'revenue_net', 'aov', 'refund_rate', 'units_sold', 'revenue_cancelled'],
      ...['refunded_orders_rate', 'days_to_ship_avg', 'visits', 'tax_total', 'conversion_rate'],
      ...['cart_abandonment_rate', 'customers_active', 'customers_new', 'time_to_first_response'],
    ];
    expect(await totals(rows, { metrics })).toEqual({
      orders_count: 3,
      revenue: 3_501,
      revenue_net: 2_701,
      aov: 3_401 / 3,
      refund_rate: 700 / 3_501,
      units_sold: 3,
      revenue_cancelled: 501,
      refunded_orders_rate: 1 / 3,
      days_to_ship_avg: 1.25,
      visits: 1,
      tax_total: 50,
      conversion_rate: 3,
      cart_abandonment_rate: 1,
      customers_active: 2,
      customers_new: 1,
      time_to_first_response: 90.5,
    });
  });

  it('are read of a cube where it has them', async () => {
    const store = await KpiStore.of([order('2025-08-01T10:00:00Z', 5)], { cubes: [cubeOf([])] });
    expect(store.ask({ ...DAY, metrics: ['revenue'] })).toMatchObject({
      source: 'rollup:total@1d',
      groups: [{ totals: { revenue: 5 } }],
    });
  });
});

function failure(work: () => unknown): QueryError {
  try {
    work();
  } catch (error) {
    if (error instanceof QueryError) return error;
    throw error;
  }
  throw new Error('no error was thrown');
}

const TWO_DAYS = { start: '2025-08-01T00:00:00Z', end: '2025-08-02T23:59:59Z', granularity: '1d' } as const;
const visit = (time: string, more: Partial<TestRow> = {}): TestRow => ({
  ...{ time_ms: at(time), sequence: 1, type: 'visit', marks: ['visits', 'sessions'] },
  ...more,
});

describe('answers', () => {
  it('have buckets of zeros, and ratios of nothing are null', async () => {
    const answer = (await KpiStore.of([])).ask({ ...TWO_DAYS, metrics: ['orders_count', 'aov'] });
    const zeros = { orders_count: 0, aov: null };
    expect(answer).toMatchObject({
      groups: [
        {
          key: {},
          buckets: [
            { time: '2025-08-01T00:00:00Z', incomplete: true, ...zeros },
            { time: '2025-08-02T00:00:00Z', incomplete: true, ...zeros },
          ],
          totals: zeros,
        },
      ],
      ...{ groups_total: 1, truncated: false, approximate: [], warnings: [], source: 'scan' },
      resolved_range: { start: '2025-08-01T00:00:00Z', end: '2025-08-03T00:00:00Z' },
    });
    expect(answer).not.toHaveProperty('currency');
  });

  it('mark buckets that can change and buckets that the range cuts', async () => {
    const query = { ...TWO_DAYS, start: '2025-08-01T06:00:00Z', metrics: ['visits'] };
    const store = await KpiStore.of([]);
    expect(store.ask(query, { complete_until_ms: at('2025-08-02T00:00:00Z') }).groups[0]?.buckets).toEqual([
      { time: '2025-08-01T00:00:00Z', partial: true, visits: 0 },
      { time: '2025-08-02T00:00:00Z', incomplete: true, visits: 0 },
    ]);
  });

  it('leave no trace of what moved away', async () => {
    const gb = { dimensions: { country: 'GB' } };
    const store = await KpiStore.of([
      order('2025-08-01T10:00:00Z', 5, gb),
      order('2025-08-01T10:00:00Z', 5, { ...gb, sequence: 2, retraction: true }),
      order('2025-08-01T10:00:00Z', 7, { sequence: 2, restated: true, dimensions: { country: 'FR' } }),
    ]);
    const answer = store.ask({ ...DAY, metrics: ['revenue', 'customers_active'], group_by: ['country'] });
    expect(answer.groups.map(({ key, totals: all }) => [key.country, all.revenue])).toEqual([['FR', 7]]);
  });

  it('stay exact beyond 2^53, down to the digits of the JSON', async () => {
    const amounts = [2 ** 53 - 1, 2 ** 53 - 1, 2 ** 53 - 1];
    const answer = await totals(
      amounts.map((amount) => order('2025-08-01T10:00:00Z', amount)),
      { metrics: ['revenue', 'revenue_net'] },
    );
    expect(toJsonText(answer)).toBe('{"revenue":27021597764222973,"revenue_net":27021597764222973}');
  });

  it('take any dimensions, lists, null and not', async () => {
    const row = (amount: number, dimensions: Record<string, string>) =>
      order('2025-08-01T10:00:00Z', amount, { dimensions });
    const store = await KpiStore.of([
      row(1, { status: 'open', region: 'north', voucher_code: 'v1', reason: 'late', tier: 'gold' }),
      row(10, { status: 'open', region: 'south', tier: 'silver' }),
      row(100, { status: 'shut', source: 'shop' }),
    ]);
    const revenue = (query: object) => {
      const asked = { ...DAY, metrics: ['revenue'], ...query } as KpiQueryInput;
      return store.ask(asked).groups.map(({ key, totals: all }) => [...Object.values(key), all.revenue]);
    };
    expect(revenue({ group_by: ['region', 'status', 'tier'] })).toEqual([
      [null, 'shut', null, 100],
      ['south', 'open', 'silver', 10],
      ['north', 'open', 'gold', 1],
    ]);
    expect(revenue({ filters: { voucher_code: null } })).toEqual([[110]]);
    expect(revenue({ filters: { voucher_code: { not: null } } })).toEqual([[1]]);
    expect(revenue({ filters: { tier: { not: ['gold', null] } } })).toEqual([[10]]);
    expect(revenue({ filters: { reason: ['late', 'none'], source: null } })).toEqual([[1]]);
    expect(revenue({ filters: { type: 'Order_Created', status: 'shut' } })).toEqual([[100]]);
    expect(revenue({ filters: { type: { not: 'ORDER-CREATED' } } })).toEqual([[0]]);
  });

  it('of more than the limit are the largest', async () => {
    const rows = ['a', 'b', 'c'].map((source, at) =>
      order('2025-08-01T10:00:00Z', 10 ** at, { dimensions: { source } }),
    );
    const answer = (await KpiStore.of(rows)).ask({
      ...DAY,
      metrics: ['revenue'],
      group_by: ['source'],
      limit: 2,
    });
    expect(answer).toMatchObject({ groups_total: 3, truncated: true });
    expect(answer.groups.map(({ key }) => key.source)).toEqual(['c', 'b']);
  });
});

describe('currencies', () => {
  const shop = [
    order('2025-08-01T10:00:00Z', 100, { currency: 'EUR', dimensions: { country: 'DE' } }),
    order('2025-08-01T11:00:00Z', 300, { currency: 'USD', dimensions: { country: 'US' } }),
    visit('2025-08-01T09:00:00Z', { dimensions: { country: 'DE' } }),
    visit('2025-08-01T09:00:00Z', { dimensions: { country: 'DE' } }),
    visit('2025-08-01T09:00:00Z', { dimensions: { country: 'US' } }),
    visit('2025-08-01T09:00:00Z', {
      dimensions: { country: 'US' },
      marks: ['visits', 'sessions', 'sessions_with_cart'],
    }),
  ];

  it('never change counts and rates of counts, which stay whole beside money', async () => {
    const store = await KpiStore.of(shop);
    const alone = store.ask({ ...DAY, metrics: ['conversion_rate', 'cart_abandonment_rate'] });
    expect(alone.groups.map((group) => group.totals)).toEqual([
      { conversion_rate: 0.5, cart_abandonment_rate: 1 },
    ]);
    const metrics = ['revenue', 'conversion_rate', 'cart_abandonment_rate', 'visits', 'aov'];
    const beside = store.ask({ ...DAY, metrics });
    const whole = { conversion_rate: 0.5, cart_abandonment_rate: 1, visits: 4 };
    expect(beside.groups.map(({ key, totals: all }) => [key, all])).toEqual([
      [{ currency: 'USD' }, { revenue: 300, aov: 300, ...whole }],
      [{ currency: 'EUR' }, { revenue: 100, aov: 100, ...whole }],
    ]);
    expect(beside.warnings).toHaveLength(2);
    expect(beside).not.toHaveProperty('currency');
  });

  it('give each group its own, and visits join a group that has only one', async () => {
    const answer = (await KpiStore.of(shop)).ask({
      ...DAY,
      metrics: ['revenue', 'visits'],
      group_by: ['country'],
    });
    expect(answer.groups.map(({ key, totals: all }) => ({ ...key, ...all }))).toEqual([
      { country: 'US', currency: 'USD', revenue: 300, visits: 2 },
      { country: 'DE', currency: 'EUR', revenue: 100, visits: 2 },
    ]);
  });

  it('are converted at the last rate of the UTC day, whatever the granularity and the zone', async () => {
    const store = (await KpiStore.of([order('2025-08-01T10:00:00Z', 10_000, { currency: 'EUR' })]))
      .rate('EUR', 'USD', '2025-08-01T00:00:00Z', '1.00')
      .rate('EUR', 'USD', '2025-08-01T18:00:00Z', '2.00')
      .rate('EUR', 'USD', '2025-08-02T01:00:00Z', '9.00');
    const revenue = (query: object) => {
      const answer = store.ask({ ...DAY, metrics: ['revenue'], currency: 'USD', ...query } as KpiQueryInput);
      expect(answer.currency).toBe('USD');
      return answer.groups[0]?.totals.revenue;
    };
    const kolkata = {
      start: '2025-08-01T00:00:00+05:30',
      end: '2025-08-02T00:00:00+05:30',
      timezone: 'Asia/Kolkata',
    };
    for (const query of [{ granularity: '1d' }, { granularity: '1h' }, {}, { ...kolkata, granularity: '1d' }])
      expect(revenue(query)).toBe(20_000);
  });

  it('are converted as_of a position by the rates that were known there', async () => {
    const rows = [
      order('2025-08-01T10:00:00Z', 100, { currency: 'EUR', sequence: 2 }),
      order('2025-08-01T11:00:00Z', 100, { currency: 'EUR', sequence: 9 }),
    ];
    const store = (await KpiStore.of(rows))
      .rate('EUR', 'USD', '2025-08-01T00:00:00Z', '1.5', 1)
      .rate('EUR', 'USD', '2025-08-01T00:00:00Z', '2', 5)
      .rate('EUR', 'USD', '2025-08-01T09:00:00Z', '3', 7);
    const revenue = (sequence: number) => {
      const as_of = { EVENTS: { 0: sequence } };
      const answer = store.ask({ ...DAY, metrics: ['revenue'], currency: 'USD', as_of });
      return [answer.groups[0]?.totals.revenue, answer.warnings];
    };
    expect([2, 4, 5, 6, 7, 9].map(revenue)).toEqual(
      [150, 150, 200, 200, 300, 600].map((value) => [value, []]),
    );
  });

  it('are rounded once: totals do not depend on the buckets', async () => {
    const rows = Array.from({ length: 24 }, (_, hour) =>
      order(`2025-08-01T${String(hour).padStart(2, '0')}:30:00Z`, 1, { currency: 'EUR' }),
    );
    const store = (await KpiStore.of(rows)).rate('EUR', 'USD', '2025-07-01T00:00:00Z', '1.49');
    const ask = (granularity: '1h' | '1d') =>
      store.ask({ ...DAY, metrics: ['revenue'], currency: 'USD', granularity }).groups[0];
    // 24 × 1.49 = 35.76; hour by hour it would be 24.
    expect([ask('1h')?.totals.revenue, ask('1d')?.totals.revenue]).toEqual([36, 36]);
  });

  it('without a rate are a 422 that names the pair and the first day', async () => {
    const rows = [
      order('2025-08-01T10:00:00Z', 1, { currency: 'USD' }),
      order('2025-08-03T10:00:00Z', 1, { currency: 'EUR' }),
      order('2025-08-02T10:00:00Z', 1, { currency: 'EUR', sequence: 2 }),
      order('2025-08-01T10:00:00Z', 0, { currency: 'EUR', sequence: 2 }),
    ];
    const store = (await KpiStore.of(rows)).rate('EUR', 'USD', '2025-08-03T12:00:00Z', '2');
    const query = { start: DAY.start, end: '2025-08-10T00:00:00Z', metrics: ['revenue'], currency: 'USD' };
    const error = failure(() => store.ask(query));
    expect(error.code).toBe('fx_rate_missing');
    expect(error.message).toMatch(/^No exchange rate from EUR to USD is known on 2025-08-02 /);
    expect(store.ask({ ...query, start: '2025-08-03T00:00:00Z' }).groups[0]?.totals.revenue).toBe(2);
  });
});

describe('aggregations', () => {
  const of = async (amounts: readonly number[], aggregation: KpiQueryInput['aggregation']) =>
    (
      await totals(
        amounts.map((amount) => order('2025-08-01T10:00:00Z', amount)),
        { metrics: ['revenue'], aggregation },
      )
    )?.revenue;

  it('are by nearest rank', async () => {
    expect(await of([1_000, 100_000], 'p99')).toBe(100_000);
    expect(await of([1_000, 100_000], 'p50')).toBe(1_000);
    expect(await of([1_000_000, ...Array.from({ length: 49 }, () => 1_000)], 'p99')).toBe(1_000_000);
    expect(await of([300, 100, 200, 100_000], 'p90')).toBe(100_000);
    for (const [aggregation, value] of [
      ['min', 100],
      ['max', 300],
      ['avg', 200],
      ['count', 3],
    ] as const)
      expect(await of([300, 100, 200], aggregation)).toBe(value);
    expect([await of([], 'p90'), await of([], 'avg'), await of([], 'count')]).toEqual([null, null, 0]);
  });

  it('other than sum are a 422 for a metric with a definition of its own', async () => {
    const store = await KpiStore.of([]);
    const error = failure(() => store.ask({ ...DAY, metrics: ['revenue', 'aov'], aggregation: 'avg' }));
    expect(error).toMatchObject({ code: 'aggregation_not_supported', errors: [{ path: 'metrics.1' }] });
  });

  it('are of the amounts as they are now', async () => {
    const rows = [
      order('2025-08-01T10:00:00Z', 900_000),
      order('2025-08-01T10:00:00Z', 900_000, { sequence: 2, retraction: true }),
      order('2025-08-01T10:00:00Z', 5, { sequence: 2, restated: true }),
      order('2025-08-01T11:00:00Z', 7),
    ];
    const max = await totals(rows, { metrics: ['revenue'], aggregation: 'max' });
    expect(max).toEqual({ revenue: 7 });
  });
});
