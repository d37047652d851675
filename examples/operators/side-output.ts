import { count, map, type Stream, TestDriver, toJetStream, tumbling, window } from '../../index.ts';

interface Click {
  readonly page: string;
  readonly time_ms: number;
}

const clicksByMinute = (clicks: Stream<Click>) => {
  const minutes = clicks.pipe(
    window('minutes', {
      keyOf: ({ page }) => page,
      timeOf: ({ time_ms }) => time_ms,
      window: tumbling({ size_ms: 60_000 }),
      aggregate: count(),
    }),
  );
  // A stream like any other: here it goes to a stream for a person to look at.
  minutes.side('late').pipe(toJetStream('too-late', { subject: ({ page }) => `late.${page}` }));
  return minutes.pipe(map('line', ({ key, value }) => `${key}: ${value}`));
};

export default async function example(): Promise<unknown[]> {
  const driver = await TestDriver.start(clicksByMinute);
  await driver.push({ page: 'home', time_ms: 1_000 });
  await driver.advanceTo(60_000);
  await driver.push({ page: 'home', time_ms: 2_000 });
  driver.commit();
  return [...driver.out, ...driver.sent.map(({ subject }) => subject)];
}

export const expected: unknown[] = ['home: 1', 'late.home'];
