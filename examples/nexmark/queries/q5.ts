import {
  type Codec,
  count,
  filter,
  flatMap,
  hopping,
  tumbling,
  type WindowResult,
  window,
} from '../../../index.ts';
import { allWithMost } from '../all-with-most.ts';
import type { Bid, NexmarkEvent } from '../model.ts';
import { BID_NUMBERS, type NexmarkQuery } from '../query.ts';

export interface HotItem {
  readonly auction: number;
  readonly num: number;
  /** Of the window of 10 s. */
  readonly starttime: number;
}

const SIZE_MS = 10_000;
const HOP_MS = 2_000;

const hotItemCodec: Codec<HotItem> = {
  write: (writer, { auction, num, starttime }) => {
    writer.varint(auction).varint(num).u48(starttime);
  },
  read: (reader) => ({ auction: reader.varint(), num: reader.varint(), starttime: reader.u48() }),
};

const mostBids = allWithMost<HotItem>(
  ({ num }) => num,
  (a, b) => a.auction - b.auction,
  hotItemCodec,
);

/** Hot items: every 2 s the auctions with the most bids in the last 10 s. */
export const q5: NexmarkQuery<HotItem> = {
  name: 'q5',
  title: 'Hot items',
  projection: BID_NUMBERS,
  build: (events) =>
    events.pipe(
      filter<NexmarkEvent, Bid>('bids', (event): event is Bid => event.kind === 'bid'),
      window('bids-by-auction', {
        keyOf: (bid: Bid) => String(bid.auction),
        timeOf: ({ dateTime }) => dateTime,
        window: hopping({ size_ms: SIZE_MS, hop_ms: HOP_MS }),
        aggregate: count(),
      }),
      flatMap<WindowResult<number>, HotItem>('counts', {
        each: ({ key, window: { start_ms }, value }, push) =>
          push({ auction: Number(key), num: value, starttime: start_ms }),
      }),
      // Each hop ends one window: the counts of one window are those with one such end.
      window('most-bids', {
        keyOf: () => '',
        timeOf: ({ starttime }: HotItem) => starttime + SIZE_MS - 1,
        window: tumbling({ size_ms: HOP_MS }),
        aggregate: mostBids,
      }),
      flatMap<WindowResult<readonly HotItem[]>, HotItem>('rows', {
        each: ({ value }, push) => {
          for (const item of value) push(item);
        },
      }),
    ),
};
