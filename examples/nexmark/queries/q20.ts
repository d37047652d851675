import { type Codec, filter, keyedProcess } from '../../../index.ts';
import { auctionCodec, bidCodec, listCodec } from '../codecs.ts';
import { EVERYTHING, type Projection } from '../messages.ts';
import type { Auction, Bid, NexmarkEvent } from '../model.ts';
import type { NexmarkQuery } from '../query.ts';

export interface ExpandedBid {
  readonly auction: number;
  readonly bidder: number;
  readonly price: number;
  readonly channel: string;
  readonly url: string;
  readonly bid_dateTime: number;
  readonly bid_extra: string;
  readonly itemName: string;
  readonly description: string;
  readonly initialBid: number;
  readonly reserve: number;
  readonly auction_dateTime: number;
  readonly expires: number;
  readonly seller: number;
  readonly category: number;
  readonly auction_extra: string;
}

/** What is known of an auction: bids that came before it, that its category is another, or all of it. */
type Known =
  | { readonly kind: 'waiting'; readonly bids: readonly Bid[] }
  | { readonly kind: 'other' }
  | { readonly kind: 'wanted'; readonly auction: Auction };

const PROJECTION: Projection = { ...EVERYTHING, kinds: ['auction', 'bid'] };
const CATEGORY = 10;
const KINDS: readonly Known['kind'][] = ['waiting', 'other', 'wanted'];
const OTHER: Known = { kind: 'other' };
const NOTHING_YET: Known = { kind: 'waiting', bids: [] };
const bidsCodec = listCodec(bidCodec);

const knownCodec: Codec<Known> = {
  write: (writer, known) => {
    writer.u8(KINDS.indexOf(known.kind));
    if (known.kind === 'waiting') bidsCodec.write(writer, known.bids);
    if (known.kind === 'wanted') auctionCodec.write(writer, known.auction);
  },
  read: (reader) => {
    const kind = KINDS[reader.u8()];
    if (kind === 'waiting') return { kind, bids: bidsCodec.read(reader) };
    return kind === 'wanted' ? { kind, auction: auctionCodec.read(reader) } : OTHER;
  },
};

function expand(bid: Bid, auction: Auction): ExpandedBid {
  return {
    auction: bid.auction,
    bidder: bid.bidder,
    price: bid.price,
    channel: bid.channel,
    url: bid.url,
    bid_dateTime: bid.dateTime,
    bid_extra: bid.extra,
    itemName: auction.itemName,
    description: auction.description,
    initialBid: auction.initialBid,
    reserve: auction.reserve,
    auction_dateTime: auction.dateTime,
    expires: auction.expires,
    seller: auction.seller,
    category: auction.category,
    auction_extra: auction.extra,
  };
}

const isWanted = (event: NexmarkEvent): event is Auction | Bid => event.kind !== 'person';

/**
 * Expand bid with auction. The join has no bound in time, so a row stays for each auction; `streamJoin` would keep
 * each bid too, but an auction comes once, and nothing of a bid is needed after it.
 */
export const q20: NexmarkQuery<ExpandedBid> = {
  name: 'q20',
  title: 'Expand bid with auction',
  projection: PROJECTION,
  build: (events) =>
    events.pipe(
      filter('auctions-and-bids', isWanted),
      keyedProcess<Auction | Bid, ExpandedBid, Known>('expanded', {
        keyOf: (event) => String(event.kind === 'bid' ? event.auction : event.id),
        initial: () => NOTHING_YET,
        codec: knownCodec,
        onEvent: (event, context) => {
          const known = context.state;
          if (event.kind === 'auction') {
            const isWantedCategory = event.category === CATEGORY;
            if (known.kind === 'waiting' && isWantedCategory) {
              for (const bid of known.bids) context.emit(expand(bid, event));
            }
            context.setState(isWantedCategory ? { kind: 'wanted', auction: event } : OTHER);
          } else if (known.kind === 'waiting') {
            context.setState({ kind: 'waiting', bids: [...known.bids, event] });
          } else if (known.kind === 'wanted') {
            context.emit(expand(event, known.auction));
          }
        },
      }),
    ),
};
