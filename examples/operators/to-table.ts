import { queryTable, type TableChange, TestDriver, tableOf, toTable } from '../../index.ts';

interface Stock {
  readonly sku: string;
  readonly time_ms: number;
  /** Not there: the article is not sold any more. */
  readonly pieces?: number;
}

export default async function example(): Promise<unknown[]> {
  const driver = await TestDriver.start<Stock, TableChange<number>>((stock) =>
    stock.pipe(
      toTable('stock', {
        keyOf: ({ sku }) => sku,
        timeOf: ({ time_ms }) => time_ms,
        value: ({ pieces }) => pieces,
      }),
    ),
  );
  await driver.push(
    { sku: 'shoe-41', time_ms: 30, pieces: 4 },
    { sku: 'shoe-41', time_ms: 10, pieces: 9 },
    { sku: 'shoe-42', time_ms: 20, pieces: 7 },
    { sku: 'sock', time_ms: 20, pieces: 50 },
    { sku: 'sock', time_ms: 40 },
  );
  driver.commit();
  // Any thread or process with a reader of the state may ask, e.g. one of `openLmdbReader`.
  const reader = driver.disk.reader();
  const table = tableOf<number>('stock');
  const one = queryTable(reader, table, { kind: 'key', key: 'shoe-41' });
  const shoes = queryTable(reader, table, { kind: 'prefix', prefix: 'shoe', limit: 10 });
  const ahead = queryTable(reader, table, { kind: 'key', key: 'sock' }, { position: { S: { '0': 99 } } });
  return [one.ok && one.value, shoes.ok && shoes.values, ahead.ok || ahead.reason];
}

export const expected: unknown[] = [
  4,
  [
    { key: 'shoe-41', value: 4 },
    { key: 'shoe-42', value: 7 },
  ],
  'not_up_to_bound',
];
