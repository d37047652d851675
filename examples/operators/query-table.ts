import {
  queryTable,
  type Stream,
  TestDriver,
  tableOf,
  toTable,
  toWindowTable,
  windowTableOf,
} from '../../index.ts';

interface Stock {
  readonly article: string;
  readonly pieces: number;
  readonly hour: number;
}

const HOUR_MS = 3_600_000;

const stocks = (events: Stream<Stock>) => {
  events.pipe(
    toWindowTable('by-hour', {
      keyOf: ({ article }) => article,
      windowOf: ({ hour }) => ({ start_ms: hour * HOUR_MS, end_ms: (hour + 1) * HOUR_MS }),
      value: ({ pieces }) => pieces,
      retain_ms: 7 * 24 * HOUR_MS,
    }),
  );
  return events.pipe(toTable('now', { keyOf: ({ article }) => article, value: ({ pieces }) => pieces }));
};

export default async function example(): Promise<unknown[]> {
  const driver = await TestDriver.start(stocks);
  await driver.push(
    { article: 'pen-blue', pieces: 5, hour: 9 },
    { article: 'pen-red', pieces: 7, hour: 9 },
    { article: 'pen-blue', pieces: 4, hour: 10 },
    { article: 'rubber', pieces: 0, hour: 10 },
  );
  driver.commit();
  // With `run` it is `running.reader`.
  const reader = driver.disk.reader();
  const now = tableOf<number>('now');
  const one = queryTable(reader, now, { kind: 'key', key: 'pen-red' });
  const pens = queryTable(reader, now, { kind: 'prefix', prefix: 'pen-', limit: 10 });
  const first = queryTable(reader, now, { kind: 'range', from: 'pen-c', limit: 1 });
  const last = queryTable(reader, now, { kind: 'range', limit: 1, reverse: true });
  const byHour = windowTableOf<number>('by-hour');
  const day = { start_ms: 0, end_ms: 24 * HOUR_MS };
  const hours = queryTable(reader, byHour, { kind: 'window', key: 'pen-blue', ...day });
  const newest = queryTable(reader, byHour, {
    ...{ kind: 'window', key: 'pen-blue', ...day },
    ...{ limit: 1, reverse: true },
  });
  const tens = { kind: 'windows', start_ms: 10 * HOUR_MS, end_ms: 11 * HOUR_MS, limit: 10 } as const;
  const atTen = queryTable(reader, byHour, tens);
  const ahead = queryTable(reader, now, { kind: 'key', key: 'pen-red' }, { position: { S: { '0': 2 } } });
  return [
    one.ok && one.value,
    pens.ok && pens.values,
    first.ok && [first.values[0]?.key, first.next],
    last.ok && [last.values[0]?.key, last.next],
    hours.ok && hours.values.map(({ start_ms, value }) => [start_ms / HOUR_MS, value]),
    newest.ok && newest.values.map(({ start_ms, value }) => [start_ms / HOUR_MS, value]),
    atTen.ok && atTen.values.map(({ key, value }) => [key, value]),
    ahead.ok ? ahead.value : ahead.reason,
  ];
}

export const expected: unknown[] = [
  7,
  [
    { key: 'pen-blue', value: 4 },
    { key: 'pen-red', value: 7 },
  ],
  ['pen-red', 'rubber'],
  ['rubber', 'rubber'],
  [
    [9, 5],
    [10, 4],
  ],
  [[10, 4]],
  [
    ['pen-blue', 4],
    ['rubber', 0],
  ],
  'not_up_to_bound',
];
