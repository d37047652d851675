import { flatMap } from '../../../index.ts';
import type { NexmarkEvent } from '../model.ts';
import { BIDS, type NexmarkQuery } from '../query.ts';

export interface EuroBid {
  readonly auction: number;
  readonly bidder: number;
  /** In euro, to a thousandth of a cent. */
  readonly price: number;
  readonly dateTime: number;
  readonly extra: string;
}

/** Dollars in 1,000 of a cent to euros: a whole number of thousandths before the division, so nothing is rounded. */
export const EURO_PER_1000_DOLLARS = 908;

/** Currency conversion. */
export const q1: NexmarkQuery<EuroBid> = {
  name: 'q1',
  title: 'Currency conversion',
  projection: BIDS,
  build: (events) =>
    events.pipe(
      flatMap<NexmarkEvent, EuroBid>('euros', {
        each: (event, push) => {
          if (event.kind !== 'bid') return;
          const { auction, bidder, price, dateTime, extra } = event;
          push({ auction, bidder, price: (price * EURO_PER_1000_DOLLARS) / 1_000, dateTime, extra });
        },
      }),
    ),
};
