import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  defineOperator,
  ManualClock,
  MemoryDisk,
  SeededRandom,
  type Stream,
  Task,
  TestDriver,
} from '../engine/index.ts';
import { disordered, NexmarkGenerator } from '../examples/nexmark/generator.ts';
import { MemorySource, packMessages } from '../examples/nexmark/memory-source.ts';
import type { Bid, NexmarkEvent } from '../examples/nexmark/model.ts';
import { localFiles, type PartitionFiles, partitionedFiles } from '../examples/nexmark/partition-files.ts';
import { QUERIES } from '../examples/nexmark/queries/index.ts';
import {
  eventTime,
  type NexmarkQuery,
  OUT_OF_ORDERNESS_MS,
  queryTopology,
} from '../examples/nexmark/query.ts';
import { isLong, seedsOf } from './long.ts';
import { fileLines, ORACLES, processingTimeCounts } from './nexmark-oracle.ts';

const EVENTS = isLong ? 8_000 : 4_000;
const DISORDER_MS = 3_000;
const DAY_MS = 86_400_000;
/** Events of 80 s around a midnight: eight windows of 10 s, and auctions that live through several. */
const generator = new NexmarkGenerator({
  seed: 7,
  start_ms: Date.UTC(2015, 6, 15, 23, 59, 20),
  events_per_s: 100,
});
const EVENTS_IN_ORDER = [...generator.events(EVENTS)];

async function withScratch(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-test-nexmark-'));
  try {
    await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

type Build<R> = (events: Stream<NexmarkEvent>) => Stream<R>;

/** A query that is fed in batches of any size, committed now and then, and killed where `crashes` says so. */
class Run<R> {
  /** What came out in commits, in order. */
  readonly rows: R[] = [];
  crashes = 0;
  readonly #build: Build<R>;
  readonly #random: SeededRandom;
  #driver: TestDriver<NexmarkEvent, R> | undefined;
  #uncommitted: (readonly NexmarkEvent[])[] = [];

  constructor(build: Build<R>, seed: number, outOfOrderness_ms = DISORDER_MS) {
    this.#build = (input) => build(input.pipe(eventTime(outOfOrderness_ms)));
    this.#random = new SeededRandom(seed);
  }

  async #opened(): Promise<TestDriver<NexmarkEvent, R>> {
    this.#driver ??= await TestDriver.start(this.#build);
    return this.#driver;
  }

  async feed(events: readonly NexmarkEvent[], withCrashes: boolean): Promise<void> {
    const random = this.#random;
    for (let from = 0; from < events.length; ) {
      const size = random.int(1, 300);
      const batch = events.slice(from, from + size);
      from += size;
      await (await this.#opened()).push(...batch);
      this.#uncommitted.push(batch);
      if (withCrashes && random.chance(0.1)) await this.#crash();
      if (random.chance(0.15)) await this.commit();
      if (withCrashes && random.chance(0.05)) await this.#move();
    }
  }

  async commit(): Promise<void> {
    const driver = await this.#opened();
    driver.commit();
    this.rows.push(...driver.take());
    this.#uncommitted = [];
  }

  /** The process dies: what was not committed is read again. */
  async #crash(): Promise<void> {
    this.crashes++;
    const driver = await (await this.#opened()).restart();
    this.#driver = driver;
    for (const batch of this.#uncommitted) await driver.push(...batch);
  }

  /** To another machine, by a snapshot. */
  async #move(): Promise<void> {
    const driver = await this.#opened();
    const snapshot = driver.snapshot();
    this.rows.push(...driver.take());
    this.#uncommitted = [];
    this.#driver = await TestDriver.start(this.#build, { snapshot });
  }

  async advanceClock(by_ms: number): Promise<void> {
    (await this.#opened()).clock.advance(by_ms);
  }

  async now(): Promise<number> {
    return (await this.#opened()).clock.now();
  }

  /** All windows end, and all that waits is committed. */
  async finish(): Promise<void> {
    await this.commit();
    await (await this.#opened()).advanceTo((EVENTS_IN_ORDER.at(-1)?.dateTime ?? 0) + 2 * DAY_MS);
    await this.commit();
    // What had to wait for that commit.
    await this.commit();
  }
}

/** What a query makes of the events as JSON messages. */
async function fromMessages<R>(query: NexmarkQuery<R>, events: readonly NexmarkEvent[]): Promise<R[]> {
  const rows: R[] = [];
  const collect = defineOperator<R, never>({
    kind: 'collect',
    summary: 'Keeps rows',
    start: () => ({ onBatch: (batch) => void rows.push(...batch) }),
  });
  const task = new Task({
    topology: queryTopology(
      query,
      { folder: '' },
      (stream) => void stream.pipe(collect('collect', undefined)),
    ),
    source: new MemorySource(packMessages(events)),
    store: new MemoryDisk().open(),
    publisher: { publish: ({ id }) => Promise.reject(new Error(`${id} was not expected`)) },
    clock: new ManualClock(1),
  });
  await task.open();
  for (let taken = 0; taken < events.length; ) taken += await task.step(0);
  task.commit();
  task.close();
  return rows;
}

function text(row: object): string {
  return JSON.stringify(Object.fromEntries(Object.entries(row).sort(([a], [b]) => (a < b ? -1 : 1))));
}

/** The rows that count, as sorted text. */
function finalRows(query: NexmarkQuery<object>, rows: readonly object[]): string[] {
  if (query.keyOf === undefined) return rows.map(text).sort();
  const byKey = new Map<string, object>();
  for (const row of rows) byKey.set(query.keyOf(row), row);
  return [...byKey.values()].map(text).sort();
}

const ARRIVALS: Readonly<Record<string, readonly NexmarkEvent[]>> = {
  'in order': EVENTS_IN_ORDER,
  'out of order': disordered(EVENTS_IN_ORDER, 11, DISORDER_MS),
};

describe.each(Object.keys(ORACLES))('%s', (name) => {
  const query = QUERIES[name] as NexmarkQuery<object>;
  const expected = (ORACLES[name]?.(EVENTS_IN_ORDER) ?? []).map(text).sort();
  const build: Build<object> = (events) => query.build(events, { folder: '' });

  it.each(Object.entries(ARRIVALS))('is what its definition says, %s', async (_, events) => {
    const run = new Run(build, 1);
    await run.feed(events, false);
    await run.finish();
    expect(expected.length).toBeGreaterThan(0);
    expect(finalRows(query, run.rows)).toEqual(expected);
  });

  it.each(seedsOf(2, 3, 4))('is the same out of order with crashes and moves, seed %i', async (seed) => {
    const run = new Run(build, seed);
    await run.feed(disordered(EVENTS_IN_ORDER, seed, DISORDER_MS), true);
    await run.finish();
    expect(run.crashes).toBeGreaterThan(0);
    expect(finalRows(query, run.rows)).toEqual(expected);
  });

  it('is the same from messages, of which it decodes what it needs', async () => {
    const wanted = EVENTS_IN_ORDER.filter(({ kind }) => query.projection.kinds.includes(kind));
    const run = new Run(build, 5, OUT_OF_ORDERNESS_MS);
    await run.feed(wanted, false);
    await run.commit();
    const rows = await fromMessages(query, EVENTS_IN_ORDER);
    expect(finalRows(query, rows)).toEqual(finalRows(query, run.rows));
  });
});

/** With few prices and bidders, and with times in whole seconds: ties everywhere, also on the edges of windows. */
function coarse(event: NexmarkEvent): NexmarkEvent {
  const second = (time_ms: number): number => Math.floor(time_ms / 1_000) * 1_000;
  const dateTime = second(event.dateTime);
  if (event.kind === 'person') return { ...event, dateTime };
  if (event.kind === 'auction') return { ...event, dateTime, expires: second(event.expires) };
  const prices = [100, 9_999, 10_000, 999_999, 1_000_000, 1_101_322, 2_000_000];
  return { ...event, dateTime, bidder: event.bidder % 50, price: prices[event.price % prices.length] ?? 0 };
}

describe('with ties everywhere', () => {
  const events = EVENTS_IN_ORDER.map(coarse);

  it.each(Object.entries(ORACLES))('%s is what its definition says', async (name, oracle) => {
    const query = QUERIES[name] as NexmarkQuery<object>;
    const run = new Run((input) => query.build(input, { folder: '' }), 6);
    await run.feed(disordered(events, 6, DISORDER_MS), true);
    await run.finish();
    expect(finalRows(query, run.rows)).toEqual(oracle(events).map(text).sort());
  });
});

describe('q10', () => {
  const minutes = fileLines(EVENTS_IN_ORDER);

  function readLines(folder: string): Map<string, string[]> {
    return new Map(
      [...minutes.keys()].map((path) => {
        const lines = readFileSync(join(folder, path, 'part-0.csv'), 'utf8')
          .trimEnd()
          .split('\n');
        return [path, lines.sort()];
      }),
    );
  }

  it('writes each line once, with crashes', async () => {
    await withScratch(async (folder) => {
      const query = QUERIES.q10 as NexmarkQuery<object>;
      const run = new Run((events) => query.build(events, { folder }), 3);
      await run.feed(disordered(EVENTS_IN_ORDER, 13, DISORDER_MS), true);
      await run.finish();
      expect(readLines(folder)).toEqual(minutes);
      expect(run.rows.map(text).sort()).toEqual([...minutes.keys()].map((path) => text({ path })).sort());
      for (const path of minutes.keys()) expect(existsSync(join(folder, path, '_SUCCESS'))).toBe(true);
    });
  });

  it('refuses a file that is shorter than what was committed', async () => {
    await withScratch(async (folder) => {
      const files = localFiles(folder);
      expect(files.append('a/b/part', 0, 'one\n')).toBe(4);
      expect(files.append('a/b/part', 2, 'x')).toBe(3);
      expect(readFileSync(join(folder, 'a/b/part'), 'utf8')).toBe('onx');
      expect(() => files.append('a/b/part', 4, 'two\n')).toThrow(/has 3 bytes, and 4 were committed/);
    });
  });

  it('writes each line once when it dies between the files and the commit', async () => {
    await withScratch(async (folder) => {
      const files = localFiles(folder);
      let appends = 0;
      const failing: PartitionFiles = {
        mark: files.mark,
        append: (...args) => {
          const length = files.append(...args);
          if (++appends % 3 === 2) throw new Error('died after the append');
          return length;
        },
      };
      const lines = partitionedFiles<Bid>('lines', {
        files: failing,
        pathOf: ({ auction }) => `a=${auction % 2}`,
        endOf: () => 0,
        lineOf: ({ price }) => String(price),
        delay_ms: 0,
      });
      let driver = await TestDriver.start<Bid, unknown>((input) => input.pipe(lines));
      const bids = EVENTS_IN_ORDER.filter((event) => event.kind === 'bid').slice(0, 600);
      let died = 0;
      for (let from = 0; from < bids.length; from += 50) {
        for (let isCommitted = false; !isCommitted; ) {
          await driver.push(...bids.slice(from, from + 50));
          try {
            driver.commit();
            isCommitted = true;
          } catch {
            died++;
            driver = await driver.restart();
          }
        }
      }
      expect(died).toBeGreaterThan(3);
      for (const rest of [0, 1]) {
        const text = readFileSync(join(folder, `a=${rest}`, 'part-0.csv'), 'utf8');
        const prices = bids.filter(({ auction }) => auction % 2 === rest).map(({ price }) => price);
        expect(text).toBe(prices.map((price) => `${price}\n`).join(''));
      }
    });
  });
});

describe('q12', () => {
  it('counts by the clock, with crashes', async () => {
    const query = QUERIES.q12 as NexmarkQuery<object>;
    const run = new Run((events) => query.build(events, { folder: '' }), 4);
    const arrivals: { event: NexmarkEvent; now_ms: number }[] = [];
    for (let from = 0; from < EVENTS; from += 500) {
      const events = EVENTS_IN_ORDER.slice(from, from + 500);
      const now_ms = await run.now();
      for (const event of events) arrivals.push({ event, now_ms });
      // The clock stands still in between: what is read again after a crash is read at the same time.
      await run.feed(events, true);
      await run.commit();
      await run.advanceClock(3_700);
    }
    await run.advanceClock(20_000);
    await run.finish();
    expect(run.rows.map(text).sort()).toEqual(processingTimeCounts(arrivals).map(text).sort());
  });
});

it('all queries are checked', () => {
  expect([...Object.keys(ORACLES), 'q10', 'q12'].sort()).toEqual(Object.keys(QUERIES).sort());
});
