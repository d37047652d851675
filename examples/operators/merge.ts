import {
  count,
  json,
  type SourceRecord,
  type Stream,
  TopologyTestDriver,
  topology,
  tumbling,
  watermark,
  window,
} from '../../index.ts';

interface Sale {
  readonly channel: 'web' | 'shop';
  readonly time_ms: number;
}

const sales = (records: Stream<SourceRecord>, channel: Sale['channel']): Stream<Sale> =>
  records.pipe(
    json(`${channel}-parse`, { parse: (value) => ({ channel, time_ms: Number(value) }) }),
    watermark(`${channel}-time`, { timeOf: ({ time_ms }) => time_ms, outOfOrderness_ms: 0 }),
  );

/** Sales by minute, whichever way they came. */
const byMinute = topology('by-minute', (t) => {
  t.merge('all-sales', sales(t.source('web'), 'web'), sales(t.source('shop'), 'shop')).pipe(
    window('minutes', {
      keyOf: () => '',
      timeOf: ({ time_ms }) => time_ms,
      window: tumbling({ size_ms: 60_000 }),
      aggregate: count(),
    }),
  );
});

export default async function example(): Promise<unknown[]> {
  const driver = await TopologyTestDriver.start(byMinute);
  const push = (source: string, ...times: number[]) =>
    driver.pushTo(source, ...times.map((time_ms) => ({ subject: 'sales', json: time_ms })));
  await push('web', 1_000, 2_000, 61_000);
  // The web is past the first minute; the shop is not: its sales still count.
  const early = driver.output('minutes').length;
  await push('shop', 30_000, 60_000);
  return [early, ...driver.output('minutes').map((result) => (result as { value: number }).value)];
}

export const expected: unknown[] = [0, 3];
