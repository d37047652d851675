import { type Codec, filter, keyedProcess } from '../../../index.ts';
import { RANK2_FROM, RANK3_FROM } from '../bid-statistics.ts';
import { memoLast } from '../memo-last.ts';
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

const dayName = memoLast((number) => new Date(number * DAY_MS).toISOString().slice(0, 10));

/**
 * Auction statistics by day: a row with each bid. A day's statistics go when the watermark has passed its end; bids
 * that come later still are put aside.
 */
export const q17: NexmarkQuery<AuctionStatistics> = {
  name: 'q17',
  title: 'Auction statistics report',
  projection: BID_NUMBERS,
  keyOf: ({ auction, day }) => `${auction} ${day}`,
  build: (events) =>
    events.pipe(
      filter<NexmarkEvent, Bid>('bids', (event): event is Bid => event.kind === 'bid'),
      keyedProcess<Bid, AuctionStatistics, Statistics, { readonly afterDay: Bid }>('statistics', {
        sides: ['afterDay'],
        keyOf: ({ auction, dateTime }) => `${Math.floor(dateTime / DAY_MS)} ${auction}`,
        timeOf: ({ dateTime }) => dateTime,
        initial: () => NONE,
        codec,
        onEvent: (bid, context) => {
          const { auction, price, dateTime } = bid;
          const number = Math.floor(dateTime / DAY_MS);
          const end_ms = (number + 1) * DAY_MS;
          if (end_ms <= context.watermark_ms) return context.emitTo('afterDay', bid);
          const before = context.state;
          if (before === NONE) context.timers.set(end_ms);
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
