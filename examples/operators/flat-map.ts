import { flatMap, TestDriver } from '../../index.ts';

interface Order {
  readonly id: string;
  readonly lines: readonly { readonly sku: string; readonly quantity: number }[];
}

export default async function example(): Promise<unknown[]> {
  const driver = await TestDriver.start<Order, string>((orders) =>
    orders.pipe(
      flatMap('lines', {
        each: ({ id, lines }, push) => {
          for (const { sku, quantity } of lines) push(`${id}: ${quantity} x ${sku}`);
        },
      }),
    ),
  );
  await driver.push(
    { id: 'o1', lines: [] },
    {
      id: 'o2',
      lines: [
        { sku: 'shoe', quantity: 2 },
        { sku: 'sock', quantity: 6 },
      ],
    },
  );
  return driver.out;
}

export const expected: unknown[] = ['o2: 2 x shoe', 'o2: 6 x sock'];
