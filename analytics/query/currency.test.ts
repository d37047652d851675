import { describe, expect, it } from 'vitest';
import { fc } from '../../test/property.ts';
import { CubeStore, type Fact, order } from '../kpis/fixture-kpis.ts';
import type { KpiQueryInput } from '../kpis/index.ts';
import { minorUnitExponent } from './currency.ts';
import { divideHalfEven, parseDecimal } from './fx.ts';
import { QueryError } from './query-error.ts';

const DAY = { start: '2025-08-01T00:00:00Z', end: '2025-08-02T00:00:00Z' };
const T = '2025-08-01T10:00:00Z';

function failure(work: () => unknown): QueryError {
  try {
    work();
  } catch (error) {
    if (error instanceof QueryError) return error;
    throw error;
  }
  throw new Error('no error was thrown');
}

function answer(facts: readonly Fact[], query: Partial<KpiQueryInput> & { metrics: string[] }) {
  return new CubeStore(facts).query({ ...DAY, ...query });
}

describe('money of several currencies', () => {
  const visits: Fact = { at: T, sums: { visits: 10, sessions: 4 } };
  const gb = { dimensions: { country: 'GB' } };
  const us = { dimensions: { country: 'US' } };

  it('of one currency is one group, with what has none, and names it', () => {
    const result = answer([order(T, 100), order(T, 50), visits], {
      metrics: ['revenue', 'visits', 'conversion_rate'],
    });
    expect(result.currency).toBe('GBP');
    expect(result.groups).toHaveLength(1);
    expect(result.groups[0]).toMatchObject({
      key: {},
      totals: { revenue: 150, visits: 10, conversion_rate: 0.5 },
    });
    expect(result.warnings).toEqual([]);
  });

  it('is a group for each, never added, and says so', () => {
    const result = answer([order(T, 100), order(T, 70, 'USD'), visits], { metrics: ['revenue', 'visits'] });
    expect(result.groups.map(({ key, totals }) => [key.currency, totals.revenue, totals.visits])).toEqual([
      ['GBP', 100, 0],
      ['USD', 70, 0],
      [null, 0, 10],
    ]);
    expect(result).not.toHaveProperty('currency');
    expect(result.warnings[0]).toContain('currencies');
  });

  it('joins what has no currency to a group that has only one', () => {
    const facts = [order(T, 100, 'GBP', gb), order(T, 70, 'USD', us), { ...visits, ...gb }];
    const result = answer(facts, { metrics: ['revenue', 'visits'], group_by: ['country'] });
    expect(result.groups.map(({ key, totals }) => [key, totals.visits])).toEqual([
      [{ country: 'GB', currency: 'GBP' }, 10],
      [{ country: 'US', currency: 'USD' }, 0],
    ]);
  });

  it('keeps amounts without a currency apart', () => {
    const result = answer([order(T, 100), order(T, 7, '')], { metrics: ['revenue'] });
    expect(result.groups.map(({ key, totals }) => [key.currency, totals.revenue])).toEqual([
      ['GBP', 100],
      [null, 7],
    ]);
    expect(answer([order(T, 7, '')], { metrics: ['revenue'] }).groups[0]).toMatchObject({
      key: {},
      totals: { revenue: 7 },
    });
  });

  it('does not matter to counts', () => {
    const result = answer([order(T, 100), order(T, 70, 'USD'), visits], {
      metrics: ['orders_count', 'visits'],
    });
    expect(result.groups.map(({ key, totals }) => [key, totals])).toEqual([
      [{}, { orders_count: 2, visits: 10 }],
    ]);
    expect(result).not.toHaveProperty('currency');
  });

  it('can be grouped by and filtered, like a dimension', () => {
    const facts = [order(T, 100), order(T, 70, 'USD'), visits];
    const grouped = answer(facts, { metrics: ['revenue', 'visits'], group_by: ['currency'] });
    expect(grouped.groups.map(({ key }) => key.currency)).toEqual(['GBP', 'USD', null]);
    expect(grouped.source).toBe('rollup:total@1d');
    const filtered = answer(facts, { metrics: ['revenue'], filters: { currency: 'USD' } });
    expect(filtered).toMatchObject({ currency: 'USD', groups: [{ key: {}, totals: { revenue: 70 } }] });
  });
});

describe('conversion', () => {
  const convert = (store: CubeStore, query: Partial<KpiQueryInput> = {}) =>
    store.query({ ...DAY, metrics: ['revenue'], currency: 'EUR', ...query });

  it('adds currencies at the newest rate at or before the end of the cell, direct or inverse', () => {
    const store = new CubeStore([order(T, 1_000), order(T, 300, 'USD'), order(T, 5, 'EUR')])
      .rate('GBP', 'EUR', '2025-07-01T00:00:00Z', '9')
      .rate('GBP', 'EUR', '2025-08-02T00:00:00Z', '1.1555')
      .rate('GBP', 'EUR', '2025-08-02T00:00:00.001Z', '9')
      .rate('EUR', 'USD', '2025-07-30T00:00:00Z', '1.2');
    const result = convert(store, { metrics: ['revenue', 'aov', 'orders_count', 'revenue_net'] });
    // 1155.5 rounds half to even: 1156; 300 / 1.2 = 250.
    const revenue = 1_156 + 250 + 5;
    expect(result.groups).toHaveLength(1);
    expect(result).toMatchObject({ currency: 'EUR' });
    expect(result.groups[0]).toMatchObject({
      key: {},
      totals: { revenue, aov: revenue / 3, orders_count: 3, revenue_net: revenue },
    });
  });

  it('knows the minor units of ISO 4217', () => {
    expect(['EUR', 'JPY', 'KWD', 'HUF', 'IQD', 'CLF', 'XXX'].map(minorUnitExponent)).toEqual([
      2, 0, 3, 2, 3, 4, 2,
    ]);
    const store = new CubeStore([order(T, 1_234, 'JPY'), order(T, 1_234, 'KWD')])
      .rate('JPY', 'EUR', '2025-07-01T00:00:00Z', '0.006')
      .rate('KWD', 'EUR', '2025-07-01T00:00:00Z', '3');
    // 1,234 yen are 7.404 euro; 1.234 dinar are 3.702.
    expect(convert(store).groups[0]?.totals.revenue).toBe(740 + 370);
  });

  it('follows the rates over time', () => {
    const facts = [1, 2, 3].map((day) => order(`2025-08-0${day}T12:00:00Z`, 100));
    const store = new CubeStore(facts)
      .rate('GBP', 'EUR', '2025-08-01T00:00:00Z', '1')
      .rate('GBP', 'EUR', '2025-08-02T20:00:00Z', '2')
      .rate('EUR', 'GBP', '2025-08-03T20:00:00Z', '0.25');
    const [group] = convert(store, { end: '2025-08-04T00:00:00Z', granularity: '1d' }).groups;
    expect(group?.buckets.map(({ revenue }) => revenue)).toEqual([100, 200, 400]);
  });

  it('passes thousands of rates', () => {
    const store = new CubeStore([order('2025-08-01T23:00:00Z', 100)]);
    for (let minute = 0; minute < 1_440; minute++) {
      const at = new Date(Date.parse(DAY.start) + minute * 60_000).toISOString();
      store.rate('GBP', 'EUR', at, minute < 1_379 ? 'nonsense' : String(minute));
    }
    expect(convert(store, { granularity: '1d' }).groups[0]?.totals.revenue).toBe(143_900);
    expect(convert(store, { granularity: '1h' }).groups[0]?.totals.revenue).toBe(139_500);
  });

  it('stays exact beyond 2^53', () => {
    const store = new CubeStore([order(T, 2n ** 60n + 1n)]).rate('GBP', 'EUR', '2025-07-01T00:00:00Z', '3');
    expect(convert(store).groups[0]?.totals.revenue).toBe(3n * (2n ** 60n + 1n));
  });

  it('converts amounts behind an aggregation, each cell at its rate', () => {
    const facts = [
      order('2025-08-01T01:00:00Z', 100),
      order('2025-08-01T02:00:00Z', 400),
      order('2025-08-02T01:00:00Z', 90, 'EUR'),
    ];
    const store = new CubeStore(facts).rate('GBP', 'EUR', '2025-07-01T00:00:00Z', '2');
    const of = (aggregation: KpiQueryInput['aggregation']) =>
      convert(store, { aggregation, end: '2025-08-03T00:00:00Z' }).groups[0]?.totals.revenue;
    expect([of('min'), of('max'), of('count'), of('avg')]).toEqual([90, 800, 3, 1_090 / 3]);
    expect(Math.abs(Number(of('p50')) - 200)).toBeLessThanOrEqual(3);
    expect(of('p99')).toBeLessThanOrEqual(203);
  });

  it('without a rate is a 422 that names the pair', () => {
    const late = new CubeStore([order(T, 1)]).rate('GBP', 'EUR', '2025-08-02T00:00:00.001Z', '1');
    const error = failure(() => convert(late));
    expect(error).toMatchObject({ code: 'fx_rate_missing', status: 422 });
    expect(error.message).toContain('GBP to EUR');
    expect(failure(() => convert(new CubeStore([order(T, 1, '')]))).code).toBe('fx_rate_missing');
  });

  it('needs no rate where there is no money', () => {
    const store = new CubeStore([order(T, 5, 'EUR'), { at: T, unit: 'USD', sums: { visits: 3 } }]);
    expect(convert(store, { metrics: ['revenue', 'visits'] }).groups[0]?.totals).toEqual({
      revenue: 5,
      visits: 3,
    });
    expect(
      convert(new CubeStore([order(T, 5, 'USD')]), { metrics: ['orders_count'] }).groups[0]?.totals,
    ).toEqual({ orders_count: 1 });
  });
});

describe('arithmetic', () => {
  it('rounds half to even', () => {
    const cases = [
      [5n, 2n, 2n],
      [7n, 2n, 4n],
      [-5n, 2n, -2n],
      [-7n, 2n, -4n],
      [8n, 3n, 3n],
      [-8n, 3n, -3n],
      [1n, 3n, 0n],
    ] as const;
    for (const [n, d, expected] of cases) expect(divideHalfEven(n, d)).toBe(expected);
  });

  it('reads decimals as fractions', () => {
    expect(parseDecimal('1.25')).toEqual({ numerator: 125n, denominator: 100n });
    expect(parseDecimal('2.5e3')).toEqual({ numerator: 2_500n, denominator: 1n });
    expect(parseDecimal('1e-2')).toEqual({ numerator: 1n, denominator: 100n });
    for (const bad of ['', '0', '0.00', '-1', 'NaN', '1,5', '.5', '1e999'])
      expect(parseDecimal(bad)).toBeUndefined();
    fc.assert(
      fc.property(fc.double({ min: 1e-6, max: 1e6, noNaN: true }), (rate) => {
        const parsed = parseDecimal(String(rate));
        expect(Number(parsed?.numerator) / Number(parsed?.denominator)).toBeCloseTo(rate, 9);
      }),
    );
  });
});
