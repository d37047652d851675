import { describe, expect, it } from 'vitest';
import { QueryError } from '../query/index.ts';
import { kpiBatchSchema, runKpiBatch } from './batch.ts';
import { CONTEXT, CubeStore, order, TENANT } from './fixture-kpis.ts';
import { type KpiSummary, kpiSummarySchema, runKpiSummary } from './summary.ts';

const NOW = '2025-08-06T09:30:20Z';

function summary(store: CubeStore, query: object = {}, now = NOW, timezone = 'UTC'): KpiSummary {
  const context = {
    ...CONTEXT,
    now_ms: Date.parse(now),
    watermark_ms: Date.parse(now),
    defaultTimezone: timezone,
  };
  return runKpiSummary(store.tables, TENANT, kpiSummarySchema.parse(query), context);
}

describe('runKpiSummary', () => {
  it('compares today so far with the same length of yesterday', () => {
    const facts = [
      order('2025-08-06T09:30:10Z', 300),
      order('2025-08-06T01:00:00Z', 100),
      order('2025-08-05T09:30:59Z', 200),
      order('2025-08-05T09:31:00Z', 9_999),
    ];
    const got = summary(new CubeStore(facts));
    expect(got.resolved_range).toEqual({ start: '2025-08-06T00:00:00Z', end: '2025-08-06T09:31:00Z' });
    expect(got.previous_range).toEqual({ start: '2025-08-05T00:00:00Z', end: '2025-08-05T09:31:00Z' });
    expect(got.incomplete).toBe(true);
    expect(got.kpis.orders_count).toEqual({ current: 2, previous: 1, delta: 1, delta_pct: 100 });
    expect(got.kpis.conversion_rate).toEqual({ current: null, previous: null, delta: null, delta_pct: null });
    const [gbp] = got.currencies;
    expect(gbp?.currency).toBe('GBP');
    expect(gbp?.kpis.revenue_gross).toEqual({ current: 400, previous: 200, delta: 200, delta_pct: 100 });
    expect(gbp?.kpis.aov).toEqual({ current: 200, previous: 200, delta: 0, delta_pct: 0 });
  });

  it('follows the local day', () => {
    const got = summary(new CubeStore(), {}, NOW, 'Asia/Tokyo');
    expect(got.resolved_range.start).toBe('2025-08-05T15:00:00Z');
    expect(got.previous_range).toEqual({ start: '2025-08-04T15:00:00Z', end: '2025-08-05T09:31:00Z' });
    // Yesterday had 23 hours; today has lasted longer.
    const autumn = summary(new CubeStore(), {}, '2025-03-31T22:45:00Z', 'Europe/London');
    expect(autumn.previous_range).toEqual({ start: '2025-03-30T00:00:00Z', end: '2025-03-30T23:00:00Z' });
  });

  it('compares a range with the one before it, by local days where it is whole days', () => {
    const range = { start: '2025-04-01T00:00:00+01:00', end: '2025-04-08T00:00:00+01:00' };
    const days = summary(new CubeStore(), { ...range, timezone: 'Europe/London' });
    expect(days.previous_range).toEqual({ start: '2025-03-25T00:00:00Z', end: '2025-03-31T23:00:00Z' });
    const hours = summary(new CubeStore(), { start: '2025-08-06T06:00:00Z', end: '2025-08-06T09:00:00Z' });
    expect(hours.previous_range).toEqual({ start: '2025-08-06T03:00:00Z', end: '2025-08-06T06:00:00Z' });
    expect(hours).not.toHaveProperty('incomplete');
  });

  it('keeps currencies apart, with zeros for one that is new or gone', () => {
    const store = new CubeStore([
      order('2025-08-06T01:00:00Z', 100),
      order('2025-08-05T01:00:00Z', 50, 'USD'),
    ]);
    const got = summary(store);
    expect(
      got.currencies.map(({ currency, kpis }) => [currency, kpis.revenue_gross, kpis.aov?.previous]),
    ).toEqual([
      ['GBP', { current: 100, previous: 0, delta: 100, delta_pct: null }, null],
      ['USD', { current: 0, previous: 50, delta: -50, delta_pct: -100 }, 50],
    ]);
    expect(got.kpis.orders_count?.current).toBe(1);
    store.rate('GBP', 'EUR', '2025-01-01T00:00:00Z', '2').rate('USD', 'EUR', '2025-01-01T00:00:00Z', '1');
    const [eur, ...others] = summary(store, { currency: 'EUR' }).currencies;
    expect(others).toEqual([]);
    expect(eur).toMatchObject({ currency: 'EUR', kpis: { revenue_gross: { current: 200, previous: 50 } } });
  });

  it('stays exact', () => {
    const store = new CubeStore([
      order('2025-08-06T01:00:00Z', 2n ** 60n + 1n),
      order('2025-08-05T01:00:00Z', 1),
    ]);
    expect(summary(store).currencies[0]?.kpis.revenue_gross?.delta).toBe(2n ** 60n);
  });

  it('wants both ends of a range', () => {
    expect(() => summary(new CubeStore(), { start: '2025-08-06T06:00:00Z' })).toThrow(QueryError);
  });
});

describe('runKpiBatch', () => {
  const day = { start: '2025-08-05T00:00:00Z', end: '2025-08-06T00:00:00Z' };

  it('answers what it can, and says of each other what is wrong', () => {
    const store = new CubeStore([order('2025-08-05T01:00:00Z', 50)]);
    const batch = kpiBatchSchema.parse({
      queries: [
        { id: 'good', ...day, metrics: ['revenue'] },
        { id: 'schema', ...day, metrics: ['nope'] },
        { id: 'cube', ...day, metrics: ['revenue'], group_by: ['campaign', 'warehouse'] },
      ],
    });
    const got = runKpiBatch(store.tables, TENANT, batch, CONTEXT);
    expect(got.map(({ id }) => id)).toEqual(['good', 'schema', 'cube']);
    expect(got[0]).toMatchObject({ result: { groups: [{ totals: { revenue: 50 } }] } });
    expect(got[1]).toMatchObject({
      problem: { code: 'validation_failed', status: 422, errors: [{ path: 'metrics.0' }] },
    });
    expect(got[2]).toMatchObject({ problem: { code: 'no_cube', status: 422 } });
  });

  it('takes 1 to 50 queries with ids of their own', () => {
    const of = (ids: string[]) => kpiBatchSchema.safeParse({ queries: ids.map((id) => ({ id })) }).success;
    expect(of(['a', 'b'])).toBe(true);
    expect([of([]), of(['a', 'a']), of(Array.from({ length: 51 }, (_, i) => String(i)))]).toEqual([
      false,
      false,
      false,
    ]);
    expect(kpiBatchSchema.safeParse({ queries: [day] }).success).toBe(false);
  });
});
