import { describe, expect, it } from 'vitest';
import { addExact, type ExactSum } from '../../operators/index.ts';
import { fc } from '../../test/property.ts';
import { cubeOf } from '../model/index.ts';
import { formatUtc } from '../query/index.ts';
import { CubeStore, type Fact, timeOf } from './fixture-kpis.ts';
import type { KpiQueryInput } from './kpi-schema.ts';

// Across the end of London's and the beginning of São Paulo's summer time.
const FROM_MS = Date.parse('2018-10-20T00:00:00Z');
const MINUTES = 20 * 1_440;
const METRICS = ['orders_count', 'revenue', 'units_sold'];

const fact: fc.Arbitrary<Fact> = fc.record({
  at: fc.integer({ min: -1_440, max: MINUTES + 1_440 }).map((minutes) => FROM_MS + minutes * 60_000 + 1),
  unit: fc.constant('GBP'),
  dimensions: fc.record({ country: fc.constantFrom('GB', 'FR', '') }),
  sums: fc.record({
    orders: fc.integer({ min: -1, max: 2 }),
    revenue_gross: fc.oneof(fc.integer({ min: -500, max: 500 }), fc.maxSafeInteger()),
    units: fc.nat(9),
  }),
});
const facts = fc.array(fact, { maxLength: 40 });
const minute = fc.integer({ min: 0, max: MINUTES });
const timezone = fc.constantFrom(
  'UTC',
  'Europe/London',
  'America/Sao_Paulo',
  'Asia/Kolkata',
  'Pacific/Auckland',
);
const CUBES = [cubeOf([]), cubeOf(['country'])];

type Sums = Record<string, ExactSum>;

function bruteForce(all: readonly Fact[], start_ms: number, end_ms: number): Sums {
  const sums: Sums = { orders_count: 0, revenue: 0, units_sold: 0 };
  for (const item of all) {
    if (timeOf(item) < start_ms || timeOf(item) >= end_ms) continue;
    const { orders = 0, revenue_gross = 0, units = 0 } = item.sums ?? {};
    sums.orders_count = addExact(sums.orders_count ?? 0, orders);
    sums.revenue = addExact(sums.revenue ?? 0, revenue_gross);
    sums.units_sold = addExact(sums.units_sold ?? 0, units);
  }
  return sums;
}

function pick(row: Readonly<Record<string, unknown>> | undefined): unknown {
  return Object.fromEntries(METRICS.map((name) => [name, row?.[name]]));
}

describe('KPI queries', () => {
  it('give each bucket the sum of its facts, in any zone and granularity', () => {
    fc.assert(
      fc.property(
        facts,
        minute,
        minute,
        timezone,
        fc.constantFrom('1h', '1d', '1w', '1M', 'total'),
        (all, a, b, zone, granularity) => {
          fc.pre(a !== b);
          const [start_ms, end_ms] = [Math.min(a, b), Math.max(a, b)].map((m) => FROM_MS + m * 60_000) as [
            number,
            number,
          ];
          const store = new CubeStore(all, CUBES);
          const range = { start: formatUtc(start_ms), end: formatUtc(end_ms) };
          const result = store.query(
            { ...range, metrics: METRICS, granularity: granularity as '1d', timezone: zone },
            { cubes: CUBES },
          );
          const [group] = result.groups;
          expect(pick(group?.totals)).toEqual(bruteForce(all, start_ms, end_ms));
          const starts = group?.buckets.map(({ time }) => Math.max(start_ms, Date.parse(time))) ?? [];
          for (const [index, bucket] of (group?.buckets ?? []).entries()) {
            expect(pick(bucket)).toEqual(
              bruteForce(all, starts[index] as number, starts[index + 1] ?? end_ms),
            );
          }
        },
      ),
      { numRuns: 120 },
    );
  });

  it('give a range the sum of the parts of any partition of it', () => {
    fc.assert(
      fc.property(facts, fc.uniqueArray(minute, { minLength: 2, maxLength: 5 }), (all, cuts) => {
        const store = new CubeStore(all, CUBES);
        const edges = cuts.sort((a, b) => a - b).map((cut) => formatUtc(FROM_MS + cut * 60_000));
        const total = (start: string, end: string): Sums => {
          const result = store.query(
            { start, end, metrics: METRICS, filters: { country: ['GB', null] } },
            { cubes: CUBES },
          );
          return (result.groups[0]?.totals ?? {}) as Sums;
        };
        const sum: Sums = {};
        for (let index = 1; index < edges.length; index++) {
          const part = total(edges[index - 1] as string, edges[index] as string);
          for (const name of METRICS) sum[name] = addExact(sum[name] ?? 0, part[name] ?? 0);
        }
        expect(sum).toEqual(total(edges[0] as string, edges.at(-1) as string));
      }),
      { numRuns: 60 },
    );
  });

  it('give the same whether commits are folded into cells yet or not', () => {
    const detailed = fc.record({
      at: fc.integer({ min: 0, max: MINUTES }).map((minutes) => FROM_MS + minutes * 60_000),
      unit: fc.constantFrom('GBP', 'EUR', ''),
      dimensions: fc.record({ country: fc.constantFrom('GB', 'FR', '') }),
      sums: fc.oneof(
        fc.record({ orders: fc.constant(1), revenue_gross: fc.integer({ min: 1, max: 9_999 }) }),
        fc.constant({ visits: 1 }),
      ),
      members: fc.array(fc.nat(20), { maxLength: 2 }),
    });
    const query = fc.record({
      aggregation: fc.constantFrom('sum' as const, 'p50' as const, 'max' as const),
      currency: fc.option(fc.constant('EUR'), { nil: undefined }),
      timezone,
      group_by: fc.boolean().map((grouped) => (grouped ? ['country' as const] : [])),
      filters: fc.constantFrom<KpiQueryInput['filters']>(
        {},
        { country: ['GB', null] },
        { currency: ['GBP', 'EUR'] },
      ),
      granularity: fc.constantFrom('1d' as const, '1h' as const, 'total' as const),
    });
    fc.assert(
      fc.property(fc.array(fc.tuple(detailed, fc.nat(2)), { maxLength: 25 }), query, (parts, asked) => {
        const usable = parts.filter(
          ([item]) => asked.currency === undefined || item.unit !== '' || !('orders' in item.sums),
        );
        const of = (commit: number): Fact[] => usable.filter(([, at]) => at === commit).map(([item]) => item);
        const folded = new CubeStore(
          usable.map(([item]) => item),
          CUBES,
        );
        const partly = new CubeStore(of(0), CUBES).recent(1, of(1), CUBES).recent(2, of(2), CUBES);
        const range = { start: formatUtc(FROM_MS + 6 * 60_000), end: formatUtc(FROM_MS + 18 * 86_400_000) };
        const metrics =
          asked.aggregation === 'sum' ? ['customers_active', 'revenue', 'aov', 'visits'] : ['revenue'];
        const body = { ...asked, ...range, metrics };
        const [expected, got] = [folded, partly].map((store) =>
          store.rate('GBP', 'EUR', '2018-01-01T00:00:00Z', '1.2345').query(body, { cubes: CUBES }),
        );
        expect(got).toEqual(expected);
      }),
      { numRuns: 150 },
    );
  });

  it('give groups that add up to the whole', () => {
    fc.assert(
      fc.property(facts, timezone, (all, zone) => {
        const store = new CubeStore(all, CUBES);
        const query = {
          start: formatUtc(FROM_MS),
          end: formatUtc(FROM_MS + MINUTES * 60_000),
          metrics: METRICS,
          granularity: '1d' as const,
          timezone: zone,
        };
        const whole = store.query(query, { cubes: CUBES }).groups[0];
        const sum: Sums = { orders_count: 0, revenue: 0, units_sold: 0 };
        for (const { totals } of store.query({ ...query, group_by: ['country'] }, { cubes: CUBES }).groups) {
          for (const name of METRICS) sum[name] = addExact(sum[name] ?? 0, totals[name] ?? 0);
        }
        expect(sum).toEqual(pick(whole?.totals));
      }),
      { numRuns: 40 },
    );
  });
});
