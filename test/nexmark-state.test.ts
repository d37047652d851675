import { describe, expect, it } from 'vitest';
import { type MemoryDisk, type Stream, TestDriver } from '../engine/index.ts';
import { bidStatistics } from '../examples/nexmark/bid-statistics.ts';
import { NexmarkGenerator } from '../examples/nexmark/generator.ts';
import type { Auction, Bid, NexmarkEvent } from '../examples/nexmark/model.ts';
import { QUERIES } from '../examples/nexmark/queries/index.ts';
import { q17 } from '../examples/nexmark/queries/q17.ts';
import type { NexmarkQuery } from '../examples/nexmark/query.ts';
import { winningBids } from '../examples/nexmark/winning-bids.ts';

const DAY_MS = 86_400_000;
const MIDNIGHT_MS = Date.UTC(2015, 6, 16);
const BATCH_EVENTS = 500;

/** Rows of the operators' tables and timers. */
function rowsOf(disk: MemoryDisk): number {
  const reader = disk.reader();
  const tables = reader.tableNames().filter((name) => name.includes('/'));
  return reader.snapshot((table) => tables.reduce((rows, name) => rows + [...table(name).scan()].length, 0));
}

/** What a query keeps when its events are 20 days past. */
async function rowsLeft(query: NexmarkQuery<object>, events: number): Promise<number> {
  const generator = new NexmarkGenerator({ seed: 9, start_ms: MIDNIGHT_MS, events_per_s: 100 });
  const driver = await TestDriver.start((input: Stream<NexmarkEvent>) => query.build(input, { folder: '' }));
  for (let from = 0; from < events; from += BATCH_EVENTS) {
    await driver.push(...generator.events(BATCH_EVENTS, from));
    await driver.advanceTo(generator.timeOf(from + BATCH_EVENTS));
    if (from % 2_000 === 0) driver.commit();
  }
  await driver.advanceTo(MIDNIGHT_MS + 20 * DAY_MS);
  driver.clock.advance(DAY_MS);
  driver.commit();
  driver.commit();
  return rowsOf(driver.disk);
}

describe('state', () => {
  /** A window's bookkeeping, and q4's row for each category. */
  const FEW = 10;

  it.each(['q4', 'q5', 'q7', 'q8', 'q9', 'q11', 'q12', 'q15', 'q16', 'q17'])(
    '%s keeps nothing of what is over',
    async (name) => {
      const query = QUERIES[name] as NexmarkQuery<object>;
      expect(await rowsLeft(query, 10_000)).toBeLessThanOrEqual(FEW);
    },
  );

  it('winning bids wait for their auction only as long as it may come', async () => {
    const generator = new NexmarkGenerator({ seed: 1, start_ms: MIDNIGHT_MS, events_per_s: 1_000 });
    const driver = await TestDriver.start((input: Stream<NexmarkEvent>) =>
      input.pipe(winningBids('winning-bids')),
    );
    const bids = [...generator.events(20_000)].filter((event) => event.kind === 'bid');
    await driver.push(...bids);
    driver.commit();
    expect(rowsOf(driver.disk)).toBeGreaterThan(100);
    await driver.advanceTo(generator.timeOf(20_000) + 1_000);
    driver.commit();
    expect(rowsOf(driver.disk)).toBe(0);
    expect(driver.out).toEqual([]);
  });
});

const bid = (of: Partial<Bid>): Bid => ({
  ...{ kind: 'bid', auction: 1, bidder: 2, price: 100, channel: 'c', url: 'u', extra: '' },
  dateTime: MIDNIGHT_MS - 1_000,
  ...of,
});

describe('late bids', () => {
  it('of a day that is over are put aside, by statistics of days', async () => {
    const driver = await TestDriver.start((input: Stream<NexmarkEvent>) =>
      input.pipe(bidStatistics('statistics', { byChannel: true })).side('late'),
    );
    await driver.push(bid({}));
    await driver.advanceTo(MIDNIGHT_MS - 1);
    await driver.push(bid({ price: 1 }));
    expect(driver.take()).toEqual([]);
    await driver.advanceTo(MIDNIGHT_MS);
    await driver.push(bid({ price: 2 }), bid({ price: 3, dateTime: MIDNIGHT_MS }));
    expect(driver.take()).toEqual([bid({ price: 2 })]);
    expect(driver.counter('millrace.bid_statistics.late')).toBe(1);
  });

  it('of a day that is over change nothing in q17', async () => {
    const driver = await TestDriver.start((input: Stream<NexmarkEvent>) => q17.build(input, { folder: '' }));
    await driver.push(bid({}));
    await driver.advanceTo(MIDNIGHT_MS);
    expect(driver.take()).toHaveLength(1);
    await driver.push(bid({ price: 2 }));
    expect(driver.take()).toEqual([]);
  });

  it('count for an auction that is open', async () => {
    const auction: Auction = {
      ...{ kind: 'auction', id: 1, itemName: 'i', description: 'd', initialBid: 1, reserve: 1, seller: 1 },
      ...{ category: 10, extra: '', dateTime: MIDNIGHT_MS - 5_000, expires: MIDNIGHT_MS + 5_000 },
    };
    const driver = await TestDriver.start((input: Stream<NexmarkEvent>) =>
      input.pipe(winningBids('winning-bids')),
    );
    await driver.push(auction, bid({ price: 5 }));
    await driver.advanceTo(MIDNIGHT_MS);
    await driver.push(bid({ price: 7 }));
    await driver.advanceTo(MIDNIGHT_MS + 5_000);
    expect(driver.take()).toEqual([]);
    await driver.push(bid({ price: 8, dateTime: MIDNIGHT_MS + 5_000 }));
    await driver.advanceTo(MIDNIGHT_MS + 5_001);
    expect(driver.take()).toEqual([{ auction, bid: bid({ price: 8, dateTime: MIDNIGHT_MS + 5_000 }) }]);
  });
});
