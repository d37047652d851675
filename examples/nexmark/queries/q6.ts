import { keyedProcess } from '../../../index.ts';
import type { Projection } from '../messages.ts';
import type { NexmarkQuery } from '../query.ts';
import { type WonAuction, winningBids } from '../winning-bids.ts';

export interface SellerPrice {
  readonly seller: number;
  /** The auction that closed. */
  readonly auction: number;
  /** Over the seller's last ten closed auctions, this one included, rounded down to a whole cent. */
  readonly avg_price: number;
}

const PROJECTION: Projection = { kinds: ['auction', 'bid'], bidText: 'none' };
const LAST = 10;

/** Average selling price by seller, over the last ten auctions with a winner in the order of their ends. */
export const q6: NexmarkQuery<SellerPrice> = {
  name: 'q6',
  title: 'Average selling price by seller',
  projection: PROJECTION,
  build: (events) =>
    events.pipe(
      winningBids('winning-bids'),
      keyedProcess<WonAuction, SellerPrice, readonly number[]>('seller-prices', {
        keyOf: ({ auction }) => String(auction.seller),
        initial: () => [],
        onEvent: ({ auction, bid }, context) => {
          const prices = [...context.state, bid.price].slice(-LAST);
          context.setState(prices);
          const sum = prices.reduce((total, price) => total + price, 0);
          context.emit({
            seller: auction.seller,
            auction: auction.id,
            avg_price: Math.floor(sum / prices.length),
          });
        },
      }),
    ),
};
