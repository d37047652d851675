import { count, json, TopologyTestDriver, topology, tumbling, watermark, window } from '../../index.ts';

const MINUTE_MS = 60_000;
const START_MS = Date.UTC(2026, 2, 1, 9);

const perMinute = topology('per-minute', (t) => {
  const minutes = t.source('clicks').pipe(
    json('parse', { parse: Number }),
    watermark('time', { timeOf: (time_ms) => time_ms, outOfOrderness_ms: 5_000, idle_ms: 30_000 }),
    window('minutes', {
      keyOf: () => 'all',
      timeOf: (time_ms) => time_ms,
      window: tumbling({ size_ms: MINUTE_MS }),
      aggregate: count(),
    }),
  );
  minutes.side('late');
});

export default async function example(): Promise<unknown[]> {
  const driver = await TopologyTestDriver.start(perMinute, { start_ms: START_MS });
  const said: unknown[] = [];
  const push = async (...seconds: number[]): Promise<void> => {
    const messages = seconds.map((second) => ({ subject: 'clicks', json: START_MS + second * 1_000 }));
    await driver.push(...messages);
    const results = driver.take<{ readonly value: number }>('minutes').map(({ value }) => value);
    said.push(`${seconds.join(', ')} s -> results ${JSON.stringify(results)}`);
  };
  await push(10, 64);
  // 59 s is behind 64 s by no more than the five seconds that are allowed.
  await push(59, 65);
  await push(58);
  // Nothing more comes: after 30 s of that the watermark follows the clock.
  await driver.advanceClock(3 * MINUTE_MS);
  const last = driver.take<{ readonly value: number }>('minutes').map(({ value }) => value);
  said.push(`quiet -> results ${JSON.stringify(last)}`);
  return [...said, `${driver.output('minutes-late').length} late`];
}

export const expected: unknown[] = [
  '10, 64 s -> results []',
  '59, 65 s -> results [2]',
  '58 s -> results []',
  'quiet -> results [2]',
  '1 late',
];
