import { earlyEveryEvents, type Stream, sum, TestDriver, tumbling, window } from '../../index.ts';

interface Payment {
  readonly shop: string;
  readonly cents: number;
  readonly time_ms: number;
}

/** Takings by minute: as they come in, once the minute is over, and corrected for half a minute after that. */
export default async function example(): Promise<unknown[]> {
  const driver = await TestDriver.start((payments: Stream<Payment>) =>
    payments.pipe(
      window('takings', {
        keyOf: (payment) => payment.shop,
        timeOf: (payment) => payment.time_ms,
        window: tumbling({ size_ms: 60_000 }),
        aggregate: sum((payment: Payment) => payment.cents),
        trigger: earlyEveryEvents(2),
        allowedLateness_ms: 30_000,
        mode: 'retract',
      }),
    ),
  );
  await driver.push(
    { shop: 'oslo', cents: 100, time_ms: 1_000 },
    { shop: 'oslo', cents: 200, time_ms: 9_000 },
  );
  await driver.push({ shop: 'oslo', cents: 400, time_ms: 30_000 });
  await driver.advanceTo(60_000);
  await driver.push({ shop: 'oslo', cents: 800, time_ms: 59_000 });
  await driver.advanceTo(90_000);
  await driver.push({ shop: 'oslo', cents: 1_600, time_ms: 58_000 });
  return [
    ...driver.out.map(({ kind, value, pane }) => `${kind} ${value} (${pane.kind})`),
    `${driver.counter('millrace.window.late')} too late`,
  ];
}

export const expected: unknown[] = [
  'insert 300 (early)',
  'retract 300 (early)',
  'insert 700 (onTime)',
  'retract 700 (onTime)',
  'insert 1500 (late)',
  '1 too late',
];
