import { describe, expect, it } from 'vitest';
import { orderAnalytics } from '../analytics/index.ts';
import { SeededRandom, simulate } from '../engine/index.ts';
import { StateQueries } from './ask-state.ts';
import { sizes } from './long.ts';
import { oracle, oracleCustomers } from './order-oracle.ts';
import { answersOf, askCustomers, askSums } from './simulated-answers.ts';
import { END_MS, FIRST_MS, type GeneratedEvent, generate, START_MS } from './simulated-orders.ts';
import {
  BY_COUNTRY,
  BY_SKU,
  letterName,
  runDisturbed,
  runStraight,
  SIMULATED_CUBES,
  TOTAL,
} from './simulated-runs.ts';

const ORACLE_SEEDS = sizes.oracle_seeds;
const ORDERS_PER_SET = 14;
const DAY_MS = 86_400_000;

describe('order analytics under shuffles, duplicates and crashes', () => {
  it('answers what plain maps over the set of events give, by cube and by scan', async () => {
    for (let seed = 0; seed < ORACLE_SEEDS; seed++) {
      const set = generate({ seed: 1_000 + seed, orders: ORDERS_PER_SET, ties: false });
      const { result } = await runDisturbed(set, seed);
      for (const { name, dimensions } of SIMULATED_CUBES) {
        const expected = answersOf(oracle(set.events, dimensions));
        const cube = await askSums(result, dimensions, false);
        expect(cube.sources, `seed ${seed}`).toEqual([`rollup:${name}`, `rollup:${name}`]);
        expect(cube.answers, `seed ${seed}, by cube ${name}`).toEqual(expected);
        const scan = await askSums(result, dimensions, true);
        expect(scan.sources, `seed ${seed}`).toEqual(['scan', 'scan']);
        expect(scan.answers, `seed ${seed}, by scan, ${name}`).toEqual(expected);
      }
    }
  });

  it('distinct customers are exact while they are few', async () => {
    const set = generate({ seed: 77, orders: 30, ties: false });
    const { result } = await runDisturbed(set, 77);
    for (const { dimensions } of [TOTAL, BY_COUNTRY]) {
      const { answers } = await askCustomers(result, dimensions);
      const found = [...answers].map(([key, { customers_active: count }]) => [key, Number(count)] as const);
      expect(new Map(found)).toEqual(oracleCustomers(set.events, dimensions));
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

  it('has the log, the ledger, the ids, the rates and the cubes in its digest', async () => {
    const { result } = await runStraight(generate({ seed: 0, orders: ORDERS_PER_SET, ties: true }));
    const filled = Object.entries(result.digest.tables).filter(([, { rows }]) => rows > 0);
    expect(filled.map(([table]) => table)).toEqual([
      'cubes/cells',
      'dedup/log',
      'fx-rates/rates',
      'ledger/customers',
      'ledger/orders',
      'ledger/sessions',
      'ledger/tickets',
      'log/segments',
    ]);
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
      expect([...result.published.keys()].map(letterName).sort(), `seed ${seed}`).toEqual(conflicts.sort());
      const { answers } = await askSums(result, [], false);
      const [cell] = [...answers.values()];
      expect(cell?.revenue_gross, `seed ${seed}`).toBe(BigInt(winner('a') + winner('b')));
    }
  });
});

describe('a full day', () => {
  const limit = 3;
  const events: GeneratedEvent[] = Array.from({ length: 40 }, (_, number) => ({
    tenant: 'acme',
    time_ms: START_MS - DAY_MS + number,
    members: {
      event_id: `e${number}`,
      type: 'order.created',
      sku: `sku-${number % 10}`,
      amount: 100 + number,
    },
  }));
  const query = {
    metrics: ['revenue_gross', 'orders_count'],
    start: new Date(FIRST_MS).toISOString(),
    end: new Date(START_MS).toISOString(),
  };

  it('is counted in full by a cube that holds no further values, and told apart by a scan', async () => {
    for (let seed = 0; seed < 10; seed++) {
      const { result } = await runDisturbed({ events, malformed: [] }, seed, {
        cubes: [BY_SKU],
        cells_per_day: limit,
      });
      const cells = result.disk
        .reader()
        .snapshot((table) => [...table('cubes/days').scan()].map(({ value }) => [...value]));
      // Cells and additions that found no room, of the cube's only day.
      expect(cells, `seed ${seed}`).toEqual([[limit, expect.any(Number)]]);
      const state = new StateQueries(result.disk.reader(), END_MS);
      const bySku = await state.ask('acme', { ...query, group_by: ['sku'] });
      expect(bySku.source, `seed ${seed}`).toBe('rollup:sku@1d+scan');
      expect(bySku.warnings).toEqual([]);
      const found = bySku.groups.map(({ key, totals }) => [key.sku, totals.revenue_gross]);
      const expected = Array.from({ length: 10 }, (_, sku) => [`sku-${sku}`, 4 * 100 + 4 * sku + 60]);
      expect(found.sort(), `seed ${seed}`).toEqual(expected);
      const inAll = await state.ask('acme', query);
      expect(inAll.groups[0]?.totals).toEqual({ revenue_gross: 40 * 100 + (39 * 40) / 2, orders_count: 40 });
    }
  });
});
