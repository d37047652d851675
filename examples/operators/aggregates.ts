import {
  type Aggregate,
  count,
  filtered,
  hopping,
  type Stream,
  TestDriver,
  topK,
  window,
} from '../../index.ts';

interface Request {
  readonly path: string;
  readonly status: number;
  readonly took_ms: number;
  readonly time_ms: number;
}

/** One of your own: the worst status. Stored as JSON, since it has no codec. */
const worst: Aggregate<Request, number, number> = {
  init: () => 0,
  add: (acc, { status }) => Math.max(acc, status),
  merge: Math.max,
  result: (acc) => acc,
};

/** The last minute of requests, every half a minute. */
export default async function example(): Promise<unknown[]> {
  const driver = await TestDriver.start((requests: Stream<Request>) =>
    requests.pipe(
      window('health', {
        keyOf: () => '',
        timeOf: (request) => request.time_ms,
        window: hopping({ size_ms: 60_000, hop_ms: 30_000 }),
        aggregate: {
          worst,
          failed: filtered((request) => request.status >= 500, count()),
          slowest: topK(1, (request) => request.took_ms),
        },
      }),
    ),
  );
  await driver.push(
    { path: '/cart', status: 404, took_ms: 30, time_ms: 2_000 },
    { path: '/pay', status: 503, took_ms: 900, time_ms: 31_000 },
  );
  await driver.advanceTo(60_000);
  return driver.out.map(({ value }) => ({ ...value, slowest: value.slowest[0]?.path }));
}

export const expected: unknown[] = [
  { worst: 404, failed: 0, slowest: '/cart' },
  { worst: 503, failed: 1, slowest: '/pay' },
];
