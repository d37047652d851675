import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { cubeOf } from '../model/index.ts';
import { QueryError, toJsonText } from '../query/index.ts';
import { CONTEXT, CubeStore, type Fact, order, TENANT } from './fixture-kpis.ts';
import { type KpiQueryInput, kpiQuerySchema } from './kpi-schema.ts';
import { planKpiQuery } from './kpis.ts';

const DAY = { start: '2025-08-01T00:00:00Z', end: '2025-08-02T00:00:00Z' };
const TWO_DAYS = { start: '2025-08-01T00:00:00Z', end: '2025-08-02T23:59:59Z', granularity: '1d' } as const;

function failure(work: () => unknown): QueryError {
  try {
    work();
  } catch (error) {
    if (error instanceof QueryError) return error;
    throw error;
  }
  throw new Error('no error was thrown');
}

function totals(facts: readonly Fact[], query: Partial<KpiQueryInput> & { metrics: string[] }) {
  return new CubeStore(facts).query({ ...DAY, ...query }).groups[0]?.totals;
}

describe('metrics', () => {
  it('are what the contract says, by hand', () => {
    const facts: Fact[] = [
      order('2025-08-01T10:00:00Z', 1_000, 'GBP', {
        sums: { discount: 100, units: 3, tax: 50, shipping: 5 },
      }),
      order('2025-08-01T11:00:00Z', 2_000, 'GBP', { sums: { customers_new: 1 }, members: [7] }),
      order('2025-08-01T12:00:00Z', 501, 'GBP', { members: [7, 8] }),
      { at: '2025-08-01T13:00:00Z', unit: 'GBP', sums: { refund: 700, orders_refunded: 1, returns: 2 } },
      { at: '2025-08-01T14:00:00Z', unit: 'GBP', sums: { ship_ms: 216_000_000, ship_count: 2 } },
      { at: '2025-08-01T14:00:00Z', sums: { visits: 9, sessions: 8, sessions_with_cart: 4 } },
      {
        at: '2025-08-01T15:00:00Z',
        sums: { sessions_with_order: 1, response_ms: 90_500, response_count: 1 },
      },
    ];
    const metrics = [
      ...['orders_count', 'revenue', 'revenue_gross', 'revenue_net', 'aov', 'refund_rate', 'units_sold'],
      ...['refunded_orders_rate', 'returns_count', 'days_to_ship_avg', 'visits', 'sessions', 'tax_total'],
      ...['conversion_rate', 'cart_abandonment_rate', 'customers_active', 'customers_new', 'shipping_total'],
      ...['time_to_first_response', 'discount_total', 'refund_amount'],
    ];
    expect(totals(facts, { metrics })).toEqual({
      orders_count: 3,
      revenue: 3_501,
      revenue_gross: 3_501,
      revenue_net: 2_701,
      aov: 3_401 / 3,
      refund_rate: 700 / 3_501,
      refunded_orders_rate: 1 / 3,
      returns_count: 2,
      days_to_ship_avg: 1.25,
      visits: 9,
      sessions: 8,
      conversion_rate: 3 / 8,
      cart_abandonment_rate: 0.75,
      customers_active: 2,
      customers_new: 1,
      time_to_first_response: 90.5,
      units_sold: 3,
      discount_total: 100,
      shipping_total: 5,
      tax_total: 50,
      refund_amount: 700,
    });
  });

  it('are zeros, and ratios null, without any data', () => {
    const result = new CubeStore().query({
      ...TWO_DAYS,
      metrics: ['orders_count', 'aov', 'customers_active'],
    });
    const zeros = { orders_count: 0, aov: null, customers_active: 0 };
    expect(result.groups).toEqual([
      {
        key: {},
        buckets: [
          { time: '2025-08-01T00:00:00Z', incomplete: true, ...zeros },
          { time: '2025-08-02T00:00:00Z', incomplete: true, ...zeros },
        ],
        totals: zeros,
      },
    ]);
    expect(result).toMatchObject({ groups_total: 1, truncated: false, approximate: [], warnings: [] });
    expect(result).not.toHaveProperty('currency');
  });

  it('of ratios are ratios of sums, not means', () => {
    const facts = [
      order('2025-08-01T01:00:00Z', 100),
      order('2025-08-02T01:00:00Z', 1),
      order('2025-08-02T02:00:00Z', 2),
    ];
    const [group] = new CubeStore(facts).query({ ...TWO_DAYS, metrics: ['aov'] }).groups;
    expect(group?.buckets.map(({ aov }) => aov)).toEqual([100, 1.5]);
    expect(group?.totals.aov).toBe(103 / 3);
  });

  it('stay exact beyond 2^53, down to the digits of the JSON', () => {
    const big = 9_007_199_254_740_993n;
    const facts = [
      order('2025-08-01T01:00:00Z', big),
      order('2025-08-01T02:00:00Z', 2n ** 53n - 1n),
      order('2025-08-01T02:00:00Z', 2),
    ];
    const got = totals(facts, { metrics: ['revenue', 'revenue_net', 'aov'] });
    expect(got).toMatchObject({ revenue: big + 2n ** 53n + 1n, revenue_net: big + 2n ** 53n + 1n });
    expect(toJsonText(got)).toContain('"revenue":18014398509481986,');
  });
});

describe('aggregation', () => {
  const facts = [300, 100, 200, 100_000].map((amount) => order('2025-08-01T10:00:00Z', amount));

  it('applies to the amounts behind a money metric', () => {
    const of = (aggregation: KpiQueryInput['aggregation']) =>
      totals(facts, { metrics: ['revenue'], aggregation })?.revenue;
    expect([of('sum'), of('count'), of('min'), of('max'), of('avg')]).toEqual([
      100_600, 4, 100, 100_000, 25_150,
    ]);
    for (const [aggregation, exact] of [
      ['p50', 200],
      ['p90', 300],
      ['p99', 300],
    ] as const) {
      expect(Math.abs(Number(of(aggregation)) - exact)).toBeLessThanOrEqual(exact * 0.01 + 1);
    }
  });

  it('labels quantiles as approximate, and the others not', () => {
    const of = (aggregation: KpiQueryInput['aggregation']) =>
      new CubeStore(facts).query({ ...DAY, metrics: ['revenue'], aggregation }).approximate;
    expect(of('p90')).toEqual(['revenue p90: within 1 % (DDSketch)']);
    expect([of('sum'), of('max'), of('avg')]).toEqual([[], [], []]);
  });

  it('gives null where there is nothing, and counts 0', () => {
    expect(totals([], { metrics: ['revenue'], aggregation: 'p90' })).toEqual({ revenue: null });
    expect(totals([], { metrics: ['revenue'], aggregation: 'count' })).toEqual({ revenue: 0 });
  });

  it('other than sum is a 422 for a metric with a definition of its own', () => {
    const error = failure(() => totals([], { metrics: ['revenue', 'aov'], aggregation: 'avg' }));
    expect(error).toMatchObject({ code: 'aggregation_not_supported', status: 422 });
    expect(error.errors[0]?.path).toBe('metrics.1');
  });
});

describe('customers_active', () => {
  it('is a union over cells, buckets and groups of currency', () => {
    const facts = [
      order('2025-08-01T01:00:00Z', 1, 'GBP', { members: [1, 2] }),
      order('2025-08-01T23:30:00Z', 1, 'EUR', { members: [2, 3] }),
      order('2025-08-02T01:00:00Z', 1, 'GBP', { members: [3, 4] }),
    ];
    const [group] = new CubeStore(facts).query({ ...TWO_DAYS, metrics: ['customers_active'] }).groups;
    expect(group?.buckets.map((bucket) => bucket.customers_active)).toEqual([3, 2]);
    expect(group?.totals.customers_active).toBe(4);
  });

  it('is labelled with its error where it is estimated', () => {
    const digest = (n: number): number => createHash('sha256').update(String(n)).digest().readUIntBE(0, 6);
    const members = Array.from({ length: 30_000 }, (_, n) => digest(n) * 32 + (n % 32));
    const store = new CubeStore([order('2025-08-01T01:00:00Z', 1, 'GBP', { members })], [cubeOf([])]);
    const result = store.query({ ...DAY, metrics: ['customers_active'] });
    expect(result.approximate).toEqual(['customers_active: ±0.8 % (HyperLogLog, one standard error)']);
    expect(Math.abs(Number(result.groups[0]?.totals.customers_active) / 30_000 - 1)).toBeLessThan(0.04);
    expect(store.query({ ...DAY, metrics: ['orders_count'] }).approximate).toEqual([]);
  });
});

describe('time', () => {
  it('is half-open', () => {
    const facts = [
      order('2025-08-01T00:00:00Z', 1),
      order('2025-08-01T23:59:59.999Z', 10),
      order('2025-08-02T00:00:00Z', 100),
    ];
    expect(totals(facts, { metrics: ['revenue'] })?.revenue).toBe(11);
    const closed = { metrics: ['revenue'], end: '2025-08-01T23:59:59Z' };
    expect(totals(facts, closed)?.revenue).toBe(11);
    expect(new CubeStore(facts).query({ ...DAY, ...closed }).resolved_range).toEqual({
      start: '2025-08-01T00:00:00Z',
      end: '2025-08-02T00:00:00Z',
    });
  });

  it('marks buckets that the watermark has not passed, and buckets that the range cuts', () => {
    const watermark_ms = Date.parse('2025-08-02T00:00:00Z');
    const query = { ...TWO_DAYS, start: '2025-08-01T06:00:00Z', metrics: ['visits'] };
    const [group] = new CubeStore().query(query, { watermark_ms }).groups;
    expect(group?.buckets).toEqual([
      { time: '2025-08-01T00:00:00Z', partial: true, visits: 0 },
      { time: '2025-08-02T00:00:00Z', incomplete: true, visits: 0 },
    ]);
  });

  it("is the tenant's zone unless the query names one", () => {
    const facts = [order('2025-08-01T23:30:00Z', 5)];
    const store = new CubeStore(facts);
    const query = {
      start: '2025-08-01T00:00:00+01:00',
      end: '2025-08-03T00:00:00+01:00',
      granularity: 'day',
      metrics: ['revenue'],
    } as const;
    const london = store.query({ ...query, metrics: ['revenue'] }, { defaultTimezone: 'Europe/London' });
    expect(london.timezone).toBe('Europe/London');
    expect(london.groups[0]?.buckets.map(({ time, revenue }) => [time, revenue])).toEqual([
      ['2025-08-01T00:00:00+01:00', 0],
      ['2025-08-02T00:00:00+01:00', 5],
    ]);
    expect(london.source).toBe('rollup:total@1d+15m');
    const named = store.query(
      { ...query, metrics: ['revenue'], timezone: 'UTC' },
      { defaultTimezone: 'Europe/London' },
    );
    expect(named.timezone).toBe('UTC');
  });
});

describe('groups and filters', () => {
  const facts = [
    order('2025-08-01T01:00:00Z', 100, 'GBP', { dimensions: { country: 'GB', channel: 'web' } }),
    order('2025-08-01T02:00:00Z', 900, 'GBP', { dimensions: { country: 'FR', channel: 'app' } }),
    order('2025-08-01T03:00:00Z', 500, 'GBP', { dimensions: { channel: 'web' } }),
  ];
  const store = new CubeStore(facts);
  const revenue = (query: Partial<KpiQueryInput>) =>
    store
      .query({ ...DAY, metrics: ['revenue'], ...query })
      .groups.map(({ key, totals: t }) => [key, t.revenue]);

  it('orders groups by the first metric, and keys a missing value as null', () => {
    expect(revenue({ group_by: ['country'] })).toEqual([
      [{ country: 'FR' }, 900],
      [{ country: null }, 500],
      [{ country: 'GB' }, 100],
    ]);
  });

  it('filters by values, lists and missing values, alone and with groups', () => {
    expect(revenue({ filters: { country: 'GB' } })).toEqual([[{}, 100]]);
    expect(revenue({ filters: { country: ['GB', null] } })).toEqual([[{}, 600]]);
    expect(revenue({ filters: { country: null } })).toEqual([[{}, 500]]);
    expect(revenue({ filters: { country: 'XX' } })).toEqual([[{}, 0]]);
    expect(revenue({ filters: { channel: ['web', 'app'], country: 'GB' }, group_by: ['country'] })).toEqual([
      [{ country: 'GB' }, 100],
    ]);
    expect(revenue({ filters: { country: 'XX' }, group_by: ['country'] })).toEqual([]);
  });

  it('says so when groups are left out', () => {
    const result = store.query({ ...DAY, metrics: ['revenue'], group_by: ['country'], limit: 2 });
    expect(result).toMatchObject({ groups_total: 3, truncated: true });
    expect(result.groups).toHaveLength(2);
  });

  it('shows no group for facts that moved away', () => {
    const moved = { at: '2025-08-01T05:00:00Z', unit: 'GBP', dimensions: { country: 'DE' } };
    const held = new CubeStore([
      ...facts,
      { ...moved, sums: { orders_paid: 1 } },
      { ...moved, sums: { orders_paid: -1 } },
    ]);
    const result = held.query({ ...DAY, metrics: ['orders_paid', 'revenue'], group_by: ['country'] });
    expect(result.groups.map(({ key }) => key.country)).toEqual(['FR', 'GB', null]);
  });

  it('limits buckets × groups', () => {
    const many = Array.from({ length: 60 }, (_, i) =>
      order('2025-08-01T01:00:00Z', 1, 'GBP', { dimensions: { country: `C${i}` } }),
    );
    const query = {
      start: '2025-08-01T00:00:00Z',
      end: '2025-08-03T00:00:00Z',
      granularity: '1m',
      metrics: ['revenue'],
      group_by: ['country'],
    };
    const error = failure(() => new CubeStore(many).query(kpiQuerySchema.parse(query)));
    expect(error).toMatchObject({ code: 'too_many_points', status: 422 });
  });

  it('warns where values went to __other__', () => {
    const overflowed = new CubeStore(facts).overflow('country', '2025-08-01T00:00:00Z', 12);
    const query = { ...DAY, metrics: ['revenue'] };
    expect(overflowed.query({ ...query, group_by: ['country'] }).warnings[0]).toContain('12 contributions');
    expect(overflowed.query(query).warnings).toEqual([]);
  });
});

describe('planKpiQuery', () => {
  it('says what would be read, without reading it all', () => {
    const at = Date.parse('2025-08-01T00:00:00Z');
    const facts = Array.from({ length: 3_000 }, (_, i) => order(at + i * 900_000, 1));
    const { tables } = new CubeStore(facts, [cubeOf([])]);
    const range = { start: '2025-08-01T00:00:00Z', end: '2025-09-01T06:00:00Z' };
    const query = (more: Partial<KpiQueryInput>) =>
      kpiQuerySchema.parse({ ...range, metrics: ['revenue'], ...more });
    expect(planKpiQuery(tables, TENANT, query({}), CONTEXT)).toMatchObject({
      source: 'rollup:total@1d+15m',
      cube: 'total',
      dimensions: [],
      cell_granularities: ['15m', '1d'],
      buckets: 1,
      cells_estimated: 31 + 24,
    });
    const hourly = planKpiQuery(tables, TENANT, query({ granularity: '1h' }), CONTEXT);
    expect(Math.abs(hourly.cells_estimated - 3_000)).toBeLessThan(60);
  });

  it('refuses what the query would refuse', () => {
    const query = kpiQuerySchema.parse({ ...DAY, metrics: ['aov'], group_by: ['warehouse', 'campaign'] });
    expect(failure(() => planKpiQuery(new CubeStore().tables, TENANT, query, CONTEXT)).code).toBe('no_cube');
  });
});
