import { map } from '../../../index.ts';
import { EVERYTHING, type Projection } from '../messages.ts';
import type { Auction } from '../model.ts';
import type { NexmarkQuery } from '../query.ts';
import { type WonAuction, winningBids } from '../winning-bids.ts';

/** An auction with its winning bid. */
export interface WinningBid extends Omit<Auction, 'kind'> {
  readonly auction: number;
  readonly bidder: number;
  readonly price: number;
  readonly bid_dateTime: number;
  readonly bid_extra: string;
}

const PROJECTION: Projection = { ...EVERYTHING, kinds: ['auction', 'bid'] };

/** Winning bids: a row for each auction when it is over. */
export const q9: NexmarkQuery<WinningBid> = {
  name: 'q9',
  title: 'Winning bids',
  projection: PROJECTION,
  build: (events) =>
    events.pipe(
      winningBids('winning-bids'),
      map<WonAuction, WinningBid>('rows', ({ auction, bid }) => {
        const { kind: _, ...fields } = auction;
        return {
          ...fields,
          auction: bid.auction,
          bidder: bid.bidder,
          price: bid.price,
          bid_dateTime: bid.dateTime,
          bid_extra: bid.extra,
        };
      }),
    ),
};
