import { map, sessions, TestDriver } from '../../index.ts';

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
      sessions('visits', {
        keyOf: ({ visitor }) => visitor,
        timeOf: ({ time_ms }) => time_ms,
        gap_ms: 30 * MINUTE_MS,
        max_events: 1_000,
      }),
      map('path', ({ key, events }) => `${key}: ${events.map(({ page }) => page).join(' > ')}`),
    ),
  );
  await driver.push(view('ann', '/order', 40), view('bob', '/', 10), view('ann', '/', 0));
  await driver.push(view('ann', '/cart', 20), view('ann', '/orders', 200));
  await driver.advanceTo(180 * MINUTE_MS);
  return driver.out;
}

export const expected: unknown[] = ['bob: /', 'ann: / > /cart > /order'];
