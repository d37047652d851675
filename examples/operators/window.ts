import { count, type Stream, sum, TestDriver, tumbling, window } from '../../index.ts';

interface Order {
  readonly shop: string;
  readonly cents: number;
  readonly placed: string;
}

const HOUR_MS = 3_600_000;

/** Orders and revenue of each shop and hour. */
export default async function example(): Promise<unknown[]> {
  const driver = await TestDriver.start((orders: Stream<Order>) =>
    orders.pipe(
      window('hourly', {
        keyOf: (order) => order.shop,
        timeOf: (order) => Date.parse(order.placed),
        window: tumbling({ size_ms: HOUR_MS }),
        aggregate: { orders: count(), revenue: sum((order) => order.cents) },
      }),
    ),
  );
  await driver.push(
    { shop: 'oslo', cents: 1_200, placed: '2026-03-01T09:05:00Z' },
    { shop: 'rome', cents: 900, placed: '2026-03-01T09:59:59Z' },
    { shop: 'oslo', cents: 300, placed: '2026-03-01T10:00:00Z' },
    // Out of order, but its hour is still open.
    { shop: 'oslo', cents: 500, placed: '2026-03-01T09:30:00Z' },
  );
  await driver.advanceTo(Date.parse('2026-03-01T11:00:00Z'));
  return driver.out.map(
    ({ key, window: { start_ms }, value }) =>
      `${new Date(start_ms).toISOString().slice(11, 16)} ${key}: ${value.orders} orders, ${value.revenue}`,
  );
}

export const expected: unknown[] = [
  '09:00 oslo: 2 orders, 1700',
  '09:00 rome: 1 orders, 900',
  '10:00 oslo: 1 orders, 300',
];
