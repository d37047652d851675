import { map, TestDriver } from '../../index.ts';

interface Order {
  readonly id: string;
  readonly lines: readonly { readonly cents: number; readonly quantity: number }[];
}

export default async function example(): Promise<unknown[]> {
  const driver = await TestDriver.start<Order, { id: string; total_cents: number }>((orders) =>
    orders.pipe(
      map('totals', ({ id, lines }) => ({
        id,
        total_cents: lines.reduce((sum, { cents, quantity }) => sum + cents * quantity, 0),
      })),
    ),
  );
  await driver.push(
    { id: 'o1', lines: [{ cents: 250, quantity: 2 }] },
    {
      id: 'o2',
      lines: [
        { cents: 999, quantity: 1 },
        { cents: 100, quantity: 3 },
      ],
    },
  );
  return driver.out;
}

export const expected: unknown[] = [
  { id: 'o1', total_cents: 500 },
  { id: 'o2', total_cents: 1299 },
];
