import { TestDriver, watermark } from '../../index.ts';

interface Click {
  readonly user: string;
  readonly time_ms: number;
}

export default async function example(): Promise<unknown[]> {
  const driver = await TestDriver.start<Click, Click>((clicks) =>
    clicks.pipe(
      watermark('event-time', {
        timeOf: ({ time_ms }) => time_ms,
        outOfOrderness_ms: 1_000,
        idle_ms: 60_000,
        late: ({ user, time_ms }) => ({ scope: 'shop', sequence: time_ms, detail: { user } }),
      }),
    ),
  );
  await driver.push({ user: 'ann', time_ms: 5_000 }, { user: 'bob', time_ms: 4_200 });
  await driver.push({ user: 'cem', time_ms: 9_000 });
  await driver.push({ user: 'dora', time_ms: 3_000 });
  const late = driver.counter('millrace.watermark.late');
  return [...driver.watermarks, `${driver.out.length} passed on, ${late} of them late`];
}

export const expected: unknown[] = [4_000, 8_000, '4 passed on, 1 of them late'];
