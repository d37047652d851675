import { collect, count, type Stream, session, TestDriver, window } from '../../index.ts';

interface Click {
  readonly visitor: string;
  readonly page: string;
  readonly time_ms: number;
}

const MINUTE_MS = 60_000;

/** Visits: clicks of a visitor less than half an hour apart. */
export default async function example(): Promise<unknown[]> {
  const driver = await TestDriver.start((clicks: Stream<Click>) =>
    clicks.pipe(
      window('visits', {
        keyOf: (click) => click.visitor,
        timeOf: (click) => click.time_ms,
        window: session({ gap_ms: 30 * MINUTE_MS }),
        aggregate: { clicks: count(), path: collect<Click>(20) },
      }),
    ),
  );
  await driver.push(
    { visitor: 'ada', page: '/', time_ms: 0 },
    { visitor: 'ada', page: '/paid', time_ms: 40 * MINUTE_MS },
    { visitor: 'ada', page: '/again', time_ms: 90 * MINUTE_MS },
    // What was two visits until now is one.
    { visitor: 'ada', page: '/cart', time_ms: 20 * MINUTE_MS },
  );
  await driver.advanceTo(120 * MINUTE_MS);
  return driver.out.map(({ key, window: { start_ms, end_ms }, value }) => ({
    visitor: key,
    minutes: [start_ms / MINUTE_MS, end_ms / MINUTE_MS],
    clicks: value.clicks,
    path: value.path.map(({ page }) => page).join(' '),
  }));
}

export const expected: unknown[] = [
  { visitor: 'ada', minutes: [0, 70], clicks: 3, path: '/ /cart /paid' },
  { visitor: 'ada', minutes: [90, 120], clicks: 1, path: '/again' },
];
