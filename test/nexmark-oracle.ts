import { ByteWriter } from '../engine/index.ts';
import { bidCodec } from '../examples/nexmark/codecs.ts';
import type { Auction, Bid, NexmarkEvent, Person } from '../examples/nexmark/model.ts';

/**
 * The results of Nexmark's queries, each evaluated by brute force over all events at once: plain loops and
 * definitions, nothing of the library (but the bytes of bids, by which q18 breaks ties). Rows come in no order. Of
 * table-like results: the final rows.
 */
export type Oracle = (events: readonly NexmarkEvent[]) => object[];

const WINDOW_MS = 10_000;
const HOP_MS = 2_000;
const GAP_MS = 10_000;

const bidsOf = (events: readonly NexmarkEvent[]): Bid[] => events.filter((event) => event.kind === 'bid');
const auctionsOf = (events: readonly NexmarkEvent[]): Auction[] =>
  events.filter((event) => event.kind === 'auction');
const personsOf = (events: readonly NexmarkEvent[]): Person[] =>
  events.filter((event) => event.kind === 'person');

function groupBy<T, K>(items: readonly T[], keyOf: (item: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [item]);
    else group.push(item);
  }
  return groups;
}

const tumble = (time_ms: number): number => Math.floor(time_ms / WINDOW_MS) * WINDOW_MS;
const day = (time_ms: number): string => new Date(time_ms).toISOString().slice(0, 10);
const minute = (time_ms: number): string => new Date(time_ms).toISOString().slice(11, 16);
const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);
const average = (numbers: readonly number[]): number => Math.floor(sum(numbers) / numbers.length);
const euros = ({ price }: Bid): number => (price * 908) / 1_000;

/** Every field in turn, ascending: for choices that a query leaves open. */
function byAllFields(a: Bid, b: Bid): number {
  for (const field of ['dateTime', 'price', 'auction', 'bidder', 'channel', 'url', 'extra'] as const) {
    if (a[field] !== b[field]) return a[field] < b[field] ? -1 : 1;
  }
  return 0;
}

interface Won {
  readonly auction: Auction;
  readonly bid: Bid;
}

/** The highest bid of each auction that has one within its life, the earliest of equals. */
function winners(events: readonly NexmarkEvent[]): Won[] {
  const byAuction = groupBy(bidsOf(events), ({ auction }) => auction);
  return auctionsOf(events).flatMap((auction) => {
    const valid = (byAuction.get(auction.id) ?? []).filter(
      ({ dateTime }) => dateTime >= auction.dateTime && dateTime <= auction.expires,
    );
    const [bid] = valid.sort((a, b) => b.price - a.price || byAllFields(a, b));
    return bid === undefined ? [] : [{ auction, bid }];
  });
}

function localItems(events: readonly NexmarkEvent[]): object[] {
  const rows: object[] = [];
  for (const { seller, category, id } of auctionsOf(events)) {
    if (category !== 10) continue;
    for (const person of personsOf(events)) {
      const { name, city, state } = person;
      if (person.id === seller && ['OR', 'ID', 'CA'].includes(state)) rows.push({ name, city, state, id });
    }
  }
  return rows;
}

function categoryPrices(events: readonly NexmarkEvent[]): object[] {
  const groups = groupBy(winners(events), ({ auction }) => auction.category);
  return [...groups].map(([category, won]) => ({
    category,
    final: average(won.map(({ bid }) => bid.price)),
  }));
}

function hotItems(events: readonly NexmarkEvent[]): object[] {
  const bids = bidsOf(events);
  const times = bids.map(({ dateTime }) => dateTime);
  const first = Math.floor(Math.min(...times) / HOP_MS) * HOP_MS - WINDOW_MS + HOP_MS;
  const rows: object[] = [];
  for (let start = first; start <= Math.max(...times); start += HOP_MS) {
    const inside = bids.filter(({ dateTime }) => dateTime >= start && dateTime < start + WINDOW_MS);
    const counts = [...groupBy(inside, ({ auction }) => auction)].map(([auction, all]) => ({
      auction,
      num: all.length,
    }));
    const most = Math.max(...counts.map(({ num }) => num));
    for (const { auction, num } of counts) if (num === most) rows.push({ auction, num, starttime: start });
  }
  return rows;
}

function sellerPrices(events: readonly NexmarkEvent[]): object[] {
  const groups = groupBy(winners(events), ({ auction }) => auction.seller);
  return [...groups].flatMap(([seller, won]) => {
    const closed = won.sort((a, b) => a.auction.expires - b.auction.expires || a.auction.id - b.auction.id);
    return closed.map(({ auction }, index) => {
      const last = closed.slice(Math.max(0, index - 9), index + 1);
      return { seller, auction: auction.id, avg_price: average(last.map(({ bid }) => bid.price)) };
    });
  });
}

function highestBids(events: readonly NexmarkEvent[]): object[] {
  return [...groupBy(bidsOf(events), ({ dateTime }) => tumble(dateTime)).values()].flatMap((bids) => {
    const most = Math.max(...bids.map(({ price }) => price));
    return bids
      .filter(({ price }) => price === most)
      .map(({ auction, price, bidder, dateTime, extra }) => ({ auction, price, bidder, dateTime, extra }));
  });
}

function newUsers(events: readonly NexmarkEvent[]): object[] {
  const auctions = auctionsOf(events);
  return personsOf(events).flatMap(({ id, name, dateTime }) => {
    const starttime = tumble(dateTime);
    const sells = auctions.some((auction) => auction.seller === id && tumble(auction.dateTime) === starttime);
    return sells ? [{ id, name, starttime }] : [];
  });
}

function winningBids(events: readonly NexmarkEvent[]): object[] {
  return winners(events).map(({ auction: { kind: _, ...auction }, bid }) => ({
    ...auction,
    auction: bid.auction,
    bidder: bid.bidder,
    price: bid.price,
    bid_dateTime: bid.dateTime,
    bid_extra: bid.extra,
  }));
}

function sessions(events: readonly NexmarkEvent[]): object[] {
  const rows: object[] = [];
  for (const [bidder, bids] of groupBy(bidsOf(events), (bid) => bid.bidder)) {
    const times = bids.map(({ dateTime }) => dateTime).sort((a, b) => a - b);
    let starttime = times[0] as number;
    let last = starttime;
    let bid_count = 0;
    for (const time of times) {
      if (time - last >= GAP_MS) {
        rows.push({ bidder, bid_count, starttime, endtime: last + GAP_MS });
        starttime = time;
        bid_count = 0;
      }
      bid_count++;
      last = time;
    }
    rows.push({ bidder, bid_count, starttime, endtime: last + GAP_MS });
  }
  return rows;
}

/** Bids with the processing time of each. */
export function processingTimeCounts(
  arrivals: readonly { readonly event: NexmarkEvent; readonly now_ms: number }[],
): object[] {
  const bids = arrivals.flatMap(({ event, now_ms }) =>
    event.kind === 'bid' ? [{ bidder: event.bidder, starttime: tumble(now_ms) }] : [],
  );
  return [...groupBy(bids, ({ bidder, starttime }) => `${bidder} ${starttime}`).values()].map((all) => {
    const { bidder, starttime } = all[0] as { bidder: number; starttime: number };
    return { bidder, bid_count: all.length, starttime, endtime: starttime + WINDOW_MS };
  });
}

function calculated(events: readonly NexmarkEvent[]): object[] {
  return bidsOf(events).flatMap((bid) => {
    const price = euros(bid);
    if (!(price > 1_000_000 && price < 50_000_000)) return [];
    const { auction, bidder, dateTime, extra } = bid;
    const hour = new Date(dateTime).getUTCHours();
    let bidTimeType = 'otherTime';
    if (hour >= 8 && hour <= 18) bidTimeType = 'dayTime';
    else if (hour <= 6 || hour >= 20) bidTimeType = 'nightTime';
    return [{ auction, bidder, price, bidTimeType, dateTime, extra, c_counts: extra.split('c').length - 1 }];
  });
}

const RANKS: readonly ((bid: Bid) => boolean)[] = [
  ({ price }) => price < 10_000,
  ({ price }) => price >= 10_000 && price < 1_000_000,
  ({ price }) => price >= 1_000_000,
];

/** The counts of q15 and q16. */
function statistics(bids: readonly Bid[]): object {
  const [low = [], middle = [], high = []] = RANKS.map((isOf) => bids.filter(isOf));
  const bidders = (of: readonly Bid[]): number => new Set(of.map(({ bidder }) => bidder)).size;
  const auctions = (of: readonly Bid[]): number => new Set(of.map(({ auction }) => auction)).size;
  return {
    total_bids: bids.length,
    rank1_bids: low.length,
    rank2_bids: middle.length,
    rank3_bids: high.length,
    total_bidders: bidders(bids),
    rank1_bidders: bidders(low),
    rank2_bidders: bidders(middle),
    rank3_bidders: bidders(high),
    total_auctions: auctions(bids),
    rank1_auctions: auctions(low),
    rank2_auctions: auctions(middle),
    rank3_auctions: auctions(high),
  };
}

function dayStatistics(events: readonly NexmarkEvent[]): object[] {
  const groups = groupBy(bidsOf(events), ({ dateTime }) => day(dateTime));
  return [...groups].map(([key, bids]) => ({ day: key, ...statistics(bids) }));
}

function channelStatistics(events: readonly NexmarkEvent[]): object[] {
  const groups = groupBy(bidsOf(events), ({ channel, dateTime }) => `${channel} ${day(dateTime)}`);
  return [...groups.values()].map((bids) => ({
    channel: bids[0]?.channel,
    day: day(bids[0]?.dateTime as number),
    minute: bids.map(({ dateTime }) => minute(dateTime)).reduce((a, b) => (a > b ? a : b)),
    ...statistics(bids),
  }));
}

function auctionStatistics(events: readonly NexmarkEvent[]): object[] {
  const groups = groupBy(bidsOf(events), ({ auction, dateTime }) => `${auction} ${day(dateTime)}`);
  return [...groups.values()].map((bids) => {
    const prices = bids.map(({ price }) => price);
    const [rank1_bids, rank2_bids, rank3_bids] = RANKS.map((isOf) => bids.filter(isOf).length);
    return {
      auction: bids[0]?.auction,
      day: day(bids[0]?.dateTime as number),
      total_bids: bids.length,
      rank1_bids,
      rank2_bids,
      rank3_bids,
      min_price: Math.min(...prices),
      max_price: Math.max(...prices),
      avg_price: average(prices),
      sum_price: sum(prices),
    };
  });
}

/** As the query stores it: what a table of the newest goes by where times are equal. */
function storedBid(bid: Bid): Uint8Array {
  const writer = new ByteWriter();
  bidCodec.write(writer, bid);
  return writer.copy();
}

function lastBids(events: readonly NexmarkEvent[]): object[] {
  const groups = groupBy(bidsOf(events), ({ auction, bidder }) => `${auction} ${bidder}`);
  const isEarlier = (a: Bid, b: Bid): number =>
    a.dateTime - b.dateTime || Buffer.compare(storedBid(a), storedBid(b));
  return [...groups.values()].map((bids) => {
    const { kind: _, ...last } = bids.sort(isEarlier).at(-1) as Bid;
    return last;
  });
}

function topBids(events: readonly NexmarkEvent[]): object[] {
  return [...groupBy(bidsOf(events), ({ auction }) => auction).values()].flatMap((bids) =>
    bids
      .sort((a, b) => b.price - a.price || byAllFields(a, b))
      .slice(0, 10)
      .map(({ kind: _, ...bid }, index) => ({ ...bid, rank_number: index + 1 })),
  );
}

function expandedBids(events: readonly NexmarkEvent[]): object[] {
  const auctions = groupBy(auctionsOf(events), ({ id }) => id);
  return bidsOf(events).flatMap((bid) =>
    (auctions.get(bid.auction) ?? [])
      .filter(({ category }) => category === 10)
      .map(({ itemName, description, initialBid, reserve, dateTime, expires, seller, category, extra }) => ({
        auction: bid.auction,
        bidder: bid.bidder,
        price: bid.price,
        channel: bid.channel,
        url: bid.url,
        bid_dateTime: bid.dateTime,
        bid_extra: bid.extra,
        ...{ itemName, description, initialBid, reserve, auction_dateTime: dateTime },
        ...{ expires, seller, category, auction_extra: extra },
      })),
  );
}

const CHANNEL_IDS: Readonly<Record<string, string>> = { apple: '0', google: '1', facebook: '2', baidu: '3' };

function channelIds(events: readonly NexmarkEvent[]): object[] {
  return bidsOf(events).flatMap(({ auction, bidder, price, channel, url }) => {
    const channel_id = CHANNEL_IDS[channel.toLowerCase()] ?? /(&|^)channel_id=([^&]*)/.exec(url)?.[2];
    return channel_id === undefined ? [] : [{ auction, bidder, price, channel, channel_id }];
  });
}

function directories(events: readonly NexmarkEvent[]): object[] {
  return bidsOf(events).map(({ auction, bidder, price, channel, url }) => {
    const parts = url.split('/');
    const [dir1, dir2, dir3] = [3, 4, 5].map((index) => parts[index] ?? null);
    return { auction, bidder, price, channel, dir1, dir2, dir3 };
  });
}

/** The lines of q10's files, by the path of the partition. */
export function fileLines(events: readonly NexmarkEvent[]): Map<string, string[]> {
  const groups = groupBy(
    bidsOf(events),
    ({ dateTime }) => `dt=${day(dateTime)}/hm=${minute(dateTime).replace(':', '-')}`,
  );
  const lineOf = ({ auction, bidder, price, dateTime, extra }: Bid): string =>
    `${auction},${bidder},${price},${new Date(dateTime).toISOString()},${extra}`;
  return new Map([...groups].map(([path, bids]) => [path, bids.map(lineOf).sort()]));
}

export const ORACLES: Readonly<Record<string, Oracle>> = {
  q0: bidsOf,
  q1: (events) =>
    bidsOf(events).map((bid) => {
      const { auction, bidder, dateTime, extra } = bid;
      return { auction, bidder, price: euros(bid), dateTime, extra };
    }),
  q2: (events) =>
    bidsOf(events).flatMap(({ auction, price }) => (auction % 123 === 0 ? [{ auction, price }] : [])),
  q3: localItems,
  q4: categoryPrices,
  q5: hotItems,
  q6: sellerPrices,
  q7: highestBids,
  q8: newUsers,
  q9: winningBids,
  q11: sessions,
  q13: (events) =>
    bidsOf(events).map(({ auction, bidder, price, dateTime }) => ({
      ...{ auction, bidder, price, dateTime },
      value: String(auction % 10_000),
    })),
  q14: calculated,
  q15: dayStatistics,
  q16: channelStatistics,
  q17: auctionStatistics,
  q18: lastBids,
  q19: topBids,
  q20: expandedBids,
  q21: channelIds,
  q22: directories,
};
