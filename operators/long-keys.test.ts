import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import {
  ManualClock,
  openLmdbReader,
  openLmdbStore,
  queryTable,
  type Source,
  type SourceRecord,
  Task,
  topology,
} from '../engine/index.ts';
import { count } from './aggregates/index.ts';
import { map, watermark } from './core/index.ts';
import { dedup } from './dedup/index.ts';
import { keyedProcess } from './process/index.ts';
import { tableOf, toTable, toWindowTable, windowTableOf } from './views/index.ts';
import { tumbling, window } from './windows/index.ts';

interface Visit {
  readonly id: string;
  readonly page: string;
  readonly time_ms: number;
}

const HOUR_MS = 3_600_000;
/** Longer than any key that LMDB takes, and alike up to there. */
const page = (name: string): string => `https://shop.example/?${'q'.repeat(3_000)}${name}`;

const visits = (alarms: string[]) =>
  topology('visits', (t) => {
    const unique = t
      .source('source')
      .pipe(map('parse', ({ data }): Visit => JSON.parse(Buffer.from(data).toString())))
      .pipe(watermark('time', { timeOf: ({ time_ms }) => time_ms, outOfOrderness_ms: 0 }))
      .pipe(dedup('unique', { idOf: ({ id, page }) => `${page}${id}`, timeOf: ({ time_ms }) => time_ms }));
    unique.pipe(
      toTable('latest', {
        keyOf: (visit) => visit.page,
        timeOf: ({ time_ms }) => time_ms,
        value: ({ id }) => id,
      }),
    );
    unique
      .pipe(
        window('hourly', {
          keyOf: (visit) => visit.page,
          timeOf: ({ time_ms }) => time_ms,
          window: tumbling({ size_ms: HOUR_MS }),
          aggregate: { visits: count() },
        }),
      )
      .pipe(
        toWindowTable('hours', {
          keyOf: ({ key }) => key,
          windowOf: (result) => result.window,
          value: ({ value }) => value.visits,
          retain_ms: 100 * HOUR_MS,
        }),
      );
    unique
      .pipe(
        keyedProcess<Visit, string, number>('quiet', {
          keyOf: (visit) => visit.page,
          timeOf: ({ time_ms }) => time_ms,
          onEvent: ({ time_ms }, { setState, timers }) => {
            setState(time_ms);
            timers.set(time_ms + 2 * HOUR_MS);
          },
          onTimer: (_, { key, emit }) => emit(key),
        }),
      )
      .pipe(map('alarm', (key) => void alarms.push(key)));
  });

/** Gives a stream of visits, all that is there at once. */
class Visits implements Source {
  readonly partition = '0';
  readonly #stream: readonly Visit[];
  #next = 0;

  constructor(stream: readonly Visit[]) {
    this.#stream = stream;
  }

  facts() {
    return Promise.resolve({
      stream: 'S',
      incarnation: 'i',
      firstSequence: 1,
      lastSequence: this.#stream.length,
    });
  }

  start(after: number): Promise<void> {
    this.#next = after;
    return Promise.resolve();
  }

  take(): Promise<readonly SourceRecord[]> {
    const from = this.#next;
    this.#next = this.#stream.length;
    const records = this.#stream.slice(from).map((visit, index) => ({
      sequence: from + index + 1,
      subject: 'visits',
      data: Buffer.from(JSON.stringify(visit)),
      hasHeaders: false,
      header: () => undefined,
    }));
    return Promise.resolve(records);
  }

  state() {
    return { headSequence: this.#stream.length, caughtUp: true, connected: true, skipped: 0 };
  }

  stop(): Promise<void> {
    return Promise.resolve();
  }
}

const path = mkdtempSync(join(tmpdir(), 'millrace-long-keys-'));
afterEach(() => rmSync(path, { recursive: true }));

/** One life of the process: reads what is there, commits, and goes. */
async function live(stream: readonly Visit[]): Promise<string[]> {
  const alarms: string[] = [];
  const store = openLmdbStore(path, { durable: false });
  const task = new Task({
    topology: visits(alarms),
    source: new Visits(stream),
    store,
    publisher: { publish: () => Promise.resolve() },
    clock: new ManualClock(0),
  });
  await task.open();
  await task.step(0);
  task.commit();
  task.close();
  await store.close();
  return alarms;
}

it('keys of 3,000 bytes go through dedup, windows, tables and timers on LMDB, across a restart', async () => {
  const visit = (id: string, name: string, hours: number): Visit => ({
    id,
    page: page(name),
    time_ms: hours * HOUR_MS,
  });
  const stream = [
    visit('1', 'b', 0.1),
    visit('2', 'a', 0.2),
    visit('1', 'b', 0.1),
    visit('3', 'b', 0.3),
    visit('4', 'c', 0.4),
  ];
  expect(await live(stream)).toEqual([]);
  stream.push(visit('3', 'b', 0.3), visit('5', 'b', 0.5), visit('6', 'd', 2.35));
  expect(await live(stream)).toEqual([page('b'), page('a'), page('b')]);

  const reader = openLmdbReader(path);
  const latest = tableOf<string>('latest');
  const range = { kind: 'range', from: page('b'), to: page('d'), limit: 1 } as const;
  expect(queryTable(reader, latest, range)).toMatchObject({
    values: [{ key: page('b'), value: '5' }],
    next: page('c'),
  });
  expect(queryTable(reader, latest, { kind: 'prefix', prefix: page(''), limit: 9 })).toMatchObject({
    values: [
      { key: page('a'), value: '2' },
      { key: page('b'), value: '5' },
      { key: page('c'), value: '4' },
      { key: page('d'), value: '6' },
    ],
  });
  const hours = { kind: 'window', key: page('b'), start_ms: 0, end_ms: HOUR_MS } as const;
  expect(queryTable(reader, windowTableOf<number>('hours'), hours)).toMatchObject({
    values: [{ key: page('b'), start_ms: 0, value: 3 }],
  });
  await reader.close();
});
