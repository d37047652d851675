import { fc } from '../../test/property.ts';
import { formatUtc } from '../query/index.ts';
import { METRICS_KNOWN } from './fixture-expected.ts';
import type { KpiQueryInput } from './schema.ts';

const DAY_MS = 86_400_000;
const MONEY = [
  ...['revenue', 'revenue_gross', 'revenue_paid', 'refund_amount', 'discount_total', 'shipping_total'],
  ...['tax_total', 'revenue_cancelled'],
];
const COMMON = ['country', 'channel', 'sku', 'category', 'currency'];
const RARE = ['tier', 'campaign', 'status', 'voucher_code', 'source', 'type', 'warehouse', 'region'];
const VALUES = [
  'GB',
  'DE',
  'web',
  'app',
  's1',
  's2',
  'toys',
  'EUR',
  'gold',
  'v1',
  'Order_Created',
  'visit',
  'none',
];
const ZONES = ['UTC', 'UTC', 'Europe/London', 'Asia/Kolkata', 'America/New_York', 'Australia/Lord_Howe'];
/** Names of buckets, and the longest range in days. */
const WIDTHS = [
  ...([
    ['1m', 0.2],
    ['5m', 1],
    ['15m', 3],
    ['1h', 8],
  ] as const),
  ...([
    ['1d', 30],
    ['1w', 60],
    ['1M', 60],
    ['1Q', 60],
    ['1Y', 60],
    ['total', 60],
    ['1d', 30],
  ] as const),
] as const;

const value = fc.constantFrom(...VALUES, null);
const values = fc.oneof(value, fc.uniqueArray(value, { minLength: 1, maxLength: 4 }));
const filter = fc.oneof(
  values,
  values.map((not) => ({ not })),
);
const dimension = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...COMMON) },
  { weight: 1, arbitrary: fc.constantFrom(...RARE) },
);

const asked = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      metrics: fc.uniqueArray(fc.constantFrom(...METRICS_KNOWN), { minLength: 1, maxLength: 4 }),
      aggregation: fc.constant('sum' as const),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      metrics: fc.uniqueArray(fc.constantFrom(...MONEY), { minLength: 1, maxLength: 2 }),
      aggregation: fc.constantFrom('avg', 'min', 'max', 'count', 'p50', 'p90', 'p99'),
    }),
  },
);

/** Queries over [start_ms, end_ms): any dimensions, filters, zones, granularities, currencies. */
export function queries(start_ms: number, end_ms: number): fc.Arbitrary<KpiQueryInput> {
  const shape = fc.record({
    asked,
    width: fc.constantFrom(...WIDTHS),
    zone: fc.constantFrom(...ZONES),
    group_by: fc
      .uniqueArray(dimension, { maxLength: 4 })
      .chain((all) => fc.nat(all.length).map((n) => all.slice(n))),
    filters: fc.uniqueArray(fc.tuple(dimension, filter), { maxLength: 2, selector: ([name]) => name }),
    from: fc.double({ min: 0, max: 1, noNaN: true }),
    length: fc.double({ min: 0.05, max: 1, noNaN: true }),
    isAligned: fc.boolean(),
    currency: fc.constantFrom(undefined, undefined, undefined, 'EUR', 'USD', 'JPY'),
  });
  return shape.map(({ asked: { metrics, aggregation }, width: [granularity, days], zone, ...rest }) => {
    const step_ms = rest.isAligned && days > 1 ? DAY_MS : 60_000;
    const whole = (time_ms: number): number => Math.floor(time_ms / step_ms) * step_ms;
    const from_ms = whole(start_ms + rest.from * (end_ms - start_ms));
    const to_ms = Math.max(
      from_ms + step_ms,
      whole(Math.min(from_ms + rest.length * days * DAY_MS, end_ms + DAY_MS)),
    );
    return {
      metrics,
      aggregation,
      granularity,
      timezone: zone,
      start: formatUtc(from_ms),
      end: formatUtc(to_ms),
      group_by: rest.group_by,
      filters: Object.fromEntries(rest.filters),
      limit: 1_000,
      ...(rest.currency === undefined ? {} : { currency: rest.currency }),
    } as KpiQueryInput;
  });
}
