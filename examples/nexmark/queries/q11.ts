import { count, filter, map, session, type WindowResult, window } from '../../../index.ts';
import type { Bid, NexmarkEvent } from '../model.ts';
import { BID_NUMBERS, type NexmarkQuery } from '../query.ts';
import type { BidderCount } from './q12.ts';

const GAP_MS = 10_000;

/** User sessions: how often each bidder bids until nothing comes for 10 s. */
export const q11: NexmarkQuery<BidderCount> = {
  name: 'q11',
  title: 'User sessions',
  projection: BID_NUMBERS,
  build: (events) =>
    events.pipe(
      filter<NexmarkEvent, Bid>('bids', (event): event is Bid => event.kind === 'bid'),
      window('sessions', {
        keyOf: (bid: Bid) => String(bid.bidder),
        timeOf: ({ dateTime }) => dateTime,
        window: session({ gap_ms: GAP_MS }),
        aggregate: count(),
      }),
      map<WindowResult<number>, BidderCount>('rows', ({ key, window: { start_ms, end_ms }, value }) => ({
        bidder: Number(key),
        bid_count: value,
        starttime: start_ms,
        endtime: end_ms,
      })),
    ),
};
