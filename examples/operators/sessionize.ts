import { map, sessionize, TestDriver } from '../../index.ts';

interface View {
  readonly visitor: string;
  readonly page: string;
  readonly time_ms: number;
}

const MINUTE_MS = 60_000;
const view = (visitor: string, page: string, minute: number): View => ({
  visitor,
  page,
  time_ms: minute * MINUTE_MS,
});

export default async function example(): Promise<unknown[]> {
  const driver = await TestDriver.start<View, string>((views) =>
    views.pipe(
      sessionize('visits', {
        keyOf: ({ visitor }) => visitor,
        timeOf: ({ time_ms }) => time_ms,
        gap_ms: 30 * MINUTE_MS,
      }),
      map('text', ({ event, session, index }) => `${session} #${index} ${event.page}`),
    ),
  );
  // The cart came before the order, and joins it with the first page.
  await driver.push(view('ann', '/', 0), view('ann', '/order', 50), view('ann', '/cart', 25));
  await driver.push(view('ann', '/orders', 200));
  await driver.advanceTo(240 * MINUTE_MS);
  return driver.out;
}

export const expected: unknown[] = [
  'ann@0 #0 /',
  'ann@0 #1 /cart',
  'ann@0 #2 /order',
  'ann@12000000 #0 /orders',
];
