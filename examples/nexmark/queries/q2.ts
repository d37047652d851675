import { flatMap } from '../../../index.ts';
import type { NexmarkEvent } from '../model.ts';
import { BID_NUMBERS, type NexmarkQuery } from '../query.ts';

export interface SelectedBid {
  readonly auction: number;
  readonly price: number;
}

const EVERY = 123;

/** Selection: the bids on some auctions. */
export const q2: NexmarkQuery<SelectedBid> = {
  name: 'q2',
  title: 'Selection',
  projection: BID_NUMBERS,
  build: (events) =>
    events.pipe(
      flatMap<NexmarkEvent, SelectedBid>('selected', {
        each: (event, push) => {
          if (event.kind === 'bid' && event.auction % EVERY === 0) {
            push({ auction: event.auction, price: event.price });
          }
        },
      }),
    ),
};
