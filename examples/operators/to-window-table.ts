import { queryTable, TestDriver, toWindowTable, windowTableOf } from '../../index.ts';

/** What a windowed aggregation emits when a window closes. */
interface Sales {
  readonly shop: string;
  readonly start_ms: number;
  readonly cents: number;
}

const HOUR_MS = 3_600_000;

export default async function example(): Promise<unknown[]> {
  const driver = await TestDriver.start<Sales, unknown>((sales) =>
    sales.pipe(
      toWindowTable('sales', {
        keyOf: ({ shop }) => shop,
        windowOf: ({ start_ms }) => ({ start_ms, end_ms: start_ms + HOUR_MS }),
        value: ({ cents }) => cents,
        retain_ms: 30 * 24 * HOUR_MS,
      }),
    ),
  );
  await driver.push(
    { shop: 'berlin', start_ms: 8 * HOUR_MS, cents: 1_000 },
    { shop: 'berlin', start_ms: 9 * HOUR_MS, cents: 2_000 },
    { shop: 'paris', start_ms: 9 * HOUR_MS, cents: 9_000 },
    { shop: 'berlin', start_ms: 10 * HOUR_MS, cents: 3_000 },
  );
  driver.commit();
  const hours = { start_ms: 9 * HOUR_MS, end_ms: 12 * HOUR_MS };
  const reader = driver.disk.reader();
  const sold = windowTableOf<number>('sales');
  const one = queryTable(reader, sold, { kind: 'window', key: 'berlin', ...hours, reverse: true });
  const all = queryTable(reader, sold, { kind: 'windows', ...hours, limit: 100 });
  return [
    one.ok ? one.values.map(({ start_ms, value }) => [start_ms / HOUR_MS, value]) : one.reason,
    all.ok ? all.values.map(({ key, start_ms, value }) => [key, start_ms / HOUR_MS, value]) : all.reason,
  ];
}

export const expected: unknown[] = [
  [
    [10, 3_000],
    [9, 2_000],
  ],
  [
    ['berlin', 9, 2_000],
    ['berlin', 10, 3_000],
    ['paris', 9, 9_000],
  ],
];
