import { filter, intervalJoin, type Stream, TestDriver } from '../../index.ts';

interface Order {
  readonly type: 'order';
  readonly id: string;
  readonly time_ms: number;
}
interface Payment {
  readonly type: 'payment';
  readonly orderId: string;
  readonly time_ms: number;
}

const HOUR_MS = 3_600_000;

/** Each order with its payment of the following hour, or as unpaid once the hour is over. */
const payments = (events: Stream<Order | Payment>): Stream<string> => {
  const orders = events.pipe(filter('orders', (event): event is Order => event.type === 'order'));
  const paid = events.pipe(filter('payments', (event): event is Payment => event.type === 'payment'));
  return orders.connect(
    paid,
    intervalJoin('paid-in-time', {
      left: { keyOf: ({ id }) => id, timeOf: ({ time_ms }) => time_ms },
      right: { keyOf: ({ orderId }) => orderId, timeOf: ({ time_ms }) => time_ms },
      lower_ms: 0,
      upper_ms: HOUR_MS,
      type: 'left',
      join: (order, payment) =>
        payment === undefined
          ? `${order.id} unpaid`
          : `${order.id} paid after ${(payment.time_ms - order.time_ms) / 1_000} s`,
    }),
  );
};

export default async function example(): Promise<unknown[]> {
  const shop = await TestDriver.start(payments);
  // The payment comes before its order: the order of arrival makes no difference.
  await shop.push({ type: 'payment', orderId: 'o1', time_ms: 90_000 });
  await shop.push({ type: 'order', id: 'o1', time_ms: 60_000 }, { type: 'order', id: 'o2', time_ms: 0 });
  await shop.advanceTo(2 * HOUR_MS);
  return shop.out;
}

export const expected: unknown[] = ['o1 paid after 30 s', 'o2 unpaid'];
