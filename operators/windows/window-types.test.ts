import { describe, expect, expectTypeOf, it } from 'vitest';
import { type Stream, TestDriver } from '../../engine/index.ts';
import { avg, count, filtered, max, sum, sumExact } from '../aggregates/index.ts';
import { window } from './window.ts';
import type { WindowResult } from './window-types.ts';
import { tumbling } from './windows.ts';

interface Order {
  readonly id: string;
  readonly customer: string;
  readonly amount: number;
  readonly time_ms: number;
}

describe('types of windows', () => {
  it('the result of a composition follows from its parts, inside a pipe without annotations', async () => {
    const build = (orders: Stream<Order>) =>
      orders.pipe(
        window('revenue', {
          keyOf: (order) => order.customer,
          timeOf: (order) => order.time_ms,
          window: tumbling({ size_ms: 10 }),
          aggregate: {
            orders: count(),
            revenue: sum((order) => order.amount),
            cents: sumExact((order) => order.amount),
            large: filtered((order) => order.amount > 1, count()),
            paid: filtered(
              ({ amount }) => amount > 0,
              sum(({ amount }) => amount),
            ),
            of: { mean: avg((order) => order.amount), most: max((order) => order.amount) },
          },
        }),
      );
    const driver = await TestDriver.start(build);
    await driver.push({ id: '1', customer: 'a', amount: 3, time_ms: 1 });
    await driver.advanceTo(10);
    const result = driver.out[0]?.value;
    expectTypeOf(result).toEqualTypeOf<
      | {
          orders: number;
          revenue: number;
          cents: bigint;
          large: number;
          paid: number;
          of: { mean: number; most: number };
        }
      | undefined
    >();
    expect(result).toEqual({ orders: 1, revenue: 3, cents: 3n, large: 1, paid: 3, of: { mean: 3, most: 3 } });
    expectTypeOf(build).returns.toExtend<
      Stream<WindowResult<{ orders: number }>, { late: Order; overflow: Order }>
    >();
  });
});
