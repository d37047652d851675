import { filter, keyedProcess } from '../../../index.ts';
import { bidCodec, listCodec } from '../codecs.ts';
import { type Bid, compareBids, type NexmarkEvent } from '../model.ts';
import { BIDS, type NexmarkQuery } from '../query.ts';

export interface RankedBid extends Omit<Bid, 'kind'> {
  readonly rank_number: number;
}

const TOP = 10;

/** Higher first, then earlier. */
const isBefore = (a: Bid, b: Bid): boolean =>
  a.price > b.price || (a.price === b.price && compareBids(a, b) < 0);

function rowOf(bid: Bid, rank_number: number): RankedBid {
  const { auction, bidder, price, channel, url, dateTime, extra } = bid;
  return { auction, bidder, price, channel, url, dateTime, extra, rank_number };
}

/** The ten highest bids of each auction: a row for each rank that a bid takes or moves. */
export const q19: NexmarkQuery<RankedBid> = {
  name: 'q19',
  title: 'Auction top-10 price',
  projection: BIDS,
  keyOf: ({ auction, rank_number }) => `${auction} ${rank_number}`,
  build: (events) =>
    events.pipe(
      filter<NexmarkEvent, Bid>('bids', (event): event is Bid => event.kind === 'bid'),
      keyedProcess<Bid, RankedBid, readonly Bid[]>('top-bids', {
        keyOf: ({ auction }) => String(auction),
        initial: () => [],
        codec: listCodec(bidCodec),
        onEvent: (bid, context) => {
          const before = context.state;
          let rank = before.length;
          while (rank > 0 && isBefore(bid, before[rank - 1] as Bid)) rank--;
          if (rank >= TOP) return;
          const after = before.toSpliced(rank, 0, bid).slice(0, TOP);
          context.setState(after);
          for (let moved = rank; moved < after.length; moved++) {
            context.emit(rowOf(after[moved] as Bid, moved + 1));
          }
        },
      }),
    ),
};
