import { describe, expect, it } from 'vitest';
import {
  Dictionary,
  type LogSchema,
  planScan,
  RowBatch,
  SeededRandom,
  type Stream,
  scanChunks,
  selectRows,
  TestDriver,
  verifyLog,
} from '../../../engine/index.ts';
import { type EventLogConfig, eventLog, eventLogView } from './event-log.ts';

const DAY_MS = 86_400_000;
const T = Date.UTC(2025, 5, 1);
const SCHEMA: LogSchema = {
  columns: [
    { name: 'retraction', kind: 'code' },
    { name: 'country', kind: 'code', text: true },
    { name: 'customer', kind: 'hash' },
    { name: 'amount', kind: 'number' },
  ],
  items: [],
  sortBy: 'customer',
  retraction: 'retraction',
};

interface Order {
  readonly time_ms: number;
  readonly country: string;
  readonly amount: number;
  readonly isRetraction?: boolean;
}

const build =
  (config: Partial<EventLogConfig> = {}) =>
  (input: Stream<RowBatch>): Stream<never> =>
    input.pipe(eventLog('log', { schema: SCHEMA, limits: { fanout: 3 }, ...config }));

/** Batches as an operator in front makes them: one, used again and again. */
class Batches {
  readonly dictionary = new Dictionary();
  readonly #batch = new RowBatch(SCHEMA, this.dictionary);
  #sequence = 0;

  of(orders: readonly Order[]): RowBatch {
    const batch = this.#batch;
    batch.clear();
    for (const { time_ms, country, amount, isRetraction = false } of orders) {
      const row = batch.append();
      batch.time_ms[row] = time_ms;
      batch.sequence[row] = ++this.#sequence;
      batch.part[row] = 0;
      batch.scope[row] = this.dictionary.codeOf('shop');
      (batch.columns.codes[0] as Int32Array)[row] = isRetraction ? 1 : 0;
      (batch.columns.codes[1] as Int32Array)[row] = this.dictionary.codeOf(country);
      batch.columns.hashes[0]?.hi.fill(amount % 3, row, row + 1);
      batch.columns.hashes[0]?.lo.fill(1, row, row + 1);
      (batch.columns.numbers[0] as Float64Array)[row] = amount;
      batch.itemStart[row] = 0;
      batch.itemCount[row] = 0;
    }
    return batch;
  }
}

function amounts(driver: TestDriver<RowBatch, never>, upTo?: number): number[] {
  return driver.disk.reader().snapshot((table) => {
    const view = eventLogView(table, 'log');
    const everything = { scope: 'shop', start_ms: 0, end_ms: Number.MAX_SAFE_INTEGER };
    const plan = planScan(view, { ...everything, ...(upTo === undefined ? {} : { upTo }) });
    const found: number[] = [];
    scanChunks(view, plan, SCHEMA, (chunk) => {
      const rows = new Uint32Array(chunk.rows);
      const count = selectRows(chunk, plan.request, rows);
      for (let at = 0; at < count; at++) found.push(chunk.number(0)[rows[at] as number] as number);
    });
    return found.sort((a, b) => a - b);
  });
}

const ORDERS: readonly Order[] = Array.from({ length: 30 }, (_unused, at) => ({
  time_ms: T + at * 3_600_000,
  country: ['DE', 'FR', ''][at % 3] as string,
  amount: at,
}));

describe('event-log', () => {
  it('keeps what was committed, through merges and a restart, and answers as of a sequence', async () => {
    const batches = new Batches();
    let driver = await TestDriver.start(build());
    for (const order of ORDERS.slice(0, 20)) {
      await driver.push(batches.of([order]));
      driver.commit();
    }
    expect(driver.counter('millrace.event_log.merges')).toBeGreaterThan(5);
    expect(driver.counter('millrace.event_log.segments')).toBeLessThan(8);
    expect(driver.counter('millrace.event_log.rows')).toBe(20);
    await driver.push(batches.of([{ time_ms: T, country: 'XX', amount: 999 }]));
    driver = await driver.restart();
    await driver.push(batches.of(ORDERS.slice(20)));
    driver.commit();
    expect(amounts(driver)).toEqual(ORDERS.map(({ amount }) => amount));
    expect(amounts(driver, 7)).toEqual([0, 1, 2, 3, 4, 5, 6]);
    driver.disk.reader().snapshot((table) => {
      expect(verifyLog(eventLogView(table, 'log'), SCHEMA, batches.dictionary).rows).toBe(30);
    });
  });

  it('has one digest for any order, batches, commits and restarts, and another one for other rows', async () => {
    const random = new SeededRandom(7);
    const digestOf = async (orders: readonly Order[]): Promise<string> => {
      const batches = new Batches();
      let driver = await TestDriver.start(build());
      for (let at = 0; at < orders.length; ) {
        const size = random.int(1, 5);
        await driver.push(batches.of(orders.slice(at, at + size)));
        at += size;
        if (random.chance(0.5)) driver.commit();
        if (random.chance(0.2)) {
          driver.commit();
          driver = await driver.restart();
        }
      }
      driver.commit();
      return driver.digest();
    };
    const digest = await digestOf(ORDERS);
    const extra = { time_ms: T, country: 'GB', amount: 5 };
    for (let run = 0; run < 5; run++) {
      const shuffled = [...ORDERS, extra].sort(() => random.int(-1, 1));
      expect(await digestOf([...shuffled, { ...extra, isRetraction: true }])).toBe(digest);
      expect(await digestOf(shuffled)).not.toBe(digest);
    }
  });

  it('drops whole days behind the watermark, and what comes for them later', async () => {
    const batches = new Batches();
    const driver = await TestDriver.start(build({ retention_days: 1 }));
    await driver.push(batches.of(ORDERS));
    await driver.advanceTo(T + DAY_MS + 1_000);
    driver.commit();
    expect(amounts(driver)[0]).toBe(0);
    await driver.advanceTo(T + 2 * DAY_MS + 1_000);
    driver.commit();
    expect(amounts(driver)).toEqual([24, 25, 26, 27, 28, 29]);
    await driver.push(batches.of([ORDERS[3] as Order, ORDERS[29] as Order]));
    driver.commit();
    expect(amounts(driver)).toEqual([24, 25, 26, 27, 28, 29, 29]);
    expect(driver.counter('millrace.event_log.rows_dropped')).toBe(25);
    expect(driver.counter('millrace.event_log.rows')).toBe(7);
  });

  it('asks for a barrier when too many rows wait', async () => {
    const batches = new Batches();
    const driver = await TestDriver.start(build({ pending_max_rows: 20 }));
    await driver.push(batches.of(ORDERS.slice(0, 19)));
    expect(amounts(driver)).toEqual([]);
    await driver.push(batches.of(ORDERS.slice(19, 21)));
    expect(amounts(driver).length).toBe(21);
  });
});
