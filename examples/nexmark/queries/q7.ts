import { filter, flatMap, tumbling, type WindowResult, window } from '../../../index.ts';
import { allWithMost } from '../all-with-most.ts';
import { bidCodec } from '../codecs.ts';
import { type Bid, compareBids, type NexmarkEvent } from '../model.ts';
import { BIDS, type NexmarkQuery } from '../query.ts';

export interface HighestBid {
  readonly auction: number;
  readonly price: number;
  readonly bidder: number;
  readonly dateTime: number;
  readonly extra: string;
}

const SIZE_MS = 10_000;
const highest = allWithMost<Bid>(({ price }) => price, compareBids, bidCodec);

/** Highest bid of each 10 s; all of them where several are as high. */
export const q7: NexmarkQuery<HighestBid> = {
  name: 'q7',
  title: 'Highest bid',
  projection: BIDS,
  build: (events) =>
    events.pipe(
      filter<NexmarkEvent, Bid>('bids', (event): event is Bid => event.kind === 'bid'),
      window('highest-bids', {
        keyOf: () => '',
        timeOf: ({ dateTime }: Bid) => dateTime,
        window: tumbling({ size_ms: SIZE_MS }),
        aggregate: highest,
      }),
      flatMap<WindowResult<readonly Bid[]>, HighestBid>('rows', {
        each: ({ value }, push) => {
          for (const { auction, price, bidder, dateTime, extra } of value) {
            push({ auction, price, bidder, dateTime, extra });
          }
        },
      }),
    ),
};
