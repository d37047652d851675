import { describe, expect, it } from 'vitest';
import { defineKind, type EntityShare, type QueryKind } from '../../engine/index.ts';
import { seedsOf } from '../../test/long.ts';
import { randomRows, TENANT, type TestRow } from '../kpis/fixture-rows.ts';
import { KpiStore, NOW_MS } from '../kpis/fixture-store.ts';
import type { OpenSources } from '../kpis/index.ts';
import { CODE, HASH, ITEM_CODE, NUMBER, ROW_DIMENSIONS } from '../rows/index.ts';
import { EntityRows, entityParts, type RowTest } from './index.ts';

const START_MS = Date.UTC(2025, 0, 1);
const END_MS = Date.UTC(2025, 0, 20);
const SKU = CODE.dimensions + ROW_DIMENSIONS.indexOf('sku');
const COUNTRY = CODE.dimensions + ROW_DIMENSIONS.indexOf('country');

interface Asked {
  readonly start_ms: number;
  readonly end_ms: number;
  readonly upTo?: number;
  readonly of: number;
  /** Values that each test accepts: types, or an amount of at least. */
  readonly tests: readonly {
    readonly types?: readonly string[];
    readonly amount?: number;
    readonly sku?: string;
  }[];
}

/** Lists the rows of each entity: `customer: time event bits country amount …`. */
const listing = (_: unknown, open: OpenSources): QueryKind<Asked, Asked, EntityShare, string[]> =>
  defineKind<Asked, Asked, EntityShare, string[]>({
    name: 'listing',
    schema: { parse: (input) => input as Asked },
    plan: (_context, query) => {
      const parts = Array.from({ length: query.of }, (__, index) => ({
        ...{ reads: 'immutable' as const, rows: 1, cost_ms: 1, work: { index, of: query.of } },
      }));
      const facts = { rows: 0, bytes: 0, cost_ms: 0, source: 'scan', explain: {}, narrow: [] };
      return { kind: 'listing', ...facts, shared: query, parts };
    },
    partial: (context, { shared }, share) => {
      const sources = open(context);
      const { start_ms, end_ms, upTo } = shared;
      const request = { scope: TENANT, start_ms, end_ms, ...(upTo === undefined ? {} : { upTo }) };
      const plan = sources.planScan(request);
      const tests = shared.tests.map(({ types, amount, sku }): RowTest => {
        const wanted = sku === undefined ? -1 : sources.dictionary.find(sku);
        const codes = types?.map((type) => sources.dictionary.find(type));
        return [
          ...(codes ? [{ code: CODE.type, accepts: (code: number) => codes.includes(code) }] : []),
          ...(sku === undefined
            ? []
            : [{ code: SKU, item: ITEM_CODE.sku, accepts: (code: number) => code === wanted }]),
          ...(amount === undefined ? [] : [{ number: NUMBER.amount, min: amount, max: Infinity }]),
        ];
      });
      const columns = { codes: [COUNTRY], numbers: [NUMBER.amount], hashes: [HASH.session] };
      const rows = new EntityRows({ entity: HASH.customer, share, tests, request: plan.request, ...columns });
      sources.scan(plan, (chunk) => rows.add(chunk));
      const lines: string[] = [];
      rows.visit((table, order, from, to) => {
        for (let at = from; at < to; at++) {
          const row = order[at] as number;
          const country = sources.dictionary.textOf(table.codes[0]?.[row] as number);
          lines.push(
            [
              ...[table.entity.lo[row], table.time_ms[row], table.event[row], table.bits[row]],
              ...[country, table.numbers[0]?.[row]],
            ].join(),
          );
        }
      });
      return Buffer.from(lines.map((line) => `${line}\n`).join(''));
    },
    merge: (a, b) => Buffer.concat([a, b]),
    finish: (__, ___, bytes) =>
      Buffer.from(bytes ?? [])
        .toString()
        .split('\n')
        .filter((line) => line !== ''),
  });

/** The same by hand: each event as its newest row says it. */
function expected(rows: readonly TestRow[], { start_ms, end_ms, upTo = Infinity, tests }: Asked): string[] {
  const newest = new Map<number, TestRow>();
  for (const row of rows) {
    if (row.sequence > upTo) continue;
    if (row.retraction) newest.delete(row.event ?? 0);
    else newest.set(row.event ?? 0, row);
  }
  return [...newest.values()].flatMap((row) => {
    const { customer = 0, time_ms, event, type = '', amount = Number.NaN, dimensions = {}, items = [] } = row;
    const skus = items.length > 0 ? items.map((item) => item.sku) : [dimensions.sku ?? ''];
    if (customer === 0 || time_ms < start_ms || time_ms >= end_ms) return [];
    let bits = 0;
    for (const [at, { types, amount: least, sku }] of tests.entries())
      if (
        (types?.includes(type) ?? true) &&
        (least === undefined || amount >= least) &&
        (sku === undefined || skus.includes(sku))
      )
        bits += 2 ** at;
    if (bits === 0) return [];
    return [[customer, time_ms, event, bits, dimensions.country ?? '', amount].join()];
  });
}

const TESTS = [
  { types: ['order.created', 'visit'] },
  { amount: 5_000 },
  { types: ['visit'], amount: 0 },
  { sku: 's1' },
  { sku: '' },
];

describe('rows of entities', () => {
  it.each(seedsOf(3, 4, 5))('are those of each event as it is now, or was (seed %i)', async (seed) => {
    const rows = randomRows({ seed, events: 3_000, start_ms: START_MS, end_ms: END_MS });
    for (const commit_rows of [37, 1_000]) {
      const store = await KpiStore.of(rows, { commit_rows });
      for (const asked of [
        { start_ms: START_MS, end_ms: END_MS, of: 1, tests: TESTS },
        { start_ms: START_MS, end_ms: END_MS, of: 8, tests: TESTS },
        { start_ms: START_MS + 86_400_000, end_ms: END_MS - 90_000_000, of: 2, tests: [{}] },
        { start_ms: START_MS, end_ms: END_MS, upTo: 1_200, of: 4, tests: TESTS },
      ] satisfies Asked[]) {
        const found = store.run(listing, asked);
        expect(found.toSorted()).toEqual(expected(rows, asked).toSorted());
        expect(found.length).toBeGreaterThan(100);
      }
    }
  });

  it('come entity by entity, in order of time, whatever the order of arrival', async () => {
    const rows = randomRows({ seed: 9, events: 2_000, start_ms: START_MS, end_ms: END_MS });
    const plain = rows.filter(({ retraction, restated }) => !retraction && !restated);
    const asked = { start_ms: START_MS, end_ms: NOW_MS, of: 4, tests: [{}] };
    const found = (await KpiStore.of(plain, { commit_rows: 90 })).run(listing, asked);
    expect((await KpiStore.of(plain.toReversed(), { commit_rows: 41 })).run(listing, asked)).toEqual(found);
    const keys = found.map((line) => line.split(','));
    const places = new Map<string, number>();
    let last = 0;
    for (const [customer = '', time] of keys) {
      if (places.has(customer)) expect(Number(time)).toBeGreaterThanOrEqual(last);
      else places.set(customer, places.size);
      expect(places.get(customer)).toBe(places.size - 1);
      last = Number(time);
    }
  });

  it('are divided so that no part is long or large', () => {
    const request = { scope: TENANT, start_ms: 0, end_ms: 1 };
    const chunk = { segment: '', chunk: 0, rows: 1, isWhole: true };
    const plan = { request, chunks: [chunk], segments: 1, bytes: 0 };
    expect(entityParts({ ...plan, chunks: [], rows: 0 })).toEqual([]);
    expect(entityParts({ ...plan, rows: 1_000 })).toHaveLength(1);
    const parts = entityParts({ ...plan, rows: 10_000_000 });
    expect(parts.map(({ work }) => work.share)).toEqual(
      parts.map((_, index) => ({ index, of: parts.length })),
    );
    expect(parts[0]?.cost_ms).toBeLessThan(250);
  });
});
