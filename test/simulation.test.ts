import { describe, expect, it } from 'vitest';
import { CUBES_OPERATOR, GRANULARITIES, MEASURES, orderAnalytics } from '../analytics/index.ts';
import { SeededRandom, type SimulationResult, simulate } from '../engine/index.ts';
import {
  type CellRow,
  type CubeDefinition,
  countDistinct,
  cubeViews,
  OTHER,
  readCardinality,
  readCube,
} from '../operators/index.ts';
import { oracle, oracleCustomers, SHARED } from './order-oracle.ts';
import { END_MS, type GeneratedEvent, generate, START_MS, TENANTS } from './simulated-orders.ts';
import { BY_COUNTRY, BY_SKU, runDisturbed, SIMULATED_CUBES, TOTAL } from './simulated-runs.ts';

const ORACLE_SEEDS = 12;
const ORDERS_PER_SET = 14;
const DAY = GRANULARITIES.length - 1;
const DAY_MS = 86_400_000;

/** Every day cell of a cube as [tenant, row]. */
function dayRows(result: SimulationResult, cube: CubeDefinition): (readonly [string, CellRow])[] {
  return result.disk.reader().snapshot((table) =>
    TENANTS.flatMap((scope) => {
      const query = {
        scope,
        cube,
        granularity: DAY,
        width_ms: DAY_MS,
        start_ms: 0,
        end_ms: START_MS + DAY_MS,
      };
      const rows = [
        ...readCube(cubeViews(table, CUBES_OPERATOR), {
          ...query,
          measures: MEASURES.length,
          withDetail: true,
        }),
      ];
      return rows.map((row) => [scope, row] as const);
    }),
  );
}

function sumsByCell(result: SimulationResult, cube: CubeDefinition): Map<string, Map<string, bigint>> {
  const cells = new Map<string, Map<string, bigint>>();
  for (const [scope, { bucket_ms, unit, values, cell }] of dayRows(result, cube)) {
    const sums = cell.sums.flatMap((sum, index) =>
      BigInt(sum) === 0n ? [] : [[MEASURES[index] as string, BigInt(sum)] as const],
    );
    if (sums.length > 0) cells.set(JSON.stringify([scope, bucket_ms, unit, ...values]), new Map(sums));
  }
  return cells;
}

/** Without the measures that items share, and without cells that had nothing else. */
function withoutShared(cells: ReadonlyMap<string, ReadonlyMap<string, bigint>>) {
  const kept = [...cells].map(
    ([key, sums]) =>
      [key, [...sums].filter(([name]) => !SHARED.some((shared) => shared === name)).sort()] as const,
  );
  return new Map(kept.filter(([, sums]) => sums.length > 0).sort());
}

/** Sum of a measure over all cells, by tenant, day and currency. */
function totals(
  cells: ReadonlyMap<string, ReadonlyMap<string, bigint>>,
  measure: string,
): Map<string, bigint> {
  const sums = new Map<string, bigint>();
  for (const [key, cell] of cells) {
    const place = JSON.stringify((JSON.parse(key) as unknown[]).slice(0, 3));
    const sum = (sums.get(place) ?? 0n) + (cell.get(measure) ?? 0n);
    if (sum === 0n) sums.delete(place);
    else sums.set(place, sum);
  }
  return new Map([...sums].sort());
}

describe('order analytics under shuffles, duplicates and crashes', () => {
  it('the cells are what plain maps over the set of events give', async () => {
    for (let seed = 0; seed < ORACLE_SEEDS; seed++) {
      const set = generate({ seed: 1_000 + seed, orders: ORDERS_PER_SET, ties: false });
      const { result } = await runDisturbed(set, seed);
      const total = oracle(set.events, []);
      for (const cube of SIMULATED_CUBES) {
        const found = sumsByCell(result, cube);
        const expected = oracle(set.events, cube.dimensions);
        expect(withoutShared(found), `seed ${seed}, cube ${cube.name}`).toEqual(withoutShared(expected));
        for (const measure of SHARED) {
          expect(totals(found, measure), `seed ${seed}, ${measure} of cube ${cube.name}`).toEqual(
            totals(total, measure),
          );
        }
      }
    }
  });

  it('distinct customers are exact while they are few', async () => {
    const set = generate({ seed: 77, orders: 30, ties: false });
    const { result } = await runDisturbed(set, 77);
    for (const cube of [TOTAL, BY_COUNTRY]) {
      const found = dayRows(result, cube).flatMap(([scope, { bucket_ms, unit, values, cell }]) => {
        const count = cell.detail === undefined ? 0 : countDistinct(cell.detail.distinct).count;
        return count === 0 ? [] : [[JSON.stringify([scope, bucket_ms, unit, ...values]), count] as const];
      });
      expect(new Map(found)).toEqual(oracleCustomers(set.events, cube.dimensions));
    }
  });

  it('is the same run when the seed is the same', async () => {
    const set = generate({ seed: 5, orders: ORDERS_PER_SET, ties: true });
    const [one, two] = [await runDisturbed(set, 3), await runDisturbed(set, 3)];
    const facts = ({ result: { crashes, sends, progress } }: typeof one) => ({
      crashes,
      sends,
      commits: progress.commit,
    });
    expect(facts(one)).toEqual(facts(two));
  });
});

describe('conflicts', () => {
  it('the first payload by sequence wins, each other one becomes a dead letter', async () => {
    const event = (event_id: string, amount: number): object => ({
      event_id,
      type: 'order.created',
      time: '2025-03-10T10:00:00Z',
      amount,
    });
    for (let seed = 0; seed < 20; seed++) {
      const random = new SeededRandom(seed);
      const order = random.shuffled(
        [1, 2, 3, 2, 1].flatMap((amount) => [['a', amount] as const, ['b', amount * 10] as const]),
      );
      const messages = order.map(([id, amount]) => ({
        subject: 'events.acme.x',
        data: Buffer.from(JSON.stringify(event(id, amount))),
      }));
      const options = { cubes: SIMULATED_CUBES, dedup_memory_ids: random.pick([1, 4, 100]) };
      const times = { start_ms: START_MS, end_ms: END_MS };
      const result = await simulate({
        topology: () => orderAnalytics(options),
        messages,
        seed,
        faults: true,
        ...times,
      });
      const [sequences = []] = Object.values(result.sequences);
      const winner = (id: string): number => order.find(([other]) => other === id)?.[1] ?? 0;
      const conflicts = order.flatMap(([id, amount], index) =>
        amount === winner(id)
          ? []
          : [`deadletter-${messages[index]?.subject}-${sequences[index]}-0-conflict`],
      );
      expect([...result.published.keys()].sort(), `seed ${seed}`).toEqual(conflicts.sort());
      const [cell] = [...sumsByCell(result, TOTAL).values()];
      expect(cell?.get('revenue_gross'), `seed ${seed}`).toBe(BigInt(winner('a') + winner('b')));
    }
  });
});

describe('a full day', () => {
  it('sends new values to __other__, without losing anything', async () => {
    const limit = 3;
    const sku = (number: number): string => `sku-${number}`;
    const events: GeneratedEvent[] = Array.from({ length: 40 }, (_, number) => ({
      tenant: 'acme',
      time_ms: START_MS - DAY_MS + number,
      members: { event_id: `e${number}`, type: 'order.created', sku: sku(number % 10), amount: 100 + number },
    }));
    for (let seed = 0; seed < 10; seed++) {
      const { result } = await runDisturbed({ events, malformed: [] }, seed, {
        cells_per_day: limit,
        fold_max_commits: 1,
        fold_max_entries: 1,
      });
      const rows = dayRows(result, BY_SKU).map(([, row]) => row);
      expect(
        rows.map(({ values }) => values[0]),
        `seed ${seed}`,
      ).toContain(OTHER);
      expect(rows.filter(({ values }) => values[0] !== OTHER).length).toBe(limit);
      const revenue = rows.reduce(
        (sum, { cell }) => sum + BigInt(cell.sums[MEASURES.indexOf('revenue_gross')] ?? 0),
        0n,
      );
      expect(revenue).toBe(40n * 100n + (39n * 40n) / 2n);
      const [fullness] = result.disk
        .reader()
        .snapshot((table) => [
          ...readCardinality(table(`${CUBES_OPERATOR}/cardinality`), 'acme', 'sku', 0, START_MS),
        ]);
      expect(fullness).toMatchObject({ cube: 'sku', cells: limit });
      expect(fullness?.other_rows).toBeGreaterThan(0);
    }
  });
});
