import { describe, expect, it } from 'vitest';
import {
  type Builder,
  type SeededRandom,
  type SimulatedMessage,
  type Stream,
  simulateSeeds,
  TestDriver,
  topology,
} from '../engine/index.ts';
import { count, filtered } from './aggregates/index.ts';
import { json, map, watermark } from './core/index.ts';
import { inputs, type Joined, modeOf, timeBy } from './fixture-chaining.ts';
import { each, left, pair, type Row, right, rowInput, sides } from './joins/fixture-join.ts';
import { intervalJoin, temporalJoin } from './joins/index.ts';
import { begin, pattern } from './sequences/index.ts';
import { toJetStream } from './sinks/index.ts';
import { tumbling, window } from './windows/index.ts';

const DAY_MS = 86_400_000;

describe('chained joins', () => {
  it('are all orders in their window, paid or not', async () => {
    const driver = await TestDriver.start<Row, { orders: number; paid: number }>((input) => {
      const [orders, payments] = sides(input);
      return orders
        .connect(
          payments,
          intervalJoin('paid', { ...inputs, ...modeOf('left'), lower_ms: 0, upper_ms: 1_000 }),
        )
        .pipe(
          window('windows', {
            keyOf: () => '',
            timeOf: (item) => timeBy(item, 'left'),
            window: tumbling({ size_ms: 500 }),
            aggregate: { orders: count(), paid: filtered((item) => item.right !== undefined, count()) },
          }),
          map('value', ({ value }) => value),
        );
    });
    for (let id = 0; id < 100; id++) {
      await driver.push(left(id * 100, id, `o${id}`));
      if (id % 2 === 1) await driver.push(right(id * 100 + 50, id, `o${id}`));
      await driver.advanceTo(id * 100);
    }
    await driver.advanceTo(Number.POSITIVE_INFINITY);
    const sum = (read: (value: { orders: number; paid: number }) => number): number =>
      driver.out.reduce((total, value) => total + read(value), 0);
    expect([sum(({ orders }) => orders), sum(({ paid }) => paid)]).toEqual([100, 50]);
    expect(driver.counter('millrace.window.late')).toBe(0);
  });

  it('a second join by order time has them all', async () => {
    const HOUR_MS = 3_600_000;
    let driver = await TestDriver.start<Row, string>((input) => {
      const [orders, others] = sides(input);
      const payments = others.pipe(each('payments', (row) => (row.key.startsWith('o') ? [row] : [])));
      const customers = others.pipe(each('customers', (row) => (row.key === '' ? [row] : [])));
      return orders
        .connect(
          payments,
          intervalJoin('paid', { ...inputs, ...modeOf('left'), lower_ms: -60_000, upper_ms: HOUR_MS }),
        )
        .connect(
          customers,
          temporalJoin<Joined, Row, string>('with-customer', {
            left: { keyOf: () => '', timeOf: (item) => timeBy(item, 'left') },
            right: rowInput,
            type: 'left',
            join: (item, customer) => `${pair(item.left, item.right)} ${customer?.id}`,
          }),
        );
    });
    const out: string[] = [];
    for (let id = 1; id <= 60; id++) {
      const at_ms = id * 60_000;
      await driver.push(left(at_ms, id, `o${id}`), right(at_ms - 1, 1_000 + id, ''));
      if (id % 3 === 0) await driver.push(right(at_ms + 50_000, id, `o${id}`));
      await driver.advanceTo(at_ms);
      if (id % 7 !== 0) continue;
      driver.commit();
      out.push(...driver.take());
      driver = await driver.restart();
    }
    await driver.advanceTo(10 * HOUR_MS);
    const wanted = Array.from({ length: 60 }, (_, at) => at + 1).map(
      (id) => `${id}+${id % 3 === 0 ? id : ''} ${1_000 + id}`,
    );
    expect([...out, ...driver.take()].sort()).toEqual(wanted.sort());
    expect(driver.counter('millrace.temporal_join.late')).toBe(0);
  });

  it('three sources and two joins give the same whatever crashes, for any drift between the sources', async () => {
    const MINUTE_MS = 60_000;
    const start_ms = Date.UTC(2025, 0, 1);
    const decoded = (t: Builder, name: string, side: Row['side']): Stream<Row> =>
      t.source(name).pipe(
        json(`${name}-json`, { parse: (value) => ({ ...(value as Row), side }) }),
        watermark(`${name}-time`, {
          timeOf: ({ time_ms }) => time_ms,
          outOfOrderness_ms: 5_000,
          idle_ms: 1_000,
        }),
      );
    const rowsOf = (
      random: SeededRandom,
      ids: number,
      at: (id: number) => number | undefined,
    ): SimulatedMessage[] =>
      Array.from({ length: ids }, (_, id) => ({ id, key: random.pick(['a', 'b', 'c']), time_ms: at(id) }))
        .filter((row) => row.time_ms !== undefined)
        .sort((a, b) => (a.time_ms as number) - (b.time_ms as number))
        .map((row) => ({ subject: 'rows', data: Buffer.from(JSON.stringify(row)) }));
    const report = await simulateSeeds({
      topology: () =>
        topology('chained', (t) => {
          decoded(t, 'orders', 'left')
            .connect(
              decoded(t, 'payments', 'right'),
              intervalJoin('paid', {
                ...inputs,
                ...modeOf('left'),
                lower_ms: -MINUTE_MS,
                upper_ms: 60 * MINUTE_MS,
              }),
            )
            .connect(
              decoded(t, 'customers', 'right'),
              temporalJoin<Joined, Row, string>('with-customer', {
                left: { keyOf: (item) => item.left?.key ?? '', timeOf: (item) => timeBy(item, 'left') },
                right: rowInput,
                type: 'left',
                join: (item, customer) => `${pair(item.left, item.right)} ${customer?.id}`,
              }),
            )
            .pipe(toJetStream('out', { subject: 'results', idOf: (result) => result }));
        }),
      generate: (_, random) => ({
        orders: rowsOf(random, 60, (id) => start_ms + id * MINUTE_MS),
        payments: rowsOf(random, 60, (id) =>
          random.chance(0.7)
            ? start_ms + id * MINUTE_MS + random.int(-2 * MINUTE_MS, 66 * MINUTE_MS)
            : undefined,
        ),
        customers: rowsOf(random, 30, (id) => start_ms + id * 2 * MINUTE_MS + 7),
      }),
      disorder: { timeOf: ({ data }) => JSON.parse(Buffer.from(data).toString()).time_ms, max_ms: 5_000 },
      duplicates: 0,
      seeds: 40,
      start_ms: start_ms - DAY_MS,
      end_ms: start_ms + DAY_MS,
    });
    expect(report.failure).toBeUndefined();
  });

  it('a pattern goes on after a restart where the join had held it', async () => {
    let driver = await TestDriver.start<Row, Joined>((input) => {
      const [a, b] = sides(input);
      return a
        .connect(b, intervalJoin('join', { ...inputs, ...modeOf('left'), lower_ms: 0, upper_ms: 500 }))
        .pipe(
          pattern('pattern', {
            pattern: begin('any', () => true),
            keyOf: () => 'k',
            timeOf: (item: Joined) => timeBy(item, 'left'),
          }),
          each('tell', ({ events }) => events.any),
        );
    });
    await driver.push(left(1_000, 1));
    await driver.advanceTo(1_400);
    driver.commit();
    driver = await driver.restart();
    await driver.push(right(1_450, 2));
    await driver.advanceTo(10_000);
    expect(driver.out.map((item) => pair(item.left, item.right))).toEqual(['1+2']);
    expect(driver.counter('millrace.pattern.late')).toBe(0);
  });
});
