import { afterAll, beforeAll, expect, it } from 'vitest';
import { SeededRandom } from '../engine/index.ts';
import { COUNTS, MONEY } from './contract-expected.ts';
import { ALL_TIME, ContractService, type Event } from './contract-service.ts';
import { ContractSql, MEASURES, type SqlFact, type SqlMeasure } from './contract-sql.ts';
import { CUSTOM, ShopTraffic } from './contract-traffic.ts';
import { isLong } from './long.ts';
import type { KpiAnswer } from './process.ts';
import { propertySeed } from './property.ts';
import { Scratch } from './scratch.ts';

const scratch = new Scratch();
const TENANT = 'shop';
const PINS = isLong ? 200 : 60;
const PINS_A_POSITION = 4;
const ORDERS = isLong ? 200 : 80;
/** Pins whose difference to the end is explained by the events between. */
const EXPLAINED = isLong ? 25 : 6;
const METRICS = [
  ...['orders_count', 'orders_paid', 'orders_shipped', 'orders_cancelled', 'returns_count', 'sessions'],
  ...['customers_new', 'units_sold', 'revenue_gross', 'discount_total', 'tax_total', 'revenue_paid'],
  ...['refund_amount', 'revenue_cancelled', 'revenue_net'],
];
const QUERIES: readonly object[] = [
  { metrics: METRICS, group_by: ['country', 'currency'] },
  {
    metrics: METRICS,
    group_by: ['sku', 'currency'],
    granularity: '1d',
    timezone: 'Asia/Kolkata',
    start: '2025-03-15T00:00:00Z',
    end: '2025-04-15T00:00:00Z',
  },
  {
    metrics: ['customers_active', 'conversion_rate', 'time_to_first_response'],
    group_by: ['status', 'type'],
  },
  { metrics: ['revenue'], aggregation: 'p90', group_by: ['currency', 'store'] },
  { metrics: METRICS, currency: 'EUR', filters: { currency: ['EUR', 'USD'], country: { not: null } } },
];

interface Pin {
  readonly query: object;
  readonly query_id: string;
  readonly position: unknown;
  readonly sequence: number;
  readonly said: string;
}

let service: ContractService;
let sql: ContractSql;

beforeAll(async () => {
  service = await ContractService.start(scratch, { env: { CUSTOM_DIMENSIONS: CUSTOM } });
  sql = await ContractSql.open();
});
afterAll(async () => {
  sql.close();
  await service.stop();
  await scratch.clean();
});

/** The numbers of an answer; whether a bucket is complete is said as of now. */
function numbersOf({ groups }: KpiAnswer): string {
  return JSON.stringify(groups, (name, value: unknown) => (name === 'incomplete' ? undefined : value));
}

const termsOf = (metric: string) => MONEY[metric] ?? [[COUNTS[metric] as SqlMeasure, 1] as const];

function metricIn(metric: string, sums: Readonly<Record<SqlMeasure, bigint>>): bigint {
  return termsOf(metric).reduce((sum, [measure, factor]) => sum + BigInt(factor) * sums[measure], 0n);
}

function addTo(total: Record<string, bigint>, fact: SqlFact, sign: bigint): void {
  for (const metric of METRICS) {
    const key = JSON.stringify([fact.country, fact.currency, metric]);
    const sum = (total[key] ?? 0n) + sign * metricIn(metric, fact.sums);
    if (sum === 0n) delete total[key];
    else total[key] = sum;
  }
}

/** The totals of the first query, by group and metric, without zeros. */
function totalsOf({ groups }: KpiAnswer): Record<string, bigint> {
  return Object.fromEntries(
    groups.flatMap(({ key, totals }) =>
      METRICS.flatMap((metric) => {
        const value = BigInt(totals[metric] ?? 0);
        return value === 0n ? [] : [[JSON.stringify([key.country, key.currency, metric]), value] as const];
      }),
    ),
  );
}

function difference(a: Readonly<Record<string, bigint>>, b: Readonly<Record<string, bigint>>) {
  const keys = new Set([...Object.keys(a), ...Object.keys(b)]);
  const changes = [...keys].map((key) => [key, (a[key] ?? 0n) - (b[key] ?? 0n)] as const);
  return Object.fromEntries(changes.filter(([, change]) => change !== 0n));
}

it('an answer can be asked again as it was, and what came between explains the difference', async () => {
  const random = new SeededRandom(propertySeed);
  const events = new ShopTraffic(propertySeed + 1).events(ORDERS);
  const sequences: number[] = [];
  const pins: Pin[] = [];
  const chunk = Math.ceil(events.length / (PINS / PINS_A_POSITION));
  for (let at = 0; at < events.length; at += chunk) {
    sequences.push(...(await service.stream(TENANT, events.slice(at, at + chunk))));
    await service.instance.untilApplied();
    const others = Array.from(
      { length: PINS_A_POSITION - 1 },
      () => QUERIES[random.int(1, QUERIES.length - 1)],
    );
    for (const query of [QUERIES[0] as object, ...(others as object[])]) {
      const answer = await service.kpis(TENANT, { ...ALL_TIME, limit: 1_000, ...query });
      const { query_id, meta } = answer as KpiAnswer & { readonly query_id: string };
      expect(meta.position).toMatchObject({ EVENTS: { 0: sequences.at(-1) } });
      const { position } = meta;
      pins.push({ query, query_id, position, sequence: sequences.at(-1) ?? 0, said: numbersOf(answer) });
    }
  }
  expect(pins.length).toBeGreaterThanOrEqual(PINS - PINS_A_POSITION);
  await sql.add(events.map((event, index): [number, Event] => [sequences[index] ?? 0, event]));

  for (const { query, query_id, position, said } of pins) {
    for (const as_of of [{ query_id }, position]) {
      const again = await service.kpis(TENANT, { ...ALL_TIME, limit: 1_000, ...query, as_of });
      expect(numbersOf(again)).toBe(said);
    }
  }

  const now = totalsOf(await service.kpis(TENANT, { ...ALL_TIME, limit: 1_000, ...QUERIES[0] }));
  await sql.settle();
  const newest = new Map((await sql.facts()).map((fact) => [fact.id, fact]));
  const explained = pins.filter(({ query }) => query === QUERIES[0]);
  for (let count = 0; count < EXPLAINED; count++) {
    const { sequence, said } = explained[random.int(0, explained.length - 1)] as Pin;
    const before = totalsOf({ groups: JSON.parse(said) as KpiAnswer['groups'], meta: {} });
    await sql.settle(sequence);
    const old = new Map((await sql.facts()).map((fact) => [fact.id, fact]));
    const between = events.filter((_, index) => (sequences[index] ?? 0) > sequence);
    const touched = new Set(
      between.flatMap(({ event_id, order_id }) => [`lone ${event_id}`, `id ${order_id}`, event_id]),
    );
    const sum: Record<string, bigint> = {};
    for (const id of new Set([...old.keys(), ...newest.keys()])) {
      const [was, is] = [old.get(id), newest.get(id)];
      const change: Record<string, bigint> = {};
      if (was !== undefined) addTo(change, was, -1n);
      if (is !== undefined) addTo(change, is, 1n);
      if (Object.keys(change).length === 0) continue;
      if (was !== undefined) addTo(sum, was, -1n);
      if (is !== undefined) addTo(sum, is, 1n);
      // Events of an order that nothing came to change by being the first of a customer, or of a session, no more.
      const fact = (is ?? was) as SqlFact;
      const isOfOrder = touched.has(fact.okey) || touched.has(id);
      const moved = MEASURES.filter((name) => (was?.sums[name] ?? 0n) !== (is?.sums[name] ?? 0n));
      const isMoved = moved.every((name) =>
        ['customers_new', 'sessions', 'sessions_with_order', 'sessions_with_cart'].includes(name),
      );
      expect([id, isOfOrder || isMoved]).toEqual([id, true]);
    }
    expect(difference(now, before)).toEqual(sum);
  }
});
