import { keyedProcess, type Stream, TestDriver } from '../../index.ts';

interface Order {
  readonly customer: string;
  readonly cents: number;
}

interface Spent {
  readonly cents: number;
  /** Not known of what was spent before it was counted. */
  readonly orders: number | undefined;
}

/** The program of last week: what a customer has spent. */
const before = (orders: Stream<Order>) =>
  orders.pipe(
    keyedProcess<Order, never, number>('spent', {
      keyOf: (order) => order.customer,
      initial: () => 0,
      onEvent: (order, { state, setState }) => setState(state + order.cents),
    }),
  );

/** Today's also counts orders: its state is another one, so its version is higher, and `migrate` makes it of the old. */
const after = (orders: Stream<Order>) =>
  orders.pipe(
    keyedProcess<Order, string, Spent>('spent', {
      keyOf: (order) => order.customer,
      version: 2,
      migrate: (old) => ({ cents: old as number, orders: undefined }),
      initial: () => ({ cents: 0, orders: 0 }),
      onEvent: ({ customer, cents }, { state, setState, emit }) => {
        const next = {
          cents: state.cents + cents,
          orders: state.orders === undefined ? undefined : state.orders + 1,
        };
        setState(next);
        emit(`${customer}: ${next.cents} in ${next.orders ?? 'some'} orders`);
      },
    }),
  );

export default async function example(): Promise<unknown[]> {
  const driver = await TestDriver.start(before);
  await driver.push({ customer: 'ada', cents: 500 }, { customer: 'ada', cents: 700 });
  const next = await TestDriver.start(after, { snapshot: driver.snapshot() });
  await next.push({ customer: 'ada', cents: 100 }, { customer: 'bob', cents: 900 });
  return next.out;
}

export const expected: unknown[] = ['ada: 1300 in some orders', 'bob: 900 in 1 orders'];
