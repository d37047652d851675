import { beforeAll, describe, expect, it } from 'vitest';
import { sizes } from '../../test/long.ts';
import { fc, propertySeed } from '../../test/property.ts';
import { type ShopEvent, ShopState } from '../fixture-shop.ts';
import { formatUtc } from '../query/index.ts';
import { type CustomMetric, customMetricSchemaOf } from './custom-metric.ts';
import { factsOf, RAW_END_MS, RAW_START_MS, type RawFact, rawEvents } from './fixture-raw-events.ts';
import type { KpiAnswer } from './kpi-kind.ts';

const QUERIES = sizes.custom_metric_queries;
const SCHEMA = customMetricSchemaOf();

const metric = (name: string, body: object): CustomMetric => ({ name, ...SCHEMA.parse(body) });

let events: ShopEvent[];
let state: ShopState;
let facts: RawFact[];

beforeAll(async () => {
  events = rawEvents(propertySeed, 250);
  const rate = {
    event_id: 'rate',
    type: 'fx.rate',
    time: '2026-01-01T00:00:00Z',
    base: 'EUR',
    quote: 'USD',
    rate: 2,
  };
  state = await ShopState.of([rate, ...events], { shuffle: propertySeed, commit_events: 60 });
  facts = factsOf(events);
});

type Part = Exclude<CustomMetric, { type: 'ratio' }>;
type Operand = Extract<CustomMetric, { type: 'ratio' }>['numerator'];
type Value = number | null;

interface Asked {
  readonly metrics: readonly CustomMetric[];
  readonly aggregation: string;
  readonly group_by: readonly string[];
  readonly filters: Readonly<Record<string, unknown>>;
  readonly granularity: string | undefined;
  readonly currency: string | undefined;
}

/** A filter of one dimension, said again. */
function passes(fact: RawFact, filters: Readonly<Record<string, unknown>>): boolean {
  return Object.entries(filters).every(([name, filter]) => {
    const isNot = typeof filter === 'object' && filter !== null && 'not' in filter;
    const given = isNot ? (filter as { not: unknown }).not : filter;
    const values = (Array.isArray(given) ? given : [given]) as (string | null)[];
    return values.includes(fact.texts[name] ?? null) !== isNot;
  });
}

const typesOf = ({ event }: { event: string | string[] }): string[] =>
  [event].flat().map((type) => type.toLowerCase().replaceAll('_', '.'));
const selected = (part: Omit<Part, 'name'>, all: readonly RawFact[]): RawFact[] =>
  all.filter((fact) => typesOf(part).includes(fact.type) && passes(fact, part.filters));

/** Minor units of the asked currency: of two currencies, one is worth twice the other, so that nothing is rounded. */
function moneyOf(fact: RawFact, field: string, currency: string | undefined): number {
  const amount = fact.numbers[field] ?? 0;
  return currency === undefined || fact.texts.currency === currency ? amount : amount * 2;
}

const sumOf = (numbers: readonly number[]): number => numbers.reduce((sum, number) => sum + number, 0);

function operandValue(part: Operand, all: readonly RawFact[], asked: Asked): number {
  if (typeof part !== 'string') return Number(partValue(part, all, asked));
  const named = asked.metrics.find(({ name }) => name === part);
  if (named !== undefined && named.type !== 'ratio') return Number(partValue(named, all, asked));
  // The only one of those that are there which the test divides by.
  expect(part).toBe('orders_count');
  return all.filter(({ type }) => type === 'order.created').length;
}

function partValue(
  part: Omit<Part, 'name'>,
  all: readonly RawFact[],
  { aggregation, currency }: Asked,
): Value {
  const rows = selected(part, all);
  if (part.type === 'count') return rows.length;
  const { field } = part as Extract<Part, { field: string }>;
  if (part.type === 'distinct') {
    return new Set(rows.flatMap(({ texts }) => texts[field] ?? [])).size;
  }
  const values = rows
    .filter(({ numbers }) => numbers[field] !== undefined)
    .map((fact) => moneyOf(fact, field, currency));
  if (part.type === 'sum' && aggregation === 'sum') return sumOf(values);
  if (part.type === 'sum' && aggregation === 'count') return values.length;
  if (values.length === 0) return null;
  if (part.type === 'avg' || aggregation === 'avg') return sumOf(values) / values.length;
  values.sort((a, b) => a - b);
  const share = { min: 0, max: 100, p50: 50, p90: 90, p99: 99 }[aggregation] ?? 100;
  return values[Math.max(1, Math.ceil((share * values.length) / 100)) - 1] ?? null;
}

function metricValue(own: CustomMetric, all: readonly RawFact[], asked: Asked): Value {
  if (own.type !== 'ratio') return partValue(own, all, asked);
  const below = operandValue(own.denominator, all, asked);
  return below === 0 ? null : operandValue(own.numerator, all, asked) / below;
}

const close = (value: Value): unknown =>
  value === null || Number.isInteger(value) ? value : expect.closeTo(value, 8);

function check(answer: KpiAnswer, asked: Asked, all: readonly RawFact[]): void {
  const inRange = all.filter((fact) => passes(fact, asked.filters));
  for (const { key, buckets, totals } of answer.groups) {
    const ofGroup = inRange.filter(({ texts }) =>
      Object.entries(key).every(([name, value]) => (texts[name] ?? null) === value),
    );
    for (const own of asked.metrics) {
      expect([key, own, totals[own.name]]).toEqual([key, own, close(metricValue(own, ofGroup, asked))]);
      for (const [at, bucket] of buckets.entries()) {
        const from_ms = Date.parse(bucket.time);
        const to_ms = Date.parse(buckets[at + 1]?.time ?? '9999-01-01T00:00:00Z');
        const inside = ofGroup.filter(({ time_ms }) => time_ms >= from_ms && time_ms < to_ms);
        expect([bucket.time, own, bucket[own.name]]).toEqual([
          bucket.time,
          own,
          close(metricValue(own, inside, asked)),
        ]);
      }
    }
  }
  // A group that is not answered has nothing of what was asked for.
  const keys = new Set(answer.groups.map(({ key }) => JSON.stringify(key)));
  const others = inRange.filter(
    ({ texts }) =>
      !keys.has(
        JSON.stringify(Object.fromEntries(asked.group_by.map((name) => [name, texts[name] ?? null]))),
      ),
  );
  for (const own of asked.metrics) expect([0, null]).toContain(metricValue(own, others, asked));
}

const TYPES = [
  'order.created',
  'payment_succeeded',
  'refund.issued',
  'wishlist.added',
  'points.earned',
  'quiz.taken',
];
const oneOf = (name: string, values: readonly string[]) => {
  const value = fc.constantFrom(...values, null);
  const filter = fc.oneof(
    value,
    fc.uniqueArray(value, { minLength: 1, maxLength: 2 }),
    value.map((not) => ({ not })),
  );
  return filter.map((given) => [name, given] as const);
};
const filters = fc
  .uniqueArray(
    fc.oneof(
      oneOf('country', ['GB', 'DE', 'FR']),
      oneOf('channel', ['web', 'app']),
      oneOf('campaign', ['k0', 'k1', 'k2']),
    ),
    { maxLength: 2, selector: ([name]) => name },
  )
  .map((entries) => Object.fromEntries(entries));
const event = fc.oneof(
  fc.constantFrom(...TYPES),
  fc.uniqueArray(fc.constantFrom(...TYPES), { minLength: 1, maxLength: 3 }),
);
const money = fc.constantFrom('amount', 'discount', 'tax', 'shipping');
const part = fc.oneof(
  fc.record({ type: fc.constant('count'), event, filters }),
  fc.record({ type: fc.constant('sum'), event, filters, field: money }),
  fc.record({
    type: fc.constant('distinct'),
    event,
    filters,
    field: fc.constantFrom('customer_id', 'session_id', 'order_id'),
  }),
);
const definition = fc.oneof(
  { weight: 3, arbitrary: part },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('avg'), event, filters, field: money }) },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant('ratio'),
      numerator: fc.oneof(part, fc.constant('m0')),
      denominator: fc.oneof(part, fc.constant('orders_count')),
    }),
  },
);
const asking = fc.record({
  first: part,
  bodies: fc.array(definition, { maxLength: 2 }),
  aggregation: fc.constantFrom('sum', 'sum', 'sum', 'avg', 'count', 'min', 'max', 'p50', 'p90'),
  group_by: fc.subarray(['country', 'channel', 'campaign'], { maxLength: 2 }),
  filters,
  granularity: fc.constantFrom(undefined, '1d', '1h'),
  currency: fc.constantFrom(undefined, 'USD'),
  timezone: fc.constantFrom('UTC', 'Europe/London'),
});

describe('custom metrics', () => {
  it('are what a brute force finds in the raw events, whatever is asked', async () => {
    let checked = 0;
    for (const { first, bodies, timezone, ...given } of fc.sample(asking, {
      numRuns: QUERIES,
      seed: propertySeed,
    })) {
      const all = [first, ...bodies].map((body, at) => metric(`m${at}`, body));
      // Another aggregation than the sum is for sums alone.
      const metrics =
        given.aggregation === 'sum'
          ? all
          : all.filter(({ type, ...rest }) => type === 'sum' && 'field' in rest);
      if (metrics.length === 0) continue;
      // Amounts without a currency cannot be converted, and money of several is told apart.
      const inCurrency = { currency: { not: null } };
      const filters =
        given.currency === undefined
          ? { ...given.filters, currency: 'EUR' }
          : { ...given.filters, ...inCurrency };
      const asked: Asked = { ...given, metrics, filters };
      const query = {
        metrics: metrics.map(({ name }) => name),
        start: formatUtc(RAW_START_MS),
        end: formatUtc(RAW_END_MS),
        aggregation: given.aggregation,
        group_by: given.group_by,
        filters,
        timezone,
        limit: 1_000,
        ...(given.granularity === undefined ? {} : { granularity: given.granularity }),
        ...(given.currency === undefined ? {} : { currency: given.currency }),
      };
      const answer = await ask(query, all);
      try {
        check(answer, asked, facts);
      } catch (error) {
        throw new Error(JSON.stringify({ query, all }), { cause: error });
      }
      checked += answer.groups.length;
    }
    expect(checked).toBeGreaterThan(QUERIES);
  });

  it('stand beside those that are there, and can be asked again as they were', async () => {
    const own = [
      metric('created', { type: 'count', event: 'order.created' }),
      metric('value', { type: 'sum', event: 'order_created', field: 'amount' }),
      metric('buyers', { type: 'distinct', event: 'order.created', field: 'customer_id' }),
      metric('mean', { type: 'avg', event: 'order.created', field: 'amount' }),
      metric('per_buyer', { type: 'ratio', numerator: 'revenue_gross', denominator: 'customers_active' }),
    ];
    const query = {
      metrics: [
        'created',
        'orders_count',
        'value',
        'revenue',
        'buyers',
        'customers_active',
        'mean',
        'per_buyer',
      ],
      start: formatUtc(RAW_START_MS),
      end: formatUtc(RAW_END_MS),
      granularity: '1d',
      group_by: ['country', 'currency'],
    };
    const answer = await ask(query, own);
    expect(answer.source).toBe('scan');
    expect(answer.groups.length).toBeGreaterThan(5);
    for (const { totals, buckets } of answer.groups) {
      for (const values of [totals, ...buckets] as Record<string, number>[]) {
        expect(values.created).toBe(values.orders_count);
        expect(values.value).toBe(values.revenue);
        expect(values.buyers).toBe(values.customers_active);
        if (values.mean !== null)
          expect(values.mean).toBeCloseTo(Number(values.revenue) / Number(values.orders_count), 8);
      }
    }
    const late = {
      event_id: 'late',
      type: 'order.created',
      time: '2026-03-26T10:00:00Z',
      order_id: 'late',
      amount: 5,
      currency: 'EUR',
    };
    await state.add([late]);
    const again = await ask({ ...query, as_of: { query_id: answer.query_id } }, own);
    expect(again.groups).toEqual(answer.groups);
    expect((await ask(query, own)).groups).not.toEqual(answer.groups);
    facts = factsOf([...events, late]);
  });

  it('of money are given by currency, and the items of an order share its amounts', async () => {
    const items = [
      { sku: 'a', quantity: 1, unit_price: 100 },
      { sku: 'b', quantity: 3, unit_price: 100 },
    ];
    const at = { type: 'order.created', time: '2026-04-20T10:00:00Z', currency: 'EUR' };
    const shop = await ShopState.of([
      { event_id: '1', ...at, order_id: '1', amount: 400, tax: 10, items },
      { event_id: '2', ...at, order_id: '2', amount: 7, currency: 'USD' },
    ]);
    const own_metrics = [
      metric('value', { type: 'sum', event: 'order.created', field: 'amount' }),
      metric('tax', { type: 'sum', event: 'order.created', field: 'tax' }),
      metric('pieces', { type: 'sum', event: 'order.created', field: 'quantity' }),
      metric('only_b', { type: 'count', event: 'order.created', filters: { sku: 'b' } }),
    ];
    const query = {
      metrics: ['value', 'tax', 'pieces', 'only_b'],
      start: '2026-04-20T00:00:00Z',
      end: '2026-04-21T00:00:00Z',
    };
    const kind = shop.kinds.kpis;
    const of = async (group_by: string[]) => {
      const parsed = kind.schema.parse({ ...query, group_by });
      const answer = await shop.ask({ ...kind, schema: { parse: () => ({ ...parsed, own_metrics }) } }, {});
      return answer.groups.map(({ key, totals }) => ({ ...key, ...totals }));
    };
    expect(await of([])).toEqual([
      { currency: 'EUR', value: 400, tax: 10, pieces: 4, only_b: 1 },
      { currency: 'USD', value: 7, tax: 0, pieces: 4, only_b: 1 },
    ]);
    expect(await of(['sku'])).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ sku: 'b', currency: 'EUR', value: 300, tax: 7, pieces: 3, only_b: 1 }),
        expect.objectContaining({ sku: 'a', currency: 'EUR', value: 100, tax: 3, pieces: 1, only_b: 0 }),
      ]),
    );
  });
});

async function ask(query: object, own_metrics: readonly CustomMetric[]): Promise<KpiAnswer> {
  const { kpis } = state.kinds;
  const parsed = kpis.schema.parse(query);
  return state.ask({ ...kpis, schema: { parse: () => ({ ...parsed, own_metrics }) } }, {});
}
