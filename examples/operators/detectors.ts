import { createDetector, keyedProcess, TestDriver } from '../../index.ts';

interface Orders {
  readonly shop: string;
  readonly hour_ms: number;
  readonly count: number;
}

const HOUR_MS = 3_600_000;
const detector = createDetector({ method: 'zscore', sensitivity: 0.99, window_ms: HOUR_MS });

/** Judges the closed hours of each shop in the order of time. */
const anomalies = keyedProcess<Orders, string, Uint8Array | undefined>('anomalies', {
  keyOf: ({ shop }) => shop,
  timeOf: ({ hour_ms }) => hour_ms,
  order: 'time',
  codec: {
    write: (writer, state) => void writer.bytes(state),
    read: (reader) => reader.bytes(detector.state_bytes).slice(),
  },
  onEvent: ({ shop, hour_ms, count }, context) => {
    const state = context.state?.slice() ?? detector.start(shop);
    const { is_anomaly, expected } = detector.update(state, { start_ms: hour_ms, value: count });
    context.setState(state);
    if (is_anomaly) context.emit(`${shop}: ${count} orders instead of ${expected}`);
  },
});

export default async function example(): Promise<unknown[]> {
  const driver = await TestDriver.start<Orders, string>((orders) => orders.pipe(anomalies));
  for (let hour = 0; hour < 60; hour++) {
    const count = hour === 50 ? 3 : 100 + ((hour * 7) % 13);
    await driver.push({ shop: 'DE', hour_ms: hour * HOUR_MS, count });
  }
  await driver.advanceTo(61 * HOUR_MS);
  return driver.out;
}

export const expected: unknown[] = ['DE: 3 orders instead of 106'];
