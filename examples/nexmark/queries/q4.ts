import { keyedProcess } from '../../../index.ts';
import type { Projection } from '../messages.ts';
import type { NexmarkQuery } from '../query.ts';
import { type Raise, winningBids } from '../winning-bids.ts';

export interface CategoryPrice {
  readonly category: number;
  /** The average of the auctions' highest bids, rounded down to a whole cent. */
  readonly final: number;
}

interface Prices {
  readonly sum: number;
  readonly auctions: number;
}

const PROJECTION: Projection = { kinds: ['auction', 'bid'], bidText: 'none' };

/** Average price for a category: a row each time that a bid changes it. */
export const q4: NexmarkQuery<CategoryPrice> = {
  name: 'q4',
  title: 'Average price for a category',
  projection: PROJECTION,
  keyOf: ({ category }) => String(category),
  build: (events) =>
    events
      .pipe(winningBids('winning-bids'))
      .side('raised')
      .pipe(
        keyedProcess<Raise, CategoryPrice, Prices>('category-prices', {
          keyOf: ({ category }) => String(category),
          initial: () => ({ sum: 0, auctions: 0 }),
          onEvent: ({ category, before, after }, context) => {
            const sum = context.state.sum + after - (before ?? 0);
            const auctions = context.state.auctions + (before === undefined ? 1 : 0);
            context.setState({ sum, auctions });
            context.emit({ category, final: Math.floor(sum / auctions) });
          },
        }),
      ),
};
