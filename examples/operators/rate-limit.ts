import { map, rateLimit, TestDriver } from '../../index.ts';

interface Alert {
  readonly shop: string;
  readonly time_ms: number;
  readonly text: string;
}

const MINUTE_MS = 60_000;

export default async function example(): Promise<unknown[]> {
  const driver = await TestDriver.start<Alert, string>((alerts) =>
    alerts.pipe(
      rateLimit('two-a-minute', {
        keyOf: ({ shop }) => shop,
        timeOf: ({ time_ms }) => time_ms,
        max_events: 2,
        per_ms: MINUTE_MS,
      }),
      map('text', ({ shop, text }) => `${shop}: ${text}`),
    ),
  );
  // They come out of order; the first two of the minute by event time pass.
  await driver.push(
    { shop: 'berlin', time_ms: 50_000, text: 'still down' },
    { shop: 'berlin', time_ms: 10_000, text: 'down' },
    { shop: 'berlin', time_ms: 30_000, text: 'slow' },
    { shop: 'berlin', time_ms: 70_000, text: 'up again' },
    { shop: 'paris', time_ms: 55_000, text: 'down' },
  );
  await driver.advanceTo(2 * MINUTE_MS);
  return [...driver.out, `${driver.counter('millrace.rate_limit.limited')} held back`];
}

export const expected: unknown[] = [
  'berlin: down',
  'berlin: slow',
  'paris: down',
  'berlin: up again',
  '1 held back',
];
