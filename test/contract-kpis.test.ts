import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  aggregateOf,
  COUNTS,
  type Expected,
  expectedOf,
  MONEY,
  MONEY_RATIOS,
  metricOf,
  RATIOS,
  Rates,
} from './contract-expected.ts';
import { ContractService, type Event } from './contract-service.ts';
import { ContractSql, type SqlMeasure, type SqlQuery } from './contract-sql.ts';
import {
  CATEGORIES,
  CURRENCIES,
  CUSTOM,
  DAYS,
  FIRST_MS,
  ShopTraffic,
  SKUS,
  VALUES,
} from './contract-traffic.ts';
import { sizes } from './long.ts';
import type { KpiAnswer } from './process.ts';
import { fc, propertySeed } from './property.ts';
import { Scratch } from './scratch.ts';

const scratch = new Scratch();
const TENANT = 'shop';
const DAY_MS = 86_400_000;
let service: ContractService;
let sql: ContractSql;
let events: readonly Event[];
let rates: Rates;

beforeAll(async () => {
  service = await ContractService.start(scratch, {
    env: { CUSTOM_DIMENSIONS: CUSTOM, CUBES: 'status+voucher_code,sku+country,campaign@1h' },
  });
  sql = await ContractSql.open();
  events = new ShopTraffic(propertySeed).events(sizes.contract_orders);
  rates = new Rates(events);
  // By both ways in, in one order.
  for (let at = 0; at < events.length; at += 200) {
    const some = events.slice(at, at + 200);
    if ((at / 200) % 2 === 0) await service.stream(TENANT, some);
    else {
      const { json } = await service.http(TENANT, JSON.stringify(some));
      expect(json).toMatchObject({ accepted: some.length, rejected: [] });
    }
  }
  await service.instance.untilApplied();
  expect(await service.deadLetters(TENANT)).toEqual([]);
  await sql.add(events.map((event, index) => [index + 1, event] as const));
  await sql.settle();
});
afterAll(async () => {
  sql.close();
  await service.stop();
  await scratch.clean();
});

const DIMENSIONS: Readonly<Record<string, readonly string[]>> = {
  ...{ ...VALUES, sku: SKUS, category: CATEGORIES },
  type: ['order.created', 'payment.succeeded', 'refund.issued', 'visit', 'newsletter.opened'],
};
const ZONES = ['UTC', 'Europe/Berlin', 'Asia/Kolkata', 'America/New_York', 'Pacific/Kiritimati'];
const dimension = fc.constantFrom(...Object.keys(DIMENSIONS), 'sku', 'category', 'country');
const filter = dimension.chain((name) => {
  const value = fc.constantFrom<string | null>(...(DIMENSIONS[name] ?? []), null, 'unheard');
  const values = fc.oneof(value, fc.uniqueArray(value, { minLength: 1, maxLength: 3 }));
  return fc.tuple(
    fc.constant(name),
    fc.oneof(
      values,
      values.map((not) => ({ not })),
    ),
  );
});
const some = (names: readonly string[]) =>
  fc.uniqueArray(fc.constantFrom(...names), { minLength: 1, maxLength: 4 });

interface Asked extends SqlQuery {
  readonly metrics: readonly string[];
  readonly currency?: string;
}

/** How the money of several currencies is asked for. */
const monies = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      metrics: some([...Object.keys(COUNTS), ...Object.keys(RATIOS), 'customers_active']),
    }),
  },
  fc.record({
    metrics: some([...Object.keys(MONEY), ...Object.keys(MONEY_RATIOS), ...Object.keys(COUNTS)]),
    by: fc.constant('currency'),
  }),
  fc.record({
    metrics: some([...Object.keys(MONEY), ...Object.keys(MONEY_RATIOS), ...Object.keys(COUNTS)]),
    only: fc.constantFrom(...CURRENCIES),
  }),
  fc.record({ metrics: some(Object.keys(MONEY)), to: fc.constant('EUR') }),
  fc.record({ metrics: some(Object.keys(MONEY)) }),
);

const queries: fc.Arbitrary<Asked> = fc
  .record({
    money: monies as fc.Arbitrary<{ metrics: string[]; by?: string; only?: string; to?: string }>,
    group_by: fc.uniqueArray(dimension, { maxLength: 3 }),
    filters: fc.uniqueArray(filter, { maxLength: 2, selector: ([name]) => name }),
    granularity: fc.constantFrom(undefined, '1h', '1d', '1w', '1M', '1Q'),
    timezone: fc.constantFrom(...ZONES),
    from: fc.nat(DAYS * 1_440),
    minutes: fc.integer({ min: 60, max: DAYS * 1_440 }),
    isWhole: fc.boolean(),
  })
  .map(({ money, group_by, filters, granularity, timezone, from, minutes, isWhole }) => {
    const step_ms = isWhole ? DAY_MS : 60_000;
    const floor = (time_ms: number): number => Math.floor(time_ms / step_ms) * step_ms;
    const start_ms = floor(FIRST_MS - DAY_MS + (isWhole ? from / 3 : from) * 60_000);
    const end_ms = Math.max(
      start_ms + step_ms,
      floor(start_ms + (granularity === '1h' ? minutes / 6 : minutes) * 60_000),
    );
    const { metrics, by, only, to } = money;
    return {
      ...{ metrics, timezone, ...(granularity === undefined ? {} : { granularity }) },
      ...{ start: new Date(start_ms).toISOString(), end: new Date(end_ms).toISOString() },
      group_by: by === undefined ? group_by : [...group_by, by],
      filters: {
        ...Object.fromEntries(filters),
        ...(only === undefined ? {} : { currency: only }),
        ...(to === undefined ? {} : { currency: CURRENCIES }),
      },
      ...(to === undefined ? {} : { currency: to }),
    };
  });

type Values = Readonly<Record<string, number | null | undefined>>;
const isNothing = (values: Values): boolean =>
  Object.values(values).every((value) => value === 0 || value === null);

/** The values of an answer that are not zeros, in a form that can be compared. */
function said(answer: KpiAnswer, names: readonly string[], metrics: readonly string[]) {
  const pick = (from: object): Values =>
    Object.fromEntries(metrics.map((metric) => [metric, (from as Record<string, number | null>)[metric]]));
  return Object.fromEntries(
    answer.groups.map((group) => {
      const { buckets } = group as unknown as { buckets: readonly { time: string }[] };
      const found = buckets.map((bucket) => [Date.parse(bucket.time), pick(bucket)] as const);
      return [
        JSON.stringify(names.map((name) => group.key[name])),
        {
          totals: pick(group.totals),
          buckets: Object.fromEntries(found.filter(([, values]) => !isNothing(values))),
        },
      ];
    }),
  );
}

function wanted(expected: ReadonlyMap<string, Expected>, hasBuckets: boolean) {
  return Object.fromEntries(
    [...expected].map(([key, { totals, buckets }]) => [
      key,
      {
        totals,
        ...(hasBuckets
          ? { buckets: Object.fromEntries([...buckets].filter(([, values]) => !isNothing(values))) }
          : {}),
      },
    ]),
  );
}

const nothing = ([, { totals }]: readonly [string, { readonly totals: Values }]): boolean =>
  !isNothing(totals);
const withoutNothing = <V extends { readonly totals: Values }>(groups: Readonly<Record<string, V>>) =>
  Object.fromEntries(Object.entries(groups).filter(nothing));

describe('KPI queries', () => {
  it('say what SQL says of the events as they were sent, to the last unit', async () => {
    const sources = new Set<string>();
    await fc.assertRuns(
      fc.asyncProperty(queries, async ({ currency, ...query }) => {
        const body = { ...query, limit: 1_000, ...(currency === undefined ? {} : { currency }) };
        const answer = await service.kpis(TENANT, body);
        const source = String(answer.meta.source).replaceAll(/rollup:[^@]*/g, 'rollup');
        sources.add(source);
        // Money that nothing says the currency of comes in a group for each.
        const isSplit =
          answer.groups.some(({ key }) => 'currency' in key) && !query.group_by.includes('currency');
        const names = isSplit ? [...query.group_by, 'currency'] : query.group_by;
        const to = currency === undefined ? undefined : { of: rates, to: currency };
        const expected = await expectedOf(sql, { ...query, group_by: names }, query.metrics, to);
        const hasBuckets = query.granularity !== undefined;
        const found = said(answer, names, query.metrics);
        const got = hasBuckets
          ? found
          : Object.fromEntries(Object.entries(found).map(([key, { totals }]) => [key, { totals }]));
        expect(withoutNothing(got)).toEqual(withoutNothing(wanted(expected, hasBuckets)));
      }),
      { numRuns: sizes.contract_queries },
    );
    expect([...sources]).toEqual(expect.arrayContaining(['scan', 'rollup@1d', 'rollup@1d+scan']));
  });

  it('aggregate the amounts behind money as SQL does', async () => {
    const money: Readonly<Record<string, SqlMeasure>> = {
      ...{ revenue: 'gross', revenue_paid: 'paid', refund_amount: 'refund', discount_total: 'discount' },
    };
    const asked = fc.record({
      query: queries,
      metric: fc.constantFrom(...Object.keys(money)),
      aggregation: fc.constantFrom('avg', 'min', 'max', 'count', 'p50', 'p90', 'p99'),
      currency: fc.constantFrom(...CURRENCIES),
    });
    await fc.assertRuns(
      fc.asyncProperty(
        asked,
        async ({ query: { currency: _, granularity: __, ...query }, metric, aggregation, currency }) => {
          const filters = { ...query.filters, currency };
          const amounts = await sql.amounts({ ...query, filters }, money[metric] as SqlMeasure);
          const { groups } = await service.kpis(TENANT, {
            ...query,
            metrics: [metric],
            filters,
            aggregation,
            limit: 1_000,
          });
          const found = groups.map(({ key, totals }) => [
            JSON.stringify(query.group_by.map((name) => key[name])),
            totals[metric],
          ]);
          const isThere = ([, value]: readonly unknown[]): boolean => value !== null && value !== 0;
          const expected = [...amounts].map(([key, values]) => [key, aggregateOf(aggregation, values)]);
          expect(Object.fromEntries(found.filter(isThere))).toEqual(
            Object.fromEntries(expected.filter(isThere)),
          );
        },
      ),
      { numRuns: Math.ceil(sizes.contract_queries / 4) },
    );
  });

  it('say all of it in one group', async () => {
    const query = {
      group_by: [],
      filters: {},
      start: '2025-01-01T00:00:00Z',
      end: '2026-01-01T00:00:00Z',
      timezone: 'UTC',
    };
    const cells = await sql.cells(query);
    const metrics = [...Object.keys(COUNTS), ...Object.keys(RATIOS), 'customers_active'];
    const { groups } = await service.kpis(TENANT, { ...query, metrics });
    const expected = Object.fromEntries(metrics.map((metric) => [metric, metricOf(metric, cells)]));
    expect(groups[0]?.totals).toEqual(expected);
    // The traffic has something of everything.
    expect(Object.entries(expected).filter(([, value]) => value === 0 || value === null)).toEqual([]);
  });
});
