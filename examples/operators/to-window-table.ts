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
  const query = { kind: 'window', key: 'berlin', ...hours } as const;
  const answer = queryTable(driver.disk.reader(), windowTableOf<number>('sales'), query);
  return answer.ok
    ? answer.values.map(({ start_ms, value }) => [start_ms / HOUR_MS, value])
    : [answer.reason];
}

export const expected: unknown[] = [
  [9, 2_000],
  [10, 3_000],
];
