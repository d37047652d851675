import { type Codec, filter, process } from '../../../index.ts';
import { RANK2_FROM, RANK3_FROM } from '../bid-statistics.ts';
import type { Bid, NexmarkEvent } from '../model.ts';
import { BID_NUMBERS, type NexmarkQuery } from '../query.ts';

export interface AuctionStatistics {
  readonly auction: number;
  /** `2015-07-15`, UTC. */
  readonly day: string;
  readonly total_bids: number;
  readonly rank1_bids: number;
  readonly rank2_bids: number;
  readonly rank3_bids: number;
  readonly min_price: number;
  readonly max_price: number;
  readonly avg_price: number;
  readonly sum_price: number;
}

type Statistics = Omit<AuctionStatistics, 'auction' | 'day' | 'avg_price'>;

const DAY_MS = 86_400_000;
const NONE: Statistics = {
  total_bids: 0,
  rank1_bids: 0,
  rank2_bids: 0,
  rank3_bids: 0,
  min_price: Number.POSITIVE_INFINITY,
  max_price: 0,
  sum_price: 0,
};

const codec: Codec<Statistics> = {
  write: (writer, of) => {
    writer.varint(of.total_bids).varint(of.rank1_bids).varint(of.rank2_bids).varint(of.rank3_bids);
    writer.varint(of.min_price).varint(of.max_price).varint(of.sum_price);
  },
  read: (reader) => ({
    total_bids: reader.varint(),
    rank1_bids: reader.varint(),
    rank2_bids: reader.varint(),
    rank3_bids: reader.varint(),
    min_price: reader.varint(),
    max_price: reader.varint(),
    sum_price: reader.varint(),
  }),
};

function withPrice(of: Statistics, price: number): Statistics {
  return {
    total_bids: of.total_bids + 1,
    rank1_bids: of.rank1_bids + (price < RANK2_FROM ? 1 : 0),
    rank2_bids: of.rank2_bids + (price >= RANK2_FROM && price < RANK3_FROM ? 1 : 0),
    rank3_bids: of.rank3_bids + (price >= RANK3_FROM ? 1 : 0),
    min_price: Math.min(of.min_price, price),
    max_price: Math.max(of.max_price, price),
    sum_price: of.sum_price + price,
  };
}

let known = { number: Number.NaN, name: '' };

function dayName(number: number): string {
  if (known.number !== number) {
    known = { number, name: new Date(number * DAY_MS).toISOString().slice(0, 10) };
  }
  return known.name;
}

/** Auction statistics by day: a row with each bid. */
export const q17: NexmarkQuery<AuctionStatistics> = {
  name: 'q17',
  title: 'Auction statistics report',
  projection: BID_NUMBERS,
  keyOf: ({ auction, day }) => `${auction} ${day}`,
  build: (events) =>
    events.pipe(
      filter<NexmarkEvent, Bid>('bids', (event): event is Bid => event.kind === 'bid'),
      process<Bid, AuctionStatistics, Statistics>('statistics', {
        keyOf: ({ auction, dateTime }) => `${Math.floor(dateTime / DAY_MS)} ${auction}`,
        timeOf: ({ dateTime }) => dateTime,
        initial: () => NONE,
        codec,
        onEvent: ({ auction, price, dateTime }, context) => {
          const before = context.state;
          const number = Math.floor(dateTime / DAY_MS);
          // The statistics of a day are complete when it is over.
          if (before === NONE) context.timers.set((number + 1) * DAY_MS);
          const after = withPrice(before, price);
          context.setState(after);
          const { total_bids, rank1_bids, rank2_bids, rank3_bids, min_price, max_price, sum_price } = after;
          context.emit({
            auction,
            day: dayName(number),
            total_bids,
            rank1_bids,
            rank2_bids,
            rank3_bids,
            min_price,
            max_price,
            avg_price: Math.floor(sum_price / total_bids),
            sum_price,
          });
        },
        onTimer: (_, context) => context.clearState(),
      }),
    ),
};
