import {
  collect,
  countWindow,
  cumulate,
  hopping,
  type Stream,
  session,
  sliding,
  TestDriver,
  tumbling,
  type WindowSpec,
  window,
} from '../../index.ts';

/** Seconds of event time at which something happened; the same five events for each kind of window. */
const EVENTS_S = [1, 4, 5, 12, 25];

async function windowsOf(spec: WindowSpec): Promise<string> {
  const driver = await TestDriver.start((seconds: Stream<number>) =>
    seconds.pipe(
      window('seconds', {
        keyOf: () => 'all',
        timeOf: (second: number) => second * 1_000,
        window: spec,
        aggregate: collect<number>(10),
      }),
    ),
  );
  await driver.push(...EVENTS_S);
  await driver.advanceTo(2 * 86_400_000);
  const of = driver.out.map(({ window: { start_ms, end_ms }, value }) => {
    const [start, end] = [start_ms / 1_000, end_ms / 1_000];
    return `${start}-${end}: ${value.join(' ')}`;
  });
  return of.join(' | ');
}

export default async function example(): Promise<unknown[]> {
  // The end of a window is exclusive; that of a sliding one is 1 ms past its last event.
  return [
    await windowsOf(tumbling({ size_ms: 10_000 })),
    await windowsOf(hopping({ size_ms: 10_000, hop_ms: 5_000 })),
    await windowsOf(cumulate({ step_ms: 10_000, size_ms: 20_000 })),
    await windowsOf(session({ gap_ms: 5_000 })),
    await windowsOf(sliding({ before_ms: 4_000, after_ms: 0 })),
    await windowsOf(countWindow({ count: 2 })),
  ];
}

export const expected: unknown[] = [
  '0-10: 1 4 5 | 10-20: 12 | 20-30: 25',
  '-5-5: 1 4 | 0-10: 1 4 5 | 5-15: 5 12 | 10-20: 12 | 20-30: 25 | 25-35: 25',
  '0-10: 1 4 5 | 0-20: 1 4 5 12 | 20-30: 25 | 20-40: 25',
  '1-10: 1 4 5 | 12-17: 12 | 25-30: 25',
  '-3-1.001: 1 | 0-4.001: 1 4 | 1-5.001: 1 4 5 | 8-12.001: 12 | 21-25.001: 25',
  '1-4.001: 1 4 | 5-12.001: 5 12 | 25-25.001: 25',
];
