import { beforeAll, describe, expect, it } from 'vitest';
import { fc, propertySeed } from '../../test/property.ts';
import { expectedOf, type TestRate } from './fixture-expected.ts';
import { Oracle } from './fixture-oracle.ts';
import { queries } from './fixture-queries.ts';
import { CUSTOM, randomRows } from './fixture-rows.ts';
import { type AskOptions, cubeOf, KpiStore } from './fixture-store.ts';
import type { KpiAnswer } from './kpi-kind.ts';
import { type KpiQueryInput, kpiSchemaOf } from './schema.ts';

/** The long form is KPI_QUERIES=600. */
const QUERIES = Number(process.env.KPI_QUERIES ?? 60);
const EVENTS = 2_500;
// Across the ends of summer time in London (October 26), New York (November 2) and Lord Howe's beginning.
const START_MS = Date.parse('2025-09-25T00:00:00Z');
const END_MS = Date.parse('2025-11-10T00:00:00Z');
const HOUR_MS = 3_600_000;

const CUBES = [
  ...[cubeOf([]), cubeOf([], HOUR_MS), cubeOf(['country']), cubeOf(['country'], HOUR_MS / 4)],
  ...[
    cubeOf(['channel', 'country']),
    cubeOf(['sku']),
    cubeOf(['category', 'sku'], HOUR_MS),
    cubeOf(['tier']),
  ],
  ...[cubeOf(['sku', 'country'], HOUR_MS), cubeOf(['type'])],
];
const RATES: readonly TestRate[] = [
  { base: 'EUR', quote: 'USD', at: '2025-09-01T08:00:00Z', rate: '1.1' },
  { base: 'EUR', quote: 'USD', at: '2025-10-05T00:00:00Z', rate: '1.17' },
  { base: 'EUR', quote: 'USD', at: '2025-10-05T18:00:00Z', rate: '1.1834' },
  { base: 'USD', quote: 'EUR', at: '2025-10-20T18:00:00Z', rate: '0.83' },
  { base: 'EUR', quote: 'USD', at: '2025-10-25T23:59:59Z', rate: '1.2' },
  { base: 'EUR', quote: 'JPY', at: '2025-09-02T00:00:00Z', rate: '171.3' },
  { base: 'JPY', quote: 'EUR', at: '2025-10-10T12:00:00Z', rate: '0.00571' },
  { base: 'USD', quote: 'JPY', at: '2025-09-02T00:00:00Z', rate: '148' },
  { base: 'USD', quote: 'JPY', at: '2025-10-15T00:00:00Z', rate: '150.77' },
];

let store: KpiStore;
let oracle: Oracle;

beforeAll(async () => {
  const rows = randomRows({ seed: propertySeed, events: EVENTS, start_ms: START_MS, end_ms: END_MS });
  store = await KpiStore.of(rows, { cubes: CUBES });
  for (const { base, quote, at, rate } of RATES) store.rate(base, quote, at, rate);
  oracle = await Oracle.of(rows);
});

/** What a comparison looks at: values by group and bucket, without groups and buckets of nothing. */
function checkAnswer(answer: KpiAnswer, expected: Awaited<ReturnType<typeof expectedOf>>): void {
  expect(answer.groups_total).toBe(expected.groups.size);
  for (const { key, buckets, totals } of answer.groups) {
    const group = expected.groups.get(JSON.stringify(key));
    expect(group, JSON.stringify(key)).toBeDefined();
    expect({ key, totals }).toEqual({ key, totals: group?.totals });
    const times = new Map(
      buckets.map(({ time, incomplete: _i, partial: _p, ...values }) => [Date.parse(time), values]),
    );
    if (answer.granularity === 'total') continue;
    for (const time of group?.buckets.keys() ?? []) expect([...times.keys()]).toContain(time);
    for (const [time, values] of times) {
      expect({ key, time, values }).toEqual({
        key,
        time,
        values: group?.buckets.get(time) ?? expected.empty,
      });
    }
  }
}

function joined(from_ms: number): AskOptions {
  return { cubes: (cube) => ({ ...cube, from_ms }) };
}

describe('random queries', () => {
  it('are the same by cubes, by a scan, joined in time, and by DuckDB', async () => {
    const sources = new Map<string, number>();
    const all = fc.sample(queries(START_MS, END_MS), { numRuns: QUERIES, seed: propertySeed });
    for (const [at, given] of all.entries()) {
      // An amount without a currency cannot be converted.
      const currency = { not: at % 3 === 0 ? [null, 'JPY'] : null };
      const query: KpiQueryInput =
        given.currency === undefined ? given : { ...given, filters: { ...given.filters, currency } };
      await checkQuery(query, at, sources);
    }
    const used = (pattern: RegExp): number =>
      [...sources].reduce((sum, [source, count]) => sum + (pattern.test(source) ? count : 0), 0);
    // Otherwise the comparison says less than it seems to.
    expect(used(/^rollup/)).toBeGreaterThan(QUERIES / 6);
    expect(used(/^rollup.*scan$/)).toBeGreaterThan(QUERIES / 12);
    expect(used(/^scan$/)).toBeGreaterThan(QUERIES);
  });
});

async function checkQuery(query: KpiQueryInput, at: number, sources: Map<string, number>): Promise<void> {
  const parsed = kpiSchemaOf(CUSTOM).parse(query);
  const upTo = at % 3 === 2 ? 1 + ((at * 811) % EVENTS) : undefined;
  const expected = await expectedOf(oracle, parsed, upTo, RATES);
  const asked = upTo === undefined ? query : { ...query, as_of: { EVENTS: { '0': upTo } } };
  const middle_ms =
    Math.floor((Date.parse(query.start) + Date.parse(query.end)) / 2 / 86_400_000) * 86_400_000;
  for (const options of [{}, { cubes: () => undefined }, joined(middle_ms)]) {
    const answer = store.ask(asked, options);
    sources.set(answer.source, (sources.get(answer.source) ?? 0) + 1);
    try {
      checkAnswer(answer, expected);
    } catch (error) {
      throw new Error(`query ${at} of ${answer.source}: ${JSON.stringify(asked)}`, { cause: error });
    }
  }
}
