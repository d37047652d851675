import { beforeAll, describe, expect, it } from 'vitest';
import { propertySeed } from '../../test/property.ts';
import { QueryError } from '../query/index.ts';
import { positionOfQueryId, queryIdOf } from '../query-head/index.ts';
import { kpiBatchKind } from './batch.ts';
import { randomRows, type TestRow } from './fixture-rows.ts';
import { cubeOf, KpiStore, NOW_MS } from './fixture-store.ts';
import type { KpiAnswer } from './kpi-kind.ts';
import type { KpiQueryInput } from './schema.ts';
import { kpiSummaryKind } from './summary.ts';

const at = (time: string): number => Date.parse(time);
const order = (time: string, amount: number, more: Partial<TestRow> = {}): TestRow => ({
  ...{ time_ms: at(time), sequence: 1, marks: ['orders'], currency: 'GBP', amount },
  ...more,
});
const MONTH = { start: '2025-08-01T00:00:00Z', end: '2025-09-01T00:00:00Z', metrics: ['revenue'] };

function failure(work: () => unknown): QueryError {
  try {
    work();
  } catch (error) {
    if (error instanceof QueryError) return error;
    throw error;
  }
  throw new Error('no error was thrown');
}

describe('what is read', () => {
  const items = [
    { sku: 'a', category: 'x', quantity: 1, unit_price: 30 },
    { sku: 'b', category: 'x', quantity: 2, unit_price: 35 },
  ];
  let store: KpiStore;
  beforeAll(async () => {
    const rows = [1, 2, 3].map((day) => order(`2025-08-0${day}T10:00:00Z`, 100, { items, sequence: day }));
    const cubes = [cubeOf([]), cubeOf(['sku']), cubeOf(['sku', 'country'])];
    store = await KpiStore.of(rows, { cubes });
  });
  const ask = (query: Partial<KpiQueryInput>) => {
    const { source, groups } = store.ask({ ...MONTH, ...query } as KpiQueryInput);
    return [source, ...groups.map(({ totals }) => totals.revenue)];
  };

  it('is a cube where it holds the groups and filters', () => {
    expect(ask({})).toEqual(['rollup:total@1d', 300]);
    expect(ask({ group_by: ['sku'] })).toEqual(['rollup:sku@1d', 210, 90]);
    expect(ask({ filters: { sku: 'a' } })).toEqual(['rollup:sku@1d', 90]);
    expect(ask({ group_by: ['sku', 'currency'], filters: { sku: { not: 'a' } } })).toEqual([
      'rollup:sku@1d',
      210,
    ]);
  });

  it('is no cube where rows would count once a line', () => {
    expect(ask({ metrics: ['orders_count'], filters: { sku: ['a', 'b'] } })[0]).toBe('scan');
    const orders = { metrics: ['orders_count', 'revenue'], filters: { sku: ['a', 'b'] } };
    expect(store.ask({ ...MONTH, ...orders }).groups[0]?.totals).toEqual({ orders_count: 3, revenue: 300 });
    expect(ask({ filters: { sku: { not: 'a' } } })).toEqual(['scan', 210]);
  });

  it('is no cube for what it does not hold', () => {
    expect(ask({ filters: { channel: null } })[0]).toBe('scan');
    expect(ask({ aggregation: 'max' })[0]).toBe('scan');
    expect(ask({ metrics: ['customers_active'] })[0]).toBe('scan');
    expect(ask({ granularity: '1h' })[0]).toBe('scan');
    expect(ask({ as_of: { EVENTS: { 0: 2 } } })).toEqual(['scan', 200]);
  });

  it('is said to miss values that came when the dictionary was full', async () => {
    const rows = ['DE', 'FR', 'IT', 'GR'].map((country, index) =>
      order('2025-08-01T10:00:00Z', 100, { dimensions: { country }, currency: 'EUR', sequence: index + 1 }),
    );
    const warnings = async (dictionaryTexts: number, query: Partial<KpiQueryInput>) => {
      const { groups, ...answer } = (await KpiStore.of(rows, { dictionaryTexts })).ask({
        ...MONTH,
        ...query,
      });
      return [groups.length, ...answer.warnings.map((text) => text.slice(0, 28))];
    };
    const said = 'The dictionary has its 6 tex';
    expect(await warnings(6, { group_by: ['country'] })).toEqual([3, said]);
    expect(await warnings(6, { filters: { country: 'GR' } })).toEqual([1, said]);
    expect(await warnings(6, { group_by: ['currency'] })).toEqual([1]);
    expect(await warnings(6, {})).toEqual([1]);
    expect(await warnings(50, { group_by: ['country'] })).toEqual([4]);
  });

  it('is joined in time', () => {
    expect(ask({ start: '2025-08-01T06:00:00Z' })).toEqual(['rollup:total@1d+scan', 300]);
    const from_ms = at('2025-08-03T00:00:00Z');
    const answer = store.ask(MONTH, { cubes: (cube) => ({ ...cube, from_ms }) });
    expect([answer.source, answer.groups[0]?.totals.revenue]).toEqual(['rollup:total@1d+scan', 300]);
  });

  it('is said by explain, and beside the answer where it is asked for', () => {
    const plan = store.plan({ ...MONTH, start: '2025-08-01T06:00:00Z' });
    expect(plan.explain).toMatchObject({
      ...{ source: 'rollup:total@1d+scan', cube: 'total', dimensions: [], cell_granularities: ['1d'] },
      rollup_ranges: [{ start: '2025-08-02T00:00:00Z', end: '2025-09-01T00:00:00Z', granularity: '1d' }],
      scan_ranges: [{ start: '2025-08-01T06:00:00Z', end: '2025-08-02T00:00:00Z' }],
      scan: { segments: 1, chunks: 1 },
    });
    expect(plan.rows).toBeGreaterThan(0);
    expect(plan.bytes).toBeGreaterThan(0);
    expect(store.ask({ ...MONTH, explain: true }).explain).toMatchObject({ source: 'rollup:total@1d' });
    expect(store.ask(MONTH)).not.toHaveProperty('explain');
  });
});

describe('a full day of a cube', () => {
  it('is scanned instead', async () => {
    const rows = Array.from({ length: 30 }, (_, n) =>
      order('2025-08-01T10:00:00Z', 1, { dimensions: { source: `s${n}` } }),
    );
    const store = await KpiStore.of(rows, { cubes: [cubeOf(['source'])], cells_per_day: 10 });
    const answer = store.ask({ ...MONTH, group_by: ['source'] });
    expect([answer.source, answer.groups_total]).toEqual(['rollup:source@1d+scan', 30]);
  });
});

describe('behind the retention of the log', () => {
  it('cubes answer, and what they do not hold is refused', async () => {
    const rows = ['01', '02', '03'].map((day, n) =>
      order(`2025-08-${day}T10:00:00Z`, 10 ** n, { sequence: n + 1 }),
    );
    const store = await KpiStore.of(rows, { cubes: [cubeOf([])], cut: '2025-08-03T00:00:00Z' });
    expect(store.ask(MONTH)).toMatchObject({
      source: 'rollup:total@1d',
      groups: [{ totals: { revenue: 111 } }],
    });
    const channel: KpiQueryInput = { ...MONTH, group_by: ['channel'] };
    const error = failure(() => store.ask(channel));
    expect(error.code).toBe('behind_retention');
    expect(error.message).toContain('2025-08-03T00:00:00Z');
    expect(store.ask({ ...channel, start: '2025-08-03T00:00:00Z' }).groups[0]?.totals.revenue).toBe(100);
    expect(failure(() => store.ask({ ...MONTH, start: '2025-08-01T06:00:00Z' })).code).toBe(
      'behind_retention',
    );
  });
});

describe('as_of', () => {
  const start_ms = at('2025-08-01T00:00:00Z');
  const range = { start: '2025-08-01T00:00:00Z', end: '2025-08-09T00:00:00Z', granularity: '1d' } as const;
  const rows = randomRows({ seed: propertySeed, events: 1_200, start_ms, end_ms: at(range.end) });
  const upTo = (sequence: number): TestRow[] => rows.filter((row) => row.sequence <= sequence);
  const queries: KpiQueryInput[] = [
    { ...range, metrics: ['revenue', 'orders_count', 'refund_amount', 'units_sold'], group_by: ['currency'] },
    { ...range, metrics: ['revenue', 'visits'], group_by: ['sku', 'currency'], limit: 1_000 },
    { ...range, metrics: ['customers_active', 'conversion_rate'], group_by: ['country'], limit: 1_000 },
    {
      ...range,
      metrics: ['revenue'],
      aggregation: 'p90',
      group_by: ['channel'],
      filters: { currency: 'EUR' },
    },
  ];
  const numbers = ({ groups, groups_total }: KpiAnswer) => ({ groups, groups_total });

  it('reproduces answers after corrections, by the name of the answer', async () => {
    const now = await KpiStore.of(rows);
    for (const sequence of [1, 300, 777, 1_200]) {
      const then = await KpiStore.of(upTo(sequence));
      for (const query of queries) {
        const { query_id, ...old } = then.ask(query);
        expect(numbers(now.ask({ ...query, as_of: { query_id } }))).toEqual(numbers({ query_id, ...old }));
        expect(positionOfQueryId(query_id)).toEqual({ EVENTS: { 0: sequence } });
      }
    }
  });

  it('differs by the sum of the rows between', async () => {
    const [query] = queries as [KpiQueryInput];
    const now = await KpiStore.of(rows);
    const sumsOf = (answer: KpiAnswer) =>
      new Map(answer.groups.map(({ key, totals }) => [key.currency ?? '', totals] as const));
    for (const [from, to] of [
      [100, 400],
      [500, 1_200],
    ] as const) {
      const between = rows.filter(({ sequence }) => sequence > from && sequence <= to);
      const added = sumsOf((await KpiStore.of(between)).ask(query));
      const [before, after] = [from, to].map((sequence) =>
        sumsOf(now.ask({ ...query, as_of: { EVENTS: { 0: sequence } } })),
      );
      for (const currency of ['EUR', 'USD', 'JPY', ''])
        for (const metric of query.metrics) {
          const value = (sums: typeof added | undefined) => BigInt(sums?.get(currency)?.[metric] ?? 0);
          expect(value(after) - value(before)).toBe(value(added));
        }
    }
  });

  it('refuses what the state is not of', async () => {
    const store = await KpiStore.of(upTo(10));
    const ask = (as_of: KpiQueryInput['as_of']) => failure(() => store.ask({ ...MONTH, as_of }));
    expect(ask({ EVENTS: { 0: 11 } }).code).toBe('position_ahead');
    expect(ask({ EVENTS: { 1: 1 } })).toMatchObject({
      code: 'position_unknown',
      errors: [{ path: 'as_of.EVENTS.1' }],
    });
    expect(ask({ query_id: 'q_123' }).code).toBe('unknown_query_id');
    const id = queryIdOf({ EVENTS: { 0: 3 } }, 'x');
    expect(ask({ query_id: `${id.slice(0, -1)}${id.endsWith('A') ? 'B' : 'A'}` }).code).toBe(
      'unknown_query_id',
    );
  });
});

describe('a batch', () => {
  it('answers in order, and a bad query fails alone', async () => {
    const store = await KpiStore.of([
      order('2025-08-01T10:00:00Z', 5),
      order('2025-08-02T10:00:00Z', 7, { currency: 'EUR' }),
    ]);
    const entries = store.run(kpiBatchKind, {
      queries: [
        { id: 'whole', ...MONTH, filters: { currency: 'GBP' } },
        { id: 'bad', ...MONTH, metrics: ['no'] },
        { id: 'zone', ...MONTH, timezone: 'Mars/Base' },
        { id: 'rate', ...MONTH, currency: 'USD' },
        { id: 'day', ...MONTH, end: '2025-08-02T00:00:00Z' },
      ],
    });
    expect(entries).toMatchObject([
      { id: 'whole', result: { groups: [{ totals: { revenue: 5 } }] } },
      { id: 'bad', problem: { code: 'validation_failed', status: 422, errors: [{ path: 'metrics.0' }] } },
      { id: 'zone', problem: { code: 'unknown_timezone', status: 422 } },
      { id: 'rate', problem: { code: 'fx_rate_missing', status: 422 } },
      { id: 'day', result: { groups: [{ totals: { revenue: 5 } }] } },
    ]);
  });
});

describe('a summary', () => {
  it('compares today so far with the same length of yesterday, by currency', async () => {
    const rows = [
      order('2026-01-01T00:00:10Z', 300),
      order('2025-12-31T00:00:59Z', 200),
      order('2025-12-31T00:01:00Z', 9_999),
      order('2025-12-31T00:00:00Z', 50, { currency: 'USD' }),
      { time_ms: NOW_MS, sequence: 2, marks: ['visits', 'sessions'] } satisfies TestRow,
    ];
    const summary = (await KpiStore.of(rows)).run(kpiSummaryKind, {});
    expect(summary).toMatchObject({
      resolved_range: { start: '2026-01-01T00:00:00Z', end: '2026-01-01T00:01:00Z' },
      previous_range: { start: '2025-12-31T00:00:00Z', end: '2025-12-31T00:01:00Z' },
      incomplete: true,
      kpis: {
        orders_count: { current: 1, previous: 2, delta: -1, delta_pct: -50 },
        conversion_rate: { current: 1, previous: null, delta: null, delta_pct: null },
      },
    });
    expect(summary.currencies.map(({ currency, kpis }) => [currency, kpis.revenue_gross])).toEqual([
      ['GBP', { current: 300, previous: 200, delta: 100, delta_pct: 50 }],
      ['USD', { current: 0, previous: 50, delta: -50, delta_pct: -100 }],
    ]);
  });

  it('needs both ends or none', async () => {
    const store = await KpiStore.of([]);
    const error = failure(() => store.run(kpiSummaryKind, { start: MONTH.start }));
    expect(error).toMatchObject({ code: 'invalid_range', errors: [{ path: 'end' }] });
  });
});
