import { filter, flatMap, type TableChange, toTable } from '../../../index.ts';
import { bidCodec } from '../codecs.ts';
import type { Bid, NexmarkEvent } from '../model.ts';
import { BIDS, type NexmarkQuery } from '../query.ts';

export type LastBid = Omit<Bid, 'kind'>;

/** Last bid of each bidder on each auction, by event time: a table that can be queried, and its changes. */
export const q18: NexmarkQuery<LastBid> = {
  name: 'q18',
  title: 'Find last bid',
  projection: BIDS,
  keyOf: ({ auction, bidder }) => `${auction} ${bidder}`,
  build: (events) =>
    events.pipe(
      filter<NexmarkEvent, Bid>('bids', (event): event is Bid => event.kind === 'bid'),
      toTable<Bid>('last-bids', {
        keyOf: ({ auction, bidder }) => `${auction} ${bidder}`,
        timeOf: ({ dateTime }) => dateTime,
        codec: bidCodec,
      }),
      flatMap<TableChange<Bid>, LastBid>('rows', {
        each: ({ after }, push) => {
          if (after === undefined) return;
          const { auction, bidder, price, channel, url, dateTime, extra } = after;
          push({ auction, bidder, price, channel, url, dateTime, extra });
        },
      }),
    ),
};
