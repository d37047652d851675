import { fc } from '../../../test/property.ts';
import { DAY_MS } from '../backfill/index.ts';
import type { CubeDefinition } from './definition.ts';
import type { TestRow } from './fixture-rows.ts';

export const HOUR_MS = 3_600_000;
export const T = 20_000 * DAY_MS;
export const MAX = Number.MAX_SAFE_INTEGER;
export const total: CubeDefinition = { name: 'total', dimensions: [], bucket_ms: DAY_MS };
export const hourly: CubeDefinition = { name: 'hourly', dimensions: [], bucket_ms: HOUR_MS };
export const byCountry: CubeDefinition = { name: 'country', dimensions: ['country'], bucket_ms: DAY_MS };
export const pair: CubeDefinition = { name: 'pair', dimensions: ['channel', 'country'], bucket_ms: DAY_MS };
export const bySku: CubeDefinition = { name: 'sku', dimensions: ['country', 'sku'], bucket_ms: HOUR_MS };
export const ALL = [total, hourly, byCountry, pair, bySku];

export const row = (given: Partial<TestRow> = {}): TestRow => ({
  ...{ scope: 's', time_ms: T, currency: 'EUR', country: 'DE', channel: 'web', sku: '', amount: 1 },
  ...{ retraction: false, items: [] },
  ...given,
});

export const anyRow: fc.Arbitrary<TestRow> = fc.record({
  scope: fc.constantFrom('s', 's', 't', 's2'),
  time_ms: fc.integer({ min: 0, max: 80 }).map((step) => T + step * 3_333_333),
  currency: fc.constantFrom('EUR', ''),
  country: fc.constantFrom('', 'DE', 'ÜÜ', 'FR'),
  channel: fc.constantFrom('web', 'app'),
  sku: fc.constantFrom('', 'a'),
  amount: fc.oneof(fc.integer({ min: -5, max: 5 }), fc.integer(), fc.constantFrom(MAX, -MAX, 2 ** 52)),
  retraction: fc.constantFrom(false, false, true),
  items: fc.array(
    fc
      .tuple(fc.constantFrom('a', 'b', 'c'), fc.constantFrom(1, -1, MAX / 4 - 0.25))
      .map(([sku, amount]) => [sku, Math.floor(amount)] as const),
    { maxLength: 3 },
  ),
});
